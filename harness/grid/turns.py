"""In which order things take turns, so that a drift of the machine hits all of them alike: A B B A A B ..."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def take_turns(ways: Iterable[T], rounds: int, backwards: bool = False) -> list[tuple[int, T]]:
    """Return (round, way): each round from 1 has every way once, every second one in reverse (`backwards`: the first).

    Any two of them alternate A B B A.
    """
    forth = list(ways)
    return [
        (number, way)
        for number in range(1, rounds + 1)
        for way in (forth if number % 2 != backwards else reversed(forth))
    ]
