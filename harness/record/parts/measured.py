"""What came out of a run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.record.parts.part import Number, Part
from harness.record.parts.timing import Timing


class Confusion(Part):
    """Counts on the validation split, label 1 positive."""

    tp: int
    fp: int
    fn: int
    tn: int


class EpochScore(Part):
    """Evaluation at the end of one epoch; accuracy and F1 as fractions."""

    epoch: Number
    step: int
    accuracy: Number | None = None
    f1: Number | None = None
    loss: Number | None = None


class Measured(Part):
    """What came out: scores as fractions, times in seconds, rates per second, memory in MiB.

    `seconds` has the phases load, tokenize, setup (optimizer and loaders, within `Trainer.train`), train (evaluation
    and setup excluded), evaluate, predict, data_wait (part
    of train) and total. `train_samples_per_second` = `train_samples` / `seconds["train"]`.
    """

    metrics: dict[str, Number] = {}
    confusion: Confusion | None = None
    epochs: list[EpochScore] = []
    train_loss: Number | None = None
    seconds: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = {}
    train_samples: int | None = None
    train_samples_per_second: Number | None = None
    peak_memory_mib: dict[str, Number] = {}
    throttle_reasons: list[str] = []
    timing: Timing | None = None
