"""What came out of a run."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from harness.record.parts.part import Number, Part
from harness.record.parts.timing import Timing


class Confusion(Part):
    """Counts on the validation split, square: a row a true class, a column a predicted one, by label from 0."""

    counts: list[list[Annotated[int, Field(ge=0)]]]

    @model_validator(mode="after")
    def _square(self) -> Confusion:
        if not self.counts or any(len(row) != len(self.counts) for row in self.counts):
            raise ValueError(f"got rows of {[len(row) for row in self.counts]!s:.80}; allowed as many columns as rows")
        return self

    @classmethod
    def of_two(cls, tp: int, fp: int, fn: int, tn: int) -> Confusion:
        """That of two classes, label 1 positive."""
        return cls(counts=[[tn, fp], [fn, tp]])

    @property
    def labels(self) -> tuple[int, ...]:
        """How many examples each class has."""
        return tuple(map(sum, self.counts))

    @property
    def named(self) -> dict[str, int]:
        """The counts by name: of two classes tp, fp, fn and tn, of more "true 0, said 1"."""
        if len(self.counts) == 2:
            (tn, fp), (fn, tp) = self.counts
            return {"tp": tp, "fp": fp, "fn": fn, "tn": tn}
        return {f"true {i}, said {j}": n for i, row in enumerate(self.counts) for j, n in enumerate(row)}


class EpochScore(Part):
    """An evaluation during training: the task's scores by name, as fractions, and `loss`."""

    epoch: Number
    step: int
    metrics: dict[str, Number] = {}


class Measured(Part):
    """What came out: scores as fractions, times in seconds, rates per second, memory in MiB.

    `metrics` are the scores by name, those of a further split with its suffix, and `loss`. `confusion` is that of at
    most 20 classes; `constant` says whether every answer was the same (older records do not say).
    `seconds` has the phases load, tokenize, setup (optimizer and loaders, within `Trainer.train`), train (evaluation
    and setup excluded), evaluate, predict, data_wait (part
    of train) and total. `train_samples_per_second` = `train_samples` / `seconds["train"]`.
    """

    metrics: dict[str, Number] = {}
    confusion: Confusion | None = None
    constant: Annotated[bool | None, Field(exclude_if=lambda value: value is None)] = None
    epochs: list[EpochScore] = []
    train_loss: Number | None = None
    seconds: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = {}
    train_samples: int | None = None
    train_samples_per_second: Number | None = None
    peak_memory_mib: dict[str, Number] = {}
    throttle_reasons: list[str] = []
    timing: Timing | None = None
