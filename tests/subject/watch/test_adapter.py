"""A watched Trainer does what one does that nobody watches."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
datasets = pytest.importorskip("datasets")

from harness.subject.data import checkpoints  # noqa: E402


@pytest.mark.parametrize("recipe", [{}, {"bf16": True}, {"gradient_accumulation_steps": 3}], ids=str)
def test_nothing_is_disturbed(train: Any, recipe: dict[str, Any]) -> None:
    found = []
    for watched in (True, False):
        random.seed(1)
        trainer = train(watched, "bf16" if "bf16" in recipe else "fp32", **recipe).trainer
        log = [
            (entry.get("loss"), entry.get("eval_loss"), entry.get("grad_norm")) for entry in trainer.state.log_history
        ]
        found.append(
            (
                checkpoints.weights_sha256(trainer.model),
                (random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state().tolist()),  # type: ignore[index]
                log,
                type(trainer.data_collator).__name__,
                trainer.predict(trainer.eval_dataset).predictions.tobytes(),
            )
        )
    assert found[0] == found[1]


def test_callbacks_that_are_given_nothing_see_the_trainers_own(train: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """transformers 4.49 tells its callbacks neither optimizer, schedule nor loader."""
    transformers = pytest.importorskip("transformers")
    handler = transformers.trainer_callback.CallbackHandler
    event = handler.call_event

    def without(self: Any, *args: Any, **kwargs: Any) -> Any:
        self.optimizer = self.lr_scheduler = self.train_dataloader = None
        return event(self, *args, **kwargs)

    usual = train()
    monkeypatch.setattr(handler, "call_event", without)
    blind = train()
    rates = [one.series.series()["learning_rate"] for one in (usual, blind)]
    assert np.isfinite(rates[0]).all()
    assert (rates[0] == rates[1]).all()
    assert usual.adapter.facts() == blind.adapter.facts()
    assert usual.adapter.facts()["optimizer_steps"] == usual.trainer.state.global_step
    assert usual.trace.update.series().keys() == blind.trace.update.series().keys() != set()


def test_it_knows_no_task(train: Any, examples: Any) -> None:
    """Examples are counted though none has a label, and one that is told by no id is not made up."""
    columns = {"input_ids": examples(10)["input_ids"]}
    run = train(dataset=datasets.Dataset.from_dict(columns), eval_strategy="no", num_train_epochs=1)
    assert run.series.samples == 10
    assert len(run.series.series()["loss"]) == 3
    assert run.trace.trace()["id_counts"].tolist() == [-1, -1, -1]
