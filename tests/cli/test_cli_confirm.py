"""`harness compare --confirm`: what is suspicious is timed again before it alarms."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.cli.judge import compare as compare_module
from harness.execution.session import Wishes
from harness.grid.cell import Cell
from harness.record.attempts import Renewal
from harness.record.store import Store
from tests.cli.made_up_sessions import ALIKE, ARMS, BUSY, EVEN, GRID, MOMENT, OTHER, SLOW, Levels, put, session

Make = Callable[..., Any]


@pytest.fixture
def rerun(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[list[Cell]]]:
    """Have `--confirm` measure these levels; the cells of each re-run are collected."""

    def install(levels: Levels, **options: Any) -> list[list[Cell]]:
        runs: list[list[Cell]] = []

        def session_of(grid: Any, cells: Sequence[Cell], store: Store, wishes: Wishes, **given: Any) -> Any:
            assert given == {}
            assert wishes == Wishes(renewal=Renewal(fresh=True))
            return SimpleNamespace(cells=cells, store=store)

        def run_session(opened: Any, *_: Any, **__: Any) -> Any:
            runs.append(list(opened.cells))
            for place, cell in enumerate(opened.cells, start=1):
                rate = levels[cell.precision, cell.recipe["optim"]]
                rate *= (EVEN, OTHER)[cell.precision == "bf16"][cell.repeat - 1]
                when = MOMENT + timedelta(hours=1, seconds=place)
                put(opened.store, cell, rate, "fresh", when, place=place, **options)
            return SimpleNamespace(interrupted=False, exit_code=0)

        monkeypatch.setattr(compare_module, "session_of", session_of)
        monkeypatch.setattr(compare_module, "run_session", run_session)
        return runs

    return install


def test_confirming_runs_both_arms_of_what_is_suspicious(harness: Make, grid: Path, rerun: Make) -> None:
    session(Path("results"), grid, SLOW)
    runs = rerun(SLOW)
    code, out, err = harness("compare", *ARMS, "--confirm", "speed.toml")
    assert (code, out.splitlines()[-1]) == (1, "2 configurations: 1 FAIL, 1 PASS")
    assert "Confirmed: ratio 0.850" in out
    assert "timing again before it alarms: fp32 · optim=adafactor, " in err
    ((*cells,),) = runs
    assert {(cell.precision, cell.recipe["optim"]) for cell in cells} == {("fp32", "adafactor"), ("bf16", "adafactor")}
    assert [cell.repeat for cell in cells] == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5]


def test_what_does_not_come_again_does_not_alarm(harness: Make, grid: Path, rerun: Make) -> None:
    session(Path("results"), grid, SLOW)
    rerun(ALIKE)
    code, out, _ = harness("compare", *ARMS, "--confirm", "speed.toml")
    assert (code, out.splitlines()[-1]) == (0, "2 configurations: 2 PASS")
    flat = " ".join(out.split())
    assert "Not confirmed: ratio 1.000" in flat
    assert "at first FAIL: ratio 0.850" in flat


def test_confirming_on_a_busy_machine_is_inconclusive(harness: Make, grid: Path, rerun: Make) -> None:
    session(Path("results"), grid, SLOW)
    rerun(SLOW, reasons=BUSY)
    code, out, _ = harness("compare", *ARMS, "--confirm", "speed.toml", "--json")
    found = {one["outcome"]: one["reason"] for one in json.loads(out)["verdicts"]}
    assert code == 3
    assert found["INCONCLUSIVE"]["code"] == "speed.not_confirmed"
    assert found["INCONCLUSIVE"]["values"]["why"]["code"] == "speed.not_quiet"
    assert found["PASS"]["code"] == "speed.interval"


@pytest.mark.parametrize(("again", "code"), [(SLOW, 1), (ALIKE, 0)])
def test_confirming_against_earlier_sessions_runs_b_alone(
    harness: Make, grid: Path, rerun: Make, again: Levels, code: int
) -> None:
    for number, level in enumerate((400, 404, 396), start=1):
        session(Path("old"), grid, dict.fromkeys(ALIKE, level), f"s{number}", number)
    session(Path("new"), grid, SLOW, "s9", 9)
    runs = rerun(again)
    found, out, _ = harness("compare", "old/speed", "new/speed", "--confirm", "speed.toml")
    assert found == code
    ((*cells,),) = runs
    assert {(cell.precision, cell.recipe["optim"]) for cell in cells} == {("bf16", "adafactor")}
    assert len(Store(Path("old"), "speed").entries()) == 60
    assert ("Confirmed: ratio" in out) == (code == 1)


def test_nothing_suspicious_runs_nothing(harness: Make, grid: Path, rerun: Make) -> None:
    session(Path("results"), grid, ALIKE)
    runs = rerun(SLOW)
    assert harness("compare", *ARMS, "--confirm", "speed.toml")[0] == 0
    assert runs == []


def test_the_grids_margin_counts_with_confirm(harness: Make, grid: Path, rerun: Make) -> None:
    session(Path("results"), grid, SLOW)
    runs = rerun(SLOW)
    grid.write_text(GRID.format(processes=5, margin=20), encoding="utf-8")
    code, out, _ = harness("compare", *ARMS, "--confirm", "speed.toml")
    assert (code, runs) == (0, [])
    assert "margin 20 %" in out


def test_a_grid_that_has_changed_cannot_confirm(harness: Make, grid: Path, rerun: Make) -> None:
    session(Path("results"), grid, SLOW)
    rerun(SLOW)
    grid.write_text(GRID.format(processes=5, margin=5).replace("measured_steps = 5", "measured_steps = 9"), "utf-8")
    code, _, err = harness("compare", *ARMS, "--confirm", "speed.toml")
    assert code == 2
    assert "--confirm: speed.toml does not time embedded/tiny-bert · bf16 · optim=adafactor (any more)" in err


@pytest.mark.slow
def test_confirming_for_real(harness: Make, grid: Path, tour: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A real process an arm, one of them told to have been slow and on a quiet machine: both are timed again."""
    for name in ("HARNESS_CACHE", "HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, tour.variables[name])
    text = GRID.format(processes=1, margin=5).replace('"adamw_torch", "adafactor"', '"adamw_torch", "sgd"')
    grid.write_text(text.replace('"fp32", "bf16"', '"fp32"'), encoding="utf-8")
    assert harness("run", "speed.toml")[0] == 0
    store = Store(Path("results"), "speed")
    for entry in store.entries():
        path = store.folder / entry.path / "record.json"
        data = json.loads(path.read_text(encoding="utf-8"))
        slow = data["asked"]["recipe"]["optim"] == "sgd"
        data["measured"]["timing"] |= {"median_samples_per_second": 100.0 if slow else 400.0, "noise": {"reasons": []}}
        path.write_text(json.dumps(data), encoding="utf-8")
    store.index.path.unlink()  # it knows that they were edited
    arms = ("results/speed:optim=adamw_torch", "results/speed:optim=sgd")
    code, out, err = harness("compare", *arms, "--confirm", "speed.toml", "--json")
    (found,) = json.loads(out)["verdicts"]
    assert code == 3
    assert (found["reason"]["code"], found["reason"]["values"]["first"]) == ("speed.not_confirmed", "INCONCLUSIVE")
    assert found["reason"]["values"]["before"]["code"] == "speed.few_pairs"
    assert "timing again before it alarms" in err
    sessions = [store.record(entry).measured.timing.session for entry in store.entries()]  # type: ignore[union-attr]
    assert (len(set(sessions)), len(sessions)) == (2, 4)
