"""What a packing tries, in which order, and how its rounds are run and timed."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.grid.cell import Cell
from harness.pipelines import pack
from harness.pipelines.pack import Round, Rounds, arms, schedule

Make = Callable[..., Any]


# What is tried.


@pytest.mark.parametrize(
    ("most", "threads", "cores", "pairs"),
    [
        (3, 1, 2, [(1, 1), (2, 1), (3, 1), (1, 2)]),
        (2, 2, 2, [(1, 2), (2, 2), (2, 1)]),
        (1, 1, None, [(1, 1)]),
        (5, 1, None, [(n, 1) for n in (1, 2, 3, 4, 5)]),
        (17, 1, 16, [*((n, 1) for n in (1, 2, 3, 4, 8, 16, 17)), (1, 16), (2, 8), (3, 5), (4, 4), (8, 2)]),
    ],
)
def test_numbers_of_cells_and_threads(most: int, threads: int, cores: int | None, pairs: list[tuple[int, int]]) -> None:
    assert arms(most, threads, cores) == pairs


@given(st.integers(1, 300), st.integers(1, 8), st.integers(1, 256))
def test_every_pair_is_tried_once_and_one_at_a_time_is_first(most: int, threads: int, cores: int) -> None:
    pairs = arms(most, threads, cores)
    assert pairs[0] == (1, threads)
    assert len(set(pairs)) == len(pairs)
    assert max(n for n, _ in pairs) == most
    assert all(1 <= n * each <= max(cores, n * threads) for n, each in pairs)


def test_rounds_go_there_and_back_with_the_same_number_of_cells() -> None:
    rounds = schedule([(1, 1), (2, 1), (3, 1)], 4)
    assert [one.at_once for one in rounds] == [1, 2, 3, 3, 2, 1] * 2
    assert {one.cells for one in rounds} == {6}
    assert [one.cells for one in schedule([(4, 1), (16, 1)], 1)] == [8, 32]  # more than 3: two after another


def test_a_short_cell_asks_for_the_same_but_its_length(cell_of: Make) -> None:
    cell = cell_of(recipe={"num_train_epochs": 3, "learning_rate": 1e-4}, head_seeding="course", resume_at=7)
    short = pack.short_cell(cell, 20)
    assert short.recipe == {"num_train_epochs": 3, "learning_rate": 1e-4, "max_steps": 20}
    assert (short.head_seeding, short.resume_at, short.timing) == ("seeded", 0, None)
    assert (short.seed, short.precision, short.threads) == (cell.seed, cell.precision, cell.threads)


# How they are run.


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    time = SimpleNamespace(now=100.0)
    monkeypatch.setattr(pack.time, "monotonic", lambda: time.now)
    return time


def play(rounds: Rounds, seconds: float, clock: Any, cell: Cell, devices: int = 1) -> list[int]:
    """Run every cell for so many seconds; returns how many ran at once after each start."""
    running: list[float] = []
    seen = []
    while rounds.current:
        while rounds.admits(devices, len(running) * devices):
            rounds.cell_started(cell)
            running.append(clock.now + seconds)
            seen.append(len(running))
        clock.now = running.pop(0)
        rounds.cell_finished(cell, SimpleNamespace())  # type: ignore[arg-type]
    assert running == []
    assert not rounds.admits(devices, 0)
    return seen


@pytest.mark.parametrize("devices", [1, 2])
def test_each_round_has_its_own_number_at_once(cell_of: Make, clock: Any, devices: int) -> None:
    told: list[str] = []
    rounds = Rounds([Round(1, 1, 1), Round(1, 1, 6), Round(2, 1, 6), Round(3, 1, 6)], told.append)
    seen = play(rounds, 5.0, clock, cell_of(), devices)
    assert seen == [1, *[1] * 6, 1, *[2] * 5, 1, 2, *[3] * 4]
    assert [one.seconds for one in rounds.rounds] == [5.0, 30.0, 15.0, 10.0]
    assert told == [
        "round 1 of 3: 1 at a time, 1 thread each: 6 cells in 30.0 s",
        "round 2 of 3: 2 at a time, 1 thread each: 6 cells in 15.0 s",
        "round 3 of 3: 3 at a time, 1 thread each: 6 cells in 10.0 s",
    ]


@pytest.mark.parametrize("room", [2, 3])
def test_how_many_there_really_were(cell_of: Make, clock: Any, room: int) -> None:
    """Devices may have room for fewer than a round is of."""
    rounds = Rounds([Round(3, 1, 6)], print)
    running = 0
    for _ in range(6):
        while running < room and rounds.admits(1, running):
            rounds.cell_started(cell_of())
            running += 1
        rounds.cell_finished(cell_of(), SimpleNamespace())  # type: ignore[arg-type]
        running -= 1
    assert [one.most for one in rounds.rounds] == [room]


def test_how_far_losses_are_apart() -> None:
    alone = np.array([0.7, 0.5, 0.0, -0.2])
    assert pack._apart(alone, alone) == 0.0
    assert pack._apart(np.array([0.7, 0.505, 0.0, -0.2]), alone) == pytest.approx(0.01)


def test_what_others_took() -> None:
    assert pack._others((10.0, 5.0, 100.0), (20.0, 20.0, 119.0)) == pytest.approx(0.4)
    assert pack._others((10.0, 5.0, 100.0), (20.0, 20.0, 110.0)) == 0.0
    assert pack._others((10.0, 5.0, None), (20.0, 20.0, None)) is None
