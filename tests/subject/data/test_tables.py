"""Tables of one's own: what is read of each format, and that what is wrong is one line with file, row and column."""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import MaterialError
from harness.subject.data import tasks
from harness.task import Task, task_of

ROWS = [{"p": f"one, {n}\nor", "h": f'"two" {n}', "y": ("no", "yes", "maybe")[n % 3]} for n in range(6)]
Write = Callable[[Path, list[dict[str, Any]]], None]


def delimited(separator: str) -> Write:
    def write(path: Path, rows: list[dict[str, Any]]) -> None:
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter=separator)
            writer.writeheader()
            writer.writerows(rows)

    return write


def as_json(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def parquet(path: Path, rows: list[dict[str, Any]]) -> None:
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)


FORMATS: dict[str, Write] = {"csv": delimited(","), "tsv": delimited("\t"), "jsonl": as_json, "parquet": parquet}


def own(end: str, **more: Any) -> Task:
    table = {"train": f"train.{end}", "validation": f"dev.{end}", "text": ["p", "h"], "label": "y", **more}
    return task_of("mine", table)


def load(folder: Path, task: Task) -> Any:
    return tasks.load({"name": "mine", "task": task.to_json(), "path": str(folder)})


@pytest.mark.parametrize("end", FORMATS)
def test_every_format_gives_the_same(end: str, tmp_path: Path) -> None:
    for name in ("train", "dev"):
        FORMATS[end](tmp_path / f"{name}.{end}", ROWS)
    found = load(tmp_path, own(end))
    assert found["train"].column_names == ["sentence1", "sentence2", "label", "idx"]
    assert found["train"].features["label"].names == ["maybe", "no", "yes"]
    assert found["train"]["label"][:] == [1, 2, 0, 1, 2, 0]
    assert found["validation"]["sentence1"][0] == "one, 0\nor"


@pytest.mark.parametrize("end", FORMATS)
def test_integers_are_classes_in_their_order_and_numbers_are_learned_as_such(end: str, tmp_path: Path) -> None:
    for name in ("train", "dev"):
        FORMATS[end](tmp_path / f"{name}.{end}", [{**row, "y": (10, 9, 2)[n % 3]} for n, row in enumerate(ROWS)])
    found = load(tmp_path, own(end))
    assert found["train"].features["label"].names == ["2", "9", "10"]
    assert found["train"]["label"][:3] == [2, 1, 0]
    for name in ("train", "dev"):
        FORMATS[end](tmp_path / f"{name}.{end}", [{**row, "y": n / 2} for n, row in enumerate(ROWS)])
    assert load(tmp_path, own(end, metrics=["pearson"]))["train"]["label"][:3] == [0.0, 0.5, 1.0]
    with pytest.raises(MaterialError, match=r"column 'y': got .* allowed a class, or metrics = "):
        load(tmp_path, own(end))


def test_a_test_split_has_no_label(tmp_path: Path) -> None:
    for name in ("train", "dev"):
        as_json(tmp_path / f"{name}.jsonl", ROWS)
    as_json(tmp_path / "test.jsonl", [{"p": "a", "h": "b"}])
    task = own("jsonl", test="test.jsonl")
    assert task.more == ("test",)
    assert load(tmp_path, task)["test"]["label"][:] == [0]


HOSTILE: dict[str, tuple[Callable[[list[dict[str, Any]]], Any], str]] = {
    "missing column": (lambda rows: [row.pop("h") for row in rows], "column 'h' is missing (it has 'p', 'y')"),
    "one class": (lambda rows: [row.update(y="no") for row in rows], "column 'y': got one class, 'no', in 6 rows"),
    "one row": (lambda rows: rows.__delitem__(slice(1, None)), "got one class, 'no', in 1 rows"),
    "no row": (lambda rows: rows.clear(), "no examples"),
    "a NUL": (lambda rows: rows[4].update(h="a\0b"), "column 'h': got a NUL byte; allowed text"),
    "a long text": (
        lambda rows: rows[2].update(p="x" * 2_000_000),
        "got a text of 2000000 characters; allowed",
    ),
    "no label": (lambda rows: rows[3].update(y=""), "column 'y': got ''; allowed a label"),
    "a number": (lambda rows: rows[3].update(y="1.5"), "column 'y': got '1.5'; allowed a class"),
}
TYPED: dict[str, tuple[Callable[[list[dict[str, Any]]], Any], str]] = {
    "a text that is none": (lambda rows: rows[2].update(p=None), "line 3, column 'p': got None; allowed a text"),
    "a text that is a list": (lambda rows: rows[2].update(p=["x"]), "line 3, column 'p': got ['x']; allowed a text"),
    "mixed labels": (
        lambda rows: rows[5].update(y=1),
        "line 6, column 'y': got 1; allowed a label, text",
    ),
    "a label that is a table": (lambda rows: rows[1].update(y={}), "line 2, column 'y': got []; allowed a label"),
    "a surrogate": (lambda rows: rows[1].update(h="\ud800"), "line 2, column 'h': got a lone surrogate"),
}


@pytest.mark.parametrize(("end", "fault"), [
    *((end, fault) for end in FORMATS for fault in HOSTILE), *(("jsonl", fault) for fault in TYPED)
])  # fmt: skip
def test_what_is_wrong_with_a_table_is_one_line(end: str, fault: str, tmp_path: Path) -> None:
    change, said = {**HOSTILE, **TYPED}[fault]
    rows = [dict(row) for row in ROWS]
    change(rows)
    FORMATS[end](tmp_path / f"dev.{end}", ROWS)
    if rows:
        FORMATS[end](tmp_path / f"train.{end}", rows)
    else:
        (tmp_path / f"train.{end}").write_text("p,h,y\n" if end == "csv" else "p\th\ty\n" if end == "tsv" else "")
        if end == "parquet":
            pyarrow.parquet.write_table(
                pyarrow.table({"p": [""], "h": [""], "y": [""]}).slice(1), tmp_path / "train.parquet"
            )
    with pytest.raises(MaterialError) as raised:
        load(tmp_path, own(end))
    text = str(raised.value)
    assert said in text
    assert str(tmp_path / f"train.{end}") in text
    assert "\n" not in text
    assert len(text) < 1000


@pytest.mark.parametrize(
    ("end", "content", "said"),
    [
        ("csv", b"p,h,p,y\n1,2,3,a\n", "column 'p' is there 2 times; allowed once"),
        ("jsonl", b'{"p": "a", "h": "b", "p": "c", "y": "d"}\n', "line 1: column 'p' is there 2 times"),
        ("csv", b"p,h,y\na,b\n", "line 2: got 2 columns; allowed 3"),
        ("csv", b'p,h,y\na,b,"c\n', "line 2: unexpected end of data"),
        ("tsv", b"p\th\ty\na\xff\tb\tc\n", "line 2: byte 0xff is no UTF-8"),
        ("csv", "p,h,y\na,b,c\n".encode("utf-16"), "line 1: byte 0xff is no UTF-8"),
        ("csv", b"PK\x03\x04\x14\0\x84\x1f\n", "line 1: byte 0x84 is no UTF-8"),
        ("csv", b"p;h;y\na;b;c\n", "column 'y' is missing (it has 'p;h;y')"),
        ("csv", b"p,h,y\na,b,c,\n", "line 2: got 4 columns; allowed 3"),
        ("csv", b"", "column 'y' is missing (it has none)"),
        ("csv", b"p,h,y" + b",c" * 3_000_000, "line 1: longer than"),
        ("jsonl", b'{"p": "a", "h": "b", "y": "c"}\n{"p": "a", "y": "c"}\n', "line 2: column 'h' is missing"),
        ("jsonl", b'{"p": "a", "h": "b", "y": NaN}\n', "line 1, column 'y': got nan; allowed a class"),
        ("jsonl", b'{"p": 1', "line 1: is no JSON"),
        ("jsonl", b"[1]\n", "line 1: got '[1]'; allowed an object a line"),
        ("jsonl", b"[" * 100_000, "line 1: is no JSON"),
        ("parquet", b"PAR1 not at all", "is no Parquet"),
        ("csv", b"p,h,y\n" + b"x" * 100_000_000, "line 2: longer than"),
        ("jsonl", b'{"p": "' + b"x" * 100_000_000, "line 1: longer than"),
    ],
    ids=lambda value: value[:12] if isinstance(value, str | bytes) else None,
)
def test_what_is_no_table_is_one_line(end: str, content: bytes, said: str, tmp_path: Path) -> None:
    FORMATS[end](tmp_path / f"dev.{end}", ROWS)
    (tmp_path / f"train.{end}").write_bytes(content)
    with pytest.raises(MaterialError) as raised:
        load(tmp_path, own(end))
    assert str(raised.value).startswith(f"task file {tmp_path / f'train.{end}'}: ")
    assert said in str(raised.value)


def test_labels_that_training_has_not_and_f1_of_three_classes(tmp_path: Path) -> None:
    as_json(tmp_path / "train.jsonl", ROWS)
    as_json(tmp_path / "dev.jsonl", [*ROWS, {**ROWS[0], "y": "never"}])
    with pytest.raises(
        MaterialError, match=r"dev\.jsonl: line 7, column 'y': got 'never'; allowed a label of the training"
    ):
        load(tmp_path, own("jsonl"))
    with pytest.raises(MaterialError, match="got 3 classes, f1 is of 2; allowed macro_f1"):
        load(tmp_path, replace(own("jsonl"), metrics=("f1",)))
    as_json(tmp_path / "dev.jsonl", [{**ROWS[0], "y": 1.0}])
    as_json(tmp_path / "train.jsonl", [{**row, "y": 1.0} for row in ROWS])
    with pytest.raises(MaterialError, match="got 1 row; allowed at least 2"):
        load(tmp_path, own("jsonl", metrics=["pearson"]))


@settings(deadline=None, max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.sampled_from(sorted(FORMATS)), st.randoms(use_true_random=False), st.binary(max_size=6))
def test_a_damaged_table_is_read_or_is_one_line(tmp_path: Path, end: str, random: random.Random, noise: bytes) -> None:
    """Bytes cut, doubled, or put in anywhere: examples as the task has them, or one error of ours."""
    for name in ("train", "dev"):
        FORMATS[end](tmp_path / f"{name}.{end}", ROWS)
    path = tmp_path / f"train.{end}"
    content = path.read_bytes()
    a, b = sorted(random.randrange(len(content) + 1) for _ in range(2))
    middle = random.choice([b"", noise, content[a:b] * 2, b"\0", noise * 100])
    path.write_bytes(content[:a] + middle + content[b:])
    problem = ""
    try:
        found = load(tmp_path, own(end))["train"]["sentence1"]
    except MaterialError as error:
        found, problem = [], str(error)
    assert all(isinstance(text, str) for text in found)
    assert bool(found) != problem.startswith("task file ")
    assert "\n" not in problem
