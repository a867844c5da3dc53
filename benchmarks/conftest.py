"""What the benchmarks share: folders of their own, ways in turn, and the figures printed at the end of the run."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

import pytest

from benchmarks import checkpoint
from benchmarks.process import measure
from benchmarks.synthetic_store import Template
from harness.record.store import Store
from harness.stats.throughput import compare_pairs

ROOT = Path(__file__).resolve().parent.parent
STEPS = 1377
"""Of the course's recipe on MRPC: 3 epochs of 3,668 examples in batches of 8."""

Result = TypeVar("Result")
_figures: list[str] = []


def pytest_configure(config: pytest.Config) -> None:
    # The project's test run disables benchmarks; who names this folder wants them.
    config.option.benchmark_enable = True


@pytest.fixture
def figure() -> Callable[[str], None]:
    """Keep a line for the end of the run."""

    def keep(line: str) -> None:
        print(line, flush=True)
        _figures.append(line)

    return keep


@pytest.fixture(scope="session")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Environment variables of every measured process: no network, caches of the benchmarks' own."""
    folder = tmp_path_factory.mktemp("caches")
    return {
        "HARNESS_CACHE": str(folder / "harness"),
        "HF_HOME": str(folder / "huggingface"),
        "HF_HUB_OFFLINE": "1",
        "PYTHONPATH": str(ROOT),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": "1",
    }


@pytest.fixture(scope="session")
def tiny_bert(tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]) -> Path:
    """The embedded checkpoint as a folder."""
    return checkpoint.tiny_bert(tmp_path_factory.mktemp("tiny-bert"), variables)


@pytest.fixture
def in_turn(benchmark) -> Callable[[Mapping[str, Callable[[], Result]], int], dict[str, list[Result]]]:
    """Call several ways in rounds, each once a round and another one first each time; what each call gave, by way."""

    def call(ways: Mapping[str, Callable[[], Result]], rounds: int) -> dict[str, list[Result]]:
        found: dict[str, list[Result]] = {way: [] for way in ways}
        order = list(ways)

        def one_round() -> None:
            turn = len(found[order[0]]) % len(order)
            for way in order[turn:] + order[:turn]:
                found[way].append(ways[way]())

        benchmark.pedantic(one_round, rounds=rounds, iterations=1)
        return found

    return call


@pytest.fixture
def versus() -> Callable[[Sequence[float], Sequence[float]], str]:
    """Text of a ratio, the second over the first: geometric mean over pairs, with its 90 % interval."""

    def text(first: Sequence[float], second: Sequence[float]) -> str:
        found = compare_pairs(first, second)
        if found.ci90 is None:
            return f"{found.ratio:.2f}"
        low, high = found.ci90
        return f"{found.ratio:.2f} (90 % {low:.2f} to {high:.2f})"

    return text


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str]) -> Template:
    """A real run of the real number of steps, to be copied into large stores."""
    folder = tmp_path_factory.mktemp("template")
    (folder / "one.toml").write_text(
        'name = "one"\ntask = "embedded/paraphrase"\n'
        f'[recipe]\nmax_steps = {STEPS}\n[matrix]\ncheckpoint = "embedded/tiny-bert"\nseed = 42\n'
    )
    measure([sys.executable, "-m", "harness", "run", "one.toml"], folder, variables)
    return Template.from_store(Store(folder / "results", "one"))


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _figures:
        return
    cores = len(os.sched_getaffinity(0))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    terminalreporter.section("figures")
    terminalreporter.write_line(f"{platform.machine()}, {cores} cores; load over 1, 5, 15 minutes at the end: {load}")
    for line in _figures:
        terminalreporter.write_line(line)
