"""What a report reads from a store besides the index: one full record a configuration, and some loss curves."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy.typing as npt

from harness.record.entry import Entry
from harness.record.model import SCORED, Record
from harness.record.run import read_series
from harness.record.store import Store

CURVES_READ: Final = 8
"""Configurations whose series are opened: a plot shows no more, and each file costs milliseconds."""

Key = tuple[str, str]
"""(configuration_id, environment_id)."""


@dataclass
class Evidence:
    """`records`: one a configuration and environment; `curves`: the loss of every optimizer step, an array a seed."""

    records: dict[Key, Record] = field(default_factory=dict)
    curves: dict[Key | str | tuple[str, str, str | None], Sequence[npt.ArrayLike]] = field(default_factory=dict)


def gather(store: Store, entries: Sequence[Entry], configurations: Sequence[str]) -> Evidence:
    """Read what a report needs; `configurations` are the grid's configuration ids in its order."""
    evidence = Evidence()
    latest: dict[tuple[str, str, str | None], Entry] = {}
    for entry in entries:
        if entry.status in SCORED:
            latest[(entry.cell_id, entry.environment_id, entry.content_id)] = entry
    by_key: dict[Key, list[Entry]] = {}
    for entry in latest.values():
        by_key.setdefault((entry.configuration_id, entry.environment_id), []).append(entry)
    for entry in entries:
        key = (entry.configuration_id, entry.environment_id)
        if key not in by_key and key not in evidence.records:
            evidence.records[key] = store.record(entry)  # nothing scored: at least what was asked
    for key, found in by_key.items():
        evidence.records[key] = store.record(found[-1])
    order = {configuration: place for place, configuration in enumerate(dict.fromkeys(configurations))}
    known = sorted((key for key in by_key if key[0] in order), key=lambda key: order[key[0]])
    for key in known[:CURVES_READ]:
        curves = [loss for entry in by_key[key] if (loss := _loss(store, entry)) is not None]
        if curves:
            evidence.curves[key] = curves
    return evidence


def timings(store: Store, entries: Sequence[Entry], cells: Collection[str]) -> list[Record]:
    """Every record of these timing cells, whatever became of them: a report counts older sessions too."""
    return [store.record(entry) for entry in entries if entry.cell_id in cells]


def _loss(store: Store, entry: Entry) -> npt.NDArray[Any] | None:
    """The loss series of one run; None where the file is gone or unreadable: a curve is not worth a report."""
    return read_series(store.series_path(entry), ("loss",)).get("loss")
