"""Cells on two devices: two ranks on this CPU. What they saw, that they repeat, and what becomes of one that fails."""

from __future__ import annotations

import os
import signal
from typing import Any

import numpy as np
import pytest

from harness.execution.attempt import laggards

EXAMPLES = 800
EVALUATED = 240
TWO = "devices = [2]"


def only(house: Any) -> Any:
    (record,) = house.records()
    return record


@pytest.mark.slow
def test_two_ranks_see_every_example_once_and_what_fills_the_last_batch_twice(house: Any) -> None:
    """800 = 33 x 24 + 8: the last batch of two ranks with 12 each repeats 16 examples, and names them."""
    house.grid(
        [1],
        max_steps=-1,
        more=TWO,
        recipe="num_train_epochs = 2\nper_device_train_batch_size = 24\nlearning_rate = 5e-4",
    )
    code, output = house.run()
    assert code == 0, output
    record = only(house)
    found, series = record.observed.fingerprint, house.series(record)
    assert (found.world_size, found.parallel_mode, found.backend) == (2, "distributed", "gloo")
    assert (found.seen.expected, found.seen.padding) == (EXAMPLES, 16)
    assert found.optimizer_steps == 2 * 34
    for number, epoch in enumerate(found.seen.epochs):
        assert epoch.complete
        assert (epoch.seen, epoch.distinct, epoch.repeated_count) == (EXAMPLES + 16, EXAMPLES, 16)
        rows = series["example_ids"][number * 816 : (number + 1) * 816]
        names, counts = np.unique(rows, return_counts=True)
        assert epoch.repeated == names[counts == 2].tolist()
        assert set(epoch.repeated) == set(rows[-16:].tolist()) == set(rows[:16].tolist())
    assert series["example_offsets"].tolist() == list(range(0, 68 * 24 + 1, 24))
    assert series["logits"].shape == (EVALUATED, 2)
    assert found.eval_examples == EVALUATED
    assert record.measured.train_samples == 2 * 816
    assert found.dropout is True
    assert found.clipping == 1.0
    assert found.precision.name == "fp32"
    np.testing.assert_allclose(series["micro_loss"], series["loss"] / 2, rtol=1e-6)  # the known defect: doubled
    log = next(house.results.glob("g/cells/??/*/*/*/log.txt")).read_text(encoding="utf-8")
    assert "[rank 0] " in log
    assert "[rank 1] " in log
    assert sorted(p.name for p in next(house.results.glob("g/cells/??/*/*/001")).iterdir()) == [
        "log.txt", "record.json", "series.npz",
    ]  # fmt: skip


@pytest.mark.slow
def test_the_same_32_examples_on_one_device_and_two_at_once_and_accumulated(house: Any) -> None:
    """Without dropout all four mean the same step. What differs is transformers 5.23.0's own scaling of the loss."""
    house.grid(
        [1],
        max_steps=2,
        recipe="max_grad_norm = 1e9",
        more="devices = [1, 2]\nper_device_train_batch_size = [32, 8]\ngradient_accumulation_steps = [1, 4]\n"
        "exclude = [{ per_device_train_batch_size = 32, gradient_accumulation_steps = 4 },"
        " { per_device_train_batch_size = 8, gradient_accumulation_steps = 1 }]\n"
        '[checkpoint."embedded/tiny-bert"]\nfrom = "embedded/tiny-bert"\n'
        "config = { hidden_dropout_prob = 0.0, attention_probs_dropout_prob = 0.0 }",
    )
    code, output = house.run()
    assert code == 0, output
    records = {(r.asked.devices, r.asked.recipe["gradient_accumulation_steps"]): r for r in house.records()}
    assert records.keys() == {(1, 1), (1, 4), (2, 1), (2, 4)}
    prints = [record.observed.fingerprint for record in records.values()]
    assert len({(p.data_order_sha256, p.init_sha256, p.dropout, p.clipping) for p in prints}) == 1
    assert len({p.batch_shapes_sha256 for p in prints}) == 4
    assert (prints[0].dropout, prints[0].clipping) == (False, 1e9)
    series = {key: house.series(record) for key, record in records.items()}
    plain = series[1, 1]
    np.testing.assert_array_equal(plain["micro_loss"], plain["loss"])
    factor = 1.0 if records[1, 1].observed.packages["transformers"] != "5.23.0" else None
    for (devices, accumulation), found in series.items():
        ratios = {name: float(found[name][0] / plain[name][0]) for name in ("micro_loss", "loss", "grad_norm")}
        print(f"\n{devices} devices, {accumulation} accumulated:", {k: f"{ratio:.6f}" for k, ratio in ratios.items()})
        expected = factor or devices * accumulation
        assert ratios["micro_loss"] == pytest.approx(1.0, rel=1e-5)
        assert ratios["loss"] == pytest.approx(expected, rel=1e-5)
        assert ratios["grad_norm"] == pytest.approx(expected, rel=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_two_runs_of_two_ranks_are_equal_to_the_last_bit(house: Any, new_house: Any, precision: str) -> None:
    again = new_house("again")
    for place in (house, again):
        place.grid([1], max_steps=5, more=f"{TWO}\nprecision = ['{precision}']")
        assert place.run()[0] == 0
    first, second = house.facts(only(house)), again.facts(only(again))
    assert first == second
    assert first["observed"]["fingerprint"]["precision"]["name"] == precision


@pytest.mark.parametrize(
    ("fault", "host", "status", "words"),
    [
        ("kill", "fork", "killed", "rank 1: killed by SIGKILL"),
        pytest.param("late-kill", "spawn", "killed", "rank 1: killed by SIGKILL", marks=pytest.mark.slow),
        pytest.param("segfault", "fork", "failed", "rank 1: crashed with SIGSEGV", marks=pytest.mark.slow),
        pytest.param(
            "leave", "fork", "failed", "rank 1: the process left with status 3 and no result", marks=pytest.mark.slow
        ),
        pytest.param(
            "leave-in-peace",
            "fork",
            "failed",
            "rank 1: the process left with status 0 and no result",
            marks=pytest.mark.slow,
        ),
        pytest.param("late-raise", "fork", "failed", "rank 1: planted: no such luck", marks=pytest.mark.slow),
    ],
)
def test_a_rank_that_dies_ends_its_cell_and_no_other(
    house: Any, fault: str, host: str, status: str, words: str
) -> None:
    house.grid([1, 2], more=TWO)
    code, output = house.run("--host", host, faults={1: f"rank1-{fault}"})
    assert code == 4, output
    (broken,), (whole,) = house.records(1), house.records(2)
    assert (broken.status, broken.failure.message) == (status, words)
    assert whole.status in ("ok", "collapsed")
    assert house.processes() == {}
    assert house.locked() == []


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "limits", "words"),
    [
        ("hang", (0.1, 10), "no training step within 6 s; rank 1 hangs: not begun, while rank 0 is "),
        (
            "late-hang",
            (10, 0.2),
            "still running after 12 s; rank 1 hangs: ending step 1, while rank 0 is ",
        ),
    ],
)
def test_a_rank_that_hangs_is_named_and_nothing_stays(
    house: Any, fault: str, limits: tuple[float, float], words: str
) -> None:
    more = f"{TWO}\n[execution]\nfirst_step_timeout_minutes = {limits[0]}\ntimeout_minutes = {limits[1]}"
    house.grid([1], more=more)
    code, output = house.run(faults={1: f"rank1-{fault}"}, timeout=240)
    assert code == 4, output
    record = only(house)
    assert record.status == "timeout"
    assert record.failure.message.startswith(words)
    assert house.processes() == {}
    assert house.locked() == []


@pytest.mark.slow
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_no_rank_outlives_an_interrupt_or_its_harness(house: Any, end: int) -> None:
    house.grid([1], more=TWO)
    harness = house.start(faults={1: "late-hang"})
    house.wait_for(house.planted)
    assert len(house.processes()) == 5, "harness, host, child and two ranks"
    harness.send_signal(end)
    house.end_of(harness)
    house.wait_until_empty(5)
    house.wait_for(lambda: house.locked() == [])  # a dying thread may hold a descriptor for an instant more
    if end == signal.SIGINT:
        assert harness.returncode == 130
        assert only(house).status == "interrupted"
    code, output = house.run()
    assert code == 0, output
    assert house.records()[-1].status in ("ok", "collapsed")


@pytest.mark.parametrize("devices", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_another_precision_than_asked_for_is_an_error_by_name(house: Any, devices: int) -> None:
    house.grid([1], more=f"precision = ['bf16']\ndevices = [{devices}]")
    code, output = house.run(faults={1: "other-precision"})
    assert code == 4, output
    record = only(house)
    assert (record.status, record.failure.type) == ("failed", "PrecisionMismatch")
    assert "asked for bf16, observed fp32" in record.failure.message
    assert "float32 100%" in record.failure.message


def test_who_is_behind(tmp_path: Any) -> None:
    assert laggards(tmp_path, 1) == ""
    assert laggards(tmp_path, 2) == "all 2 ranks: not begun"
    (tmp_path / "rank-0.beacon").write_text("7 in micro-batch 3   ")
    (tmp_path / "rank-2.beacon").write_text("9 in micro-batch 4")
    assert laggards(tmp_path, 3) == "rank 1 hangs: not begun, while rank 2 is in micro-batch 4"
    (tmp_path / "rank-1.beacon").write_text("9 in micro-batch 4")
    assert laggards(tmp_path, 3) == "rank 0 hangs: in micro-batch 3, while rank 1 is in micro-batch 4"


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_cell_whose_ranks_launcher_is_told_to_end_was_killed(house: Any, number: signal.Signals) -> None:
    house.grid([1], more=TWO)
    harness = house.start(faults={1: "rank1-late-hang"})
    house.wait_for(house.planted)
    (child,) = house.children()
    os.kill(child, number)
    output = house.end_of(harness)
    assert harness.returncode == 4, output
    record = only(house)
    assert (record.status, record.failure.message) == ("killed", f"killed by {number.name}")
    assert house.processes() == {}
