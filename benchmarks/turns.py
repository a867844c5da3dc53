"""In which order the ways of doing something take turns, so that a drift of the machine hits all of them alike."""

from __future__ import annotations

from collections.abc import Sequence


def take_turns(ways: Sequence[str], rounds: int) -> list[str]:
    """A B B A A B ...: each round has every way once, every second round in reverse, as timing cells are run."""
    return [way for number in range(rounds) for way in (ways[::-1] if number % 2 else ways)]
