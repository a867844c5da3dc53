"""How long a run still takes: from the steps that are left, at the rate that each configuration was seen to have."""

from __future__ import annotations

import heapq
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.execution.plan import Plan
from harness.grid.cell import Cell
from harness.protocol import STEP


@dataclass
class Watched:
    """A cell that runs: when it began, its last step and when that was, and its steps in all; seconds of a clock."""

    cell: Cell
    began: float
    first: tuple[float, int] | None = None
    last: tuple[float, int] | None = None
    steps: int = 0

    @property
    def trained(self) -> tuple[float, int]:
        """Seconds and steps from its first step on; nothing before the second."""
        if self.first is None or self.last is None:
            return 0.0, 0
        return self.last[0] - self.first[0], self.last[1] - self.first[1]


@dataclass
class _Seen:
    """What was seen of a configuration: seconds of so many steps, and of cells from their start to their end."""

    seconds: float = 0.0
    steps: int = 0
    whole: list[float] = field(default_factory=list)
    rest: list[float] = field(default_factory=list)


class Left:
    """Hears the events of a run and tells what is left of it; None where nothing like it has been seen yet."""

    def __init__(self, plan: Plan) -> None:
        self._plan = plan
        self._waiting: dict[str, float | None] = {p.cell.cell_id: p.expected_s for p in plan.of("to do")}
        self._running: dict[str, Watched] = {}
        self._seen: dict[str, _Seen] = {}

    def started(self, cell: Cell, now: float) -> None:
        """A cell has begun; its steps are not known yet."""
        self._running[cell.cell_id] = Watched(cell, now)

    def heard(self, cell: Cell, event: Mapping[str, Any], now: float) -> None:
        """An event of a cell that runs."""
        watched = self._running.get(cell.cell_id)
        if watched is None:
            return
        watched.steps = event.get("steps", watched.steps)
        if event["event"] == STEP:
            watched.first = watched.first or (now, event["step"])
            watched.last = now, event["step"]

    def finished(self, cell: Cell, now: float, well: bool) -> None:
        """A cell has ended; what did not end well tells nothing of how long others take, and may run again."""
        watched = self._running.pop(cell.cell_id, None)
        self._waiting.pop(cell.cell_id, None)
        if watched is None or not well:
            return
        seen = self._seen.setdefault(cell.configuration_id, _Seen())
        seconds, steps = watched.trained
        seen.seconds, seen.steps = seen.seconds + seconds, seen.steps + steps
        seen.whole.append(now - watched.began)
        if watched.last is not None:
            seen.rest.append(now - watched.last[0])

    def of_cell(self, cell: Cell, now: float) -> float | None:
        """Seconds until a cell that runs has done its steps, and what comes behind them where that was seen."""
        watched = self._running.get(cell.cell_id)
        rate = self._rate(cell.configuration_id)
        if watched is None or watched.last is None or rate is None or not watched.steps:
            return None
        seen = self._seen.get(cell.configuration_id, _Seen())
        rest = sum(seen.rest) / len(seen.rest) if seen.rest else 0.0
        at, step = watched.last
        return max(0.0, (watched.steps - step) * rate + rest - (now - at))

    def of_run(self, now: float) -> float | None:
        """Seconds until the last cell has ended, each begun as soon as there is room; None where one is not known."""
        running, waiting = [], []
        for planned in self._plan.of("to do"):
            cell = planned.cell
            if cell.cell_id not in self._waiting:
                continue
            needs = min(self._plan.needs(cell), self._plan.slots)
            watched = self._running.get(cell.cell_id)
            if watched is None:
                waiting.append((self._whole(cell), needs))
            else:
                left = self.of_cell(cell, now)
                whole = self._whole(cell)
                known = left if left is not None or whole is None else max(0.0, whole - (now - watched.began))
                running.append((known, needs))
        if any(seconds is None for seconds, _ in [*running, *waiting]):
            return None
        return _until_the_last(running, waiting, self._plan.slots)

    def _rate(self, configuration_id: str) -> float | None:
        """Seconds a step, over all that was seen of the configuration."""
        seen = self._seen.get(configuration_id, _Seen())
        own = [one.trained for one in self._running.values() if one.cell.configuration_id == configuration_id]
        seconds = seen.seconds + sum(each for each, _ in own)
        steps = seen.steps + sum(each for _, each in own)
        return seconds / steps if steps else None

    def _whole(self, cell: Cell) -> float | None:
        """Seconds of a cell from its start to its end: as was seen now, as a sibling's steps tell, or as before."""
        seen = self._seen.get(cell.configuration_id)
        if seen is not None and seen.whole:
            return sum(seen.whole) / len(seen.whole)
        rate = self._rate(cell.configuration_id)
        alike = [one for one in self._running.values() if one.cell.configuration_id == cell.configuration_id]
        known = [one for one in alike if one.first is not None and one.steps]
        if rate is not None and known:
            first = known[0].first
            assert first is not None
            return first[0] - known[0].began + (known[0].steps - first[1]) * rate
        return self._waiting.get(cell.cell_id)


def _until_the_last(
    running: Sequence[tuple[float | None, int]], waiting: Sequence[tuple[float | None, int]], slots: int
) -> float:
    ends = [(seconds or 0.0, needs) for seconds, needs in running]
    heapq.heapify(ends)
    taken, clock, last = sum(needs for _, needs in ends), 0.0, max((end for end, _ in ends), default=0.0)
    for seconds, needs in waiting:
        while ends and taken + needs > slots:
            clock, freed = heapq.heappop(ends)
            taken -= freed
        end = clock + (seconds or 0.0)
        heapq.heappush(ends, (end, needs))
        taken, last = taken + needs, max(last, end)
    return last
