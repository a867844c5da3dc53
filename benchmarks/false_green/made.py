"""What an accident leaves to be tried: options of a command, a line around it, what ran before; and who makes which."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from benchmarks.false_green.command import Place
from benchmarks.false_green.judge import Outcome


@dataclass
class Made:
    """An accident that has been made in a place.

    `extra` are options by command, `around` a line of bash around each of them. With `runs` the others are tried on
    what `run` left, and `bench` on what `run` found. `ran` is the outcome of a `run` that was part of the accident;
    With `shared` commands are typed where it was made, for what still goes on there; `end` clears that away.
    """

    extra: Mapping[str, Sequence[str]] = field(default_factory=dict)
    around: str = "{}"
    runs: bool = False
    ran: Outcome | None = None
    shared: bool = False
    end: Callable[[], None] = lambda: None


class NotMade(Exception):
    """Why an accident cannot be made here."""


Maker = Callable[[Place], Made]
MAKERS: Final[dict[str, Maker]] = {}


def maker(name: str) -> Callable[[Maker], Maker]:
    """Register the function that makes the accident of this name."""

    def register(function: Maker) -> Maker:
        MAKERS[name] = function
        return function

    return register
