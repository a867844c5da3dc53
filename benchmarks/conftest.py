"""What the benchmarks share: folders of their own, and the figures printed at the end of the run."""

from __future__ import annotations

import os
import platform
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
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


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    if not _figures:
        return
    cores = len(os.sched_getaffinity(0))
    load = ", ".join(f"{value:.1f}" for value in os.getloadavg())
    terminalreporter.section("figures")
    terminalreporter.write_line(f"{platform.machine()}, {cores} cores; load over 1, 5, 15 minutes at the end: {load}")
    for line in _figures:
        terminalreporter.write_line(line)
