"""The witness watches a real Trainer on a model of a few hundred weights, and its parts are put together by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
datasets = pytest.importorskip("datasets")

from harness.record.model import Fingerprint  # noqa: E402
from harness.subject import arguments as subject_arguments  # noqa: E402
from harness.subject import assembly, checkpoints  # noqa: E402
from harness.subject.assembly import RankPart  # noqa: E402
from harness.subject.fingerprint import Witness  # noqa: E402
from harness.subject.observation import Observer  # noqa: E402
from harness.subject.precision import PrecisionMismatch, PrecisionWatch  # noqa: E402

EXAMPLES, BATCH = 22, 4


class Toy(torch.nn.Module):  # type: ignore[misc]
    """One layer and dropout; its loss is a plain mean."""

    def __init__(self, dropout: float = 0.2) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Dropout(dropout), torch.nn.Linear(8, 2))

    def forward(self, input_ids: Any, labels: Any = None) -> Any:
        logits = self.layers(input_ids.float())
        loss = None if labels is None else torch.nn.functional.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits}


def examples(count: int, ids: bool = True) -> Any:
    inputs = np.random.default_rng(1).integers(-9, 9, size=(count, 3))
    columns = {"input_ids": inputs.tolist(), "labels": [int(row.sum() > 0) for row in inputs]}
    return datasets.Dataset.from_dict({**columns, **({"idx": range(100, 100 + count)} if ids else {})})


def train(
    folder: Path, witnessed: bool = True, asked: str = "fp32", dropout: float = 0.2, ids: bool = True, **recipe: Any
) -> tuple[Any, Witness, Observer]:
    transformers.set_seed(5)
    requested = {
        "output_dir": str(folder), "per_device_train_batch_size": BATCH, "num_train_epochs": 2, "learning_rate": 0.1,
        "logging_steps": 1, "save_strategy": "no", "report_to": "none", "use_cpu": True, "disable_tqdm": True,
        "seed": 5, **recipe,
    }  # fmt: skip
    trainer = transformers.Trainer(
        Toy(dropout),
        subject_arguments.build(requested),
        train_dataset=examples(EXAMPLES, ids),
        eval_dataset=examples(6),
    )
    witness, observer = Witness(asked), Observer(lambda event: None)
    if witnessed:
        witness.attach(trainer)
    observer.attach(trainer)
    trainer.train()
    return trainer, witness, observer


@pytest.mark.parametrize("recipe", [{}, {"bf16": True}, {"gradient_accumulation_steps": 3}], ids=str)
def test_nothing_is_disturbed(tmp_path: Path, recipe: dict[str, Any]) -> None:
    asked = "bf16" if "bf16" in recipe else "fp32"
    found = []
    for witnessed in (True, False):
        trainer, _, observer = train(tmp_path, witnessed, asked, **recipe)
        series = observer.series()
        found.append(
            (
                checkpoints.weights_sha256(trainer.model),
                torch.random.get_rng_state().tolist(),
                series["loss"].tobytes() + series["grad_norm"].tobytes(),
                type(trainer.data_collator).__name__,
                trainer.predict(examples(6)).predictions.tobytes(),
            )
        )
    assert found[0] == found[1]


@pytest.mark.parametrize("workers", [0, 1])
def test_examples_are_told_by_the_id_that_travels(tmp_path: Path, workers: int) -> None:
    _, witness, _ = train(tmp_path, dataloader_num_workers=workers, gradient_accumulation_steps=4)
    trace = witness.trace()
    assert trace["id_counts"].tolist() == [4, 4, 4, 4, 4, 2] * 2
    assert trace["step_ends"].tolist() == [4, 6, 10, 12]
    assert trace["epoch_ends"].tolist() == [6, 12]
    for epoch in (trace["ids"][:EXAMPLES], trace["ids"][EXAMPLES:]):
        assert sorted(epoch.tolist()) == list(range(100, 122))
    assert trace["ids"][:EXAMPLES].tolist() != trace["ids"][EXAMPLES:].tolist()
    assert trace["shapes"].tolist() == [[n, 3] for n in trace["id_counts"].tolist()]


def test_what_cannot_be_told_is_not_available(tmp_path: Path) -> None:
    _, witness, _ = train(tmp_path, ids=False, max_grad_norm=0.0)
    assert set(witness.trace()["id_counts"].tolist()) == {-1}
    assert "example_ids" not in assembly._by_step([witness.trace()])
    # transformers 5 measures the norm by a clip call that clips nothing; before, there is no call.
    assert witness.facts()["clipping"] in (None, float("inf"))


@pytest.mark.parametrize("accumulation", [1, 3])
def test_the_models_own_loss(tmp_path: Path, accumulation: int) -> None:
    """The toy's forward takes no further arguments, so the Trainer divides: logged loss = mean of the model's."""
    _, witness, observer = train(tmp_path, gradient_accumulation_steps=accumulation)
    found = assembly._by_step([witness.trace()])["micro_loss"]
    np.testing.assert_allclose(found, observer.series()["loss"], rtol=1e-6)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_switches(tmp_path: Path, dropout: float) -> None:
    facts = train(tmp_path, dropout=dropout, max_grad_norm=0.5, max_steps=1)[1].facts()
    assert facts["dropout"] is (dropout > 0)
    assert facts["clipping"] == 0.5
    assert (facts["world_size"], facts["parallel_mode"], facts["backend"]) == (1, "not_parallel", None)


def test_precision_as_observed(tmp_path: Path) -> None:
    found = train(tmp_path, asked="bf16", bf16=True, max_steps=1)[1].facts()["precision"]
    assert (found["name"], found["share"]) == ("bf16", 1.0)
    # Two layers forward, backward both for their weights and the second for its input: 2 x 4 x (3x8x2 + 8x2x3).
    assert found["flops"] == {"bfloat16": 2 * 4 * (3 * 8 * 2 + 8 * 2 * 3)}
    assert found["tf32"] is None


@pytest.mark.parametrize("asked", ["fp16", "bf16"])
def test_fp32_under_another_name_is_found(tmp_path: Path, asked: str) -> None:
    """On a CPU transformers 5 accepts fp16=True and trains in fp32: nothing need be planted."""
    recipe = {"fp16": True} if asked == "fp16" else {}
    with pytest.raises(PrecisionMismatch, match=f"asked for {asked}, observed fp32 .*float32 100%"):
        train(tmp_path, asked=asked, **recipe)


def test_a_mixture_is_no_precision() -> None:
    def step(narrow: int) -> Any:
        wide = torch.ones(8, 8)
        for _ in range(10 - narrow):
            wide = wide @ wide
        for _ in range(narrow):
            wide.bfloat16() @ wide.bfloat16()
        return wide.sum()

    watch = PrecisionWatch("fp32")
    watch.first_step(step, 1)
    assert watch.observed(probe=False)["share"] == 0.9  # type: ignore[index]
    with pytest.raises(PrecisionMismatch, match=r"observed a mixture .*float32 80%, bfloat16 20%"):
        PrecisionWatch("fp32").first_step(step, 2)


def test_attention_products_are_counted_apart() -> None:
    query = torch.ones(2, 3, 5, 4, requires_grad=True)

    def step() -> Any:
        loss = (
            torch.nn.functional.scaled_dot_product_attention(query, query, query).sum()
            + (torch.ones(6, 5) @ torch.ones(5, 7)).sum()
        )
        loss.backward()
        return loss

    watch = PrecisionWatch("fp32")
    watch.first_step(step)
    found = watch.observed(probe=False)
    assert found is not None
    assert found["flops"] == {"float32": 2 * 6 * 5 * 7}
    assert found["attention"]["float32"] >= 2 * 2 * (2 * 3 * 5 * 4) * 5


def part(ids: list[list[int]], loss: list[float], init: str = "i", final: str = "f", **facts: Any) -> RankPart:
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
    }  # fmt: skip
    return RankPart({"observed": observed, "measured": measured}, series, trace)


def test_ranks_become_one_result(tmp_path: Path) -> None:
    parts = [part([[4, 1], [5, 2]], [1.0, 2.0]), part([[0, 3], [4, 1]], [3.0, 1.0])]
    for rank, one in enumerate(parts):
        assembly.save_part(tmp_path, rank, one)
    result = assembly.assemble([assembly.load_part(tmp_path, rank) for rank in range(2)], tmp_path)
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
    assert result["measured"]["train_samples_per_second"] == 4.0
    assert result["series"]["example_ids"] == [8]
    # The same examples on one device, at once or accumulated, have the same order.
    alone = assembly.assemble([part([[4, 1, 0, 3], [5, 2, 4, 1]], [2.0, 1.5])], tmp_path)
    assert alone["observed"]["fingerprint"]["data_order_sha256"] == found.data_order_sha256
    swapped = assembly.assemble([part([[1, 4, 0, 3], [5, 2, 4, 1]], [2.0, 1.5])], tmp_path)
    assert swapped["observed"]["fingerprint"]["data_order_sha256"] != found.data_order_sha256


@pytest.mark.parametrize("which", ["init", "final"])
def test_ranks_with_different_weights_are_an_error(tmp_path: Path, which: str) -> None:
    odd = {which: "x" * 64}
    with pytest.raises(assembly.RanksDiffer, match=f"weights.{which}_sha256: rank 1 has xxx"):
        assembly.assemble([part([[1]], [1.0]), part([[2]], [1.0], **odd)], tmp_path)


def test_a_rank_without_a_number_makes_the_run_nonfinite(tmp_path: Path) -> None:
    parts = [part([[1]], [1.0]), part([[2]], [float("nan")])]
    assert assembly.assemble(parts, tmp_path)["status"] == "nonfinite"


def test_the_loss_scales_history() -> None:
    series = {"grad_norm": np.array([np.inf, 1.0, np.nan, 1.0]), "loss": np.ones(4)}
    scales = np.array([32768, 32768, 16384, 16384], dtype=np.float32)
    assert assembly._loss_scale(65536.0, scales, series) == {
        "initial": 65536.0, "minimum": 16384.0, "final": 16384.0, "skipped_steps": 2, "nonfinite_steps": 2,
    }  # fmt: skip
    assert assembly._loss_scale(None, scales, series) is None


def test_mrpc_pads_by_four_at_a_global_batch_of_eight_on_two_ranks() -> None:
    """3,668 = 458 x 8 + 4."""
    trace = part([[1]], [1.0]).trace
    assert assembly._seen([trace, trace], 3668, 4, drop_last=False)["padding"] == 4
    assert assembly._seen([trace], 3668, 8, drop_last=False)["padding"] == 0
    assert assembly._seen([trace, trace], 3668, 4, drop_last=True)["padding"] == -4
