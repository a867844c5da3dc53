"""What a store holds, and what a prune would take of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from harness.pipelines.keep.prune import Prunable, bytes_of, prunable
from harness.pipelines.named.places import Place
from harness.record.attempts import Entry, measurements
from harness.record.meant import read_meant


@dataclass(frozen=True)
class HeldEnvironment:
    """An environment that a store has records of; `labels` are those under which it is meant, none where it is not.

    None: no run has said what it means.
    """

    environment_id: str
    labels: tuple[str, ...] | None
    records: int
    youngest: str


@dataclass(frozen=True)
class Inventory:
    """A store in numbers: `measurements` of all configurations together, `bytes` on the disk, starts of its runs."""

    cells: int
    records: int
    measurements: int
    bytes: int
    oldest: str | None
    youngest: str | None
    environments: Sequence[HeldEnvironment]
    prunable: Prunable
    unreadable: Sequence[str]


def inventory(place: Place, oldest: str) -> Inventory:
    """Count what a store holds; a prune of what is older than the instant `oldest` is tried.

    Raises
    ------
    HarnessError
        As `prunable`.
    """
    entries = place.store.entries()
    unreadable = list(place.store.unreadable.values())
    meant = read_meant(place.store.folder)
    labels: dict[str, list[str]] = {}
    for label, environment_id in (meant.ids if meant is not None else {}).items():
        labels.setdefault(environment_id, []).append(label)
    of: dict[str, list[Entry]] = {}
    for entry in entries:
        of.setdefault(entry.environment_id, []).append(entry)
    held = [
        HeldEnvironment(
            one,
            None if meant is None else tuple(labels.get(one, ())),
            len(mine),
            max(entry.started for entry in mine),
        )
        for one, mine in of.items()
    ]
    starts = sorted(entry.started for entry in entries)
    return Inventory(
        cells=len({entry.cell_id for entry in entries}),
        records=len(entries),
        measurements=sum(map(len, measurements(entries).values())),
        bytes=bytes_of(place.store.folder),
        oldest=starts[0] if starts else None,
        youngest=starts[-1] if starts else None,
        environments=sorted(held, key=lambda one: one.youngest, reverse=True),
        prunable=prunable(place, oldest),
        unreadable=unreadable,
    )
