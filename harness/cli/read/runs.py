"""`harness runs`: the cells of a grid with the ids of their runs, as `harness diff` takes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from harness.cli.options import RESULTS, Json, ResultsFolder, ResultsOf
from harness.errors import SpecError
from harness.grid.cell import SEPARATOR, place_label
from harness.grid.labels import Namer
from harness.pipelines.find import SHOWN_ID, run_id, shown_id, standing, stores_of
from harness.pipelines.named.grids import unknown
from harness.record.entry import Entry
from harness.record.meant import labels_in
from harness.record.store import Store
from harness.report.format.width import listing
from harness.report.phrases.head import minute
from harness.text import one_line

Environment = Annotated[
    str | None,
    typer.Option(
        "--environment",
        help="The beginning of an environment's id, or all (default: those that `run` meant).",
        show_default=False,
    ),
]


def runs(
    name: ResultsOf, results: ResultsFolder = RESULTS, environment: Environment = None, as_json: Json = False
) -> None:
    """List the runs of a grid: id, cell, environment, status, when, the first score and the folder.

    Example: harness runs quickstart
    """
    stores, cells = stores_of(name, results)
    if stores is None:
        raise SpecError(unknown(name, results))
    found = [one for store in stores for one in _listed(store, environment, cells)]
    if as_json:
        print(json.dumps(found, indent=2))
        return
    if not found:
        print(f"{name}: no run yet")
        return
    rows = [[one[key] for key in ("id", "shown", "status", "started", "score")] for one in found]
    print(listing(["id", "run", "status", "begun (UTC)", "score"], rows))


def _listed(store: Store, environment: str | None, cells: frozenset[str] | None) -> list[dict[str, str]]:
    entries: Sequence[Entry] = standing(store, environment, cells)
    if environment not in (None, "all"):
        entries = [entry for entry in entries if entry.environment_id.startswith(environment or "")]
    length, namer = max(SHOWN_ID, shown_id(entries)), Namer.of(map(_place, entries), labels_in(store.folder))
    return [_fields(store, entry, length, namer) for entry in sorted(entries, key=lambda one: one.started)]


def _place(entry: Entry) -> dict[str, Any]:
    return {"checkpoint": entry.checkpoint, **{axis: value for axis, value in entry.axes.items() if axis != "seed"}}


def _fields(store: Store, entry: Entry, length: int, namer: Namer) -> dict[str, str]:
    score = next((f"{name} {value:.4f}" for name, value in entry.metrics.items()), "")
    return {
        "id": run_id(entry, length),
        "run": one_line(place_label(entry.checkpoint, entry.axes, entry.seed)),
        "shown": one_line(f"{namer.label(_place(entry))}{SEPARATOR}seed {entry.seed}"),
        "status": entry.status,
        "started": minute(entry.started),
        "score": score,
        "environment_id": entry.environment_id,
        "folder": str(store.folder / entry.path),
    }
