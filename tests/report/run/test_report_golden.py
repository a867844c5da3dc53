"""The Markdown of reports, whole: `HARNESS_REGENERATE_GOLDEN=1 pytest tests/report`, then read the difference."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from harness.report.run.render import render

GOLDEN = Path(__file__).parents[1] / "golden"


def check(name: str, text: str) -> None:
    path = GOLDEN / name
    if os.environ.get("HARNESS_REGENERATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_demo(demo: Any) -> None:
    files = render(demo, "demo")
    assert list(files) == ["demo.md", "demo-scores.svg", "demo-loss.svg", "demo.json"]
    check("demo.md", files["demo.md"])
    assert render(demo, "demo") == files


def test_json_has_the_whole_model(demo: Any) -> None:
    data = json.loads(render(demo, "demo", plots=False)["demo.json"])
    assert (data["schema"], data["kind"], data["total_seconds"]) == (2, "harness-report", 1210.0)
    assert list(data) == [
        "schema", "kind", "title", "grid", "task", "command", "generated_by", "counts", "attempts", "rows", "skipped",
        "failed", "curves", "environments", "checkpoints", "data", "settings", "notes", "grid_file", "grid_text",
        "total_seconds", "about",
    ]  # fmt: skip
    counts = {"planned": 18, "scored": 10, "ok": 9, "collapsed": 1, "errored": 1, "skipped": 6, "missing": 1}
    assert data["counts"] == {**counts, "foreign": 0}
    assert data["attempts"] == {
        "total": 12,
        "killed": 1,
        "interrupted": 0,
        "replaced": 0,
        "unreadable": 0,
        "unfinished": 1,
    }
    row = data["rows"][0]
    assert [score["seed"] for score in row["scores"]] == [1, 2, 42]
    assert row["ok_points"]["accuracy"]["mean"] == pytest.approx(100 * 330 / 408)
    assert row["collapsed"] == {
        "k": 0,
        "n": 3,
        "low_fraction": 0.0,
        "high_fraction": pytest.approx(0.7075982),
    }  # Clopper and Pearson
    assert row["samples_per_second"]["mean"] == 22.5
    failed = {"label": "small · bf16", "status": "failed", "error": "ValueError: a | b\n<b>c</b>", "seeds": [1]}
    assert data["failed"] == [failed]
    assert [(group["cells"], group["reason"]) for group in data["skipped"]] == [(6, "Unavailable: fp16 needs a GPU")]
    assert {len(curve["mean"]) for curve in data["curves"]} == {120}


def test_empty(make_report: Any) -> None:
    files = render(make_report([]), "empty")
    assert list(files) == ["empty.md", "empty.json"]
    check("empty.md", files["empty.md"])


def test_one_run(make_report: Any, make_entry: Any) -> None:
    check("one-run.md", render(make_report([make_entry()]), "one-run", plots=False)["one-run.md"])


@pytest.mark.parametrize("stem", ["a b", ".hidden", "a)b", "mein bericht", "ü"])
def test_any_file_name_will_do(demo: Any, stem: str) -> None:
    files = render(demo, stem)
    assert {f"{stem}.md", f"{stem}.json"} <= files.keys()
    assert f"({quote(f'{stem}.json')})" in files[f"{stem}.md"]
