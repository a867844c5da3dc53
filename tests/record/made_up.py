"""Records of runs that failed, by seed, and a store of them."""

from __future__ import annotations

from harness.grid.cell import Cell, Checkpoint
from harness.record.attempts import Entry
from harness.record.model import Failure, Provenance, Record, Status, asked_of
from harness.record.store import Attempt, Store

ENVIRONMENT = "e" * 20


def cell(seed: int) -> Cell:
    return Cell("embedded/paraphrase", Checkpoint("tiny", "embedded/tiny-bert"), seed, {"max_steps": 3})


def record(seed: int, attempt: Attempt, status: Status = "failed", details: str = "") -> Record:
    return Record(
        grid="g",
        cell_id=cell(seed).cell_id,
        configuration_id=cell(seed).configuration_id,
        environment_id=ENVIRONMENT,
        content_id="c" * 20,
        attempt=attempt.number,
        status=status,
        started=f"2026-01-01T00:{seed // 60:02d}:{seed % 60:02d}.000Z",
        finished="2026-01-01T00:01:00.000Z",
        asked=asked_of(cell(seed)),
        failure=Failure(type="planted", message="for the test", details=details),
        provenance=Provenance(harness="0"),
    )


def write(store: Store, seed: int, status: Status = "failed") -> Entry:
    attempt = store.begin(cell(seed).cell_id, ENVIRONMENT)
    return store.write(record(seed, attempt, status), attempt)


def paths(entries: list[Entry]) -> set[str]:
    return {entry.path for entry in entries}
