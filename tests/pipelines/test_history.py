"""The line of a night: what it says of the runs that count, and that it is appended whole."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from harness.checks.verdict import exit_code
from harness.pipelines.check import Judging, check_grid
from harness.pipelines.history import append_line, history_line
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


def earlier(night: Night, *speeds: float) -> None:
    """Sessions before this one, of the same machine, that trained so many samples a second."""
    line = json.loads(json.dumps(history_line(night.grid, judged(night.grid, night.store).of(night.grid.cells()), 0)))
    file = night.folder / "kept" / "history.jsonl"
    file.parent.mkdir(exist_ok=True)
    lines = []
    for day, speed in enumerate(speeds, start=1):
        of_day = [{**one, "samples_per_second": speed} for one in line["configurations"]]
        lines.append(json.dumps({**line, "session": f"2020-01-{day:02}T00:00:00Z", "configurations": of_day}))
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


STEADY = (100.0, 101.0, 99.0, 100.5, 99.5, 100.0)


@pytest.mark.parametrize(
    ("speeds", "outcome"),
    [((100.0,), "PASS"), ((80.0,), "INCONCLUSIVE"), ((80.0, 80.0), "FAIL"), ((80.0, 100.0), "PASS")],
)
def test_the_sessions_before_gate_the_speed_of_the_newest(
    night: Night, speeds: tuple[float, ...], outcome: str
) -> None:
    night.write(GRID + HISTORY + "gate = true\n")
    *before, last = speeds
    night.fill(measured={"metrics": {"accuracy": 0.8, "f1": 0.8}, "train_samples_per_second": last})
    night.means()
    earlier(night, *STEADY, *before)
    checked = check_grid(night.grid, night.store, Judging())
    found = [one for one in checked.verdicts if one.check == "speed"]
    assert [one.outcome for one in found] == [outcome] * 2
    # A session that was suspicious itself is nothing to expect by.
    assert found[0].reason.values["sessions"] == len(STEADY)
    quiet = exit_code([one for one in checked.verdicts if one.check != "speed"])
    assert checked.exit_code == (1 if outcome == "FAIL" else quiet)
    assert check_grid(night.grid, night.store, Judging(fail_on=("quality", "parity", "stability"))).exit_code == quiet


def test_without_the_gate_or_with_too_few_sessions_no_speed_is_judged(night: Night) -> None:
    night.write(GRID + HISTORY)
    night.fill()
    night.means()
    earlier(night, *STEADY)
    assert not any(one.check == "speed" for one in check_grid(night.grid, night.store, Judging()).verdicts)
    night.write(GRID + HISTORY + "gate = true\n")
    earlier(night, *STEADY[:2])
    assert not any(one.check == "speed" for one in check_grid(night.grid, night.store, Judging()).verdicts)
