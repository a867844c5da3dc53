"""Which record counts for each cell: the latest final one; everything else is an attempt, and counted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from harness.record.entry import Entry
from harness.record.model import FINAL
from harness.report.run.model import Attempts


@dataclass(frozen=True)
class Settled:
    """`final`: the entry that counts, one for each (cell, environment, content). `skipped`: the latest skip of each
    cell that has no final record in that environment. `unfinished`: the latest attempt of cells with neither.
    """

    final: tuple[Entry, ...]
    skipped: tuple[Entry, ...]
    unfinished: tuple[Entry, ...]
    attempts: Attempts
    foreign: int


def settle(entries: Iterable[Entry], planned: Mapping[str, str] | None = None) -> Settled:
    """Sort out entries. Those of cells that are not `planned` (where a plan is given) only count as foreign.

    A run that ended before its checkpoint and data were known has no content id: it belongs with the latest
    content that its cell reached in that environment, if any.
    """
    by_place: dict[tuple[str, str], list[Entry]] = {}
    total = killed = interrupted = foreign = 0
    for entry in entries:
        if planned is not None and entry.cell_id not in planned:
            foreign += 1
            continue
        if entry.status != "skipped":
            total += 1
        killed += entry.status == "killed"
        interrupted += entry.status == "interrupted"
        by_place.setdefault((entry.cell_id, entry.environment_id), []).append(entry)

    final: list[Entry] = []
    skipped: list[Entry] = []
    unfinished: list[Entry] = []
    replaced = 0
    for tries in by_place.values():
        tries.sort(key=lambda entry: (entry.attempt, entry.started))
        ended = [entry for entry in tries if entry.status in FINAL]
        if ended:
            known = next((e.content_id for e in reversed(ended) if e.content_id is not None), None)
            latest = {entry.content_id or known: entry for entry in ended}
            final += latest.values()
            replaced += len(ended) - len(latest)
        else:
            (skipped if tries[-1].status == "skipped" else unfinished).append(tries[-1])
    # A cell that was killed in one environment and finished in another is finished.
    done = {entry.cell_id for entry in final}
    unfinished = [entry for entry in unfinished if entry.cell_id not in done]
    attempts = Attempts(total, killed, interrupted, replaced, len({entry.cell_id for entry in unfinished}))
    return Settled(tuple(final), tuple(skipped), tuple(unfinished), attempts, foreign)
