"""A large store made from one real record: every cell of a grid gets a copy with its own ids, place and scores.

Deterministic: the same template and grid give the same bytes. Series are hard links to the template's file.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from harness.grid.cell import Cell
from harness.record.entry import Seen, Stamp, digest, seen
from harness.record.model import RECORD, SERIES, Record, asked_of, parse_record, read_record
from harness.record.store import Store

EPOCH = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Template:
    """A real record and its `series.npz`."""

    record: Record
    series: Path

    @classmethod
    def from_store(cls, store: Store) -> Template:
        """The only record of a store."""
        (entry,) = store.entries()
        return cls(read_record(store.folder / entry.path / RECORD), store.series_path(entry))


def fill(store: Store, cells: Sequence[Cell], template: Template) -> None:
    """Write a record with its series for each cell, and the index."""
    stamps = []
    series = seen(template.series, template.record.series_sha256 or "")
    for cell, path, text in _records(cells, template):
        folder = store.folder / path
        folder.mkdir(parents=True)
        (folder / RECORD).write_text(text, encoding="utf-8")
        os.link(template.series, folder / SERIES)
        (store.cell_folder(cell.cell_id) / "lock").touch()
        stamps.append(_stamp(folder, text, series))
    _write_index(store, cells, template, stamps)


def fill_index(store: Store, cells: Sequence[Cell], template: Template) -> None:
    """Write the index, a line for each cell, and empty files as records: what planning reads and looks at."""
    stamps = []
    for cell in cells:
        folder = store.folder / _path(cell, template)
        folder.mkdir(parents=True)
        (folder / RECORD).touch()
        stamps.append(_stamp(folder, "", None))
    _write_index(store, cells, template, stamps)


def _stamp(folder: Path, text: str, series: Seen | None) -> Stamp:
    record = seen(folder / RECORD, digest(text.encode()))
    assert record is not None
    return Stamp(record, series)


def _write_index(store: Store, cells: Sequence[Cell], template: Template, stamps: Sequence[Stamp]) -> None:
    # Validating each record would take most of the time; the first stands for the rest.
    first = next(_records(cells, template))
    entry = parse_record(json.loads(first[2]), first[1]).entry(first[1])
    with (store.folder / "index.jsonl").open("w", encoding="utf-8") as file:
        for number, cell in enumerate(cells):
            own = _own(number, cell, template)
            line = replace(
                entry,
                **{key: own[key] for key in ("cell_id", "configuration_id", "started", "status")},
                path=_path(cell, template),
                seed=cell.seed,
                axes=dict(cell.axes),
                metrics=own["metrics"],
                seconds=own["seconds"],
                samples_per_second=own["rate"],
                stamp=stamps[number],
            )
            file.write(line.to_line())


def _records(cells: Sequence[Cell], template: Template) -> Iterator[tuple[Cell, str, str]]:
    """(cell, folder in the store, text of its record)."""
    data = json.loads(template.record.to_json())
    for number, cell in enumerate(cells):
        own = _own(number, cell, template)
        measured = {
            **data["measured"],
            "metrics": own["metrics"],
            "confusion": None,  # the scores are not those of the template's answers
            "seconds": own["seconds"],
            "train_samples_per_second": own["rate"],
        }
        data.update(
            {key: own[key] for key in ("cell_id", "configuration_id", "started", "finished", "status")},
            asked=asked_of(cell).model_dump(mode="json"),
            measured=measured,
        )
        yield cell, _path(cell, template), json.dumps(data, indent=1) + "\n"


def _own(number: int, cell: Cell, template: Template) -> dict[str, Any]:
    """What differs between two runs; scores and times are spread by a hash of the cell."""
    digest = hashlib.sha256(cell.cell_id.encode()).digest()
    spread = (int.from_bytes(digest[:4]) / 2**32 - 0.5, int.from_bytes(digest[4:8]) / 2**32 - 0.5)
    measured = template.record.measured
    assert measured is not None
    rate = (measured.train_samples_per_second or 1.0) * (1 + 0.1 * spread[0])
    started = EPOCH + timedelta(seconds=60 * number)
    collapsed = digest[8] < 13  # one run in twenty
    return {
        "cell_id": cell.cell_id,
        "configuration_id": cell.configuration_id,
        "started": started.isoformat(),
        "finished": (started + timedelta(seconds=50)).isoformat(),
        "status": "collapsed" if collapsed else "ok",
        "metrics": {
            "accuracy": 0.6838 if collapsed else round(0.84 + 0.04 * spread[0], 6),
            "f1": 0.8122 if collapsed else round(0.89 + 0.03 * spread[1], 6),
            "loss": 0.5 + 0.2 * spread[1],
        },
        "seconds": {name: round(value * (1 + 0.1 * spread[0]), 6) for name, value in measured.seconds.items()},
        "rate": rate,
    }


def _path(cell: Cell, template: Template) -> str:
    return f"cells/{cell.cell_id[:2]}/{cell.cell_id}/{template.record.environment_id}/001"
