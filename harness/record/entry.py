"""An entry: a record's line in its grid's index, and by what a reader sees that the record is still the same."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Any, Final, get_args

from harness.errors import StoreError
from harness.protocol import SERIES, Status
from harness.text import check_encodable

STATUSES: Final[tuple[str, ...]] = get_args(Status)
UNREADABLE: Final = "unreadable"
"""The status of an entry whose record, or whose line, is not what was written: it is no outcome."""
RECORD: Final = "record.json"
MOST_BYTES: Final = 2**30
"""Of a series file, and of its arrays together: a run of a million steps leaves about a tenth of it."""
DIGITS: Final = 16
"""Hex digits kept of a sha256: 64 bits, against accidents."""

_INSTANT: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|\+00:00)")
_PLAIN: Final = re.compile(r"\w+", re.ASCII)
_MARK: Final = ',"line":"'


@dataclass(frozen=True, slots=True)
class Seen:
    """A file as it was when it was read or written: its size in bytes, its time, the first digits of its sha256."""

    size: int
    mtime_ns: int
    sha256: str

    def doubted(self) -> Seen:
        """The same with a time that no file has."""
        return replace(self, mtime_ns=-1)


@dataclass(frozen=True, slots=True)
class Stamp:
    """The files of an attempt when its line was written; `series` is None where it left none."""

    record: Seen
    series: Seen | None = None

    def fits(self, folder: str) -> bool:
        """Whether the files in an attempt's folder have the sizes and times that they had."""
        return _is_as_seen(f"{folder}/{RECORD}", self.record) and _is_as_seen(f"{folder}/{SERIES}", self.series)


@dataclass(frozen=True, slots=True)
class Entry:
    """Summary of a record. `path` is the attempt's folder relative to the grid's results folder.

    `metrics` holds accuracy, f1 (fractions) and loss on the validation split after training; `seconds` the
    record's phases; `samples_per_second` is the training rate; `health` what its devices showed that is not well.
    """

    cell_id: str
    configuration_id: str
    environment_id: str
    content_id: str | None
    attempt: int
    status: str
    path: str
    started: str
    checkpoint: str
    seed: int
    precision: str
    devices: int
    axes: Mapping[str, Any]
    metrics: Mapping[str, float]
    seconds: Mapping[str, float]
    samples_per_second: float | None
    steps: int | None
    error: str | None
    measurement: int = 1
    health: tuple[str, ...] = ()
    stamp: Stamp | None = field(default=None, compare=False)

    @property
    def message(self) -> str:
        """What went wrong, without the failure's type: `error` is `TYPE: MESSAGE`, and no type has a colon."""
        kind, _, message = (self.error or "").partition(": ")
        return message or kind

    @property
    def readable(self) -> bool:
        """Whether there is a record behind it that is what its attempt wrote."""
        return self.status != UNREADABLE

    def unreadable(self, problem: str) -> Entry:
        """The same attempt without what it said: its record is not to be believed, for this reason."""
        return replace(
            self, status=UNREADABLE, metrics={}, seconds={}, samples_per_second=None, steps=None,
            error=f"Unreadable: {problem}", stamp=None,
        )  # fmt: skip

    def doubted(self) -> Entry:
        """The same line for a reader to hold against its record whatever the file's time; its hash stays known."""
        return (
            self if self.stamp is None else replace(self, stamp=replace(self.stamp, record=self.stamp.record.doubted()))
        )

    def to_line(self) -> str:
        """One line of JSON that ends with a hash of itself; NaN and infinities as strings, as in records."""
        data = asdict(self)
        for numbers in (data["metrics"], data["seconds"], data):
            numbers |= {k: str(v) for k, v in numbers.items() if isinstance(v, float) and not math.isfinite(v)}
        stamp = data.pop("stamp")
        if stamp is not None:
            data["stamp"] = [list(seen.values()) if seen else None for seen in stamp.values()]
        text = json.dumps(data, separators=(",", ":"), allow_nan=False)[:-1]
        return f'{text}{_MARK}{digest(text.encode())}"}}\n'


_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    **dict.fromkeys(("cell_id", "configuration_id", "environment_id", "status", "path"), (str,)),
    **dict.fromkeys(("started", "checkpoint", "precision"), (str,)),
    **dict.fromkeys(("attempt", "seed", "devices", "measurement"), (int,)),
    **dict.fromkeys(("axes", "metrics", "seconds"), (dict,)),
    "health": (list,),
    **dict.fromkeys(("content_id", "error"), (str, type(None))),
    "samples_per_second": (int, float, str, type(None)),
    "steps": (int, type(None)),
}
_NAMES: Final = frozenset(f.name for f in fields(Entry)) - {"stamp"}
_LATER: Final = frozenset({"measurement", "health"})
"""What a line of an older harness does not have, as it has neither a stamp nor a hash of itself."""


def parse_entry(line: str, index: str = "index.jsonl") -> Entry:
    """Read one line of an index; one that is whole and not as it was written is an unreadable entry.

    Raises
    ------
    StoreError
        Where the line is not an entry (torn by a crash, or another version's): the index is then rebuilt.
    """
    try:
        data = json.loads(line)
        check_encodable(data, line)
        own, stamp = data.pop("line", None), data.pop("stamp", None)
        if data.keys() | _LATER != _NAMES:
            raise ValueError("not the fields of an entry")
        for name, value in data.items():
            if type(value) not in _TYPES[name]:
                raise TypeError(f"{name}: got {value!r:.80}")
        for name in ("metrics", "seconds"):
            data[name] = {key: float(number) for key, number in data[name].items()}
        if data["samples_per_second"] is not None:
            data["samples_per_second"] = float(data["samples_per_second"])
        data["health"] = tuple(map(str, data.get("health", ())))
        entry = Entry(**data, stamp=_stamp(stamp))
        _check(entry)
    except (ValueError, TypeError, AttributeError, OverflowError) as error:
        raise StoreError(f"not an index entry: {line!r:.80}") from error
    text = line.rstrip("\n")
    body = text.rpartition(_MARK)[0]
    if own is not None and text != f'{body}{_MARK}{digest(body.encode())}"}}':
        what = f"the line of {entry.path}/{RECORD} is not as it was written"
        return entry.unreadable(f"{index}: {what}; `harness store reindex` puts it right")
    return entry


def _check(entry: Entry) -> None:
    if entry.path != attempt_path(entry.cell_id, entry.environment_id, entry.attempt):
        raise ValueError(f"path: got {entry.path!r}")
    if entry.status not in STATUSES or entry.attempt < 1 or entry.measurement < 1:
        raise ValueError("not the entry of an attempt")
    if not all(map(math.isfinite, entry.seconds.values())):
        raise ValueError(f"seconds: got {entry.seconds!r}")
    instant(entry.started)


def _stamp(data: Any) -> Stamp | None:
    if data is None:
        return None
    record, series = data
    return Stamp(_seen(*record), None if series is None else _seen(*series))


def _seen(size: int, mtime_ns: int, sha256: str) -> Seen:
    if (type(size), type(mtime_ns), type(sha256)) != (int, int, str):
        raise TypeError(f"stamp: got {size!r:.40}, {mtime_ns!r:.40}, {sha256!r:.40}")
    return Seen(size, mtime_ns, sha256)


def attempt_path(cell_id: str, environment_id: str, attempt: int) -> str:
    """An attempt's folder, relative to its grid's results; raises ValueError for what can be no folder's name."""
    for part in (cell_id, environment_id):
        if not _PLAIN.fullmatch(part):
            raise ValueError(f"got {part!r:.80}; allowed letters and digits")
    return f"cells/{cell_id[:2]}/{cell_id}/{environment_id}/{attempt:03d}"


def instant(text: str) -> str:
    """A time of a record, ISO 8601 in UTC, in which times sort as text; raises ValueError for anything else."""
    if not _INSTANT.fullmatch(text):
        raise ValueError(f"got {text!r:.40}; allowed a time in UTC such as 2026-11-28T03:04:05.678Z")
    datetime.fromisoformat(text)
    return text


def digest(content: bytes) -> str:
    """The first digits of a sha256."""
    return hashlib.sha256(content).hexdigest()[:DIGITS]


def seen(path: Path, sha256: str) -> Seen | None:
    """A file as it is now, given its sha256; None where there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return Seen(found.st_size, found.st_mtime_ns, sha256[:DIGITS])


def _is_as_seen(path: str, before: Seen | None) -> bool:
    try:
        found = os.stat(path)  # noqa: PTH116 - a Path for each of 100,000 lines is slow
    except FileNotFoundError:
        return before is None
    except OSError:
        return False
    return before is not None and (found.st_size, found.st_mtime_ns) == (before.size, before.mtime_ns)
