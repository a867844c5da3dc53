"""What is left of a run: by steps, at each configuration's own rate; nothing is claimed where nothing is known."""

from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
from rich.console import Console

from harness.cli import console as module
from harness.cli.console import LiveReporter
from harness.cli.left import Left
from harness.execution.plan import Plan, PlannedCell

Make = Callable[..., Any]


def events(left: Left, cell: Any, at: float, step: int, steps: int = 100) -> None:
    left.heard(cell, {"event": "step", "step": step, "steps": steps}, at)


def plan_of(cells: list[Any], slots: int, expected: float | None = None) -> Plan:
    return Plan([PlannedCell(cell, "to do", expected_s=expected) for cell in cells], {}, {}, slots)


def test_nothing_is_claimed_before_each_configuration_was_seen(cell_of: Make) -> None:
    slow, fast = cell_of(precision="bf16"), cell_of(precision="fp32")
    left = Left(plan_of([slow, fast], 1))
    assert left.of_run(0.0) is None
    left.started(slow, 0.0)
    events(left, slow, 5.0, 1)
    assert left.of_cell(slow, 5.0) is None  # one step has no rate
    events(left, slow, 15.0, 11)
    assert left.of_cell(slow, 15.0) == pytest.approx(89.0)
    assert left.of_run(15.0) is None  # nothing like the other one has run
    known = Left(plan_of([slow, fast], 1, expected=60.0))  # but where it has before
    assert known.of_run(0.0) == 120.0


def test_at_a_constant_rate_the_end_stays_where_it_is(cell_of: Make) -> None:
    """Seven cells of one configuration on two slots: a step a second, 2 s before the first and after the last."""
    cells = [cell_of(seed=seed) for seed in range(7)]
    left, ends, begun, waiting, now = Left(plan_of(cells, 2)), list[float](), dict[int, float](), [*range(7)], 0.0
    while waiting or begun:
        for number in [number for number, start in begun.items() if now - start == 103]:
            del begun[number]
            left.finished(cells[number], now, True)
        while waiting and len(begun) < 2:
            begun[waiting[0]] = now
            left.started(cells[waiting.pop(0)], now)
        for number, start in begun.items():
            if 2 <= now - start <= 101:
                events(left, cells[number], now, int(now - start) - 1)
        if (seconds := left.of_run(now)) is not None:
            ends.append(now + seconds)
        now += 1.0
    # What comes behind the last step is known once the first cells have ended, at 103; then the end is the true one.
    assert {round(end) for end in ends[103:]} == {412}
    assert min(ends) >= 400
    assert max(ends) <= 412


def test_a_cell_that_failed_tells_nothing_of_the_others(cell_of: Make) -> None:
    cells = [cell_of(seed=seed) for seed in (1, 2)]
    left = Left(plan_of(cells, 1))
    left.started(cells[0], 0.0)
    left.finished(cells[0], 1.0, False)
    assert left.of_run(1.0) is None


@pytest.mark.parametrize("width", [60, 80])
def test_a_row_keeps_its_figures_on_one_line(cell_of: Make, monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    clock = [0.0]
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    cell = cell_of(axes={"learning_rate": 5e-05, "per_device_train_batch_size": 16, "optim": "adamw_torch_fused"})
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None)
    told = LiveReporter(console)
    told.run_started(plan_of([cell], 1))
    try:
        told.cell_started(cell)
        for at, step in ((1.0, 1), (201.0, 101)):
            clock[0] = at
            told.cell_event(cell, {"event": "step", "step": step, "steps": 1377})
        plain = Console(file=io.StringIO(), width=width)
        plain.print(told._render())
        lines = plain.file.getvalue().splitlines()  # type: ignore[attr-defined]
    finally:
        told.close()
    assert any("training" in line and "101/1377" in line and "42 min 32 s" in line for line in lines), lines
    assert max(map(len, lines)) <= width
