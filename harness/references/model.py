"""A reference: a published value with its source, its split, its statistic and what is known of how it was obtained."""

from __future__ import annotations

import re
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, model_validator

from harness.task import METRICS
from harness.text import is_plain_text, listed, show
from harness.validation import only

Kind = Literal["course", "card", "notebook", "log", "readme", "paper", "vendor", "issue", "tutorial", "sample"]
"""Where a value was read; `sample` is put together from other references."""

Split = Literal["validation", "test", "train", "unknown"]
Statistic = Literal["single", "mean", "median", "best", "sample"]
Precision = Literal["fp32", "tf32", "fp16", "bf16"]
Selection = Literal["last", "best epoch"]
"""Which model of a run the value is of: the one that training ended with, or the best by an evaluation on the way."""

SCORES: Final[tuple[str, ...]] = (*METRICS, "unnamed")
"""Metrics that are fractions, of 1 at most; `unnamed` is one of which the source does not say which it is."""

KNOWN: Final = (
    *SCORES, "eval_loss", "train_loss", "train_loss_step_500", "train_seconds", "second_epoch_seconds",
    "train_samples_per_second",
)  # fmt: skip
Metric = Annotated[str, only(listed(KNOWN, len(KNOWN)), KNOWN.__contains__)]
"""A metric of a reference."""

MAX_DECIMALS: Final = 12
_ID: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]{0,62}[A-Za-z0-9_-])?")
_DATE: Final = re.compile(r"\d{4}(-\d{2}(-\d{2})?)?")


def _id(value: str) -> str:
    if not _ID.fullmatch(value):
        raise ValueError(f"got {show(value)}; allowed 1 to 64 letters, digits, '.', '_', '-'")
    return value


def _text(value: str) -> str:
    if not is_plain_text(value):
        raise ValueError(f"got {show(value)}; allowed 1 to 300 printable characters")
    return value


def _date(value: str) -> str:
    if not _DATE.fullmatch(value):
        raise ValueError(f"got {show(value)}; allowed YYYY, YYYY-MM or YYYY-MM-DD")
    return value


Id = Annotated[str, AfterValidator(_id)]
Text = Annotated[str, AfterValidator(_text)]
Finite = Annotated[float, Field(allow_inf_nan=False, ge=0)]
Value = Annotated[float, Field(allow_inf_nan=False, ge=-1)]
"""A correlation may be negative."""


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)


class Published(_Table):
    """The value of one metric: a fraction for a score, seconds, samples/s or a loss otherwise.

    `decimals` counts those of the fraction as printed (85.78 % has 4); without it the value is a float printed
    whole. `derived` marks what was worked out from another printed value.
    """

    value: Value | None = None
    values: Annotated[list[Value], Field(min_length=2)] | None = None
    sd: Finite | None = None
    decimals: Annotated[int, Field(ge=1, le=MAX_DECIMALS)] | None = None
    derived: bool = False

    @model_validator(mode="after")
    def _one(self) -> Published:
        if (self.value is None) == (self.values is None):
            raise ValueError(".value: allowed either one `value` or `values`")
        return self

    @property
    def every(self) -> list[float]:
        """The value, or all values of a sample, in the order of the source."""
        return list(self.values) if self.values is not None else [self.value] if self.value is not None else []


class Reference(_Table):
    """A published value as the registry holds it; see the head of `registry.toml` for what each field means.

    `row` is the label of the row of a published report that it is; the registry has none.
    """

    id: Id
    item: Text | None = None
    part: Text | None = None
    row: Text | None = None
    kind: Kind
    task: Text = "glue/mrpc"
    checkpoint: Text
    printed_checkpoint: Text | None = None
    split: Split
    statistic: Statistic
    n: Annotated[int, Field(ge=1)] | None = None
    members: Annotated[list[Id], Field(min_length=2)] | None = None
    of: Id | None = None
    metrics: dict[Metric, Published] = Field(default_factory=dict)
    recipe: dict[str, Any] = Field(default_factory=dict)
    setup: dict[str, Any] = Field(default_factory=dict)
    seed: Annotated[int, Field(ge=0)] | None = None
    precision: Precision | None = None
    precision_stated: bool = True
    selection: Selection | None = None
    devices: Annotated[int, Field(ge=1)] | None = None
    hardware: Text | None = None
    versions: dict[str, Text] = Field(default_factory=dict)
    source: Text
    date: Annotated[str, AfterValidator(_date)] | None = None
    unusable: Text | None = None
    notes: Text | None = None

    _runs: tuple[Reference, ...] = PrivateAttr(default=())

    @model_validator(mode="after")
    def _whole(self) -> Reference:
        if (self.members is None) != bool(self.metrics):
            raise ValueError(".metrics: allowed metrics, or `members` whose metrics they are")
        if self.members is not None and (self.statistic != "sample" or self.n != len(self.members)):
            raise ValueError(f'.members: allowed with statistic "sample" and n = {len(self.members)}')
        if self.statistic == "single" and self.n != 1:
            raise ValueError(f'.n: got {show(self.n)}; allowed 1 for statistic "single"')
        if self.n is not None and self.n < 2 and self.statistic != "single":
            raise ValueError(f".n: got {self.n}; allowed 2 or more, or none, for statistic {show(self.statistic)}")
        for name, published in self.metrics.items():
            self._check(name, published)
        return self

    def _check(self, name: Metric, published: Published) -> None:
        where = f".metrics.{name}"
        if name in SCORES:
            for value in [*published.every, published.sd or 0.0]:
                if value > 1:
                    raise ValueError(f"{where}: got {value}; allowed a fraction from 0 to 1 (85.78 % is 0.8578)")
            if (published.values is None) == (self.statistic == "sample"):
                raise ValueError(f'{where}: allowed `values` with statistic "sample", `value` with any other')
        if published.values is not None and len(published.values) != self.n:
            raise ValueError(f"{where}.values: got {len(published.values)} of them; allowed n = {show(self.n)}")
        if published.sd is not None and self.statistic != "mean":
            raise ValueError(f'{where}.sd: got {published.sd}; allowed with statistic "mean"')

    @property
    def runs(self) -> tuple[Reference, ...]:
        """The references that a sample is put together from, in the order of `members`; empty for any other."""
        return self._runs

    def of_runs(self, runs: tuple[Reference, ...]) -> Reference:
        """Return the sample with its runs: the values of every score that each of them has."""
        shared = [name for name in SCORES if all(name in run.metrics for run in runs)]
        metrics = {name: Published(values=[run.metrics[name].every[0] for run in runs]) for name in shared}
        filled = self.model_copy(update={"metrics": metrics})
        filled._runs = runs
        return filled
