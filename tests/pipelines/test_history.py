"""The line of a night: what it says of the runs that count, and that it is appended whole."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from harness.pipelines.check import Judging
from harness.pipelines.history import append_line
from harness.pipelines.judged import judged
from harness.pipelines.report import grid_report
from harness.record.store import Store
from tests.pipelines.made_up import GRID, RAN, Night

HISTORY = '[history]\nfile = "kept/history.jsonl"\n'


def written(night: Night, code: int = 0) -> list[dict[str, Any]]:
    append_line(night.grid, judged(night.grid, night.store).of(night.grid.cells()), code)
    text = (night.folder / "kept" / "history.jsonl").read_text(encoding="utf-8")
    assert text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def test_a_line_a_night_with_the_mean_of_each_configuration(night: Night) -> None:
    night.write(GRID + HISTORY)
    night.fill()
    night.means()
    first = written(night)[0]
    assert (first["schema"], first["grid"], first["session"], first["exit_code"]) == (1, "night", RAN, 0)
    fp32 = first["configurations"][0]
    assert (fp32["n"], fp32["collapsed"], fp32["fingerprint"]) == (5, 0, None)
    assert fp32["accuracy_points"] == pytest.approx(86.1)
    assert fp32["accuracy_sd_points"] == pytest.approx(0.4183, abs=1e-4)
    assert [line["exit_code"] for line in written(night, 1)] == [0, 1]


def test_a_collapsed_run_is_counted_and_not_averaged(night: Night) -> None:
    night.write(GRID + HISTORY)
    for cell in night.grid.cells():
        lost = cell.seed == 2
        night.put(cell, 100 if lost else 172, "collapsed" if lost else "ok")
    night.means()
    assert [(one["n"], one["collapsed"], one["accuracy_points"]) for one in written(night)[0]["configurations"]] == [
        (4, 1, pytest.approx(86.0)),
        (4, 1, pytest.approx(86.0)),
    ]


def test_a_judged_report_reads_its_store_once(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    night.fill()
    night.means()
    calls: Counter[str] = Counter()
    for name in ("entries", "record"):
        body = getattr(Store, name)

        def counted(self: Store, *one: Any, name: str = name, body: Any = body) -> Any:
            calls[name if not one else one[0].path] += 1
            return body(self, *one)

        monkeypatch.setattr(Store, name, counted)
    grid_report(night.grid, night.store, Judging(), command="harness report")
    assert calls["entries"] == 1
    assert set(calls.values()) == {1}
