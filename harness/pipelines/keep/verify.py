"""Whether a store is what was written: every record and series read, whatever the index knows of them."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from harness.disk import explained
from harness.errors import StoreError
from harness.pipelines.named.places import Place
from harness.protocol import SERIES
from harness.record.entry import Entry
from harness.record.integrity import examine
from harness.record.meant import read_meant
from harness.record.model import RECORD, NewerRecord
from harness.record.store import Store, last_instant


@dataclass
class Verified:
    """What was read of a store, and what is wrong: a line for each finding, which begins with the file.

    `unknown` are records that are well and that the index does not know, as a harness that was killed leaves them;
    `unfinished` attempts without a record, which the next run files; `foreign` records of cells that the grid does not
    have, None where the grid's file is not known. These three are no findings.
    """

    records: int = 0
    series: int = 0
    seconds: float = 0.0
    findings: list[str] = field(default_factory=list)
    unknown: int = 0
    unfinished: int = 0
    foreign: int | None = None


def verify_store(place: Place) -> Verified:
    """Read every record and its series, and hold them against each other, their place and the index.

    Raises
    ------
    StoreError
        Where the store itself cannot be read.
    """
    start, store, found = time.monotonic(), place.store, Verified()
    has = None if place.grid is None else {cell.cell_id for cell in place.grid.every_cell()}
    lines = {entry.path: entry for entry in store.index.read() or ()}
    with explained(store.folder, "read"):
        folders = {store.folders.path(folder) for folder in store.folders.every()}
    foreign = 0
    for path in sorted(folders | lines.keys()):
        line = lines.get(path)
        if line is None and not (store.folder / path / RECORD).exists():
            found.unfinished += 1
            continue
        found.records += 1
        found.series += (store.folder / path / SERIES).exists()
        entry = _read(store, path, line, found)
        foreign += has is not None and entry is not None and entry.cell_id not in has
    found.foreign = None if has is None else foreign
    found.findings += _around(store)
    found.seconds = time.monotonic() - start
    return found


def _read(store: Store, path: str, line: Entry | None, found: Verified) -> Entry | None:
    """Examine one attempt; returns its entry, as far as there is one."""
    told = line is None or line.readable  # else: it is not as it was written, or an index made anew has the damage
    found.unknown += line is None
    try:
        examined = examine(store.folder, path, line if told else None, last_instant())
    except NewerRecord as error:
        found.findings.append(str(error))
        return line
    if examined.problem is not None:
        found.findings.append(examined.problem)
    elif line is not None and examined.entry != line:
        file = store.folder / path / RECORD
        found.findings.append(f"{file}: its line in the index says otherwise; `harness store reindex` renews it")
    return examined.entry


def _around(store: Store) -> Iterator[str]:
    """What is wrong with the files that belong to no attempt."""
    for number in store.index.torn():
        yield f"{store.index.path}: line {number}: no entry; `harness store reindex {store.grid}` puts it right"
    try:
        read_meant(store.folder)
    except StoreError as error:
        yield str(error)
