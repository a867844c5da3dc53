"""A report rendered again from its own JSON."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from harness.checks.verdict import Fact, Side, Verdict
from harness.errors import SpecError
from harness.report.files import files_again
from harness.report.run.render import render
from harness.report.verdicts.json import verdicts_from_json, verdicts_json
from tests.report.verdicts.made_up import HEAD, cases

PUBLISHED = Path(__file__).parents[2] / "reports"


def test_a_report_is_made_again_from_its_json_to_the_byte(demo: Any, tmp_path: Path) -> None:
    verdicts = [Verdict("stability", "PASS", Side("minilm"), Fact.of("cells.skipped", why="no GPU"), item="cells")]
    files = render(demo, "demo", verdicts=verdicts)
    for name in ("demo.json", "demo-verdicts.json"):
        (tmp_path / name).write_text(files[name], encoding="utf-8")
    assert files_again(tmp_path / "demo.json", "demo") == files


@pytest.mark.parametrize("name", ["throughput-cpu", "minilm-mrpc-cpu", "accumulation-mrpc-cpu"])
def test_a_published_report_renders_as_it_stands(name: str) -> None:
    page = (PUBLISHED / f"{name}.md").read_text(encoding="utf-8")
    day = re.search(r"[Rr]endered (\d{4}-\d\d-\d\d)", page)
    assert day is not None
    files = files_again(PUBLISHED / f"{name}.json", name, date.fromisoformat(day[1]))
    assert files[f"{name}.md"] == page


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 9}, r"schema, kind: got \{.*9.*allowed 2 or older and harness-report"),
        ({"kind": "harness-check"}, "schema, kind: got"),
        ({"rows": 3}, "rows: got 3; allowed: Input should be a valid tuple"),
        ({"counts": {"planned": "many"}}, r"counts\.planned: got \"many\""),
    ],
)
def test_what_is_no_report_is_said(demo: Any, tmp_path: Path, change: dict[str, Any], message: str) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps({**json.loads(render(demo, "x", plots=False)["x.json"]), **change}), encoding="utf-8")
    with pytest.raises(SpecError, match=message):
        files_again(path, "x")
    path.write_text("{", encoding="utf-8")
    with pytest.raises(SpecError, match="is no JSON"):
        files_again(path, "x")
    with pytest.raises(SpecError, match="--from: got"):
        files_again(tmp_path / "x.md", "x")


def test_json_nested_too_deeply_is_said(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text("[" * 200_000, encoding="utf-8")
    with pytest.raises(SpecError, match=r"x\.json: is no JSON: "):
        files_again(path, "x")
    with pytest.raises(SpecError, match=r"x\.json: is no JSON: "):
        verdicts_from_json("[" * 200_000, "x.json")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n": 5}, r"verdicts\[7\]\.reason: got .*; allowed the values of a fact \"collapses\": .*'k'"),
        ({"k": 0, "n": 5, "low": "none", "high": 0.5, "p0": 0.02}, r"verdicts\[7\]\.reason: got "),
        ({"k": 0, "n": 5, "low": 0.0, "high": 0.5, "p0": 0.02, "age": 3}, r"verdicts\[7\]\.reason: got .*'age'"),
    ],
)
def test_a_fact_that_its_phrase_cannot_say_is_a_named_mistake(values: dict[str, Any], message: str) -> None:
    data = json.loads(verdicts_json(HEAD, cases()))
    assert data["verdicts"][7]["reason"]["code"] == "collapses"
    data["verdicts"][7]["reason"]["values"] = values
    with pytest.raises(SpecError, match=rf"x\.json: {message}"):
        verdicts_from_json(json.dumps(data), "x.json")


def test_a_fact_within_a_fact_is_named_by_its_own_place() -> None:
    data = json.loads(verdicts_json(HEAD, cases()))
    data["verdicts"][2]["reason"]["values"]["because"]["values"] = {}
    with pytest.raises(SpecError, match=r"verdicts\[2\]\.reason\.values\.because: got "):
        verdicts_from_json(json.dumps(data))
