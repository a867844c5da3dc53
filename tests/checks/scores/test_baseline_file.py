"""Baselines as files: written in a fixed order, read with errors that name file, field and value."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.scores.baseline.file import Baseline, baseline_text, parse_baseline, read_baseline, write_baseline
from harness.errors import SpecError, StoreError
from tests.checks.scores.made_up_records import DATE, MadeUp


def test_the_file_reads_well_in_a_review(baseline: Baseline, tmp_path: Path) -> None:
    text = baseline_text(baseline)
    lines = text.splitlines()
    # A line a seed, seeds as numbers and not as text; a line a package, sorted.
    at = [n for n, line in enumerate(lines) if line.lstrip().startswith(('"2": {', '"10": {'))]
    assert [lines[n].split()[0] for n in at] == ['"2":', '"10":', '"2":']
    packages = next(n for n, line in enumerate(lines) if '"packages"' in line)
    assert [line.split()[0] for line in lines[packages + 1 : packages + 3]] == ['"accelerate":', '"transformers":']
    assert [line for line in lines if "ValueError" in line] == [lines[-3]]
    assert lines[1] == ' "schema": 3,'
    write_baseline(tmp_path / "deep" / "x.json", baseline)
    again = read_baseline(tmp_path / "deep" / "x.json")
    assert baseline_text(again) == text
    assert again == baseline


def test_one_changed_score_is_one_changed_line(results: MadeUp, baseline: Baseline) -> None:
    results.entries[0] = dataclasses.replace(results.entries[0], metrics={"accuracy": 0.82, "f1": 0.9})
    one, other = (baseline_text(b).splitlines() for b in (baseline, results.build(note="first")))
    assert sum(x != y for x, y in zip(one, other, strict=True)) == 1


def test_the_order_of_records_does_not_matter(results: MadeUp, baseline: Baseline) -> None:
    text = baseline_text(baseline)
    results.entries.reverse()
    assert baseline_text(results.build(note="first")) == text


def test_a_file_is_replaced_and_nothing_else(baseline: Baseline, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("mine")
    write_baseline(path, baseline)
    assert read_baseline(path) == baseline
    with pytest.raises(SpecError, match=r"ends in \.json"):
        write_baseline(tmp_path / "x.toml", baseline)
    (tmp_path / "folder.json").mkdir()
    with pytest.raises(SpecError, match="got the folder"):
        write_baseline(tmp_path / "folder.json", baseline)
    with pytest.raises(StoreError, match="cannot write it"):
        write_baseline(path / "below" / "y.json", baseline)


def broken(baseline: Baseline, change: Callable[[dict[str, Any]], Any]) -> str:
    data = json.loads(baseline_text(baseline))
    change(data)
    with pytest.raises(SpecError) as caught:
        parse_baseline(json.dumps(data).encode(), "b.json")
    return str(caught.value)


def seed_2(data: Mapping[str, Any]) -> dict[str, Any]:
    run = data["configurations"][0]["seeds"]["2"]
    assert isinstance(run, dict)
    return run


SEED_2 = "configurations[0].seeds.2"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: d.update(schema="1"), 'schema: got "1"; allowed an integer'),
        (lambda d: d.update(schema=0), "schema: got 0; allowed a value >= 1"),
        (lambda d: d.pop("grid"), "grid: missing; it is required"),
        (
            lambda d: seed_2(d).update(scores={"accuracy": 85.78}),
            f"{SEED_2}.scores.accuracy: got 85.78; allowed a fraction",
        ),
        (lambda d: seed_2(d).update(scores={"f1": 0.8}), f"{SEED_2}.scores.accuracy: got None; allowed a fraction"),
        (lambda d: seed_2(d).update(status="nonfinite"), f"{SEED_2}.scores: got 0.8; allowed null with status"),
        (lambda d: seed_2(d).update(status="fine"), f'{SEED_2}.status: got "fine"; allowed ok, collapsed, nonfinite'),
        (lambda d: seed_2(d).update(init_sha256="XY"), f'{SEED_2}.init_sha256: got "XY"; allowed 16 to 64 hexadecimal'),
        (lambda d: seed_2(d).update(acuracy=1), f"{SEED_2}.acuracy: got 1; not a key here; allowed status, scores"),
        (lambda d: d["configurations"][0].update(collapsed=1), "configurations[0].collapsed: got 1; allowed 0, as the"),
        (lambda d: d["configurations"][0].update(seeds={}), "configurations[0].seeds: got {}; allowed at least 1"),
        (lambda d: d["configurations"][0]["seeds"].update(x={}), "configurations[0].seeds.x"),
        (
            lambda d: d["configurations"][0].update(environment_id="?"),
            'configurations[0].environment_id: got "?"; allowed "env0"',
        ),
        (
            lambda d: d["configurations"].append(d["configurations"][0]),
            "configurations[2].configuration_id: got ",
        ),
        (lambda d: d["left_out"][0].update(status="gone"), 'left_out[0].status: got "gone"; allowed ok, collapsed, '),
        (lambda d: d.update(configurations={}), "configurations: got {}; allowed a list"),
        (lambda d: d.update(environments=[]), "environments: got []; allowed a table"),
    ],
)
def test_a_broken_field_is_named(baseline: Baseline, change: Callable[[dict[str, Any]], Any], said: str) -> None:
    assert broken(baseline, change).startswith(f"b.json: {said}")


def test_every_problem_is_a_line(baseline: Baseline) -> None:
    def change(data: dict[str, Any]) -> None:
        seed_2(data).update(scores={"accuracy": 2}, status="fine")
        del data["date"]

    assert len(broken(baseline, change).splitlines()) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "line 1, column 1: got the end; allowed JSON"),
        (b'{"schema": 1,\n<<<<<<< ours\n', 'line 2, column 1: got "<<<<<<< ours'),
        (b"\n\xff", "line 2: got byte 0xff; allowed UTF-8 text"),
        (b"3", "got 3; allowed an accepted file as"),
        (b'{"schema": ' + b"9" * 5000 + b"}", "got a number of thousands of digits"),
        (b"[" * 200_000, "nested too deeply"),
    ],
)
def test_what_is_no_baseline_at_all(content: bytes, said: str) -> None:
    with pytest.raises(SpecError) as caught:
        parse_baseline(content, "b.json")
    assert str(caught.value).startswith(f"b.json: {said}")


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("none.json", "no such file; allowed an accepted file"),
        ("", "is a folder"),
        ("a\0b", "no such file|cannot be read"),
    ],
)
def test_a_path_that_is_no_file(tmp_path: Path, name: str, said: str) -> None:
    with pytest.raises(SpecError, match=said):
        read_baseline(tmp_path / name)


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = ["schema", "grid", "environments", "configurations", "left_out", "note", "date"]


@given(st.sampled_from(FIELDS), JUNK)
def test_junk_is_refused_or_read_never_a_traceback(field: str, junk: Any) -> None:
    whole = {
        "schema": 1, "harness": "0.1.0", "date": DATE, "command": "x", "environments": {}, "configurations": [],
        "grid": {"name": "x", "file": "x.toml", "task": "x"},
    }  # fmt: skip
    try:
        found = parse_baseline(json.dumps({**whole, field: junk}).encode(), "b.json")
    except SpecError as error:
        said = str(error)
    else:
        said = "b.json: "
        assert baseline_text(parse_baseline(baseline_text(found).encode(), "c.json")) == baseline_text(found)
    assert all(line.startswith("b.json: ") for line in said.splitlines())


def test_a_file_that_schema_1_wrote_is_read() -> None:
    """One that the harness of that day wrote of made-up records: scores by keys of their own, runs without a cell."""
    path = Path(__file__).resolve().parents[2] / "data" / "baselines" / "v1" / "scores.json"
    old = json.loads(path.read_text(encoding="utf-8"))
    assert old["schema"] == 1
    found = read_baseline(path)
    assert [one.label for one in found.configurations] == [one["label"] for one in old["configurations"]]
    for one, before in zip(found.configurations, old["configurations"], strict=True):
        assert one.configuration_id == before["configuration_id"]
        assert {str(seed) for seed in one.seeds} == set(before["seeds"])
        for seed, run in one.seeds.items():
            was = before["seeds"][str(seed)]
            assert run.scores == {"accuracy": was["accuracy"], "f1": was["f1"]}
            assert (run.status, run.final_sha256, run.cell_id) == (was["status"], was["final_sha256"], None)
    assert {one.status for one in found.left_out} == {one["status"] for one in old["left_out"]} >= {"older", "failed"}
    assert baseline_text(parse_baseline(baseline_text(found).encode(), "again.json")) == baseline_text(found)
