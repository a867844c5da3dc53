"""Results of a store whose grid is not at hand: its plan is what was tried."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from harness.grid.cell import Cell, Checkpoint
from harness.grid.labels import Namer, place_of
from harness.record.entry import Entry
from harness.record.meant import Meant, Whose, labels_in
from harness.record.model import Asked
from harness.record.results import Results
from harness.record.store import Store


def results_of(store: Store, entries: Sequence[Entry], meant: Meant | None) -> Results:
    """What a store has, by its records alone; with `meant` only in the environments that are named there.

    Raises
    ------
    StoreError
        Where a record cannot be read.
    """
    known: dict[str, Entry] = {}
    for entry in entries:
        if entry.readable and (meant is None or entry.environment_id in meant.ids.values()):
            known.setdefault(entry.cell_id, entry)
    reading = Results(entries, store)
    cells = [_cell_of(reading.record(entry).asked, entry) for entry in known.values()]
    namer = Namer.of([place_of(cell) for cell in cells], labels_in(store.folder))
    whose = None if meant is None else Whose(meant.ids)
    return reading.planned(cells, whose, namer)


def _cell_of(asked: Asked, entry: Entry) -> Cell:
    """The cell that a record is of. Its ids are the record's: those of older records stand for ever."""
    checkpoint = Checkpoint(**{one.name: getattr(asked.checkpoint, one.name) for one in fields(Checkpoint)})
    options = {one.name: getattr(asked, one.name) for one in fields(Cell) if one.name != "checkpoint"}
    cell = Cell(checkpoint=checkpoint, **options)
    vars(cell).update(cell_id=entry.cell_id, configuration_id=entry.configuration_id)
    return cell
