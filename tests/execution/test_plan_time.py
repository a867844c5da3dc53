"""How long a plan takes: from the past, on its slots, and how many there are."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.execution.environment import Environment
from harness.execution.plan import HOST_START_S, Packing, Plan, PlannedCell, default_packing, ranks_beside
from harness.record.attempts import Entry

Make = Callable[..., Any]
ONE: Any = Packing(1)


def test_nothing_to_do_takes_no_time(plan_of: Make, cell_of: Make, entry_of: Make) -> None:
    assert plan_of([cell_of()], [entry_of(cell_of())]).expected_s == 0


def test_a_host_must_start_first(plan_of: Make, cell_of: Make, entry_of: Make) -> None:
    plan = plan_of([cell_of(seed=1), cell_of(seed=2)], [entry_of(cell_of(seed=2))])
    assert plan.expected_s == pytest.approx(10.0 + HOST_START_S)


def test_nothing_is_known_without_history(plan_of: Make, cell_of: Make) -> None:
    assert plan_of([cell_of()]).expected_s is None


def test_expected_is_the_median_of_the_configuration(plan_of: Make, cell_of: Make, entry_of: Make) -> None:
    times = {1: 10.0, 2: 12.0, 3: 50.0}
    entries = [
        entry_of(cell_of(seed=seed), seconds={"total": total}, started=f"2026-11-22T1{seed}:00:00.000Z")
        for seed, total in times.items()
    ]
    other = cell_of(recipe={"max_steps": 400}, seed=1)
    entries.append(entry_of(other, seconds={"total": 1000.0}))
    planned = plan_of([cell_of(seed=4), cell_of(seed=5)], entries, packing=ONE)
    assert [p.expected_s for p in planned.cells] == [12.0, 12.0]
    assert planned.expected_s == 24.0


def test_a_like_cell_stands_in_for_an_unknown_configuration(plan_of: Make, cell_of: Make, entry_of: Make) -> None:
    entries = [entry_of(cell_of(seed=2), seconds={"total": 7.0})]
    plan = plan_of([cell_of(recipe={"learning_rate": 1e-4}), cell_of(precision="bf16")], entries, packing=ONE)
    assert plan.cells[0].expected_s == 7.0


def beside(entry_of: Make, cell_of: Make, *spans: tuple[float, float], devices: int = 1) -> list[Entry]:
    """Entries of cells that ran from one second to another."""
    return [
        entry_of(
            cell_of(seed=seed),
            devices=devices,
            seconds={"total": end - start},
            started=f"2026-11-22T10:00:{start:06.3f}Z",
        )
        for seed, (start, end) in enumerate(spans)
    ]


@pytest.mark.parametrize(
    ("spans", "ranks"),
    [
        ([(0, 10)], [1]),
        ([(0, 10), (10, 20)], [1, 1]),
        ([(0, 10), (0, 10)], [2, 2]),
        ([(0, 10), (5, 10)], [1.5, 2]),
        ([(0, 30), (10, 20), (10, 20)], [5 / 3, 3, 3]),
    ],
)
def test_how_many_ran_beside(
    cell_of: Make, entry_of: Make, spans: list[tuple[float, float]], ranks: list[float]
) -> None:
    assert ranks_beside(beside(entry_of, cell_of, *spans)) == pytest.approx(ranks)
    two_each = beside(entry_of, cell_of, *spans, devices=2)
    assert ranks_beside(two_each) == pytest.approx([2 * count for count in ranks])


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(1, 15)), min_size=1, max_size=30))
def test_rank_seconds_are_counted_once(spans: list[tuple[int, int]]) -> None:
    entries: Any = [
        SimpleNamespace(started=f"2026-11-22T10:00:{start:02d}.000Z", seconds={"total": float(length)}, devices=1)
        for start, length in spans
    ]
    found = ranks_beside(entries)
    overlaps = [sum(max(0, min(s + n, t + m) - max(s, t)) for t, m in spans) / n for s, n in spans]
    assert found == pytest.approx(overlaps)


@pytest.mark.parametrize(
    ("slots", "capacity", "speeds", "each", "total"),
    [
        (2, 2, {}, 10.0, 20.0),  # as it was: 4 cells of 10 s, 2 at a time on 2 cores
        (1, 2, {}, 10.0, 40.0),  # and where each has a core, the other's cell does not matter
        (4, 2, {}, 20.0, 20.0),  # more than the cores: each takes longer, and the whole no less
        (1, 2, {1: 1.0, 2: 1.6}, 8.0, 32.0),  # measured: a cell that is alone is faster
        (2, 2, {1: 1.0, 2: 1.6}, 10.0, 20.0),
        (4, 2, {1: 1.0, 2: 1.6}, 20.0, 20.0),  # beyond what was measured nothing is gained
    ],
)
def test_seconds_of_the_past_are_turned_into_those_of_the_plan(
    plan_of: Make, cell_of: Make, entry_of: Make,
    slots: int, capacity: int, speeds: dict[int, float], each: float, total: float,
) -> None:  # fmt: skip
    entries = beside(entry_of, cell_of, (0, 10), (0, 10))
    cells = [cell_of(seed=seed) for seed in (11, 12, 13, 14)]
    plan = plan_of(cells, entries, packing=Packing(slots, capacity=capacity, speeds=speeds))
    assert [p.expected_s for p in plan.cells] == pytest.approx([each] * 4)
    assert plan.expected_s == pytest.approx(total)


@pytest.mark.parametrize(("ranks", "speed"), [(1, 1.0), (2, 1.8), (2.5, 1.7), (3, 1.6), (8, 1.6)])
def test_speed_between_what_was_measured(ranks: float, speed: float) -> None:
    assert Packing(2, speeds={1: 1.0, 2: 1.8, 3: 1.6}).speed(ranks) == pytest.approx(speed)
    assert Packing(2, speeds={2: 1.0}).speed(1) == 1.0


@pytest.mark.parametrize("status", ["failed", "timeout", "killed", "skipped"])
def test_runs_that_did_not_end_say_nothing_of_time(plan_of: Make, cell_of: Make, entry_of: Make, status: str) -> None:
    assert plan_of([cell_of(seed=1)], [entry_of(cell_of(seed=2), status)]).expected_s is None


def planned(expected: list[float | None], slots: int, devices: int = 1) -> Plan:
    cell: Any = SimpleNamespace(timed=False, devices=devices)
    cells = [PlannedCell(cell, "to do", expected_s=seconds) for seconds in expected]
    return Plan(cells, {}, {}, slots)


@pytest.mark.parametrize(
    ("expected", "slots", "total"),
    [
        ([10.0, 20.0, 30.0], 1, 60.0),
        ([10.0, 20.0, 30.0], 2, 40.0),  # the third begins when the first has ended
        ([10.0, 10.0, 10.0], 2, 20.0),  # the last one is alone
        ([10.0, 10.0, 40.0], 3, 40.0),
        ([10.0, None, 20.0], 1, 45.0),  # the unknown counts like the average
        ([10.0], 8, 10.0),
        ([None, None], 2, None),
        ([], 2, 0.0),
    ],
)
def test_expected_time(expected: list[float | None], slots: int, total: float | None) -> None:
    assert planned(expected, slots).expected_s == total


@pytest.mark.parametrize(("devices", "slots", "total"), [(2, 2, 60.0), (2, 4, 40.0), (3, 2, 60.0), (2, 3, 60.0)])
def test_a_cell_of_several_ranks_fills_several_slots(devices: int, slots: int, total: float) -> None:
    assert planned([10.0, 20.0, 30.0], slots, devices).expected_s == total


def test_a_cell_fits_where_its_ranks_have_slots_or_it_is_alone() -> None:
    plan = planned([], 2)
    assert [plan.fits(devices, taken) for devices, taken in ((1, 1), (2, 0), (2, 1), (3, 0), (3, 1))] == [
        True, True, False, True, False,
    ]  # fmt: skip


@given(st.lists(st.floats(0.1, 1e4), min_size=1, max_size=30), st.integers(1, 16))
def test_expected_time_has_its_bounds(seconds: list[float], slots: int) -> None:
    found = planned(list(seconds), slots).expected_s
    assert found is not None
    assert found >= max(seconds)
    assert sum(seconds) / slots - 1e-6 <= found <= sum(seconds) + 1e-6


# Slots.


def test_one_cell_a_cuda_device(environment_of: Make, cell_of: Make) -> None:
    found = default_packing([cell_of(threads=4)], {"current": environment_of((8, 0), (8, 0), (8, 0))})
    assert (found.slots, found.source, found.why) == (3, "machine", ", one a device")


@pytest.mark.parametrize(("cores", "threads", "slots"), [(8, 1, 8), (8, 2, 4), (8, 3, 2), (2, 4, 1), (1, 1, 1)])
def test_as_many_cells_as_the_cores_hold(
    environment_of: Make, cell_of: Make, monkeypatch: pytest.MonkeyPatch, cores: int, threads: int, slots: int
) -> None:
    monkeypatch.setattr(Environment, "cores", cores)
    assert default_packing([cell_of(threads=threads)], {"current": environment_of()}).slots == slots


def test_a_cell_of_more_threads_takes_more_slots(
    environment_of: Make, cell_of: Make, plan_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has two threads hinders no others of one thread from sharing the machine, and is alone on 2 cores."""
    monkeypatch.setattr(Environment, "cores", 2)
    cells = [cell_of(), cell_of(threads=2), cell_of(devices=2), cell_of(threads=3)]
    packing = default_packing(cells, {"current": environment_of()})
    plan = plan_of(cells, packing=packing)
    assert (plan.slots, packing.threads) == (2, 1)
    assert [plan.needs(cell) for cell in cells] == [1, 2, 2, 3]
    assert [plan.fits(plan.needs(cell), 1) for cell in cells] == [True, False, False, False]
    on_cuda = default_packing(cells, {"current": environment_of((8, 0), (8, 0))})
    assert [plan_of(cells, packing=on_cuda).needs(cell) for cell in cells] == [1, 1, 2, 1]


def test_the_packing_decides(plan_of: Make, cell_of: Make) -> None:
    plan = plan_of([cell_of()], packing=Packing(7))
    assert (plan.slots, plan.packing) == (7, Packing(7))
