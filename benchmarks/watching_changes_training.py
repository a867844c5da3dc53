"""Watching changes training: plain transformers, no harness, a minute on a CPU.

    python benchmarks/watching_changes_training.py [--json]

A BERT of two small layers with dropout, 4 steps an epoch, 2 epochs, one seed. Every run begins with the same weights
and sees the same examples in the same order; a line gives the hash of the weights that it ends with.
`reports/watching-changes-training.md` says what it shows.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import random
import tempfile
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
import transformers
from transformers import (
    BertConfig,
    BertForSequenceClassification,
    Trainer,
    TrainerCallback,
    TrainingArguments,
    set_seed,
)

EPOCH, EPOCHS = 4, 2
RESUMED = (2, 4, 6)
"""The steps that runs are resumed at: inside an epoch, at its end, inside the next."""
WORDS, LENGTH, BATCH = 100, 12, 20

draw = random.Random(1)
ROWS = [
    {
        "input_ids": torch.tensor([draw.randrange(5, WORDS) for _ in range(LENGTH)]),
        "attention_mask": torch.ones(LENGTH, dtype=torch.int64),
        "labels": draw.randrange(2),
    }
    for _ in range(EPOCH * BATCH)
]


class _CountDraws(TrainerCallback):
    """How many 64-bit numbers are drawn from torch's stream between two moments of a run."""

    def __init__(self) -> None:
        self.before: torch.Tensor | None = None
        self.drawn: list[int | None] = []

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        self.before = torch.get_rng_state()

    def on_evaluate(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        after = torch.get_rng_state()
        with torch.random.fork_rng(devices=[]):
            torch.set_rng_state(self.before)
            for number in range(10):
                if torch.equal(torch.get_rng_state(), after):
                    self.drawn.append(number)
                    return
                torch.empty((), dtype=torch.int64).random_()
        self.drawn.append(None)


def trained(
    folder: Path, resume: Path | None = None, *, dropout: float = 0.1, around: bool = False, **options: Any
) -> tuple[str, list[int | None]]:
    """Train, and return the hash of the final weights and what each evaluation drew."""
    set_seed(42)
    size = {"hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 16}
    off = {"hidden_dropout_prob": dropout, "attention_probs_dropout_prob": dropout}
    model = BertForSequenceClassification(BertConfig(vocab_size=WORDS, num_labels=2, **size, **off))
    arguments = TrainingArguments(
        str(folder), per_device_train_batch_size=BATCH, num_train_epochs=EPOCHS, learning_rate=1e-3, seed=42,
        use_cpu=True, report_to="none", disable_tqdm=True, **{"save_strategy": "no", **options},
    )  # fmt: skip
    count = _CountDraws()
    trainer = Trainer(model, arguments, train_dataset=ROWS, eval_dataset=ROWS, callbacks=[count])
    trainer.remove_callback(transformers.PrinterCallback)
    if around:  # the work-around, in one line
        trainer.evaluate = torch.random.fork_rng(devices=[])(trainer.evaluate)
    trainer.train(resume_from_checkpoint=str(resume) if resume else None)
    bits = b"".join(weights.detach().numpy().tobytes() for weights in model.parameters())
    return hashlib.sha256(bits).hexdigest()[:8], count.drawn


EVALUATED: dict[str, dict[str, Any]] = {
    "no": {"eval_strategy": "no"},
    "epoch": {"eval_strategy": "epoch"},
    "steps": {"eval_strategy": "steps", "eval_steps": 3},
}
SAVED: dict[str, dict[str, Any]] = {
    "evaluated by epochs, saved by steps": {**EVALUATED["epoch"], "save_strategy": "steps", "save_steps": 1},
    "evaluated and saved by epochs": {**EVALUATED["epoch"], "save_strategy": "epoch"},
    "evaluated and saved by steps": {
        "eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps", "save_steps": 1,
    },
    "not evaluated, saved by steps": {**EVALUATED["no"], "save_strategy": "steps", "save_steps": 1},
    "evaluated by epochs, saved by steps, work-around": {
        **EVALUATED["epoch"], "save_strategy": "steps", "save_steps": 1, "around": True,
    },
}  # fmt: skip


def watching(folder: Path) -> Iterator[tuple[str, str, list[int | None]]]:
    """One seed, evaluated never, after epochs, after steps: as it is, without dropout, and with the work-around."""
    for how, changed in (("", {}), (", no dropout", {"dropout": 0.0}), (", work-around", {"around": True})):
        for name, options in EVALUATED.items():
            yield (name + how, *trained(folder, **options, **changed))


def resuming(folder: Path) -> Iterator[tuple[str, str, dict[int, str]]]:
    """A run that saves, and runs resumed from what it saved."""
    for number, (name, options) in enumerate(SAVED.items()):
        place = folder / str(number)
        whole, _ = trained(place, **options)
        on = {**options, "save_strategy": "no"}
        kept = {step: place / f"checkpoint-{step}" for step in RESUMED}
        yield name, whole, {step: trained(folder / "on", at, **on)[0] for step, at in kept.items() if at.is_dir()}


def main() -> None:
    """Run all and print it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="one JSON object")
    as_json = parser.parse_args().json
    warnings.simplefilter("ignore")
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as scratch:
        watched = list(watching(Path(scratch)))
        resumed = list(resuming(Path(scratch)))
    versions = {"transformers": transformers.__version__, "torch": torch.__version__}
    if as_json:
        print(json.dumps({**versions, "watched": watched, "resumed": resumed}))
        return
    print(" ".join(f"{name} {version}" for name, version in versions.items()))
    print("\neval_strategy         final weights   drawn by each evaluation")
    for name, weights, drawn in watched:
        print(f"{name:20}  {weights}        {' '.join(map(str, drawn))}")
    for name, whole, parts in resumed:
        print(f"\n{name}: {whole}")
        for step, weights in parts.items():
            place = "the end of an epoch" if step % EPOCH == 0 else "inside an epoch"
            print(f"  resumed at {step}, {place}: {weights} {'equal' if weights == whole else 'OTHER WEIGHTS'}")


if __name__ == "__main__":
    main()
