"""Cells, environments and entries made up from a few words; and one small real run that many tests read."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from harness.execution.devices import Device, Driver, nvidia_devices
from harness.execution.environment import CURRENT, Environment, probe_environment
from harness.execution.require import unusable_device
from harness.grid.cell import Cell, Checkpoint
from harness.record.attempts import Entry

# How long one example takes says how busy the machine is, and nothing else.
settings.register_profile("harness", deadline=None)
settings.load_profile("harness")

# What is asserted is what a plain terminal or a pipe gets, unless a test says otherwise: pytest-xdist gives its workers
# a width, a CI says that it is one, a desk has its own colours.
ABOUT_WHERE = ("COLUMNS", "LINES", "CI", "NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE")
for name in [one for one in os.environ if one in ABOUT_WHERE or one.startswith("GITHUB_")]:
    del os.environ[name]

REPOSITORY = Path(__file__).resolve().parents[1]
TOUR = """
name = "tour"
task = "embedded/paraphrase"
[recipe]
max_steps = 4
[matrix]
checkpoint = ["embedded/tiny-bert"]
seed = [42]
precision = ["fp32", "fp16"]
optim = ["adamw_torch", "adamw_bnb_8bit"]
"""
"""A cell that trains, one that fails (bitsandbytes is not installed), and, without a CUDA device, two skipped."""


def cell_of(**changes: Any) -> Cell:
    checkpoint = changes.pop("checkpoint", "embedded/tiny-bert")
    if isinstance(checkpoint, str):
        checkpoint = Checkpoint(checkpoint.rpartition(":")[2], checkpoint)
    values: dict[str, Any] = {"task": "embedded/paraphrase", "seed": 42, "recipe": {"max_steps": 4}, **changes}
    return Cell(checkpoint=checkpoint, **values)


def environment_of(
    *capabilities: tuple[int, int],
    cpu_bf16: bool = False,
    driver: int = 0,
    memory_mib: int = 81920,
    **changes: Any,
) -> Environment:
    """An environment whose torch has CUDA devices of these capabilities, and whose driver shows so many besides."""
    devices = [{"name": f"GPU {a}.{b}", "memory_mib": memory_mib, "capability": [a, b]} for a, b in capabilities]
    facts = {
        "python": "3.11.7",
        "packages": {"torch": "2.13.0", "transformers": "5.23.0"},
        "missing": [],
        "machine": {"cpu": "a CPU", "cores": 2, "memory_gib": 16.0, "system": "Linux"},
        "torch": {
            "version": "2.13.0",
            "cuda_build": "12.8" if devices else None,
            "cuda_available": bool(devices),
            "devices": devices,
            "cuda_bf16": bool(devices) and min(capabilities) >= (8, 0),
            "cpu_bf16": cpu_bf16,
            "cpu_capability": "AVX512",
        },
        **changes,
    }
    shown = tuple(
        Device(f"GPU-{n}", f"GPU number {n}", memory_mib, 0, 0) for n in range(max(driver, len(capabilities)))
    )
    shown_by = Driver("570.86.15", (12, 8), shown) if shown else Driver()
    return Environment("current", sys.executable, "env0", facts, shown_by)


def entry_of(cell: Cell, status: str = "ok", **changes: Any) -> Entry:
    values: dict[str, Any] = {
        "cell_id": cell.cell_id,
        "configuration_id": cell.configuration_id,
        "environment_id": "env0",
        "content_id": "content0",
        "attempt": 1,
        "status": status,
        "path": f"cells/{cell.cell_id}/env0/001",
        "started": "2026-11-22T10:00:00.000Z",
        "checkpoint": cell.checkpoint.name,
        "seed": cell.seed,
        "precision": cell.precision,
        "devices": cell.devices,
        "axes": {},
        "metrics": {"accuracy": 0.8},
        "seconds": {"total": 10.0},
        "samples_per_second": 20.0,
        "steps": 4,
        "error": None,
        **changes,
    }
    return Entry(**values)


@dataclass(frozen=True)
class Tour:
    """The grid `TOUR`, run once: its folder, the run's exit code and output, and its variables."""

    folder: Path
    code: int
    output: str
    variables: Mapping[str, str]

    def harness(self, *arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
        """Run the real command in the folder."""
        return subprocess.run(
            [sys.executable, "-m", "harness", *arguments],
            cwd=self.folder,
            env={**self.variables, **variables},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=540,
            check=False,
        )


MRPC_VARIABLE = "HARNESS_MRPC"


def pytest_configure(config: pytest.Config) -> None:
    """Hide the machine's GPUs from all but the tests that are for them: the others say what a CPU does."""
    if not re.search(r"(?<!not )\bgpu\b", config.option.markexpr or ""):
        os.environ["CUDA_VISIBLE_DEVICES"] = ""


@cache
def missing(need: str) -> str | None:
    """Why this machine cannot run the tests with the mark `need`; None where it can."""
    if need == "gpu":
        found = nvidia_devices()
        return unusable_device(probe_environment(CURRENT)) if found else "no NVIDIA device is here, or without -m gpu"
    if need == "cuda_build":
        return None if probe_environment(CURRENT).torch.get("cuda_build") else "torch is a build without CUDA"
    if need == "hub":
        return "HF_HUB_OFFLINE is set: no hub" if os.environ.get("HF_HUB_OFFLINE", "0") not in ("", "0") else None
    if not os.environ.get(MRPC_VARIABLE):
        return f"{MRPC_VARIABLE} names no folder with GLUE's train.tsv and dev.tsv (MRPC may not be shipped)"
    return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Skip what this machine lacks, from one line of one file: pytest then says each reason once."""
    for need in ("gpu", "cuda_build", "hub", "mrpc"):
        if item.get_closest_marker(need) and (reason := missing(need)):
            pytest.skip(reason)


@pytest.fixture(scope="session")
def mrpc_folder() -> Path:
    """The folder with the real split, for tests with the mark `mrpc`."""
    return Path(os.environ[MRPC_VARIABLE]).absolute()


@pytest.fixture(scope="session")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Tour:
    folder = tmp_path_factory.mktemp("tour")
    (folder / "tour.toml").write_text(TOUR, encoding="utf-8")
    dropped = ("HARNESS_REQUIRE", "HARNESS_DEBUG", "CUDA_VISIBLE_DEVICES")
    variables = {key: value for key, value in os.environ.items() if key not in dropped}
    # A machine with a GPU runs the same tour: the tests say what a machine without one does.
    variables |= {"HARNESS_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    variables["PYTHONPATH"] = str(REPOSITORY)
    ready = Tour(folder, 0, "", variables)
    # The failed cell once, and never again: many tests read this store.
    done = ready.harness("run", "tour.toml", "--retries", "0")
    return Tour(folder, done.returncode, done.stdout + done.stderr, variables)


@pytest.fixture(scope="session", name="cell_of")
def _cell_of() -> Callable[..., Cell]:
    return cell_of


@pytest.fixture(scope="session", name="environment_of")
def _environment_of() -> Callable[..., Environment]:
    return environment_of


@pytest.fixture(scope="session", name="entry_of")
def _entry_of() -> Callable[..., Entry]:
    return entry_of
