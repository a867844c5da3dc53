"""Made-up grids for the statistics study: cells, runs by confusion counts, references, as `harness check` has them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from benchmarks.statistics_draws import EXAMPLES, ONE, TRUTH, Array, Flags
from harness.grid.cell import Cell, Checkpoint
from harness.grid.looks import SeedPlan
from harness.record.attempts import Entry
from harness.record.results import Results
from harness.references import Published, Reference, find, registry
from harness.references.model import Statistic

Counts = npt.NDArray[np.int64]
Against = Literal["sample of 25", "mean ± sd of 5", "single run"]
COUNT: dict[str, int] = {"sample of 25": 25, "mean ± sd of 5": 5, "single run": 1}
STATISTIC: dict[str, Statistic] = {"sample of 25": "sample", "mean ± sd of 5": "mean", "single run": "single"}

POSITIVE = 279
"""Of the 408 examples."""

COLLAPSED = {"accuracy": POSITIVE / EXAMPLES, "f1": 2 * POSITIVE / (POSITIVE + EXAMPLES)}
"""The scores of a run that answers "positive" to everything."""

BATCH = 8
PRECISIONS = ("fp32", "bf16", "tf32", "fp16")


@dataclass(frozen=True)
class Shape:
    """A grid: checkpoints of one recipe, each in so many precisions and on so many numbers of devices."""

    checkpoints: int = 6
    precisions: int = 2
    devices: int = 2

    @property
    def size(self) -> int:
        """How many configurations."""
        return self.checkpoints * self.precisions * self.devices

    @property
    def checkpoint_of(self) -> npt.NDArray[np.int64]:
        """The checkpoint of each configuration."""
        return np.repeat(np.arange(self.checkpoints), self.precisions * self.devices)

    def __str__(self) -> str:
        parts = {"checkpoints": self.checkpoints, "precisions": self.precisions, "numbers of devices": self.devices}
        return " × ".join(f"{count} {name}" for name, count in parts.items() if count > 1)


@cache
def replication() -> Reference:
    """The registry's replication sample: published runs of the recipe behind the course's value."""
    found = registry().sample_of(find("hf-course-ch3"), "accuracy")
    if found is None:
        raise LookupError("the registry has no sample of the course's recipe")
    return found


@cache
def published() -> tuple[float, ...]:
    """Its accuracies, in points."""
    return tuple(100 * value for value in replication().metrics["accuracy"].every)


@cache
def spread_of_published() -> float:
    """Their sd from run to run, in points."""
    return float(np.std(published(), ddof=1))


@cache
def false_negatives_law() -> tuple[float, float, float]:
    """Slope, intercept and residual sd of FN over errors, in the published runs: F1 then goes with accuracy as theirs.

    F1 = 2 TP / (2 TP + errors) gives TP = F1 errors / (2 (1 - F1)), and FN = 279 - TP.
    """
    accuracy, f1 = (np.array(replication().metrics[name].every) for name in ("accuracy", "f1"))
    errors = EXAMPLES * (1 - accuracy)
    fn = POSITIVE - f1 * errors / (2 * (1 - f1))
    slope, intercept = np.polyfit(errors, fn, 1)
    return float(slope), float(intercept), float((fn - slope * errors - intercept).std(ddof=2))


@dataclass(frozen=True)
class Runs:
    """Runs that were drawn, (configurations or references, runs): correct answers, FN that go with them, collapses."""

    correct: Counts
    luck: Array
    lost: Flags

    @property
    def points(self) -> Array:
        """Accuracies in points."""
        result: Array = np.asarray(self.correct * ONE, dtype=np.float64)
        return result

    @property
    def f1(self) -> Array:
        """F1, fractions."""
        slope, intercept, sd = false_negatives_law()
        errors = EXAMPLES - self.correct
        fn = np.rint(intercept + slope * errors + sd * self.luck)
        fn = np.clip(fn, np.maximum(0, errors - (EXAMPLES - POSITIVE)), np.minimum(errors, POSITIVE))
        tp = POSITIVE - fn
        result: Array = 2 * tp / (2 * tp + errors)
        return result

    def shifted(self, index: int, points: float) -> Runs:
        """The same luck, with one configuration better or worse by so many points."""
        correct = self.correct.copy()
        correct[index] = np.clip(np.rint(correct[index] + points / ONE), 0, EXAMPLES)
        return replace(self, correct=correct)


def draw(rng: np.random.Generator, noise: Array, sd: float, collapse: float = 0.0) -> Runs:
    """Runs around the course's accuracy; `noise` is standard normal, (configurations, runs)."""
    correct = np.clip(np.rint((TRUTH + sd * noise) / ONE), 0, EXAMPLES).astype(np.int64)
    return Runs(correct, rng.standard_normal(noise.shape), rng.random(noise.shape) < collapse)


@cache
def _plan(shape: Shape, seeds: int) -> tuple[tuple[Cell, ...], tuple[Entry, ...]]:
    """The grid's cells, and an entry of each that has no score yet."""
    cells = []
    places = itertools.product(range(shape.checkpoints), PRECISIONS[: shape.precisions], range(shape.devices))
    for number, precision, doubled in places:
        # Strong scaling: as many examples a step on every number of devices.
        recipe = {**replication().recipe, "per_device_train_batch_size": BATCH // 2**doubled}
        checkpoint = Checkpoint(f"model-{number}", _source(number))
        axes = {"checkpoint": checkpoint.name, "precision": precision, "devices": 2**doubled}
        for seed in range(1, seeds + 1):
            cells.append(
                Cell(
                    "glue/mrpc", checkpoint, seed, recipe, precision=precision, devices=2**doubled,
                    axes={**axes, "seed": seed},
                )
            )  # fmt: skip
    return tuple(cells), tuple(_entry(cell) for cell in cells)


def _source(number: int) -> str:
    return f"made-up/model-{number}"


def _entry(cell: Cell) -> Entry:
    return Entry(
        cell_id=cell.cell_id, configuration_id=cell.configuration_id, environment_id="made-up", content_id="made-up",
        attempt=1, status="ok", path=cell.cell_id, started="2026-11-22T10:00:00.000Z", checkpoint=cell.checkpoint.name,
        seed=cell.seed, precision=cell.precision, devices=cell.devices, axes=cell.axes, metrics={}, seconds={},
        samples_per_second=None, steps=1377, error=None,
    )  # fmt: skip


def measured(shape: Shape, runs: Runs, taken: Sequence[int], looks: tuple[int, ...] = ()) -> Results:
    """What a grid has left after the first `taken` seeds of each configuration."""
    seeds = runs.correct.shape[1]
    cells, blank = _plan(shape, seeds)
    accuracy, f1 = (runs.correct / EXAMPLES).ravel().tolist(), runs.f1.ravel().tolist()
    lost = runs.lost.ravel().tolist()
    entries = [
        replace(blank[place], status="collapsed", metrics=COLLAPSED)
        if lost[place]
        else replace(blank[place], metrics={"accuracy": accuracy[place], "f1": f1[place]})
        for number, few in enumerate(taken)
        for place in range(number * seeds, number * seeds + few)
    ]
    return Results(entries, cells=cells, plan=SeedPlan(looks, tuple(range(1, seeds + 1))) if looks else None)


def references(runs: Runs, against: Against) -> list[Reference]:
    """A reference for each checkpoint, of published runs that were drawn: a row of `runs` each."""
    f1, known = 100 * runs.f1, replication()
    return [
        Reference(
            id=f"made-up-{number}",
            kind="log",
            checkpoint=_source(number),
            split="validation",
            statistic=STATISTIC[against],
            n=COUNT[against],
            metrics={"accuracy": _value(points, against), "f1": _value(f1[number], against)},
            recipe=known.recipe,
            setup=known.setup,
            precision=known.precision,
            precision_stated=known.precision_stated,
            devices=known.devices,
            source="drawn",
        )
        for number, points in enumerate(runs.points)
    ]


def _value(points: Array, against: Against) -> Published:
    values: dict[str, Any] = {"decimals": 4}
    fractions = [round(float(value) / 100, 4) for value in points]
    if against == "sample of 25":
        return Published(value=None, values=fractions, **values)
    mean = math.fsum(fractions) / len(fractions)
    sd = float(np.std(fractions, ddof=1)) if len(fractions) > 1 else None
    return Published(value=mean, sd=sd, **values)
