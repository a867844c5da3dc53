"""The base store: two nights that really ran, the first accepted; each accident is made on a copy of it."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.false_green.command import GRID, Harness, Place
from harness.pipelines.selftest.pairs import write_pairs

SEEDS: Final = (1, 2, 3, 4, 5)
REFERENCE: Final = """
[[reference]]
id = "pilot"
metric = "accuracy"
value = 0.877
sd = 0.011
n = 5
statistic = "mean"
split = "validation"
source = "a pilot run of this grid, 2026-11-28"
"""
TEXT: Final = """name = "{name}"
task = "./pairs"

[recipe]
num_train_epochs = {epochs}
learning_rate = {rate}
warmup_steps = 4

[matrix]
checkpoint = "./model"
seed = {seeds}
precision = {precisions}
{reference}
[quality]
margin = 5.0
parity_margin = 3.0
{more}"""


@dataclass(frozen=True)
class Base:
    """The folder that is copied, and the one-cell grid beside it whose record is a foreign one."""

    folder: Path
    harness: Harness

    def copy(self, to: Path) -> Place:
        """A place of its own with everything of the base in it."""
        if to.exists():
            shutil.rmtree(to)
        shutil.copytree(self.folder, to, symlinks=True)
        return Place(to, self.harness)


def grid_text(
    *,
    name: str = "night",
    seeds: tuple[int, ...] = SEEDS,
    precisions: tuple[str, ...] = ("fp32", "bf16"),
    reference: str = REFERENCE,
    epochs: int = 4,
    rate: float = 3e-3,
    more: str = "",
) -> str:
    """The grid of the base store, or one that differs from it as named. `more` is put behind its last table."""
    values: Mapping[str, Any] = {"seeds": json.dumps(seeds), "precisions": json.dumps(precisions)}
    return TEXT.format(name=name, reference=reference, epochs=epochs, rate=rate, more=more, **values)


def make_base(folder: Path, harness: Harness) -> Base:
    """Run the two nights where that has not been done here.

    Raises
    ------
    RuntimeError
        Where a night does not end as an honest one must: then no accident says anything.
    """
    base, done = Base(folder, harness), folder.with_suffix(".done")
    if done.is_file():
        return base
    if folder.exists():
        shutil.rmtree(folder)
    write_pairs(folder / "pairs")
    place = Place(folder, harness)
    # The one cell of another grid: it also leaves the embedded checkpoint in the cache.
    other = grid_text(name="other", seeds=(7,), precisions=("fp32",), reference="", more="")
    (folder / "other.toml").write_text(other.replace("./model", "embedded/tiny-bert"), encoding="utf-8")
    _must(place, ["run", "other.toml"])
    shutil.copytree(next(harness.cache.glob("tiny-bert-*/config.json")).parent, folder / "model")
    (folder / GRID).write_text(grid_text(), encoding="utf-8")
    _must(place, ["run", GRID])
    _must(place, *harness.arguments("accept"))
    if harness.old:
        shutil.rmtree(place.results)
    _must(place, ["run", GRID, *(() if harness.old else ("--fresh",))])
    done.touch()
    return base


def _must(place: Place, *commands: list[str]) -> None:
    for arguments in commands:
        code, text = place.type(arguments)
        if code:
            raise RuntimeError(f"{place.folder}: {' '.join(arguments)} ended with {code}:\n{text[-2000:]}")
