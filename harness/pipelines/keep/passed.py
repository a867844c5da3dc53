"""The last measurement of each configuration whose verdict was PASS."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from harness.checks.scores.baseline.compare import judge_accepted
from harness.checks.scores.baseline.file import accepted_path, read_baseline
from harness.checks.scores.gate import judge_grid
from harness.checks.scores.policy import policy_of
from harness.errors import StoreError
from harness.grid.grid import Grid
from harness.record.attempts import Entry, Measurement, MeasurementKey
from harness.record.meant import Whose
from harness.record.provenance import today
from harness.record.results import Results
from harness.record.store import Store

OWN: Final = frozenset({"quality", "stability", "baseline"})
"""Checks of a configuration by itself: a parity is of two, and says not which of them was well."""
GREEN: Final = frozenset({"PASS", "SKIP"})

Old = Mapping[tuple[str, str], Sequence[Measurement]]
"""By (configuration_id, environment_id) its measurements, the newest first."""


def last_passed(
    grid: Grid | None, store: Store, every: Old, wanted: Collection[tuple[str, str]]
) -> set[MeasurementKey]:
    """The last measurement of each that is `wanted` whose verdict was PASS.

    A verdict is not kept anywhere, so it is made again by what `check` calls, with the grid and the accepted file of
    today: step by step the newest measurement of what does not pass is left out. A configuration passes where its
    quality, stability and baseline do, and none of them is undecided.

    Without the grid there is no verdict. Then the last older measurement counts of which every run went well and
    learned something, as records have it.
    """
    if grid is None:
        return {key for place in wanted if (key := _last_whole(every[place])) is not None}
    found: set[MeasurementKey] = set()
    for environment_id in dict.fromkeys(environment for _, environment in wanted):
        mine = {configuration for configuration, environment in wanted if environment == environment_id}
        found |= _in_environment(grid, store, environment_id, every, mine)
    return found


def _in_environment(grid: Grid, store: Store, environment_id: str, every: Old, wanted: set[str]) -> set[MeasurementKey]:
    cells = grid.cells()
    left = {one: list(every[one, environment_id]) for one, environment in every if environment == environment_id}
    waiting, found = wanted & {cell.configuration_id for cell in cells}, set()
    whose = Whose(dict.fromkeys((cell.environment for cell in cells), environment_id))
    while waiting:
        entries = [entry for ones in left.values() for one in ones for entry in one.entries]
        passed = _passing(grid, Results(entries, store, cells, grid.seed_plan, whose, grid.namer))
        for configuration_id in list(waiting):
            if configuration_id in passed:
                found.add(left[configuration_id][0].key)
            else:
                del left[configuration_id][0]
            if configuration_id in passed or not left[configuration_id]:
                waiting.remove(configuration_id)
    return found


def _passing(grid: Grid, results: Results) -> set[str]:
    """The configurations that pass."""
    verdicts, path, policy = judge_grid(grid, results, today()), accepted_path(grid.name), policy_of(grid)
    if os.path.lexists(path):
        try:
            file, margin = read_baseline(path), policy.parity_margin
            verdicts += judge_accepted(file, results, None, today=today(), margin=margin, waivers=policy.waivers)[0]
        except StoreError:
            return set()  # a run's record cannot be read: nothing is known of this step
    outcomes: dict[str, list[str]] = {}
    for one in verdicts:
        if one.check in OWN and one.subject.configuration_id:
            outcomes.setdefault(one.subject.configuration_id, []).append(one.outcome)
    return {name for name, found in outcomes.items() if "PASS" in found and GREEN.issuperset(found)}


def _last_whole(measurements: Sequence[Measurement]) -> MeasurementKey | None:
    cells = {entry.cell_id for one in measurements for entry in one.entries}
    return next((one.key for one in measurements[1:] if _went_well(one.entries, cells)), None)


def _went_well(entries: Sequence[Entry], cells: Collection[str]) -> bool:
    """Whether each cell has a run that went well, and none was lost on the way."""
    well = {entry.cell_id for entry in entries if entry.status == "ok"}
    return well >= set(cells) and all(entry.status not in ("collapsed", "nonfinite") for entry in entries)
