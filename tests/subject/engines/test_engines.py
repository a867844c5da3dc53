"""The plain loops beside a real Trainer on a tiny BERT: the same numbers where it is right, others where it is not."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
datasets = pytest.importorskip("datasets")

from harness.errors import SpecError  # noqa: E402
from harness.protocol import STEP  # noqa: E402
from harness.record.parts.fingerprint import Fingerprint  # noqa: E402
from harness.subject import train  # noqa: E402
from harness.subject.data import checkpoints, tasks  # noqa: E402
from harness.subject.engines import supported, trainer  # noqa: E402
from harness.subject.watch import observation  # noqa: E402
from tests.subject.engines.cells import BATCH, EXAMPLES, VALIDATION, Cells, Outcome  # noqa: E402
from tests.subject.engines.loops import LOOPS  # noqa: E402

Run = Callable[..., Outcome]

MICRO_BATCHES = 12  # the last one has two examples
TOLERANCE = 1e-5
COUNTS_OVER_EPOCHS = tuple(map(int, transformers.__version__.split(".")[:2])) < (4, 46)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """As a cell has by default: two threads on a busy machine wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Runs a cell; equal requests run once."""
    cells = Cells(tmp_path_factory.mktemp("engines"))
    done: dict[str, Outcome] = {}

    def run(engine: str, **changes: Any) -> Outcome:
        key = f"{engine} {sorted(changes.items())}"
        if key not in done:
            done[key] = cells.run(engine, **changes)
        return done[key]

    return run


def relative(found: np.ndarray, wanted: np.ndarray) -> float:
    assert found.shape == wanted.shape
    return float(np.max(np.abs(found.astype(np.float64) - wanted) / np.abs(wanted)))


def fingerprint(outcome: Outcome) -> Fingerprint:
    return Fingerprint(**outcome[0]["observed"]["fingerprint"])


CASES: dict[str, dict[str, Any]] = {
    "two epochs": {"num_train_epochs": 2},
    "weight decay and warmup": {"num_train_epochs": 2, "weight_decay": 0.1, "warmup_steps": 0.2},
    "accumulation": {"num_train_epochs": 7, "gradient_accumulation_steps": 4},
    "accumulation with a rest": {"num_train_epochs": 7, "gradient_accumulation_steps": 5},
    "cosine, no more than measured": {
        "max_steps": 20, "lr_scheduler_type": "cosine", "warmup_steps": 3, "max_grad_norm": 1e9, "optim": "adamw_torch",
    },
    "other numbers": {
        "max_steps": 20, "adam_beta1": 0.8, "adam_beta2": 0.9, "adam_epsilon": 1e-6, "max_grad_norm": 0.1,
        "lr_scheduler_type": "cosine_with_restarts", "lr_scheduler_kwargs": {"num_cycles": 2},
        "dataloader_drop_last": True, "per_device_eval_batch_size": 10,
    },
    "dropout": {"num_train_epochs": 2, "dropout": True},
    "bf16": {"num_train_epochs": 2, "precision": "bf16"},
    "a worker": {"num_train_epochs": 1.75, "dataloader_num_workers": 1, "dropout": True},
}  # fmt: skip


@pytest.mark.parametrize("engine", LOOPS)
@pytest.mark.parametrize("case", CASES)
def test_loops_and_trainer_agree_at_every_step(run: Run, case: str, engine: str) -> None:
    if COUNTS_OVER_EPOCHS and case == "accumulation with a rest":
        pytest.skip("transformers before 4.46 let a step span two epochs")
    trainer = run("trainer", accepts_loss_kwargs=False, **CASES[case])
    loop = run(engine, **CASES[case])
    steps = len(trainer[1]["loss"])
    assert steps >= 20
    for name in ("loss", "grad_norm", "micro_loss"):
        assert relative(loop[1][name], trainer[1][name]) <= TOLERANCE, name
    np.testing.assert_array_equal(loop[1]["learning_rate"], trainer[1]["learning_rate"])
    np.testing.assert_allclose(loop[1]["logits"], trainer[1]["logits"], rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(loop[1]["labels"], trainer[1]["labels"])
    assert not np.allclose(loop[1]["loss"], loop[1]["loss"][0], rtol=1e-2), "nothing was learnt: nothing was compared"

    for outcome in (loop, trainer):  # transformers 4's Trainer notes its own choice among its arguments
        outcome[0]["observed"]["arguments"].pop("half_precision_backend", None)
        outcome[0]["observed"]["fingerprint"]["non_default_arguments"].pop("half_precision_backend", None)
    found, wanted = fingerprint(loop), fingerprint(trainer)
    told = {"engine", "accepts_loss_kwargs", "final_sha256", "loss_sha256", "trajectory_sha256"}
    assert found.model_dump(exclude=told) == wanted.model_dump(exclude=told)
    assert (found.engine, found.accepts_loss_kwargs) == (engine, None)
    assert found.optimizer_steps == loop[0]["observed"]["optimizer_steps"] == steps
    for part in ("optimizer", "collator", "model", "arguments", "requested"):
        assert loop[0]["observed"][part] == trainer[0]["observed"][part], part
    evaluated = [(e["epoch"], e["step"]) for e in trainer[0]["measured"]["epochs"]]
    assert [(e["epoch"], e["step"]) for e in loop[0]["measured"]["epochs"]] == evaluated
    losses = [[e["metrics"]["loss"] for e in outcome[0]["measured"]["epochs"]] for outcome in (loop, trainer)]
    np.testing.assert_allclose(*losses, rtol=1e-4 if case == "bf16" else TOLERANCE)
    assert loop[0]["measured"]["train_samples"] == trainer[0]["measured"]["train_samples"]
    assert loop[0]["measured"]["confusion"] == trainer[0]["measured"]["confusion"]


@pytest.mark.parametrize("engine", LOOPS)
def test_the_trainers_wrong_scale_is_not_copied(run: Run, engine: str) -> None:
    """huggingface/transformers#47688: where the Trainer leaves the scaling to BERT, its loss is n times too large."""
    recipe = CASES["accumulation"]
    trainer, loop = run("trainer", **recipe), run(engine, **recipe)
    scale = 4 if fingerprint(trainer).accepts_loss_kwargs else 1
    for name in ("loss", "grad_norm"):
        assert trainer[1][name][0] / loop[1][name][0] == pytest.approx(scale, rel=TOLERANCE)
    np.testing.assert_allclose(loop[1]["loss"], loop[1]["micro_loss"], rtol=1e-6)


@pytest.mark.parametrize("engine", LOOPS)
def test_a_batch_accumulated_is_the_batch_at_once(run: Run, engine: str) -> None:
    recipe = {"examples": 96, "num_train_epochs": 7}
    whole = run(engine, per_device_train_batch_size=32, **recipe)
    parts = run(engine, gradient_accumulation_steps=4, **recipe)
    assert len(whole[1]["loss"]) == 21
    for name in ("loss", "grad_norm"):
        assert relative(parts[1][name][:20], whole[1][name][:20]) <= TOLERANCE, name
    assert fingerprint(parts).data_order_sha256 == fingerprint(whole).data_order_sha256


def test_the_loop_is_the_courses_loop(run: Run, tmp_path: Path) -> None:
    """Written down once more with nothing of the harness in it: equal to the last bit, dropout included."""
    result, series, _ = run("loop", dropout=True, num_train_epochs=2)
    checkpoint = checkpoints.locate("embedded/tiny-bert", None, None, tmp_path)
    tasks.tokenize_to(tmp_path / "whole", {"name": "embedded/paraphrase"}, checkpoint)
    splits = datasets.load_from_disk(str(tmp_path / "whole")).remove_columns(["sentence1", "sentence2", "idx"])
    train, validation = splits["train"].select(range(EXAMPLES)), splits["validation"].select(range(VALIDATION))
    collator = transformers.DataCollatorWithPadding(transformers.AutoTokenizer.from_pretrained(checkpoint))
    transformers.set_seed(42)
    model = transformers.AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2)
    transformers.set_seed(42)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.0, fused=not COUNTS_OVER_EPOCHS)
    schedule = transformers.get_scheduler("linear", optimizer, 0, 2 * MICRO_BATCHES)
    losses = []
    for epoch in range(2):
        order = torch.randperm(EXAMPLES, generator=torch.Generator().manual_seed(42 + epoch)).tolist()
        model.train()
        for batch in torch.utils.data.DataLoader(train, batch_size=BATCH, sampler=order, collate_fn=collator):
            loss = model(**batch).loss
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            losses.append(loss.item())
        model.eval()
        with torch.no_grad():
            batches = torch.utils.data.DataLoader(validation, batch_size=BATCH, collate_fn=collator)
            logits = torch.cat([model(**batch).logits for batch in batches])
    assert series["loss"].tolist() == losses
    np.testing.assert_array_equal(series["logits"], logits.numpy())
    assert result["measured"]["train_loss"] == pytest.approx(np.mean(losses), rel=1e-6)


@pytest.mark.parametrize("engine", LOOPS)
def test_what_is_told_while_it_runs(run: Run, engine: str) -> None:
    result, series, events = run(engine, num_train_epochs=2)
    # The evaluation after the last step is the prediction: the weights are the same.
    assert [event["event"] for event in events if event["event"] != "step"] == ["training", "evaluated", "evaluated"]
    assert events[0]["steps"] == 24
    assert [event["step"] for event in events if event["event"] == "evaluated"] == [12, 24]
    seconds = result["measured"]["seconds"]
    assert {"load", "train", "evaluate", "data_wait", "setup", "total"} <= set(seconds)
    assert "predict" not in seconds
    assert min(seconds.values()) >= 0
    assert seconds["data_wait"] == pytest.approx(series["data_seconds"].sum(), abs=1e-5)
    assert series["step_seconds"].sum() + series["data_seconds"].sum() <= seconds["train"]


@pytest.mark.parametrize("engine", ["trainer", *LOOPS])
def test_an_evaluation_at_the_end_is_the_prediction(run: Run, engine: str) -> None:
    evaluated, with_it, _ = run(engine, max_steps=13)
    predicted, without, events = run(engine, max_steps=13, eval_strategy="no")
    assert [event["event"] for event in events if event["event"] != "step"] == ["training", "predicting"]
    assert predicted["measured"]["seconds"]["predict"] > 0
    assert np.array_equal(with_it["logits"], without["logits"])
    assert np.array_equal(with_it["labels"], without["labels"])
    for name in ("metrics", "confusion"):
        assert evaluated["measured"][name] == predicted["measured"][name]


def test_a_rank_says_what_it_is_doing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    said: dict[str, list[str]] = {}
    for engine in ("trainer", *LOOPS):
        marks = said.setdefault(engine, [])
        monkeypatch.setattr(train, "beacon", lambda folder, marks=marks: marks.append)
        run(engine, max_steps=13, gradient_accumulation_steps=2)
    for engine in LOOPS:
        assert set(said["trainer"]) <= set(said[engine])
        assert said[engine][:4] == [
            "loading", "ready to train", "fetching batches (step 1)", "in micro-batch 1 (step 1)",
        ]  # fmt: skip
        assert said[engine][-3:] == ["after evaluating (step 13)", "trained", "predicted"]
        assert "after micro-batch 26 (step 13)" in said[engine]


@pytest.mark.parametrize("engine", LOOPS)
def test_without_clipping_the_norm_is_still_measured(run: Run, engine: str) -> None:
    free, loose = run(engine, max_steps=3, max_grad_norm=0.0), run(engine, max_steps=3, max_grad_norm=1e9)
    assert fingerprint(free).clipping == math.inf
    np.testing.assert_array_equal(free[1]["grad_norm"], loose[1]["grad_norm"])
    tight = run(engine, max_steps=3, max_grad_norm=1e-3)
    assert fingerprint(tight).clipping == 1e-3
    assert tight[1]["grad_norm"][0] == free[1]["grad_norm"][0]


@pytest.mark.parametrize("engine", LOOPS)
def test_every_row_is_predicted_and_nothing_evaluated_unasked(run: Run, engine: str) -> None:
    """The Trainer applies dataloader_drop_last to the validation data too, and loses rows."""
    recipe = {"max_steps": 2, "eval_strategy": "no", "dataloader_drop_last": True, "per_device_eval_batch_size": 7}
    result, series, events = run(engine, **recipe)
    assert series["logits"].shape == (VALIDATION, 2)
    assert result["measured"]["epochs"] == []
    assert "evaluated" not in {event["event"] for event in events}
    assert np.sum(result["measured"]["confusion"]["counts"]) == VALIDATION


@pytest.mark.parametrize("engine", LOOPS)
def test_data_seed_decides_the_order_alone(run: Run, engine: str) -> None:
    other, same = run(engine, max_steps=3, data_seed=7), run(engine, max_steps=3, data_seed=42)
    plainly = run(engine, max_steps=3)
    assert fingerprint(other).data_order_sha256 != fingerprint(plainly).data_order_sha256
    assert fingerprint(other).init_sha256 == fingerprint(plainly).init_sha256
    assert fingerprint(same).trajectory_sha256 == fingerprint(plainly).trajectory_sha256


@pytest.mark.parametrize("optim", ["adamw_torch", "adamw_torch_fused"])
def test_steps_that_the_scaler_leaves_out(run: Run, monkeypatch: pytest.MonkeyPatch, optim: str) -> None:
    """fp16 on a CPU, from a loss scale under which the first gradients overflow."""
    scaler = functools.partial(torch.amp.GradScaler, init_scale=2.0**40)
    monkeypatch.setattr(torch.amp, "GradScaler", scaler)
    result, series, _ = run("loop", precision="fp16", num_train_epochs=4, optim=optim)
    found = fingerprint((result, series, []))
    assert found.precision is not None
    assert found.precision.name == "fp16"
    assert found.loss_scale is not None
    skipped = found.loss_scale.skipped_steps
    assert 0 < skipped < len(series["loss"]) == 48
    assert found.loss_scale.minimum == 2.0 ** (40 - skipped)
    assert found.loss_scale.nonfinite_steps == skipped
    moved = np.flatnonzero(np.diff(series["learning_rate"]))
    if optim == "adamw_torch":
        assert found.optimizer_steps == 48 - skipped
        taken = np.isfinite(series["grad_norm"])
        np.testing.assert_array_equal(moved, np.flatnonzero(taken[:-1]))
    else:  # it leaves a step out on the device, and only there it is known
        assert found.optimizer_steps == 48
        assert len(moved) == 47


def test_a_refused_recipe_does_not_train(run: Run) -> None:
    with pytest.raises(SpecError, match=r"label_smoothing_factor: got 0\.1.*; argument weight.*|label_smoothing"):
        run("loop", max_steps=1, label_smoothing_factor=0.1)
    for option, value in {"resume_at": 4, "devices": 2, "accepts_loss_kwargs": False}.items():
        with pytest.raises(SpecError, match=f'{option}: got {value}; engine "loop" allows'):
            supported.check("loop", {"devices": 1, option: value}, {})
    supported.check("accelerate", {"devices": 2}, {})


def test_no_batch_at_all_is_an_error(run: Run) -> None:
    with pytest.raises(RuntimeError, match="dataloader_drop_last"):
        run("loop", examples=5, dataloader_drop_last=True, max_steps=1)


def test_a_resumed_run_tells_its_first_life_too(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else whoever waits for a first step takes it for a hanging cell, however well it trains."""
    for module in (trainer, observation):
        monkeypatch.setattr(module, "PROGRESS_INTERVAL_S", 0.0)
    _, _, events = run("trainer", max_steps=6, resume_at=4, save_steps=4, save_strategy="steps")
    told = [(event["step"], event["steps"]) for event in events if event["event"] == STEP]
    assert told == [(step, 6) for step in (1, 2, 3, 4, 5, 6)]
