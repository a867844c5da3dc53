"""The observer watches a real Trainer on a model of a few hundred weights: seconds, and nothing stands for anything."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from harness.subject import arguments as subject_arguments  # noqa: E402
from harness.subject.data import checkpoints  # noqa: E402
from harness.subject.watch import observation  # noqa: E402
from harness.subject.watch.observation import Observer  # noqa: E402

EXAMPLES, BATCH = 22, 4


class Toy(torch.nn.Module):  # type: ignore[misc]
    """Two layers with dropout, so that the random stream matters; a loss as transformers' classifiers return it."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Dropout(0.2), torch.nn.Linear(8, 2)
        )

    def forward(self, inputs: Any, labels: Any = None) -> Any:
        logits = self.layers(inputs)
        loss = None if labels is None else torch.nn.functional.cross_entropy(logits, labels)
        return {"loss": loss, "logits": logits}


def examples(count: int) -> list[dict[str, Any]]:
    generator = np.random.default_rng(1)
    inputs = generator.normal(size=(count, 3)).astype(np.float32)
    return [{"inputs": torch.from_numpy(row), "labels": int(row.sum() > 0)} for row in inputs]


def train(folder: Path, observe: bool = True, **recipe: Any) -> tuple[Any, Observer, list[dict[str, Any]]]:
    transformers.set_seed(5)
    model = Toy()
    requested = {
        "output_dir": str(folder),
        "per_device_train_batch_size": BATCH,
        "per_device_eval_batch_size": BATCH,
        "num_train_epochs": 2,
        "learning_rate": 0.1,
        "logging_steps": 1,
        "eval_strategy": "epoch",
        "save_strategy": "no",
        "report_to": "none",
        "use_cpu": True,
        "disable_tqdm": True,
        "seed": 5,
        **recipe,
    }
    trainer = transformers.Trainer(
        model,
        subject_arguments.build(requested),
        train_dataset=examples(EXAMPLES),
        eval_dataset=examples(6),
        compute_metrics=lambda p: {"accuracy": float((p.predictions.argmax(-1) == p.label_ids).mean())},
    )
    events: list[dict[str, Any]] = []
    observer = Observer(events.append)
    if observe:
        observer.attach(trainer)
    trainer.train()
    return trainer, observer, events


def logged(trainer: Any, name: str) -> np.ndarray[Any, Any]:
    return np.array([entry[name] for entry in trainer.state.log_history if name in entry and "grad_norm" in entry])


@pytest.mark.parametrize("accumulation", [1, 2, 3])
def test_the_series_are_what_the_trainer_logs(tmp_path: Path, accumulation: int) -> None:
    """22 examples in batches of 4 are 6 micro-batches an epoch: at 4 the last step of an epoch would be short."""
    trainer, observer, _ = train(tmp_path, gradient_accumulation_steps=accumulation)
    series = observer.series()
    steps = trainer.state.global_step
    assert steps == 2 * -(-6 // accumulation)
    for name in ("loss", "grad_norm", "learning_rate", "step_seconds", "data_seconds"):
        assert series[name].shape == (steps,)
    np.testing.assert_array_equal(series["loss"].astype(np.float64), logged(trainer, "loss"))
    np.testing.assert_array_equal(series["grad_norm"].astype(np.float64), logged(trainer, "grad_norm"))
    np.testing.assert_array_equal(series["learning_rate"], logged(trainer, "learning_rate"))


def test_a_short_last_step_of_an_epoch(tmp_path: Path) -> None:
    trainer, observer, _ = train(tmp_path, gradient_accumulation_steps=4)
    series = observer.series()
    assert len(series["loss"]) == trainer.state.global_step == 4
    assert observer._micro_batches == [4, 2, 4, 2]
    np.testing.assert_array_equal(series["loss"].astype(np.float64), logged(trainer, "loss"))


def test_nothing_is_disturbed(tmp_path: Path) -> None:
    found = []
    for observe in (True, False):
        random.seed(1)
        trainer, _, _ = train(tmp_path, observe, gradient_accumulation_steps=2)
        streams = (random.getstate(), np.random.get_state()[1].tolist(), torch.random.get_rng_state().tolist())  # type: ignore[index]
        losses = [entry["loss"] for entry in trainer.state.log_history if "loss" in entry]
        scores = [entry["eval_loss"] for entry in trainer.state.log_history if "eval_loss" in entry]
        found.append((checkpoints.weights_sha256(trainer.model), streams, losses, scores))
    assert found[0] == found[1]


def test_samples_are_counted(tmp_path: Path) -> None:
    assert train(tmp_path)[1].samples == 2 * EXAMPLES
    assert train(tmp_path, max_steps=5)[1].samples == 5 * BATCH
    assert train(tmp_path, dataloader_drop_last=True)[1].samples == 2 * (EXAMPLES // BATCH) * BATCH


def test_evaluations_are_those_of_the_trainer(tmp_path: Path) -> None:
    trainer, observer, events = train(tmp_path)
    theirs = [entry for entry in trainer.state.log_history if "eval_loss" in entry]
    assert [e["loss"] for e in observer.evaluations] == [entry["eval_loss"] for entry in theirs]
    assert [e["accuracy"] for e in observer.evaluations] == [entry["eval_accuracy"] for entry in theirs]
    assert [(e["epoch"], e["step"]) for e in observer.evaluations] == [(1.0, 6), (2.0, 12)]
    assert events[0] == {"event": "training", "steps": 12}
    assert events[1] == {"event": "step", "step": 1, "steps": 12}  # the watchdog waits for it
    assert [event["step"] for event in events if event["event"] == "evaluated"] == [6, 12]


class Clock:
    """A clock that only moves when told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(observation.time, "perf_counter", lambda: self.now)


@pytest.mark.parametrize(
    "recipe",
    [
        {"eval_strategy": "epoch"},
        {"eval_strategy": "steps", "eval_steps": 3},
        {"eval_strategy": "epoch", "eval_on_start": True},
        {"eval_strategy": "steps", "eval_steps": 3, "save_strategy": "steps", "save_steps": 2},
    ],
)
def test_times_by_a_clock_that_only_work_moves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recipe: dict[str, Any]
) -> None:
    """A training step takes 1 s, an evaluated batch 100 s, a checkpoint 1000 s, and a batch comes at once."""
    clock = Clock(monkeypatch)
    forward, evaluated, saved = Toy.forward, [], []

    def slow_forward(self: Any, inputs: Any, labels: Any = None) -> Any:
        clock.now += 1.0 if self.training else 100.0
        if not self.training:
            evaluated.append(1)
        return forward(self, inputs, labels)

    monkeypatch.setattr(Toy, "forward", slow_forward)
    save = transformers.Trainer._save_checkpoint

    def slow_save(*arguments: Any, **options: Any) -> Any:
        clock.now += 1000.0
        saved.append(1)
        return save(*arguments, **options)

    monkeypatch.setattr(transformers.Trainer, "_save_checkpoint", slow_save)
    _, observer, _ = train(tmp_path, **recipe)
    seconds = observer.seconds
    assert len(observer.series()["loss"]) == 12
    assert seconds["evaluate"] == pytest.approx(100.0 * len(evaluated))
    assert seconds["train"] == pytest.approx(12.0 + 1000.0 * len(saved))
    assert seconds["data_wait"] == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(observer.series()["step_seconds"], 1.0)
    assert len(evaluated) >= 4


def test_waiting_for_data_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    class Slow(list):  # type: ignore[type-arg]
        def __getitem__(self, index: Any) -> Any:
            clock.now += 0.25
            return super().__getitem__(index)

    plain = examples
    monkeypatch.setitem(globals(), "examples", lambda count: Slow(plain(count)))
    _, observer, _ = train(tmp_path, num_train_epochs=1, eval_strategy="no", dataloader_num_workers=0)
    # A batch is fetched one ahead: all of an epoch's are waited for somewhere between its steps.
    assert 0 < observer.seconds["data_wait"] <= observer.seconds["train"] == pytest.approx(0.25 * EXAMPLES)


def test_data_wait_is_part_of_train(tmp_path: Path) -> None:
    _, observer, _ = train(tmp_path, eval_strategy="steps", eval_steps=1)
    assert 0 < observer.seconds["data_wait"] <= observer.seconds["train"]
    assert observer.seconds["data_wait"] == pytest.approx(float(observer.series()["data_seconds"].sum()), rel=1e-4)
    assert observer.seconds["evaluate"] > 0


def test_without_clipping_the_norm_is_the_trainers_or_unseen(tmp_path: Path) -> None:
    """transformers 5 measures it all the same; before, nobody does, and so neither do we."""
    trainer, observer, _ = train(tmp_path, max_grad_norm=0.0, max_steps=2)
    theirs = logged(trainer, "grad_norm") if len(logged(trainer, "grad_norm")) else np.full(2, np.nan)
    np.testing.assert_array_equal(observer.series()["grad_norm"].astype(np.float64), theirs)


def test_a_run_without_steps_has_empty_series() -> None:
    series = Observer(lambda event: None).series()
    assert {name: array.shape for name, array in series.items()} == dict.fromkeys(series, (0,))


def test_scalars_of_every_kind() -> None:
    """They come to the host as they are; None is what was not seen."""
    found = observation.to_float32([torch.tensor(1.5), 2.5, None, torch.tensor([3.5], dtype=torch.bfloat16)])
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([1.5, 2.5, np.nan, 3.5], dtype=np.float32))


def test_what_an_epoch_leaves_over_counts_with_the_next_step() -> None:
    """As transformers did until 4.52: the rest of an epoch's micro-batches is added up with the next epoch's first."""
    steps = observation.StepSeries(lambda event: None)
    steps.train_begins(2)
    losses = iter([1.0, 2.0, 4.0, 8.0, 16.0, 32.0])
    for micro_batches, ended in ((2, True), (1, False), (2, True), (1, False)):
        steps.step_begins()
        for _ in range(micro_batches):
            steps.micro_batch(torch.tensor(next(losses)), 1)
        if ended:
            steps.optimizer_begins(0.1)
            steps.step_ends(1, 2)
    steps.train_ends()
    series = steps.series()
    assert series["loss"].tolist() == [1.0 + 2.0, 4.0 + 8.0 + 16.0]
    assert {len(array) for array in series.values()} == {2}
