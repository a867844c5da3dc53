"""What a history's report says, as data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from harness.checks.nights.change import Change, Newest, Track


@dataclass(frozen=True)
class HistoryReport:
    """The sessions of a grid: its configurations, the changes of each by id, and what its newest speed is worth.

    `levels` says whether changes of levels were looked for. `torn` lines of the file could not be read. `confirm` is
    the command that measures again, `command` the one that made this.
    """

    grid: str
    file: str
    command: str
    confirm: str
    tracks: Sequence[Track]
    changes: Mapping[str, Sequence[Change]]
    newest: Mapping[str, Newest]
    levels: bool
    torn: int = 0

    @property
    def suspicious(self) -> list[Track]:
        """The configurations whose newest session is slower than could be expected."""
        return [one for one in self.tracks if (found := self.newest.get(one.configuration_id)) and found.suspicious]

    @property
    def sessions(self) -> int:
        """How many the longest track has."""
        return max((len(one.points) for one in self.tracks), default=0)
