"""What is observed of a real Trainer's run is what the Trainer itself logs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

from harness.subject.watch import observation  # noqa: E402

EXAMPLES, BATCH = 22, 4
VERSION = tuple(map(int, transformers.__version__.split(".")[:2]))


def logged(trainer: Any, name: str) -> np.ndarray[Any, Any]:
    return np.array([entry[name] for entry in trainer.state.log_history if name in entry and "grad_norm" in entry])


def as_logged(losses: np.ndarray[Any, Any]) -> list[float]:
    """A float32's own digits; transformers 4 logs four decimals of them."""
    return [round(loss, 4) if VERSION < (5,) else loss for loss in losses.astype(np.float64).tolist()]


@pytest.mark.parametrize("accumulation", [1, 2, 3])
def test_the_series_are_what_the_trainer_logs(train: Any, accumulation: int) -> None:
    """22 examples in batches of 4 are 6 micro-batches an epoch: at 4 the last step of an epoch would be short."""
    run = train(gradient_accumulation_steps=accumulation)
    series = run.series.series()
    steps = run.trainer.state.global_step
    assert steps == 2 * -(-6 // accumulation)
    for name in ("loss", "grad_norm", "learning_rate", "step_seconds", "data_seconds"):
        assert series[name].shape == (steps,)
    assert as_logged(series["loss"]) == logged(run.trainer, "loss").tolist()
    np.testing.assert_array_equal(series["grad_norm"].astype(np.float64), logged(run.trainer, "grad_norm"))
    rates = logged(run.trainer, "learning_rate")
    if VERSION < (5,):  # it logs the rate of the step after
        np.testing.assert_array_equal(series["learning_rate"][1:], rates[:-1])
    else:
        np.testing.assert_array_equal(series["learning_rate"], rates)


@pytest.mark.skipif(VERSION < (4, 46), reason="transformers before 4.46 let a step span two epochs")
def test_a_short_last_step_of_an_epoch(train: Any) -> None:
    run = train(gradient_accumulation_steps=4)
    series = run.series.series()
    assert len(series["loss"]) == run.trainer.state.global_step == 4
    assert run.series._micro_batches == [4, 2, 4, 2]
    assert as_logged(series["loss"]) == logged(run.trainer, "loss").tolist()


def test_samples_are_counted(train: Any) -> None:
    assert train().series.samples == 2 * EXAMPLES
    assert train(max_steps=5).series.samples == 5 * BATCH
    assert train(dataloader_drop_last=True).series.samples == 2 * (EXAMPLES // BATCH) * BATCH


def test_evaluations_are_those_of_the_trainer(train: Any) -> None:
    run = train()
    theirs = [entry for entry in run.trainer.state.log_history if "eval_loss" in entry]
    assert [e["loss"] for e in run.series.evaluations] == [entry["eval_loss"] for entry in theirs]
    assert [e["accuracy"] for e in run.series.evaluations] == [entry["eval_accuracy"] for entry in theirs]
    assert [(e["epoch"], e["step"]) for e in run.series.evaluations] == [(1.0, 6), (2.0, 12)]
    assert run.events[0] == {"event": "training", "steps": 12}
    assert run.events[1] == {"event": "step", "step": 1, "steps": 12}  # the watchdog waits for it
    assert [event["step"] for event in run.events if event["event"] == "evaluated"] == [6, 12]


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
    train: Any, toy: Any, monkeypatch: pytest.MonkeyPatch, recipe: dict[str, Any]
) -> None:
    """A training step takes 1 s, an evaluated batch 100 s, a checkpoint 1000 s, and a batch comes at once."""
    clock = Clock(monkeypatch)
    forward, evaluated, saved = toy.forward, [], []

    def slow_forward(self: Any, input_ids: Any, labels: Any = None) -> Any:
        clock.now += 1.0 if self.training else 100.0
        if not self.training:
            evaluated.append(1)
        return forward(self, input_ids, labels)

    monkeypatch.setattr(toy, "forward", slow_forward)
    save = transformers.Trainer._save_checkpoint

    def slow_save(*arguments: Any, **options: Any) -> Any:
        clock.now += 1000.0
        saved.append(1)
        return save(*arguments, **options)

    monkeypatch.setattr(transformers.Trainer, "_save_checkpoint", slow_save)
    run = train(**recipe)
    seconds = run.series.seconds
    assert len(run.series.series()["loss"]) == 12
    assert seconds["evaluate"] == pytest.approx(100.0 * len(evaluated))
    assert seconds["train"] == pytest.approx(12.0 + 1000.0 * len(saved))
    assert seconds["data_wait"] == pytest.approx(0.0, abs=1e-9)
    np.testing.assert_allclose(run.series.series()["step_seconds"], 1.0)
    assert len(evaluated) >= 4


def test_waiting_for_data_is_seen(train: Any, examples: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)

    class Slow(list):  # type: ignore[type-arg]
        def __getitem__(self, index: Any) -> Any:
            clock.now += 0.25
            return super().__getitem__(index)

    columns = examples(EXAMPLES)
    rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
    run = train(dataset=Slow(rows), num_train_epochs=1, eval_strategy="no", dataloader_num_workers=0)
    # A batch is fetched one ahead: all of an epoch's are waited for somewhere between its steps.
    assert 0 < run.series.seconds["data_wait"] <= run.series.seconds["train"] == pytest.approx(0.25 * EXAMPLES)


def test_data_wait_is_part_of_train(train: Any) -> None:
    run = train(eval_strategy="steps", eval_steps=1)
    assert 0 < run.series.seconds["data_wait"] <= run.series.seconds["train"]
    assert run.series.seconds["data_wait"] == pytest.approx(float(run.series.series()["data_seconds"].sum()), rel=1e-4)
    assert run.series.seconds["evaluate"] > 0


def test_without_clipping_the_norm_is_the_trainers_or_unseen(train: Any) -> None:
    """transformers 5 measures it all the same; before, nobody does, and so neither do we."""
    run = train(max_grad_norm=0.0, max_steps=2)
    theirs = logged(run.trainer, "grad_norm") if len(logged(run.trainer, "grad_norm")) else np.full(2, np.nan)
    np.testing.assert_array_equal(run.series.series()["grad_norm"].astype(np.float64), theirs)


def test_a_run_without_steps_has_empty_series() -> None:
    series = observation.StepSeries(lambda event: None).series()
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


def test_a_micro_batch_that_comes_before_its_step_is_announced_counts_with_it() -> None:
    """The same Trainer announces a step by the epoch's count, and ends it by the run's: after a rest they part."""
    steps = observation.StepSeries(lambda event: None)
    steps.train_begins(3)
    for loss, announced, ends in (
        (1.0, True, False), (2.0, False, True),  # a step of 2
        (4.0, True, False),  # the epoch's rest
        (8.0, True, True), (16.0, False, False), (32.0, True, True),
    ):  # fmt: skip
        if announced:
            steps.step_begins()
        steps.micro_batch(torch.tensor(loss), 1)
        if ends:
            steps.optimizer_begins(0.1)
            steps.step_ends(1, 3)
    steps.train_ends()
    assert steps.series()["loss"].tolist() == [1.0 + 2.0, 4.0 + 8.0, 16.0 + 32.0]
