"""Cells on two devices: two ranks on this CPU. What they saw, that they repeat, and what becomes of one that fails."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from harness.execution.running import laggards

EXAMPLES = 800
EVALUATED = 240
TWO = "devices = [2]"


def only(house: Any) -> Any:
    (record,) = house.records()
    return record


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


def test_one_device_and_two_take_the_same_examples_in_the_same_order(house: Any) -> None:
    """Strong scaling, without dropout: what differs is transformers 5.23.0's own scaling of the loss."""
    no_dropout = (
        '[checkpoint."embedded/tiny-bert"]\nsource = "embedded/tiny-bert"\n'
        "config = { hidden_dropout_prob = 0.0, attention_probs_dropout_prob = 0.0 }"
    )
    house.grid(
        [1], max_steps=2, recipe="max_grad_norm = 1e9",
        more=f"devices = [1, 2]\ngradient_accumulation_steps = [1, 4]\n{no_dropout}",
    )  # fmt: skip
    code, output = house.run()
    assert code == 0, output
    found = {(r.asked.devices, r.asked.recipe["gradient_accumulation_steps"]): r for r in house.records()}
    prints = {key: record.observed.fingerprint for key, record in found.items()}
    series = {key: house.series(record) for key, record in found.items()}
    for accumulation in (1, 4):
        one, two = prints[1, accumulation], prints[2, accumulation]
        assert one.data_order_sha256 == two.data_order_sha256
        assert one.init_sha256 == two.init_sha256
        assert one.batch_shapes_sha256 != two.batch_shapes_sha256
        assert one.dropout is two.dropout is False
        assert one.clipping == two.clipping == 1e9
        first = [series[devices, accumulation]["micro_loss"][0] for devices in (1, 2)]
        assert first[0] == pytest.approx(first[1], rel=1e-5)
    ratios = {
        (quantity, key): float(series[key][quantity][0] / series[1, 1][quantity][0])
        for quantity in ("loss", "grad_norm")
        for key in ((2, 1), (1, 4), (2, 4))
    }
    print({key: round(ratio, 4) for key, ratio in ratios.items()})
    scaled = {key: r.observed.packages["transformers"] for key, r in found.items()}[1, 1] == "5.23.0"
    assert ratios["grad_norm", (2, 1)] == pytest.approx(2.0 if scaled else 1.0, rel=1e-4)


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
    ("fault", "status", "words"),
    [
        ("kill", "killed", "rank 1: killed by SIGKILL"),
        ("late-kill", "killed", "rank 1: killed by SIGKILL"),
        ("segfault", "failed", "rank 1: crashed with SIGSEGV"),
        ("leave", "failed", "rank 1: the process left with status 3 and no result"),
        ("late-raise", "failed", "rank 1: planted: no such luck"),
    ],
)
@pytest.mark.parametrize("host", ["fork", "spawn"])
def test_a_rank_that_dies_ends_its_cell_and_no_other(
    house: Any, fault: str, status: str, words: str, host: str
) -> None:
    if host == "spawn" and fault != "late-kill":
        pytest.skip("one death is enough for the fallback")
    house.grid([1, 2], more=TWO)
    code, output = house.run("--host", host, faults={1: f"rank1-{fault}"})
    assert code == 4, output
    (broken,), (whole,) = house.records(1), house.records(2)
    assert (broken.status, broken.failure.message) == (status, words)
    assert whole.status in ("ok", "collapsed")
    assert house.processes() == {}
    assert house.locked() == []


@pytest.mark.parametrize(
    ("fault", "limits", "words"),
    [
        ("hang", (0.1, 10), "no training step within 6 s; rank 1 hangs: not begun, while rank 0 is "),
        (
            "late-hang",
            (10, 0.2),
            "still running after 12 s; rank 1 hangs: after micro-batch 1 (step 1), while rank 0 is ",
        ),
    ],
)
def test_a_rank_that_hangs_is_named_and_nothing_stays(
    house: Any, fault: str, limits: tuple[float, float], words: str
) -> None:
    more = f"{TWO}\n[execution]\nfirst_step_timeout_minutes = {limits[0]}\ntimeout_minutes = {limits[1]}"
    house.grid([1], more=more)
    start = time.monotonic()
    code, output = house.run(faults={1: f"rank1-{fault}"})
    assert code == 4, output
    assert time.monotonic() - start < 60
    record = only(house)
    assert record.status == "timeout"
    assert record.failure.message.startswith(words)
    assert house.processes() == {}
    assert house.locked() == []


@pytest.mark.parametrize("devices", [1, 2])
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
