"""`harness.frame`: a grid's runs as a pandas DataFrame."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.errors import NothingMeasured, RequirementError, SpecError
from harness.grid.labels import Namer, place_of
from harness.pipelines.find import run_id, shown_id, stores_of
from harness.pipelines.named.grids import unknown
from harness.pipelines.publish.unplanned import results_of
from harness.record.configuration import Configuration
from harness.record.entry import Entry
from harness.record.folders import results_folder, to_type
from harness.record.meant import read_meant
from harness.record.store import Store
from harness.report.export.columns import COLUMNS, Column, Row, columns_text, further, value_of
from harness.text import show

if TYPE_CHECKING:
    import pandas

EVERY: Final = "all"
_DTYPES: Final = {"text": "string", "integer": "Int64", "number": "float64", "flag": "boolean"}


def frame(name: str | Path, results: str | Path | None = None, environment: str | None = None) -> pandas.DataFrame:
    """Make a DataFrame of a grid's runs, one row a run."""
    try:
        import pandas
    except ImportError as error:
        raise RequirementError("frame: pandas is not installed: pip install pandas") from error
    rows = rows_of(name, results_folder() if results is None else Path(results), environment)
    columns = [*COLUMNS, *further(rows)]
    return pandas.DataFrame({one.name: _series(pandas, one, [value_of(one, row) for row in rows]) for one in columns})


frame.__doc__ = f"""Make a DataFrame of a grid's runs, one row a run.

A row is the attempt that counts of a cell, one that collapsed before it where the cell was tried again, or, where none
counts, the last attempt; timing cells among them. `kind` tells them from those with a score, `status` how each ended.

Parameters
----------
name
    A grid's results ("results/quickstart"), a grid (its file or name), or a store of several grids.
results
    Where results are kept, where `name` is a grid (default: `results`, here or in the nearest folder above).
environment
    "all" for the runs of every environment; by default those that `harness run` last meant.

Returns
-------
DataFrame
    Its columns, and their kinds and units:

    {columns_text().replace(chr(10), chr(10) + "    ")}

Raises
------
HarnessError
    SpecError where `name` is none of these; NothingMeasured where there is no run yet; StoreError where a record cannot
    be read; RequirementError where pandas is not installed.
"""


def rows_of(name: str | Path, results: Path, environment: str | None = None) -> list[Row]:
    """The runs behind a frame, grid by grid, in the order of configurations and seeds; raises as `frame` does."""
    if environment not in (None, EVERY):
        raise SpecError(f"environment: got {show(environment)}; allowed {show(EVERY)}, None")
    stores, cells = stores_of(str(name), results)
    if stores is None:
        raise SpecError(unknown(str(name), results))
    found = [row for store in stores for row in _rows(store, cells, environment)]
    if not found:
        raise NothingMeasured(f"{name}: no run yet: {to_type('run', str(name), results=results)}")
    return found


def _rows(store: Store, cells: frozenset[str] | None, environment: str | None) -> Iterator[Row]:
    entries = [entry for entry in store.entries() if cells is None or entry.cell_id in cells]
    meant = None if environment == EVERY else read_meant(store.folder)
    results, length = results_of(store, entries, meant), shown_id(entries)
    scored = [(one.shown, entry, one.score(entry).status) for one in results.configurations for entry in _shown(one)]
    namer = results.namer or Namer()
    kinds = {cell.cell_id: cell.kind for cell in results.cells}
    labels = {cell.cell_id: namer.label(place_of(cell)) for cell in results.cells if cell.timed}
    timed = [
        (labels[entry.cell_id], entry, entry.status)
        for entry in entries
        if entry.cell_id in labels and (meant is None or entry.environment_id in meant.ids.values())
    ]
    for label, entry, status in [*scored, *timed]:
        record = results.record(entry) if entry.readable else None
        yield Row(store.grid, run_id(entry, length), label, status, entry, record, kinds[entry.cell_id])


def _shown(one: Configuration) -> Iterator[Entry]:
    """Of each seed what a report shows of it, and what stands where it shows nothing."""
    for seed in one.planned:
        history = one.histories[seed]
        every = (next((entry for entry in one.lost if entry.seed == seed), None), history.standing)
        yield from (entry for entry in every if entry is not None)


def _series(pandas: Any, column: Column, values: Sequence[Any]) -> Any:
    if column.kind == "time":
        return pandas.to_datetime(pandas.Series(values, dtype="object"), utc=True, format="ISO8601")
    if column.kind == "number":
        values = [math.nan if value is None else float(value) for value in values]
    return pandas.Series(values, dtype=_DTYPES[column.kind])
