"""The command in this process, a copy of the shared run, and machines made up."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli.app import run_command
from harness.cli.measure import bench as bench_module
from harness.cli.measure import doctor as doctor_module
from harness.execution import session as session_module
from harness.execution.environment import Environment
from tests.cli.made_up_nights import Night
from tests.cli.made_up_sessions import GRID

Make = Callable[..., Any]


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command in this process: exit code, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        code = run_command()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call


@pytest.fixture
def here(tour: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process in the shared run's folder, with its cache."""
    monkeypatch.chdir(tour.folder)
    for name in ("HARNESS_CACHE", "HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, tour.variables[name])
    for name in ("HARNESS_REQUIRE", "HARNESS_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return Path(tour.folder)


@pytest.fixture
def fake_machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Environment], None]:
    def install(environment: Environment) -> None:
        for module in (bench_module, doctor_module, session_module):
            monkeypatch.setattr(module, "probe_environment", lambda *_: environment)

    return install


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_REQUIRE", raising=False)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return Night(tmp_path)


@pytest.fixture
def grid(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("GITHUB_STEP_SUMMARY", "GITHUB_ACTIONS"):
        monkeypatch.delenv(name, raising=False)
    path = tmp_path / "speed.toml"
    path.write_text(GRID.format(processes=5, margin=5), encoding="utf-8")
    return path
