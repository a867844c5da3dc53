"""`harness history`: sessions are appended once, and told with what changed between them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.checks.nights.shifts import shifts_known
from tests.checks.nights.made_up import line, steady, write
from tests.cli.made_up_nights import Night

Make = Callable[..., Any]


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    monkeypatch.chdir(tmp_path)
    for name in ("HARNESS_REQUIRE", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    made = Night(tmp_path)
    made.measure(made.cells("fp32"))
    made.measure(made.cells("bf16"))
    return made


def test_results_are_appended_once(night: Night, harness: Make, tmp_path: Path) -> None:
    assert harness("history", "night.toml")[0] == 5
    code, out, _ = harness("history", "add", "night.toml", "-o", "h.md", "--html", "h.html")
    assert (code, "appended to" in out) == (0, True)
    lines = (tmp_path / "history.jsonl").read_text(encoding="utf-8").splitlines()
    (only,) = map(json.loads, lines)
    assert only["exit_code"] == harness("check", "night.toml")[0]
    assert {one["n"] for one in only["configurations"]} == {5}
    assert (
        (tmp_path / "h.md")
        .read_text(encoding="utf-8")
        .startswith("# night: 1 session, and none before it to hold it against\n")
    )
    assert (tmp_path / "h.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    assert "is already in" in harness("history", "add", "night.toml")[1]
    assert (tmp_path / "history.jsonl").read_text(encoding="utf-8").splitlines() == lines


def test_a_slow_session_is_suspicious(night: Night, harness: Make, tmp_path: Path) -> None:
    lines = [line(at, [speed, 2 * speed]) for at, speed in enumerate(steady(30))]
    write(tmp_path / "history.jsonl", lines)
    code, out, _ = harness("history", "night.toml", "-o", "h.md")
    assert (code, out.splitlines()[0]) == (
        0,
        f"night: no change {'' if shifts_known() else 'of weights '}in 30 sessions",
    )
    write(tmp_path / "history.jsonl", [*lines, line(30, [90.0, 200.0], fingerprint="bbbb", accuracy_points=79.0)])
    code, out, _ = harness("history", "night.toml", "-o", "h.md")
    assert (code, out.splitlines()[0]) == (3, "night: suspicious: configuration 0")
    assert "Measure again before it is believed: harness run night.toml --fresh." in out
    code, out, _ = harness("history", "night.toml", "--json")
    told = json.loads(out)
    assert (code, told["exit_code"], told["kind"]) == (3, 3, "harness-history")
    first = told["configurations"][0]
    assert [len(one["sessions"]) for one in told["configurations"]] == [31, 31]
    assert (first["newest_speed"]["speed"], first["newest_speed"]["suspicious"]) == (90.0, True)
    assert [(one["what"], one["before"], one["after"]) for one in first["changes"]][-1] == (
        "fingerprint",
        "aaaa",
        "bbbb",
    )
    assert first["sessions"][-1]["mean_points"] == {"accuracy": 79.0}
    text = (tmp_path / "h.md").read_text(encoding="utf-8")
    assert "other weights (accuracy 80.00 -> 79.00)" in text
    assert "commit 000000000000 -> 000000000000" in text
    gone = line(30, [90.0, 200.0], fingerprint="bbbb", accuracy_points=None, n=0, collapsed=5)
    write(tmp_path / "history.jsonl", [*lines, gone])
    harness("history", "night.toml", "-o", "h.md")
    text = (tmp_path / "h.md").read_text(encoding="utf-8")
    assert "other weights (accuracy 80.00 -> none (5 of 5 collapsed))" in text
    assert sorted(path.name for path in tmp_path.glob("h*.svg")) == ["h-score.svg", "h-speed.svg"]
    code, _, err = harness("history", "night.toml", "another.toml")
    assert (code, "got 2 grids; allowed [add] GRID" in err) == (2, True)
