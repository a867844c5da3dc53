"""Packing: what is made of a measurement, what is kept, and what a plan takes from it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from harness.errors import StoreError
from harness.execution import packing
from harness.execution.environment import Environment
from harness.execution.packing import Measurement, Row, choose_packing, keep, measurements

Make = Callable[..., Any]
SAME = {"loss_sha256": ["a" * 64], "final_sha256": ["b" * 64]}


@pytest.fixture
def choose(environment_of: Make, cell_of: Make, tmp_path: Path) -> Make:
    """The packing of some cells, by what was measured in the test's folder."""

    def make(*cells: Any, slots: int | None = None, of_grid: Any = "auto", on: Environment | None = None) -> Any:
        grid: Any = SimpleNamespace(path=Path("benchmarks/g.toml"), execution=SimpleNamespace(slots=of_grid))
        return choose_packing(cells or [cell_of()], {"current": on or environment_of()}, tmp_path, grid, slots)

    return make


def row(at_once: int, *seconds: float, threads: int = 1, cells: int = 6, **hashes: list[str]) -> Row:
    return Row(at_once=at_once, threads=threads, cells=cells, seconds=list(seconds), hashes={**SAME, **hashes})


@pytest.fixture
def measured(environment_of: Make, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Measurement]:
    monkeypatch.setattr(Environment, "cores", 2)

    def make(*rows: Row, **changes: Any) -> Measurement:
        return Measurement(
            **{
                "machine": packing.machine_of(environment_of()),
                "label": "tiny · fp32",
                "task": "embedded/paraphrase",
                "checkpoint": {"source": "embedded/tiny-bert", "revision": None, "config": {}},
                "precision": "fp32",
                "devices": 1,
                "threads": 1,
                "batch_size": 8,
                "steps": 20,
                "date": "2026-11-22T10:00:00.000Z",
                "others_cores": 0.02,
                "start_s": 4.0,
                "rows": list(rows) or [row(1, 20.0), row(2, 10.0), row(3, 10.1)],
                **changes,
            }
        )

    return make


@pytest.mark.parametrize(
    ("cores", "threads", "devices", "most"), [(2, 1, 1, 3), (8, 1, 1, 9), (8, 2, 1, 5), (8, 1, 2, 5), (1, 4, 1, 1)]
)
def test_one_more_than_the_cores_hold(
    cell_of: Make,
    environment_of: Make,
    monkeypatch: pytest.MonkeyPatch,
    cores: int,
    threads: int,
    devices: int,
    most: int,
) -> None:
    monkeypatch.setattr(Environment, "cores", cores)
    assert packing.limit(environment_of(), cell_of(threads=threads, devices=devices)) == most


@pytest.mark.parametrize(
    ("devices", "cores", "mib", "most"),
    [
        (1, 16, None, 8),
        (1, 16, 20_000, 4),
        (1, 16, 90_000, 1),
        (1, 4, None, 4),  # each needs a core to launch its work
        (1, 1, None, 1),
        (4, 16, None, 16),
        (4, 64, 20_000, 16),
        (4, 2, None, 4),  # as before: one a device
    ],
)
def test_cells_a_cuda_device(
    cell_of: Make, environment_of: Make, monkeypatch: pytest.MonkeyPatch, devices: int, cores: int, mib: Any, most: int
) -> None:
    monkeypatch.setattr(Environment, "cores", cores)
    found = environment_of(*[(8, 0)] * devices, memory_mib=81_000)
    assert packing.limit(found, cell_of(), mib) == most


def test_cells_on_several_cuda_devices_share_none(
    cell_of: Make, environment_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Environment, "cores", 64)
    four = environment_of(*[(8, 0)] * 4)
    assert [packing.limit(four, cell_of(devices=k)) for k in (2, 3, 4)] == [2, 1, 1]


def test_what_a_cell_is_taken_to_need() -> None:
    assert packing.need_mib({"process": 900.0, "device": 700.0}) is None  # what tensors had is not what others lack
    assert packing.need_mib({"process": 900.0, "device": 700.0, "reserved": 1000.3}) == 1251 + packing.CONTEXT_MIB


# What is made of it.


def test_cells_an_hour_are_of_the_median_round() -> None:
    one = row(2, 10.0, 12.0, 100.0)
    assert one.cells_per_hour == pytest.approx(6 / 12 * 3600)
    assert one.range == pytest.approx((216.0, 2160.0))


@pytest.mark.parametrize(
    ("seconds", "best"),
    [((20, 10, 9), 3), ((20, 10, 9.9), 2), ((20, 21, 30), 1), ((20, 19.7, 30), 1), ((20, 10, 12), 2)],
)
def test_of_equals_the_fewest_are_best(measured: Make, seconds: tuple[float, ...], best: int) -> None:
    found = measured(*[row(n, float(s)) for n, s in enumerate(seconds, start=1)])
    assert found.best.at_once == best


def test_other_threads_decide_nothing(measured: Make) -> None:
    found = measured(row(1, 20.0), row(2, 12.0), row(1, 5.0, threads=2))
    assert found.best == found.rows[1]
    assert found.relative(found.rows[2]) == pytest.approx(4.0)


def test_changed_losses_are_named(measured: Make) -> None:
    same = measured()
    assert (same.differences(), same.repeatable) == ([], True)
    other_threads = {"final_sha256": ["d" * 64]}  # other last bits, but all the same ones
    assert measured(row(1, 2.0), row(1, 2.0, threads=2, **other_threads)).differences() == []
    changed = measured(row(1, 2.0), row(2, 1.0, final_sha256=["b" * 64, "c" * 64]))
    assert changed.repeatable
    assert changed.differences() == [
        "2 at a time, 1 thread each: final_sha256 is bbbbbbbbbbbb and cccccccccccc, with 1 at a time bbbbbbbbbbbb"
    ]
    never = measured(row(1, 2.0, loss_sha256=["1" * 64, "2" * 64]))
    assert not never.repeatable
    assert len(never.differences()) == 1


@pytest.mark.parametrize(
    ("gpu", "alone", "packed", "sound"),
    [
        (True, 1e-6, 9e-6, True),
        (True, 1e-6, 1.1e-5, False),
        (True, 0.0, 1e-7, False),  # only weights differed alone: that losses now do is of the packing
        (False, 1e-6, 1e-6, False),  # a processor repeats itself
    ],
)
def test_what_never_is_equal_is_held_against_its_own_spread(
    measured: Make, gpu: bool, alone: float, packed: float, sound: bool
) -> None:
    two = {"final_sha256": ["b" * 64, "c" * 64]}
    rows = [row(1, 2.0, **two), row(2, 1.0, **two)]
    rows = [one.model_copy(update={"apart": far}) for one, far in zip(rows, (alone, packed), strict=True)]
    found = measured(*rows, machine={"accelerators": ["H100"] if gpu else []})
    assert (found.repeatable, found.sound) == (False, sound)


def test_where_cells_alone_are_equal_packed_ones_must_be(measured: Make) -> None:
    gpu = {"accelerators": ["H100"]}
    changed = row(2, 1.0, final_sha256=["c" * 64]).model_copy(update={"apart": 1e-9})
    assert not measured(row(1, 2.0), changed, machine=gpu).sound
    assert measured(row(1, 2.0), row(2, 1.0), machine=gpu).sound


# What is kept.


def test_the_newer_measurement_of_the_same_thing_counts(measured: Make, tmp_path: Path) -> None:
    results = tmp_path / "results"
    assert measurements(results) == []
    old, other, new = measured(steps=10), measured(precision="bf16"), measured(steps=20)
    for one in (old, other, new):
        path = keep(one, results)
    assert measurements(results) == [other, new]
    assert json.loads(path.read_text(encoding="utf-8"))["schema"] == 1
    assert [file.name for file in results.iterdir()] == ["packing.json"]


@pytest.mark.parametrize("text", ["", "{", '{"schema": 2, "measurements": []}', '{"schema": 1}', "[]"])
def test_a_file_that_cannot_be_read(measured: Make, choose: Make, tmp_path: Path, text: str) -> None:
    (tmp_path / "packing.json").write_text(text)
    with pytest.raises(StoreError, match=r"packing\.json: not readable as measurements"):
        keep(measured(), tmp_path)
    found = choose()  # a run goes on without
    assert (found.slots, found.source) == (2, "machine")
    assert "packing.json: not readable" in found.why


# What a plan takes from it.


def test_without_a_measurement_the_cores_decide(
    measured: Make, choose: Make, environment_of: Make, tmp_path: Path
) -> None:
    found = choose()
    assert (found.slots, found.source) == (2, "machine")
    how = f"(not measured: `harness pack benchmarks/g.toml --results {tmp_path}` does)"
    assert found.why == f", 1 thread each on 2 cores {how}"
    one_gpu = choose(on=environment_of((8, 0)))
    assert (one_gpu.slots, one_gpu.why) == (1, f", one a device {how}")


def test_the_measurement_decides(measured: Make, choose: Make, tmp_path: Path) -> None:
    keep(measured(row(1, 20.0), row(2, 22.0), row(3, 10.0)), tmp_path)
    found = choose()
    assert (found.slots, found.source, found.start_s) == (3, "measured", 4.0)
    assert found.why == ": measured 2026-11-22 with tiny · fp32, 2.00 x one at a time"
    assert found.speeds == pytest.approx({1: 1.0, 2: 20 / 22, 3: 2.0})
    keep(measured(others_cores=0.9), tmp_path)
    found = choose()
    assert found.why == ": measured 2026-11-22 with tiny · fp32, others on 0.9 cores, 2.00 x one at a time"


def test_slots_count_ranks(measured: Make, choose: Make, cell_of: Make, tmp_path: Path) -> None:
    keep(measured(devices=2), tmp_path)
    found = choose(cell_of(devices=2))
    assert found.slots == 4
    assert found.speeds == pytest.approx({2: 1.0, 4: 2.0, 6: 20 / 10.1})


@pytest.mark.parametrize("changes", [{"threads": 2}, {"devices": 2}, {"checkpoint": "org/other"}])
def test_a_measurement_of_something_else_does_not(
    measured: Make, choose: Make, cell_of: Make, environment_of: Make, tmp_path: Path, changes: dict[str, Any]
) -> None:
    keep(measured(), tmp_path)
    assert choose(cell_of(**changes)).source == "machine"
    assert choose(cell_of(), cell_of(**changes)).source == "measured"
    other = environment_of(machine={"cpu": "another CPU", "cores": 2, "memory_gib": 16.0})
    assert choose(on=other).source == "machine"
    timed = replace(cell_of(), timing={"warmup_steps": 1, "measured_steps": 1})
    assert choose(timed).source == "machine"


def test_what_was_asked_for_wins(measured: Make, choose: Make, tmp_path: Path) -> None:
    found = choose(slots=5)
    assert (found.slots, found.source, found.why, found.capacity) == (5, "--slots", ", as --slots says", 2)
    keep(measured(), tmp_path)
    assert choose(slots=5, of_grid=3).source == "--slots"
    found = choose(of_grid=1)
    assert (found.slots, found.source) == (1, "grid")
    assert found.why == ", as [execution] slots says (measured 2026-11-22: 2 are fastest)"
    assert found.speeds[2] == pytest.approx(2.0)  # and what is known of the machine stays known
