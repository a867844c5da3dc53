"""An entry: a record's line in its grid's index, and by what a reader sees that the record is still the same."""

from __future__ import annotations

import functools
import hashlib
import json
import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, get_args

from pydantic import BeforeValidator, ConfigDict, Field, TypeAdapter

from harness.errors import StoreError
from harness.protocol import SERIES, Status

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


def _stamp(data: Any) -> Stamp | None:
    if data is None:
        return None
    if not (isinstance(data, list) and len(data) == 2):
        raise ValueError(f"stamp: got {data!r:.40}")
    record, series = data
    return Stamp(_seen(*record), None if series is None else _seen(*series))


def _seen(size: int, mtime_ns: int, sha256: str) -> Seen:
    if (type(size), type(mtime_ns), type(sha256)) != (int, int, str):
        raise ValueError(f"stamp: got {size!r:.40}, {mtime_ns!r:.40}, {sha256!r:.40}")
    return Seen(size, mtime_ns, sha256)


Number = Annotated[float, Field(strict=False)]
"""A line of JSON has NaN and infinities as strings."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Summary of a record. `path` is the attempt's folder relative to the grid's results folder.

    `metrics` holds accuracy, f1 (fractions) and loss on the validation split after training; `seconds` the
    record's phases; `samples_per_second` is the training rate; `health` what its devices showed that is not well.
    Of a record that cannot be read and that no line told of, only its place is known: `configuration_id` is "" and
    `measurement` 0.
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
    metrics: dict[str, Number]
    seconds: dict[str, Number]
    samples_per_second: Number | None
    steps: int | None
    error: str | None
    measurement: int = 1
    health: tuple[str, ...] = ()
    stamp: Annotated[Stamp | None, BeforeValidator(_stamp)] = field(default=None, compare=False)

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True, extra="forbid")

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
        data = _finite({name: getattr(self, name) for name in _FIELDS})
        data |= {"metrics": _finite(self.metrics), "seconds": _finite(self.seconds)}
        if self.stamp is not None:
            files = (self.stamp.record, self.stamp.series)
            data["stamp"] = [None if one is None else [one.size, one.mtime_ns, one.sha256] for one in files]
        text = json.dumps(data, separators=(",", ":"), allow_nan=False)[:-1]
        return f'{text}{_MARK}{digest(text.encode())}"}}\n'


_FIELDS: Final = tuple(one.name for one in fields(Entry) if one.name != "stamp")
"""Of a line, in its order; the stamp comes last."""


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    """A table whose numbers are as JSON can have them."""
    return {k: str(v) if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


@functools.cache
def _reader() -> TypeAdapter[Entry]:
    return TypeAdapter(Entry)


def parse_entry(line: str, index: str = "index.jsonl") -> Entry:
    """Read one line of an index; one that is whole and not as it was written is an unreadable entry.

    Raises
    ------
    StoreError
        Where the line is not an entry (torn by a crash, or another version's): the index is then rebuilt.
    """
    text = line.rstrip("\n")
    end = text.rfind(_MARK)
    try:
        body = text[: max(0, end)].encode()
        if body and text[end:] == f'{_MARK}{digest(body)}"}}':
            return _read(body + b"}")
        # An older harness's, which has no hash of itself, or no more what was written.
        data = json.loads(line)
        own = data.pop("line", None)
        entry = _read(json.dumps(data))
    except (ValueError, TypeError, AttributeError) as error:
        raise StoreError(f"not an index entry: {line!r:.80}") from error
    if own is not None:
        what = f"the line of {entry.path}/{RECORD} is not as it was written"
        return entry.unreadable(f"{index}: {what}; `harness store reindex` puts it right")
    return entry.doubted()


def _read(text: str | bytes) -> Entry:
    """An entry from its JSON, its fields' types held against it in one pass. Raises ValueError."""
    entry = _reader().validate_json(text)
    _check(entry)
    return entry


def _check(entry: Entry) -> None:
    if entry.path != attempt_path(entry.cell_id, entry.environment_id, entry.attempt):
        raise ValueError(f"path: got {entry.path!r}")
    known = entry.measurement >= 1 and entry.status in STATUSES
    if entry.attempt < 1 or not (known or entry.status == UNREADABLE):
        raise ValueError("not the entry of an attempt")
    if not all(map(math.isfinite, entry.seconds.values())):
        raise ValueError(f"seconds: got {entry.seconds!r}")
    instant(entry.started)


def attempt_path(cell_id: str, environment_id: str, attempt: int) -> str:
    """An attempt's folder, relative to its grid's results; raises ValueError for what can be no folder's name."""
    for part in (cell_id, environment_id):
        if not _PLAIN.fullmatch(part):
            raise ValueError(f"got {part!r:.80}; allowed letters and digits")
    return f"cells/{cell_id[:2]}/{cell_id}/{environment_id}/{attempt:03d}"


def unreadable_entry(path: str, started: str, problem: str) -> Entry:
    """The entry of an attempt of which only the folder is known, and why; by the instant `started` it was there."""
    _, _, cell_id, environment_id, attempt = path.split("/")
    return Entry(
        cell_id, "", environment_id, None, int(attempt), UNREADABLE, path, started, "", 0, "", 1, {}, {}, {}, None,
        None, f"Unreadable: {problem}", measurement=0,
    )  # fmt: skip


def written(path: Path) -> str:
    """When a file was last written, as records have times; the beginning of time where there is none."""
    try:
        when = path.stat().st_mtime
        return datetime.fromtimestamp(when, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    except (OSError, ValueError, OverflowError):
        return "1970-01-01T00:00:00.000Z"


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
