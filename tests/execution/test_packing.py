"""Packing: what is tried, in which order, what is made of it, what is kept, and what a plan takes from it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import StoreError
from harness.execution import cache, packing, packing_rounds
from harness.execution.environment import Environment
from harness.execution.inputs import files_sha256
from harness.execution.job import earlier
from harness.execution.packing import Measurement, Row, choose, keep, measurements
from harness.execution.packing_rounds import Round, Rounds, arms, schedule
from harness.grid.cell import Cell
from harness.protocol import CHECKPOINT_FILES

Make = Callable[..., Any]
SAME = {"loss_sha256": ["a" * 64], "final_sha256": ["b" * 64]}
GRID = Path("benchmarks/g.toml")


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


def test_one_cell_a_cuda_device(cell_of: Make, environment_of: Make) -> None:
    four = environment_of(*[(8, 0)] * 4)
    assert [packing.limit(four, cell_of(devices=k)) for k in (1, 2, 3, 4)] == [4, 2, 1, 1]


def test_a_short_cell_asks_for_the_same_but_its_length(cell_of: Make) -> None:
    cell = cell_of(recipe={"num_train_epochs": 3, "learning_rate": 1e-4}, head_seeding="course", resume_at=7)
    short = packing_rounds.short_cell(cell, 20)
    assert short.recipe == {"num_train_epochs": 3, "learning_rate": 1e-4, "max_steps": 20}
    assert (short.head_seeding, short.resume_at, short.timing) == ("seeded", 0, None)
    assert (short.seed, short.precision, short.threads) == (cell.seed, cell.precision, cell.threads)


# How they are run.


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Any:
    time = SimpleNamespace(now=100.0)
    monkeypatch.setattr(packing_rounds.time, "monotonic", lambda: time.now)
    return time


def play(rounds: Rounds, seconds: float, clock: Any, cell: Cell, devices: int = 1) -> list[int]:
    """Run every cell for so many seconds; returns how many ran at once after each start."""
    running: list[float] = []
    seen = []
    while rounds.current < len(rounds.rounds):
        while rounds.admits(len(running) * devices, devices):
            rounds.cell_started(cell, 1)
            running.append(clock.now + seconds)
            seen.append(len(running))
        clock.now = running.pop(0)
        entry: Any = SimpleNamespace()
        rounds.cell_finished(cell, entry)
    assert running == []
    assert not rounds.admits(0, devices)
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
def test_a_file_that_cannot_be_read(
    measured: Make, cell_of: Make, environment_of: Make, tmp_path: Path, text: str
) -> None:
    (tmp_path / "packing.json").write_text(text)
    with pytest.raises(StoreError, match=r"packing\.json: not readable as measurements"):
        keep(measured(), tmp_path)
    found = choose([cell_of()], {"current": environment_of()}, tmp_path, GRID)  # a run goes on without
    assert (found.slots, found.source) == (2, "machine")
    assert "packing.json: not readable" in found.why


# What a plan takes from it.


def test_without_a_measurement_the_cores_decide(
    measured: Make, cell_of: Make, environment_of: Make, tmp_path: Path
) -> None:
    found = choose([cell_of()], {"current": environment_of()}, tmp_path, GRID)
    assert (found.slots, found.source) == (2, "machine")
    assert found.why == ", 1 thread each on 2 cores (not measured: `harness pack benchmarks/g.toml` does)"
    one_gpu = choose([cell_of()], {"current": environment_of((8, 0))}, tmp_path, GRID)
    assert (one_gpu.slots, one_gpu.why) == (1, ", one a device")  # there is nothing to measure


def test_the_measurement_decides(measured: Make, cell_of: Make, environment_of: Make, tmp_path: Path) -> None:
    keep(measured(row(1, 20.0), row(2, 22.0), row(3, 10.0)), tmp_path)
    found = choose([cell_of()], {"current": environment_of()}, tmp_path, GRID)
    assert (found.slots, found.source, found.start_s) == (3, "measured", 4.0)
    assert found.why == ": measured 2026-11-22 with tiny · fp32, 2.00 x one at a time"
    assert found.speeds == pytest.approx({1: 1.0, 2: 20 / 22, 3: 2.0})
    keep(measured(others_cores=0.9), tmp_path)
    found = choose([cell_of()], {"current": environment_of()}, tmp_path, GRID)
    assert found.why == ": measured 2026-11-22 with tiny · fp32, others on 0.9 cores, 2.00 x one at a time"


def test_what_others_took() -> None:
    assert packing_rounds._others((10.0, 5.0, 100.0), (20.0, 20.0, 119.0)) == pytest.approx(0.4)
    assert packing_rounds._others((10.0, 5.0, 100.0), (20.0, 20.0, 110.0)) == 0.0
    assert packing_rounds._others((10.0, 5.0, None), (20.0, 20.0, None)) is None


def test_slots_count_ranks(measured: Make, cell_of: Make, environment_of: Make, tmp_path: Path) -> None:
    keep(measured(devices=2), tmp_path)
    found = choose([cell_of(devices=2)], {"current": environment_of()}, tmp_path, GRID)
    assert found.slots == 4
    assert found.speeds == pytest.approx({2: 1.0, 4: 2.0, 6: 20 / 10.1})


@pytest.mark.parametrize("changes", [{"threads": 2}, {"devices": 2}, {"checkpoint": "org/other"}])
def test_a_measurement_of_something_else_does_not(
    measured: Make, cell_of: Make, environment_of: Make, tmp_path: Path, changes: dict[str, Any]
) -> None:
    keep(measured(), tmp_path)
    environment = environment_of()
    assert choose([cell_of(**changes)], {"current": environment}, tmp_path, GRID).source == "machine"
    assert choose([cell_of(), cell_of(**changes)], {"current": environment}, tmp_path, GRID).source == "measured"
    other = environment_of(machine={"cpu": "another CPU", "cores": 2, "memory_gib": 16.0})
    assert choose([cell_of()], {"current": other}, tmp_path, GRID).source == "machine"
    timed = replace(cell_of(), timing={"warmup_steps": 1, "measured_steps": 1})
    assert choose([timed], {"current": environment}, tmp_path, GRID).source == "machine"


def test_what_was_asked_for_wins(measured: Make, cell_of: Make, environment_of: Make, tmp_path: Path) -> None:
    place = ([cell_of()], {"current": environment_of()}, tmp_path, GRID)
    found = choose(*place, 5)
    assert (found.slots, found.source, found.why, found.capacity) == (5, "--slots", ", as --slots says", 2)
    keep(measured(), tmp_path)
    found = choose(*place, 1, "grid")
    assert (found.slots, found.source) == (1, "grid")
    assert found.why == ", as [execution] slots says (measured 2026-11-22: 2 are fastest)"
    assert found.speeds[2] == pytest.approx(2.0)  # and what is known of the machine stays known


# Paid once: tokenization; and nothing is written that nobody asked for.

EPOCHS = """
name = "g"
task = "embedded/paraphrase"
[recipe]
num_train_epochs = 2
per_device_train_batch_size = 100
[matrix]
checkpoint = "embedded/tiny-bert"
seed = [1, 2]
"""


def test_a_task_is_tokenized_once_for_a_grid_and_not_again(house: Any) -> None:
    house.cache = house.folder / "cache"
    house.grid([1, 2])
    code, output = house.run()
    assert code == 0, output
    assert output.count("preparing ") == 1
    (tokenized,) = house.cache.glob("tokenized-*")
    made = tokenized.stat().st_mtime_ns
    house.grid([1, 2, 3])
    code, output = house.run()
    assert code == 0, output
    assert "preparing " not in output
    assert tokenized.stat().st_mtime_ns == made
    first, second, third = house.records()
    assert first.observed.data == second.observed.data == third.observed.data
    assert first.observed.weights.checkpoint_sha256 == third.observed.weights.checkpoint_sha256


@pytest.fixture
def prepared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A cache with a checkpoint and a tokenized task, and the preparation's result under the key k."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    checkpoint, dataset = tmp_path / "checkpoint", tmp_path / "tokenized-k"
    for path in (checkpoint / "config.json", *(dataset / split / "data-0.arrow" for split in ("train", "validation"))):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("{}")
    (dataset / "harness-facts.json").write_text('{"train": 1}')
    digest = files_sha256(checkpoint, CHECKPOINT_FILES)
    facts = {"status": "ok", "checkpoint": str(checkpoint), "dataset": str(dataset), "data": {"train": 1}}
    cache.remember("prepared-k", {**facts, "checkpoint_sha256": digest})
    return checkpoint, dataset


def test_what_was_prepared_is_found_again(prepared: tuple[Path, Path]) -> None:
    checkpoint, dataset = prepared
    for known in (None, checkpoint):
        found = earlier("k", known)
        assert found is not None
        assert (found["checkpoint"], found["dataset"]) == (str(checkpoint), str(dataset))
    assert earlier("k", checkpoint.parent) is None  # the same files somewhere else: the plan's own folder is taken
    assert earlier("another", None) is None


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("checkpoint/config.json", None),
        ("checkpoint/config.json", "{ }"),  # other bytes are another checkpoint
        ("tokenized-k/harness-facts.json", None),
        ("tokenized-k/harness-facts.json", '{"train": 2}'),
        ("tokenized-k/harness-facts.json", "{"),
        ("tokenized-k/validation/data-0.arrow", None),
        ("prepared-k.json", "[]"),
        ("prepared-k.json", "null"),
        ("prepared-k.json", "{}"),
    ],
)
def test_what_is_not_all_there_is_prepared_again(
    prepared: tuple[Path, Path], tmp_path: Path, path: str, text: str | None
) -> None:
    if text is None:
        (tmp_path / path).unlink()
    else:
        (tmp_path / path).write_text(text)
    assert earlier("k", None) is None


def test_an_ordinary_cell_writes_no_checkpoint(house: Any) -> None:
    """Its folder after its last step, and seen all the while; after it the scaffolding is gone too."""
    (house.folder / "g.toml").write_text(EPOCHS, encoding="utf-8")
    harness = house.start("--slots", "1")
    seen: set[str] = set()
    while harness.poll() is None:
        seen |= {path.name for path in house.results.glob("g/cells/??/*/*/[0-9]*/**/*")}
        time.sleep(0.005)
    output = harness.stdout.read()
    assert harness.returncode == 0, output
    suspicious = ("checkpoint", "optimizer", "scheduler", "rng_state", "training_args", "trainer_state", "model")
    assert [name for name in seen if name.startswith(suspicious)] == []
    assert [name for name in seen if name.endswith((".pt", ".pth", ".bin", ".safetensors"))] == []
    left = {path.name for path in house.results.glob("g/cells/??/*/*/[0-9]*/**/*")}
    assert left == {"record.json", "series.npz", "log.txt"}
    assert all(record.measured.epochs[-1].epoch == 2 for record in house.records())


def test_a_checkpoint_that_is_asked_for_would_be_seen(house: Any) -> None:
    """The test above looks in the right place."""
    text = EPOCHS.replace("[matrix]", 'save_strategy = "epoch"\n[matrix]').replace("[1, 2]", "[1]")
    (house.folder / "g.toml").write_text(text, encoding="utf-8")
    harness = house.start()
    seen: set[str] = set()
    while harness.poll() is None:
        seen |= {path.name for path in house.results.glob("g/cells/??/*/*/[0-9]*/**/*")}
        time.sleep(0.005)
    assert any(name.startswith("checkpoint-") for name in seen), (seen, harness.stdout.read())
