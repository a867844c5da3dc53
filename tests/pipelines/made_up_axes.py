"""Nights of configurations that differ in one axis, each with the answers of its runs."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from harness.grid.cell import Cell
from harness.protocol import SERIES
from tests.pipelines.made_up import Night

TRUTH = np.tile([1, 1, 0], 134)[:400]
"""The true classes of the validation split."""

HEAD = """
name = "night"
task = "embedded/paraphrase"
[recipe]
num_train_epochs = 1
"""


def grid_text(matrix: str, compare: str, quality: str = "parity_margin = 1.5") -> str:
    """A grid with a matrix and what it compares."""
    return f"{HEAD}[matrix]\n{matrix}\n[quality]\n{quality}\n{compare}\n"


def answers(share: float, seed: int, name: str = "", sd: float = 0.006) -> npt.NDArray[np.int64]:
    """The answers of a run: about `share` of the examples right, the same easy ones in every run but for a few."""
    own = np.random.default_rng(int(hashlib.sha256(f"{name} {seed}".encode()).hexdigest()[:8], 16))
    ease = np.random.default_rng(5).random(len(TRUTH)) + 0.03 * own.standard_normal(len(TRUTH))
    return np.where(ease < np.quantile(ease, share + sd * own.standard_normal()), TRUTH, 1 - TRUTH)


def scores(predicted: npt.NDArray[np.int64]) -> dict[str, float]:
    """As a run reports them."""
    hit, said, true = (predicted == 1) & (TRUTH == 1), predicted == 1, TRUTH == 1
    return {"accuracy": float((predicted == TRUTH).mean()), "f1": float(2 * hit.sum() / (said.sum() + true.sum()))}


def put(night: Night, cell: Cell, predicted: npt.NDArray[np.int64], *, kept: bool = True, **changes: Any) -> None:
    """File a run with its answers; without them where they are not `kept`."""
    before = set(night.store.folder.rglob("record.json"))
    night.put(cell, 0, measured={"metrics": scores(predicted)}, **changes)
    (record,) = set(night.store.folder.rglob("record.json")) - before
    if kept:
        np.savez(record.with_name(SERIES), logits=np.eye(2, dtype=np.float32)[predicted], labels=TRUTH)


def fill(night: Night, shares: Mapping[Any, float], axis: str, **options: Any) -> None:
    """Every cell with the answers that its value of the axis gives."""
    for cell in night.grid.cells():
        put(night, cell, answers(shares[cell.axes[axis]], cell.seed, str(cell.axes[axis])), **options)


def matrix(axis: str, values: Sequence[str], seeds: int = 5) -> str:
    """TOML of a matrix with one axis and seeds."""
    checkpoint = "" if axis == "checkpoint" else 'checkpoint = ["embedded/tiny-bert"]\n'
    return f"{checkpoint}{axis} = [{', '.join(values)}]\nseed = {[*range(1, seeds + 1)]}"
