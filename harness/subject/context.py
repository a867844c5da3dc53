"""What a function of `[subject] trainer = "package.module:function"` is given, to make a Trainer of."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable


@dataclass(frozen=True)
class TrainingContext:
    """One cell, made ready. Whatever the function takes from here is what the cell asked for; the rest is its own.

    Attributes
    ----------
    arguments
        The resolved `TrainingArguments`: the grid's recipe, the cell's seed, precision and devices.
    seed
        The cell's seed. Set before the function is called (`transformers.set_seed`).
    checkpoint
        The folder of the cell's checkpoint: `config.json`, safetensors, tokenizer.
    build_model
        Makes the classifier of the grid's task from the checkpoint, as the harness's own recipe does; a model of the
        function's own is as good.
    tokenizer
        The checkpoint's, None where it has none.
    collator
        Makes batches as the recipe asks (`padding`, `pad_to_multiple_of`); None without a tokenizer.
    train, validation
        The task's tokenized splits (`datasets.Dataset`); None where the grid has no `task`.
    compute_metrics
        The task's own scores, in the form that `Trainer` takes; None where the grid has no `task`.
    folder
        A folder for the run's own files, gone after it.
    """

    arguments: Any
    seed: int
    checkpoint: Path
    build_model: Callable[[], Any]
    tokenizer: Any
    collator: Any
    train: Any
    validation: Any
    compute_metrics: Any
    folder: Path
