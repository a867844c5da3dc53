"""What is traced of a real Trainer's run: examples by their ids, the model's own losses, switches."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
datasets = pytest.importorskip("datasets")

from harness.subject.process import merge_ranks  # noqa: E402

EXAMPLES = 22


@pytest.mark.parametrize("workers", [0, 1])
def test_examples_are_told_by_the_id_that_travels(train: Any, workers: int) -> None:
    run = train(dataloader_num_workers=workers, gradient_accumulation_steps=3)
    trace = run.trace.trace()
    assert trace["id_counts"].tolist() == [4, 4, 4, 4, 4, 2] * 2
    assert trace["step_ends"].tolist() == [3, 6, 9, 12]
    assert trace["epoch_ends"].tolist() == [6, 12]
    for epoch in (trace["ids"][:EXAMPLES], trace["ids"][EXAMPLES:]):
        assert sorted(epoch.tolist()) == list(range(100, 122))
    assert trace["ids"][:EXAMPLES].tolist() != trace["ids"][EXAMPLES:].tolist()
    assert trace["shapes"].tolist() == [[n, 3] for n in trace["id_counts"].tolist()]


@pytest.mark.parametrize("strategy", ["random", "group_by_length"])
def test_answers_are_told_by_the_id_that_travels(train: Any, strategy: str) -> None:
    run = train(train_sampling_strategy=strategy)
    answers = {"logits": np.zeros((6, 2), np.float32)}
    ids = merge_ranks._evaluated_ids([run.trace.trace()], answers)
    assert ids is not None
    assert sorted(ids.tolist()) == list(range(100, 106))
    assert (ids.tolist() == sorted(ids.tolist())) == (strategy == "random")
    found = run.trainer.predict(run.trainer.eval_dataset).predictions
    again = merge_ranks._evaluated_ids([run.trace.trace()], answers)
    assert again is not None
    run.trainer.model.eval()
    with torch.no_grad():
        inputs = torch.tensor(run.trainer.eval_dataset["input_ids"])
        expected = run.trainer.model(inputs)["logits"].numpy()
    np.testing.assert_allclose(found, expected[again - 100], rtol=1e-6)


def test_what_cannot_be_told_is_not_available(train: Any, examples: Any) -> None:
    columns = examples(EXAMPLES)
    del columns["idx"]
    run = train(dataset=datasets.Dataset.from_dict(columns), max_grad_norm=0.0)
    assert set(run.trace.trace()["id_counts"].tolist()) == {-1}
    assert "example_ids" not in merge_ranks._by_step([run.trace.trace()])
    # transformers 5 measures the norm by a clip call that clips nothing; before, there is no call.
    assert run.adapter.facts()["clipping"] in (None, float("inf"))


@pytest.mark.parametrize("accumulation", [1, 3])
def test_the_models_own_loss(train: Any, accumulation: int) -> None:
    """The toy's forward takes no further arguments, so the Trainer divides: logged loss = mean of the model's."""
    run = train(gradient_accumulation_steps=accumulation)
    found = merge_ranks._by_step([run.trace.trace()])["micro_loss"]
    np.testing.assert_allclose(found, run.series.series()["loss"], rtol=1e-6)


@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_switches(train: Any, dropout: float) -> None:
    facts = train(dropout=dropout, max_grad_norm=0.5, max_steps=1).adapter.facts()
    assert facts["dropout"] is (dropout > 0)
    assert facts["clipping"] == 0.5
    assert (facts["world_size"], facts["parallel_mode"], facts["backend"]) == (1, "not_parallel", None)
