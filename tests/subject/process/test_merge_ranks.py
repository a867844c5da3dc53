"""Parts of ranks, made by hand, become one result."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("torch")

from harness.record.parts.fingerprint import Fingerprint
from harness.subject.process import merge_ranks
from harness.subject.train import RankPart


def part(
    ids: list[list[int]],
    loss: list[float],
    init: str = "i",
    final: str = "f",
    evaluated: Sequence[int] = (),
    **facts: Any,
) -> RankPart:
    """A rank with one micro-batch a step, one epoch, and everything that makes a result."""
    steps = len(ids)
    known = {
        "engine": "trainer", "world_size": 2, "parallel_mode": "distributed", "backend": "gloo", "init_sha256": init,
        "precision": None, "initial_scale": None, "dropout": True, "clipping": 1.0, "examples": 6, "batch": 2,
        "drop_last": False, "non_default_arguments": {}, **facts,
    }  # fmt: skip
    observed = {
        "weights": {"init_sha256": init, "final_sha256": final}, "optimizer_steps": steps,
        "optimizer": {"class": "AdamW"}, "fingerprint": known,
    }  # fmt: skip
    measured = {"train_samples": sum(map(len, ids)), "seconds": {"train": 2.0}, "peak_memory_mib": {"process": 1.0}}
    values = np.array(loss, dtype=np.float32)
    series = {
        "loss": values, "grad_norm": np.ones(steps, np.float32), "learning_rate": np.ones(steps),
        "logits": np.zeros((5, 2), np.float32),
    }  # fmt: skip
    ends = np.arange(1, steps + 1, dtype=np.int32)
    trace = {
        "model_loss": values / 2, "ids": np.concatenate(ids).astype("<i4"), "id_counts": np.array([*map(len, ids)]),
        "shapes": np.array([[len(i), 7] for i in ids]), "step_ends": ends, "epoch_ends": ends[-1:],
        "epoch_batches": ends[-1:], "scales": np.zeros(0, np.float32),
        "evaluated_ids": np.array(evaluated, "<i4"), "evaluated_counts": np.array([len(evaluated)]),
    }  # fmt: skip
    return RankPart({"observed": observed, "measured": measured}, series, trace)


def test_ranks_become_one_result(tmp_path: Path) -> None:
    first, second = ([[4, 1], [5, 2]], [1.0, 2.0]), ([[0, 3], [4, 1]], [3.0, 1.0])
    parts = [part(*first, evaluated=[7, 3, 9]), part(*second, evaluated=[1, 5, 7])]
    for rank, one in enumerate(parts):
        merge_ranks.save_part(tmp_path, rank, one)
    result = merge_ranks.merge([merge_ranks.load_part(tmp_path, rank) for rank in range(2)], tmp_path)
    found = Fingerprint(**result["observed"]["fingerprint"])
    series = np.load(tmp_path / "series.npz")
    assert result["status"] == "ok"
    assert series["loss"].tolist() == [2.0, 1.5]
    assert series["micro_loss"].tolist() == [1.0, 0.75]
    assert series["example_ids"].tolist() == [4, 1, 0, 3, 5, 2, 4, 1]
    assert series["example_offsets"].tolist() == [0, 4, 8]
    assert found.seen is not None
    assert (found.seen.expected, found.seen.padding) == (6, 2)
    (epoch,) = found.seen.epochs
    assert (epoch.seen, epoch.distinct, epoch.repeated, epoch.complete) == (8, 6, [1, 4], True)
    assert found.eval_examples == 5
    # A batch's rows rank by rank; the last one repeats the first example, whose row was dropped.
    assert series["evaluated_ids"].tolist() == [7, 3, 9, 1, 5]
    assert result["measured"]["train_samples_per_second"] == 4.0
    assert result["series"]["example_ids"] == [8]
    # The same examples on one device, at once or accumulated, have the same order.
    alone = merge_ranks.merge([part([[4, 1, 0, 3], [5, 2, 4, 1]], [2.0, 1.5])], tmp_path)
    assert alone["observed"]["fingerprint"]["data_order_sha256"] == found.data_order_sha256
    swapped = merge_ranks.merge([part([[1, 4, 0, 3], [5, 2, 4, 1]], [2.0, 1.5])], tmp_path)
    assert swapped["observed"]["fingerprint"]["data_order_sha256"] != found.data_order_sha256


@pytest.mark.parametrize("which", ["init", "final"])
def test_ranks_with_different_weights_are_an_error(tmp_path: Path, which: str) -> None:
    odd = {which: "x" * 64}
    with pytest.raises(merge_ranks.RanksDiffer, match=f"weights.{which}_sha256: rank 1 has xxx"):
        merge_ranks.merge([part([[1]], [1.0]), part([[2]], [1.0], **odd)], tmp_path)


def test_a_rank_without_a_number_makes_the_run_nonfinite(tmp_path: Path) -> None:
    parts = [part([[1]], [1.0]), part([[2]], [float("nan")])]
    assert merge_ranks.merge(parts, tmp_path)["status"] == "nonfinite"


def test_a_run_all_of_whose_steps_were_left_out_is_nonfinite(tmp_path: Path) -> None:
    for second, status in ((32768, "ok"), (16384, "nonfinite")):
        one = part([[1], [2]], [1.0, 1.0], initial_scale=65536.0)
        one.trace["scales"] = np.array([32768, second], np.float32)
        assert merge_ranks.merge([one], tmp_path)["status"] == status


def test_the_loss_scales_history() -> None:
    series = {"grad_norm": np.array([np.inf, 1.0, np.nan, 1.0]), "loss": np.ones(4)}
    scales = np.array([32768, 32768, 16384, 16384], dtype=np.float32)
    assert merge_ranks._loss_scale(65536.0, scales, series) == {
        "initial": 65536.0, "minimum": 16384.0, "final": 16384.0, "skipped_steps": 2, "nonfinite_steps": 2,
    }  # fmt: skip
    assert merge_ranks._loss_scale(None, scales, series) is None


def test_mrpc_pads_by_four_at_a_global_batch_of_eight_on_two_ranks() -> None:
    """3,668 = 458 x 8 + 4."""
    trace = part([[1]], [1.0]).trace
    assert merge_ranks._seen([trace, trace], 3668, 4, drop_last=False)["padding"] == 4
    assert merge_ranks._seen([trace], 3668, 8, drop_last=False)["padding"] == 0
    assert merge_ranks._seen([trace, trace], 3668, 4, drop_last=True)["padding"] == -4
