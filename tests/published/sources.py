"""Where figures come from: JSON beside a page, the registry, constants of the code, and what is worked out of them."""

from __future__ import annotations

import functools
import re
import tomllib
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks import statistics_study, throughput_study
from benchmarks.statistics_families import MAIN
from benchmarks.statistics_gate import Tally
from harness.references import find, registry
from harness.stats import sequential
from harness.stats.decision import Decision, Rule, decide
from harness.stats.descriptive import Rate, rate
from harness.stats.paired import paired
from tests.published.backing import read

ROOT = Path(__file__).resolve().parents[2]
REPORTS = ROOT / "reports"
SAMPLES = 8_000
"""Of normal scores, to see how often a bootstrap covers."""


@functools.cache
def text(path: str) -> str:
    """A file of the project."""
    return (ROOT / path).read_text(encoding="utf-8")


@functools.cache
def statistics() -> statistics_study.Study:
    """The simulation of the gate."""
    return statistics_study.again(read(REPORTS / "statistics-validation.json"))


@functools.cache
def speed_gate() -> throughput_study.Found:
    """A/A and a planted slow-down."""
    return throughput_study.again(REPORTS / "throughput-aa.json")


def gate() -> Tally:
    """The gate at the defaults, over 24 configurations."""
    return statistics().families.of(MAIN)


def share(flags: list[bool]) -> Rate:
    """How often, with its interval."""
    return rate(sum(flags), len(flags))


def found(method: str, n: str, what: str) -> float:
    """A figure of the simulation, by its row, in per cent."""
    rows = [row for rows in statistics().chapters.values() for row in rows]
    return next(row.found for row in rows if (row.method, row.n, row.what) == (method, n, what))


@functools.cache
def accumulation() -> Decision:
    """The work-around against transformers as it is, paired by seed, by the scores that the report keeps."""
    rows = {row["axes"]["accepts_loss_kwargs"]: row for row in read(REPORTS / "accumulation-mrpc-cpu.json")["rows"]}
    as_it_is, right = (
        {run["seed"]: run["accuracy_points"] for run in rows[value]["scores"]} for value in ("model", False)
    )
    seeds = sorted(as_it_is)
    assert sorted(right) == seeds
    grid = tomllib.loads(text("benchmarks/accumulation-mrpc.toml"))
    rule = Rule(grid["quality"]["parity_margin"], sequential.nominal_alpha(tuple(grid["matrix"]["seeds"]["looks"])))
    return decide(paired([as_it_is[seed] for seed in seeds], [right[seed] for seed in seeds]), rule)


def cost(under: str, row: str, head: str, table: int = 0) -> str:
    """A cell of the page on the harness's cost, as it was measured."""
    tables = [one for one in read(REPORTS / "harness-cost-kept.json")["tables"] if one["under"] == under]
    place = tables[table]["head"].index(head)
    return next(str(cells[place]) for cells in tables[table]["rows"] if cells[0] == row)


def numbers(cell: str) -> list[str]:
    """The numbers of a cell, as they stand there."""
    return re.findall(r"\d[\d,]*(?:\.\d+)?", cell)


def points(name: str, metric: str = "accuracy") -> list[float]:
    """The runs of a published result, in points."""
    published = find(name).metrics[metric]  # type: ignore[index]
    return [100 * value for value in published.every]


def entries(scored: bool = False) -> int:
    """Published results in the registry; those with accuracy or F1."""
    every = registry().references
    return sum(not scored or any(name in one.metrics for name in ("accuracy", "f1")) for one in every)


@functools.cache
def bootstrap_coverage(n: int, draws: int = SAMPLES, resamples: int = 400) -> float:
    """How often the 95 % percentile bootstrap interval of a mean of n normal values holds the truth, in per cent."""
    rng = np.random.default_rng(20261122)
    values = rng.standard_normal((draws, n))
    hits = 0
    for part in np.split(values, 16):
        drawn = rng.integers(n, size=(len(part), resamples, n))
        means = np.take_along_axis(part[:, None, :], drawn, axis=2).mean(axis=2)
        low, high = np.quantile(means, [0.025, 0.975], axis=1)
        hits += int(np.count_nonzero((low <= 0) & (high >= 0)))
    return 100 * hits / draws


def versions() -> list[str]:
    """The versions of transformers that the page by version has, the oldest first."""
    environments: list[Any] = tomllib.loads(text("benchmarks/versions.toml"))["matrix"]["environment"]
    return [name.removeprefix("v") for name in environments if name != "current"]


def pinned(package: str) -> str:
    """The version that the project was measured with."""
    match = re.search(rf"^{package}==([\w.+]+)", text("constraints.txt"), re.MULTILINE)
    assert match is not None, package
    return match.group(1)


def minor(version: str) -> str:
    return version.rpartition(".")[0]


def word(number: int) -> str:
    return ["none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"][number]
