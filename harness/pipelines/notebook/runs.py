"""`harness.load` and `harness.select`: the runs of a grid, a store or an id, and a part of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, overload

from harness.checks.verify.diff.paired import Candidate
from harness.errors import SpecError
from harness.grid.select import as_value, fitting, spelled
from harness.pipelines.find import find_runs
from harness.record.folders import results_folder
from harness.report.format.escape import inline
from harness.report.format.table import table
from harness.text import listed, show


@dataclass(frozen=True)
class Runs(Sequence[Candidate]):
    """Some runs, in the order of their store: of each cell the attempt that counts.

    Each has `run_id`, `label`, `axes` (value by axis), `folder`, and `read()`: its record, and its arrays by step.
    `named` are the axes that a selection has named; `harness.diff` pairs runs whatever values they have there.
    """

    name: str
    every: tuple[Candidate, ...]
    named: frozenset[str] = frozenset()

    @overload
    def __getitem__(self, at: int) -> Candidate: ...
    @overload
    def __getitem__(self, at: slice) -> Runs: ...
    def __getitem__(self, at: int | slice) -> Candidate | Runs:
        return Runs(self.name, self.every[at], self.named) if isinstance(at, slice) else self.every[at]

    def __len__(self) -> int:
        return len(self.every)

    def __iter__(self) -> Iterator[Candidate]:
        return iter(self.every)

    def __str__(self) -> str:
        return "\n".join(f"{one.run_id}  {one.shown or one.label}" for one in self.every)

    def _repr_markdown_(self) -> str:
        rows = [[inline(one.run_id), inline(one.shown or one.label)] for one in self.every]
        return table(["id", "run"], rows, "ll")


def load(name: str | Path, results: str | Path | None = None) -> Runs:
    """Find the runs that a name means.

    Parameters
    ----------
    name
        A grid's results ("results/quickstart"), a grid (file or name), a store, a run's folder or the beginning of its
        id; with `:AXIS=VALUE[,AXIS=VALUE]` a part, as `harness diff` takes it.
    results
        Where results are kept, where `name` is a grid or an id (default: `results`, here or in the nearest folder
        above).

    Raises
    ------
    HarnessError
        SpecError where there is no such run; StoreError where what is named has none. A run that cannot be read raises
        StoreError where it is read.

    Examples
    --------
    >>> runs = harness.load("results/quickstart")
    >>> runs[0].read().series["loss"]  # shape (steps,)
    """
    found, named = find_runs(str(name), results_folder() if results is None else Path(results))
    return Runs(str(name), tuple(found), named)


def select(runs: Runs, **axes: Any) -> Runs:
    """Take of some runs those with these values, by axis: a value, or a list of values.

    Raises
    ------
    HarnessError
        SpecError for an axis or a value that no run has, and for values that none has together.

    Examples
    --------
    >>> harness.select(runs, precision="bf16", seed=[1, 2])
    """
    places, fits = [one.axes for one in runs], [True] * len(runs)
    for axis, value in axes.items():
        values = value if isinstance(value, list | tuple | set | range) else [value]
        meant = [fitting(runs.name, places, {axis: as_value(one)}) for one in values]
        fits = [fit and any(of) for fit, of in zip(fits, zip(*meant, strict=True), strict=True)] if meant else []
    found = tuple(one for one, fit in zip(runs, fits, strict=False) if fit)
    if not found:
        raise SpecError(f"{runs.name}: no run has all of these values together; allowed fewer conditions")
    part = ",".join(f"{axis}={spelled(value) if isinstance(value, str) else value}" for axis, value in axes.items())
    name = f"{runs.name}{',' if runs.named else ':'}{part}" if part else runs.name
    return Runs(name, found, runs.named | axes.keys())


def one_run(name: str, results: Path) -> Candidate:
    """The one run that a name means; raises like `load`, and SpecError with the ids where there are several."""
    found, _ = find_runs(name, results)
    if len(found) > 1:
        ids = listed([f"{one.run_id} ({one.shown or one.label})" for one in found], 6)
        raise SpecError(f"{show(name)}: {len(found)} runs; allowed one of them: {ids}")
    return found[0]
