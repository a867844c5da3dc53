"""Integrity: whether a record is what its run left, as far as its own numbers, its place and its arrays can tell."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from harness.errors import StoreError
from harness.record.entry import MOST_BYTES, Entry, Stamp, attempt_path, digest, seen, unreadable_entry, written
from harness.record.model import RECORD, SERIES, NewerRecord, Record, record_of
from harness.record.parts.measured import Confusion
from harness.stats.descriptive import class_scores, correlations

if TYPE_CHECKING:
    import numpy.typing as npt

ROUNDING: Final = 1e-9
"""Fractions: what the order of two divisions may change."""
_TOO_LARGE: Final = f"its series.npz is larger than {MOST_BYTES / 2**30:g} GiB"
MOST_RECORD: Final = 16 * 2**20
"""Bytes; a record has a thousandth of it."""


@dataclass(frozen=True)
class Examined:
    """What was found in an attempt's folder.

    `entry` is its line for the index: with a stamp where nothing is wrong, else as it was or as the record has it;
    where neither tells, an unreadable one. `problem` names the file and what is wrong with it.
    """

    entry: Entry
    problem: str | None = None

    @property
    def shown(self) -> Entry:
        """The entry for whoever reads the store."""
        return self.entry.unreadable(self.problem) if self.problem else self.entry


def examine(root: Path, path: str, line: Entry | None, latest: str) -> Examined:
    """Read an attempt's record and series, and hold them against its line, its place and each other.

    `path` is relative to `root`, the grid's results; `line` is what the index has, None where it has nothing. A record
    that begins after `latest` comes from a clock that was wrong.

    Raises
    ------
    NewerRecord
        Where a newer harness wrote it.
    """
    folder = root / path
    where = folder / RECORD

    def damaged(problem: str) -> Examined:
        return Examined(line or unreadable_entry(path, written(where), problem), problem)

    try:
        if not where.is_file():
            return damaged(f"{where}: {'no file' if where.exists() else 'the record is gone'}")
        if where.stat().st_size > MOST_RECORD:
            return damaged(f"{where}: larger than {MOST_RECORD / 2**20:g} MiB")
        now, content = seen(where, ""), where.read_bytes()
    except OSError as error:
        return damaged(f"{where}: cannot be read: {error.strerror or error}")
    try:
        record = record_of(content, str(where))
    except NewerRecord:
        raise
    except (StoreError, RecursionError) as error:
        return damaged(str(error))
    said, sha256 = record.entry(path), digest(content)
    problem = record_problem(record, folder)
    if problem is not None and not _lies_at(said, path):
        return damaged(f"{where}: {problem}")
    if problem is None and record.started > latest:
        problem = f"started: got {record.started}; it lies in the future"
    if problem is None and line is not None and line.stamp is not None and line.stamp.record.sha256 != sha256:
        problem = "changed since it was written: not the file that its attempt wrote (another sha256)"
    problem = problem or series_problem(record, folder / SERIES)
    if problem is not None or now is None:
        return Examined(line or said, f"{where}: {problem}")
    series = seen(folder / SERIES, record.series_sha256 or "")
    return Examined(record.entry(path, Stamp(replace(now, sha256=sha256), series)))


def _lies_at(entry: Entry, path: str) -> bool:
    try:
        return path == attempt_path(entry.cell_id, entry.environment_id, entry.attempt)
    except ValueError:
        return False


def record_problem(record: Record, folder: Path) -> str | None:
    """What contradicts itself in a record that lies in an attempt's `folder`; None where nothing does.

    Its folders are those of its cell, environment and attempt, and scores follow from its confusion counts.
    """
    cell, environment, attempt = folder.parts[-3:]
    for name, value, place in (
        ("cell_id", record.cell_id, cell),
        ("environment_id", record.environment_id, environment),
        ("attempt", f"{record.attempt:03d}", attempt),
    ):
        if value != place:
            return f"{name}: got {value!r}, and it lies under {place!r}: another cell's record"
    return scores_problem(record)


def scores_problem(record: Record) -> str | None:
    """What contradicts itself in a record's scores; None where nothing does."""
    measured = record.measured
    if measured is None or measured.confusion is None:
        return None
    due = class_scores(measured.confusion.counts, record.task.positive or 0)
    return _contradiction("measured.metrics", measured.metrics, due, "its confusion counts")


def series_problem(record: Record, path: Path) -> str | None:
    """What contradicts the record in the arrays at `path`: their hash, or the answers that its counts are of."""
    if record.series_sha256 is None:
        return None
    if not path.is_file():
        return "its series.npz is gone"
    try:
        if path.stat().st_size > MOST_BYTES:
            return _TOO_LARGE
        content = path.read_bytes()
    except OSError as error:
        return f"its series.npz cannot be read: {error.strerror or error}"
    if hashlib.sha256(content).hexdigest() != record.series_sha256:
        return "its series.npz is not the file that the record was written with (another sha256)"
    return answers_problem(record, content)


def answers_problem(record: Record, content: bytes) -> str | None:
    """What contradicts the record in its arrays, whose bytes are at hand; None where nothing does."""
    if len(content) > MOST_BYTES:
        return _TOO_LARGE
    measured = record.measured
    if measured is None or not measured.metrics:
        return None
    from harness.record.series import arrays_of  # numpy is slow to import, and an index needs none

    arrays = arrays_of(content, ("logits", "labels"), record.series)
    if measured.confusion is None:
        logits, labels = arrays.get("logits"), arrays.get("labels")
        if not record.task.regression or logits is None or labels is None or logits.size != labels.size:
            return None
        due = correlations(logits.reshape(-1), labels)
        return _contradiction("measured.metrics", measured.metrics, due, "its logits")
    found = confusion(arrays)
    if found is None or found == measured.confusion:
        return None
    return f"measured.confusion: got {measured.confusion!r}; its logits have {found!r}"


def confusion(series: Mapping[str, npt.NDArray[Any]]) -> Confusion | None:
    """Count the answers of logits (examples, classes) against labels (examples,); None where they are not both there,
    or are no classes.
    """
    logits, labels = series.get("logits"), series.get("labels")
    if logits is None or labels is None or logits.ndim != 2 or logits.shape[1] < 2 or len(logits) != len(labels):
        return None
    classes = logits.shape[1]
    if labels.dtype.kind not in "iu" or (labels < 0).any() or (labels >= classes).any():
        return None
    counts = [[0] * classes for _ in range(classes)]
    for true, said in zip(labels.tolist(), logits.argmax(axis=-1).tolist(), strict=True):
        counts[true][said] += 1
    return Confusion(counts=counts)


def _contradiction(where: str, got: Mapping[str, float], due: Mapping[str, float], source: str) -> str | None:
    for name, value in due.items():
        both_nan = name in got and math.isnan(got[name]) and math.isnan(value)
        if name in got and not both_nan and not abs(got[name] - value) <= ROUNDING:
            return f"{where}.{name}: got {got[name]!r}; {source} give {value!r}"
    return None
