"""A task of one's own: CSV, TSV, JSON lines and Parquet; what is wrong is named with file, row and column.

Nothing of a file is believed: a line, or a text, of more than `MOST_CHARACTERS` is refused before it is parsed.
"""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from harness.errors import MaterialError
from harness.task import TEST, TRAIN, VALIDATION, Task

MOST_CHARACTERS = 2**20
"""Of a line, and of a text: 100 times what the longest model reads."""
MOST_CLASSES = 1000
SEPARATORS = {".csv": ",", ".tsv": "\t"}
_INTEGER, _CUT = re.compile(r"[+-]?\d{1,18}"), 40

Row = Mapping[str, Any]


class Cell(NamedTuple):
    """Where a value stands, for whoever reads of it: a file, a row as its format counts them, a column."""

    file: Path
    row: str
    column: str

    def wrong(self, got: Any, allowed: str) -> MaterialError:
        """What is wrong there."""
        shown = got if isinstance(got, str) and got.startswith("a ") else repr(got)[:_CUT]
        return MaterialError(
            f"task file {self.file}: {self.row}, column {self.column!r}: got {shown}; allowed {allowed}"
        )


def read_tables(folder: Path, task: Task) -> tuple[dict[str, dict[str, list[Any]]], tuple[str, ...] | None]:
    """Read a task's files: by split its columns (texts, `label`, `idx`), and the names of the classes.

    Raises
    ------
    MaterialError
        In one line: file, row, column, what was got and what is allowed.
    """
    rows = {split: read_rows(folder / name, task, split != TEST) for split, name in task.files.items()}
    return of_rows({split: (folder / task.files[split], found) for split, found in rows.items()}, task)


def of_rows(
    splits: Mapping[str, tuple[Path, Sequence[tuple[str, Row]]]], task: Task
) -> tuple[dict[str, dict[str, list[Any]]], tuple[str, ...] | None]:
    """The columns and classes of rows that are read, each with its place; raises like `read_tables`."""
    labelled = {split: found for split, found in splits.items() if split != TEST}
    labels = {split: _labels(file, found, task) for split, (file, found) in labelled.items()}
    classes = None if task.regression else _classes(labels[TRAIN], splits[TRAIN][0], task)
    columns: dict[str, dict[str, list[Any]]] = {}
    for split, (file, found) in splits.items():
        texts = {
            name: [_text(Cell(file, at, str(task.columns[name])), row) for at, row in found] for name in task.texts
        }
        columns[split] = {**texts, "label": [0] * len(found), "idx": list(range(len(found)))}
        if split in labels:
            known = None if classes is None else {name: number for number, name in enumerate(classes)}
            columns[split]["label"] = [_number(cell, value, known) for cell, value in labels[split]]
    if task.regression and len(columns[VALIDATION]["label"]) < 2:
        raise MaterialError(f"task file {splits[VALIDATION][0]}: got 1 row; allowed at least 2, to correlate")
    return columns, classes


def _number(cell: Cell, value: Any, known: Mapping[str, int] | None) -> float | int:
    if known is None:
        return float(value)
    if str(value) not in known:
        raise cell.wrong(value, f"a label of the training file: {', '.join([*known][:8])}")
    return known[str(value)]


def _classes(labels: Sequence[tuple[Cell, Any]], file: Path, task: Task) -> tuple[str, ...]:
    """The names of the classes: integers rising, texts by the alphabet."""
    values = {value for _, value in labels}
    integers = all(isinstance(value, int) for value in values)
    if len(values) < 2:
        raise MaterialError(
            f"task file {file}: column {task.label!r}: got one class, {next(iter(values))!r}, in {len(labels)} rows; "
            "allowed at least 2"
        )
    where = f"task file {file}: column {task.label!r}: got {len(values)} classes"
    if len(values) > MOST_CLASSES:
        raise MaterialError(f"{where}; allowed {MOST_CLASSES}")
    if "f1" in task.metrics and len(values) != 2:
        raise MaterialError(f"{where}, f1 is of 2; allowed macro_f1, or accuracy, in task.metrics")
    return tuple(str(value) for value in (sorted(values) if integers else sorted(map(str, values))))


def _labels(file: Path, rows: Sequence[tuple[str, Row]], task: Task) -> list[tuple[Cell, Any]]:
    """Each row's label with its place: numbers as floats, classes all as integers or all as texts."""
    found = [(Cell(file, at, task.label), row[task.label]) for at, row in rows]
    if task.regression:
        return [(cell, _as_float(cell, value)) for cell, value in found]
    written = all(isinstance(value, str) for _, value in found)
    if written and all(_INTEGER.fullmatch(value) for _, value in found):
        return [(cell, int(value)) for cell, value in found]
    first = bool if isinstance(found[0][1], bool) else type(found[0][1])
    for cell, value in found:
        if isinstance(value, float) or (written and _is_float(value) and not _INTEGER.fullmatch(value)):
            raise cell.wrong(
                value, 'a class, or metrics = ["pearson", "spearmanr"] in the task, whose labels are numbers'
            )
        if value is None or value == "" or not isinstance(value, (str, int)) or type(value) is not first:
            kind = {str: "text", int: "integer", bool: "boolean"}.get(first, "text or integer")
            raise cell.wrong(value, f"a label, {kind} as in the rows before")
        if isinstance(value, str):
            _check_text(cell, value)
    return [(cell, int(value) if isinstance(value, bool) else value) for cell, value in found]


def _is_float(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _as_float(cell: Cell, value: Any) -> float:
    try:
        number = float(value) if isinstance(value, (int, float, str)) and not isinstance(value, bool) else math.nan
    except (ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise cell.wrong(value, "a finite number")
    return number


def _text(cell: Cell, row: Row) -> str:
    value = row[cell.column]
    if not isinstance(value, str):
        raise cell.wrong(value, "a text")
    _check_text(cell, value)
    return value


def _check_text(cell: Cell, value: str) -> None:
    if "\0" in value:
        raise cell.wrong("a NUL byte", "text")
    if len(value) > MOST_CHARACTERS:
        raise cell.wrong(f"a text of {len(value)} characters", f"{MOST_CHARACTERS} at most")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        raise cell.wrong("a lone surrogate", "text that UTF-8 has") from None


def read_rows(path: Path, task: Task, labelled: bool) -> list[tuple[str, Row]]:
    """The rows of a file, each with its place, with the columns that the task reads."""
    wanted = [str(name) for key, name in task.columns.items() if labelled or key != "label"]
    suffix = path.suffix.lower()
    try:
        if suffix == ".parquet":
            found = _parquet(path, wanted)
        else:
            with path.open("rb") as file:
                lines = _lines(path, file)
                made = _delimited(path, lines, SEPARATORS[suffix], wanted) if suffix in SEPARATORS else None
                found = list(_json(path, lines, wanted) if made is None else made)
    except OSError as error:
        raise MaterialError(f"task file {path}: {error.strerror or error}") from error
    if not found:
        raise MaterialError(f"task file {path}: no examples")
    return found


def _lines(path: Path, file: Any) -> Iterator[str]:
    number = 0
    while True:
        number += 1
        raw = file.readline(4 * MOST_CHARACTERS + 1)
        if not raw:
            return
        if len(raw) > 4 * MOST_CHARACTERS:
            raise MaterialError(f"task file {path}: line {number}: longer than {4 * MOST_CHARACTERS} bytes")
        try:
            yield raw.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            raise MaterialError(f"task file {path}: line {number}: byte {raw[error.start]:#04x} is no UTF-8") from error


def _delimited(path: Path, lines: Iterator[str], separator: str, wanted: Sequence[str]) -> Iterator[tuple[str, Row]]:
    before = csv.field_size_limit(4 * MOST_CHARACTERS)  # the process's, given back
    reader = csv.reader(lines, delimiter=separator, strict=True)
    try:
        header = next(reader, [])
        _check_header(path, header, wanted)
        at = {name: header.index(name) for name in wanted}
        for row in reader:
            if not row:
                continue  # an empty line, as editors leave at the end
            place = f"line {reader.line_num}"
            if len(row) != len(header):
                raise MaterialError(f"task file {path}: {place}: got {len(row)} columns; allowed {len(header)}")
            yield place, {name: row[column] for name, column in at.items()}
    except csv.Error as error:
        raise MaterialError(f"task file {path}: line {reader.line_num}: {error}") from error
    finally:
        csv.field_size_limit(before)


def _json(path: Path, lines: Iterator[str], wanted: Sequence[str]) -> Iterator[tuple[str, Row]]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        place = f"line {number}"
        try:
            row = json.loads(line, object_pairs_hook=list)
        except (ValueError, RecursionError) as error:
            what = error.msg if isinstance(error, json.JSONDecodeError) else type(error).__name__
            raise MaterialError(f"task file {path}: {place}: is no JSON: {what}") from error
        if not isinstance(row, list) or not all(isinstance(pair, tuple) for pair in row):
            raise MaterialError(f"task file {path}: {place}: got {line.strip()[:_CUT]!r}; allowed an object a line")
        _check_header(path, [key for key, _ in row], wanted, f"{place}: ")
        yield place, {key: value for key, value in row if key in wanted}


def _parquet(path: Path, wanted: Sequence[str]) -> list[tuple[str, Row]]:
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            _check_header(path, file.schema_arrow.names, wanted)
            table = file.read(columns=list(wanted))
        values = table.select(list(wanted)).to_pylist()
    except FileNotFoundError:
        raise
    except (pyarrow.ArrowException, OSError, ValueError, OverflowError) as error:  # some of arrow's are an OSError
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise MaterialError(f"task file {path}: is no Parquet: {first[:200]}") from error
    return [(f"row {number}", row) for number, row in enumerate(values, start=1)]


def class_names(path: Path, label: str) -> list[str] | None:
    """What a hub's own metadata call the classes of a column of integers; None where they do not say."""
    import pyarrow.parquet

    described = pyarrow.parquet.read_schema(path).metadata or {}
    try:
        feature = json.loads(described[b"huggingface"])["info"]["features"][label]
        names = feature["names"]
        return names if feature["_type"] == "ClassLabel" and all(isinstance(name, str) for name in names) else None
    except (LookupError, TypeError, ValueError):
        return None


def _check_header(path: Path, header: Sequence[str], wanted: Sequence[str], place: str = "") -> None:
    for name in wanted:
        if header.count(name) != 1:
            has = ", ".join(map(repr, header[:12])) or "none"
            times = (
                f"is there {header.count(name)} times; allowed once" if name in header else f"is missing (it has {has})"
            )
            raise MaterialError(f"task file {path}: {place}column {name!r} {times}"[:600])
