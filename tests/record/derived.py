"""Which attempt counts, derived a second time from the sentences of the design."""

from __future__ import annotations

from collections.abc import Sequence

from harness.grid.cell import Cell
from harness.record.attempts import LOST, OUTCOMES, SCORED, Entry
from tests.record.made_up_attempts import GRID

Place = tuple[str, str, str | None]
"""(configuration_id, environment_id, content_id)."""


class Derived:
    """The same, worked out from the sentences of the design, a set at a time."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self.entries = entries
        self.of: dict[Place, list[Entry]] = {}
        for entry in entries:
            self.of.setdefault((entry.configuration_id, entry.environment_id, self._content(entry)), []).append(entry)

    def _content(self, entry: Entry) -> str | None:
        if entry.content_id is not None:
            return entry.content_id
        here = [e for e in self.entries if e.environment_id == entry.environment_id and e.content_id is not None]
        own = [e for e in here if e.cell_id == entry.cell_id]
        if own:
            return max(own, key=lambda e: e.attempt).content_id
        # Those of other cells say it only where they all say the same.
        others = {e.content_id for e in here if e.configuration_id == entry.configuration_id}
        return others.pop() if len(others) == 1 else None

    def tries(self, place: Place, cell: Cell) -> list[Entry]:
        """The attempts of the newest measurement at a cell."""
        every = self.of.get(place, [])
        newest = max((e.measurement for e in every), default=1)
        own = [e for e in every if e.cell_id == cell.cell_id and e.measurement == newest]
        return sorted(own, key=lambda e: e.attempt)

    def measurement(self, place: Place) -> int:
        """The newest measurement of a configuration."""
        return max((e.measurement for e in self.of.get(place, [])), default=1)

    def counts(self, place: Place, cell: Cell) -> Entry | None:
        outcomes = [e for e in self.tries(place, cell) if e.status in OUTCOMES]
        return outcomes[-1] if outcomes else None

    def lost(self, place: Place, cell: Cell) -> Entry | None:
        one = self.counts(place, cell)
        before = [e for e in self.tries(place, cell) if one is not None and e.attempt < one.attempt]
        lost = [e for e in before if e.status in LOST]
        return lost[-1] if lost and one is not None and one.status not in LOST else None

    def rate(self, place: Place) -> tuple[int, int]:
        """How many of how many runs collapsed."""
        cells = [cell for cell in GRID.cells() if cell.configuration_id == place[0]]
        counted = [e for cell in cells for e in (self.counts(place, cell), self.lost(place, cell)) if e is not None]
        ended = [e.status for e in counted if e.status in SCORED | LOST]
        return sum(status in LOST for status in ended), len(ended)

    def newest(self, configuration_id: str, environment_id: str | None = None) -> Place | None:
        """Where a configuration ran last, here or anywhere."""
        found = [p for p in self.of if p[0] == configuration_id and environment_id in (None, p[1])]
        return max(found, key=lambda place: max(e.started for e in self.of[place]), default=None)

    def standing(self, place: Place, cell: Cell) -> Entry | None:
        tries = self.tries(place, cell)
        return self.counts(place, cell) or (tries[-1] if tries else None)
