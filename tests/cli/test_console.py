from __future__ import annotations

import io
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from rich.console import Console

from harness.cli import console as module
from harness.cli.console import LiveReporter, PlainReporter, duration, kinds_text, outcome_text, reporter
from harness.cli.streams import Muting
from harness.execution.plan import Plan, PlannedCell
from harness.text import one_line

Make = Callable[..., Any]


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr(module.time, "monotonic", lambda: self.now)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


@pytest.fixture
def cells(cell_of: Make) -> list[Any]:
    return [cell_of(seed=seed, axes={"precision": "fp32"}) for seed in (1, 2, 3)]


@pytest.fixture
def plan(cells: list[Any]) -> Plan:
    return Plan([PlannedCell(cell, "to do", expected_s=60.0) for cell in cells], {}, {}, 2)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (None, "unknown"), (0, "0 s"), (0.4, "0 s"), (42.4, "42 s"), (99.4, "99 s"), (99.6, "1 min 40 s"),
        (185, "3 min 5 s"), (3599.4, "59 min 59 s"), (3600, "1 h 0 min"), (7800, "2 h 10 min"), (360000, "100 h 0 min"),
    ],
)  # fmt: skip
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


def test_an_outcome_in_a_few_words(cell_of: Make, entry_of: Make) -> None:
    entry = entry_of(cell_of(), metrics={"accuracy": 0.85784, "f1": 0.89966, "loss": 1.0})
    assert outcome_text(entry) == "ok, accuracy 0.8578, F1 0.8997, 20.0 samples/s, 10 s"
    failed = entry_of(cell_of(), "failed", error="ValueError: not\nthis\x1b[31m way: no")
    assert outcome_text(failed) == "failed (not this [31m way: no)"
    assert one_line("a\tb\x00\u202ec") == "a b  c"


# Plain lines.


def test_plain_lines(
    capsys: pytest.CaptureFixture[str], clock: Clock, plan: Plan, cells: list[Any], entry_of: Make
) -> None:
    told = PlainReporter()
    told.run_started(plan)
    told.preparing("tiny on paraphrase")
    told.cell_started(cells[0])
    told.cell_event(cells[0], {"event": "training", "steps": 40})
    told.cell_event(cells[0], {"event": "step", "step": 1, "steps": 40})  # too soon after the last line
    clock.now += 31
    told.cell_event(cells[0], {"event": "step", "step": 20, "steps": 40})
    told.cell_event(cells[0], {"event": "evaluated", "step": 40, "steps": 40, "scores": {"accuracy": 0.75, "f1": 0.8}})
    told.cell_finished(cells[0], entry_of(cells[0]))
    told.cell_started(cells[1])
    told.cell_finished(cells[1], entry_of(cells[1], "failed", error="E: no"))
    told.cell_started(cells[1])
    told.cell_finished(cells[1], entry_of(cells[1], "failed", error="E: no"))  # a retry is the same cell
    told.note("a note")
    told.close()
    assert capsys.readouterr().out.splitlines() == [
        "3 cells to do, 0 done, 0 skipped, 2 at a time, expected time 2 min 0 s",
        "preparing tiny on paraphrase",
        "start  embedded/tiny-bert · fp32 · seed 1",
        "step   embedded/tiny-bert · fp32 · seed 1: 20/40",
        "eval   embedded/tiny-bert · fp32 · seed 1: step 40/40, accuracy 0.7500",
        "done   [1/3] embedded/tiny-bert · fp32 · seed 1: ok, accuracy 0.8000, 20.0 samples/s, 10 s; about 31 s left",
        "start  embedded/tiny-bert · fp32 · seed 2",
        "done   [2/3] embedded/tiny-bert · fp32 · seed 2: failed (no); about 31 s left",
        "start  embedded/tiny-bert · fp32 · seed 2 (attempt 2)",
        "done   [2/3] embedded/tiny-bert · fp32 · seed 2: failed (no); about 31 s left",
        "a note",
    ]


def test_the_first_line_tells_timings_from_what_has_a_score(
    capsys: pytest.CaptureFixture[str], plan: Plan, cells: list[Any]
) -> None:
    timings = [replace(cells[0], timing={"warmup_steps": 1, "measured_steps": 2}, repeat=n) for n in (1, 2)]
    both = replace(plan, cells=[*plan.cells, *(PlannedCell(cell, "to do") for cell in timings)])
    PlainReporter().run_started(both)
    assert capsys.readouterr().out.startswith("5 cells to do (3 scored, 2 timings), 0 done, 0 skipped, ")
    assert kinds_text(both.cells[3:]) == kinds_text(plan.cells) == ""


def test_a_reader_that_leaves_does_not_stop_the_run(monkeypatch: pytest.MonkeyPatch, cells: list[Any]) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, "w", buffering=1, encoding="utf-8") as nobody:
        monkeypatch.setattr("sys.stdout", Muting(nobody))
        for _ in range(2):  # the second one goes to the null device
            PlainReporter().cell_started(cells[0])


# A terminal.


@pytest.fixture
def terminal() -> Console:
    return Console(file=io.StringIO(), force_terminal=True, width=110, height=30, color_system=None, record=True)


def rendered(told: LiveReporter) -> str:
    plain = Console(file=io.StringIO(), width=110)
    plain.print(told._render())
    return plain.file.getvalue()  # type: ignore[attr-defined, no-any-return]


def rows(told: LiveReporter) -> dict[str, list[str]]:
    lines = rendered(told).splitlines()
    return {line.split("  ")[0].strip(): line.split() for line in lines if "seed" in line}


def test_the_live_table_shows_how_far_each_cell_is(
    terminal: Console, clock: Clock, plan: Plan, cells: list[Any], entry_of: Make
) -> None:
    told = LiveReporter(terminal)
    told.run_started(plan)
    try:
        told.preparing("tiny on paraphrase")
        assert "preparing tiny on paraphrase" in rendered(told)
        assert "0 of 3 cells, 0 s so far, about 2 min 0 s left" in rendered(told)
        told.cell_started(cells[0])
        told.cell_event(cells[0], {"event": "started", "pid": 1})
        assert "loading" in rendered(told)
        assert "0/?" in rendered(told)
        told.cell_event(cells[0], {"event": "training", "steps": 40})
        told.cell_event(cells[0], {"event": "step", "step": 1, "steps": 40})
        clock.now += 10
        told.cell_event(cells[0], {"event": "step", "step": 11, "steps": 40})
        (row,) = rows(told).values()
        assert row[-4:] == ["training", "11/40", "29", "s"]
        told.cell_event(
            cells[0], {"event": "evaluated", "step": 20, "steps": 40, "scores": {"accuracy": 0.75, "f1": 0.8}}
        )
        told.cell_event(cells[0], {"event": "predicting"})
        (row,) = rows(told).values()
        assert row[row.index("predicting") :][:4] == ["predicting", "20/40", "0.7500", "0.8000"]
        told.cell_finished(cells[0], entry_of(cells[0]))
        told.cell_finished(cells[0], entry_of(cells[0]))  # a retry is the same cell
        assert rows(told) == {}
        assert "1 of 3 cells, 10 s so far, about 10 s left" in rendered(told)
        told.note("a host died")
        told.cell_event(cells[1], {"event": "step", "step": 1, "steps": 40})  # of a cell that is not running
    finally:
        told.close()
    written = terminal.file.getvalue()  # type: ignore[attr-defined]
    assert "embedded/tiny-bert · fp32 · seed 1: ok, accuracy 0.8000" in written
    assert "a host died" in written
    assert written.count("\x1b[?25l") == written.count("\x1b[?25h") == 1  # the cursor is given back


def test_after_an_error_the_cursor_is_given_back(terminal: Console, plan: Plan) -> None:
    told = LiveReporter(terminal)
    told.run_started(plan)
    told.close()
    told.close()
    assert terminal.file.getvalue().count("\x1b[?25h") == 1  # type: ignore[attr-defined]


def test_labels_are_no_markup(terminal: Console, cell_of: Make, entry_of: Make, plan: Plan) -> None:
    cell = cell_of(axes={"optim": "[red]x[/]"})
    told = LiveReporter(terminal)
    told.cell_started(cell)
    assert "optim=[red]x[/]" in rendered(told)
    told.preparing("[bold]x")
    assert "preparing [bold]x" in rendered(told)
    told.cell_finished(cell, entry_of(cell, "failed", error="E: [/nonsense]"))
    assert "failed ([/nonsense])" in terminal.file.getvalue()  # type: ignore[attr-defined]


def test_the_reporter_fits_the_output(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(reporter(), PlainReporter)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert isinstance(reporter(), PlainReporter)  # colour is no cursor: CI logs set it
