"""`harness bench`: the grid that fits the machine, and several grids in one go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli import bench as bench_module
from harness.errors import RequirementError
from harness.execution.progress import Summary

Make = Callable[..., Any]
GRIDS = Path(__file__).resolve().parents[1] / "data" / "grids"
SKIPPED_ONLY = (GRIDS / "skipped_only.toml").read_text(encoding="utf-8")
BAD = (GRIDS / "bad.toml").read_text(encoding="utf-8")


@pytest.fixture
def project(tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the two default grids, whose cells are never run."""
    (tmp_path / "benchmarks").mkdir()
    for name in ("mrpc", "quickstart"):
        (tmp_path / "benchmarks" / f"{name}.toml").write_text(SKIPPED_ONLY.replace("nothing", name))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench_module, "run_looks", lambda session, *_, **__: (session, session_summary))
    session_summary = Summary()
    session_summary.statuses["ok"] = 1
    return tmp_path


@pytest.mark.usefixtures("project")
def test_the_default_grid(harness: Make, fake_machine: Make, environment_of: Make) -> None:
    fake_machine(environment_of((9, 0)))
    assert harness("bench")[:2] == (0, "CUDA is available: running benchmarks/mrpc.toml\n")
    fake_machine(environment_of())
    assert harness("bench")[:2] == (0, "no CUDA device: running benchmarks/quickstart.toml\n")


@pytest.mark.usefixtures("project")
def test_a_device_that_torch_cannot_use_is_never_a_quiet_fall_back(
    harness: Make, fake_machine: Make, environment_of: Make
) -> None:
    fake_machine(environment_of(driver=1))
    code, out, err = harness("bench")
    assert (code, out) == (4, "")
    assert "the driver shows GPU number 0, but torch cannot use it: torch 2.13.0 is built without CUDA" in err
    assert harness("doctor")[0] == 4


def test_a_default_grid_that_is_not_there(
    harness: Make, fake_machine: Make, environment_of: Make, project: Path
) -> None:
    (project / "benchmarks" / "quickstart.toml").unlink()
    fake_machine(environment_of())
    code, _, err = harness("bench")
    assert code == 2
    assert "run this in the project's folder, or name a grid: harness bench FILE" in err


@pytest.mark.parametrize(
    ("codes", "code"),
    [([0], 0), ([0, 3], 3), ([3, 5], 5), ([5, 4, 0], 4), ([4, 1], 1), ([1, 2], 2), ([2, 130], 130), ([0, 0], 0)],
)
def test_exit_codes_of_several_grids_are_merged(codes: list[int], code: int) -> None:
    assert bench_module.worst(codes) == bench_module.worst(codes[::-1]) == code


def test_one_grid_that_cannot_run_does_not_stop_the_others(
    harness: Make, fake_machine: Make, environment_of: Make, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_machine(environment_of())
    ran = []

    def run(session: Any, *_: Any, **__: Any) -> tuple[Any, Summary]:
        ran.append(session.grid.name)
        if session.grid.name == "mrpc":
            raise RequirementError("requires CUDA: none")
        found = Summary()
        found.statuses["skipped"] = 1
        return session, found

    monkeypatch.setattr(bench_module, "run_looks", run)
    code, _, err = harness("bench", "benchmarks/mrpc.toml", "benchmarks/quickstart.toml")
    assert (code, ran) == (4, ["mrpc", "quickstart"])
    assert "error: benchmarks/mrpc.toml: requires CUDA: none" in err
    assert "benchmarks/mrpc.toml: 0 of 2 cells can run here" in err


@pytest.mark.usefixtures("project")
def test_every_grid_is_read_before_the_first_one_runs(
    harness: Make, fake_machine: Make, environment_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_machine(environment_of())
    monkeypatch.setattr(bench_module, "run_looks", lambda *_, **__: pytest.fail("ran"))
    Path("bad.toml").write_text(BAD)
    assert harness("bench", "benchmarks/quickstart.toml", "bad.toml")[0] == 2
    code, _, err = harness("bench", "benchmarks/quickstart.toml", "benchmarks/quickstart.toml")
    assert code == 2
    assert "allowed a name of its own" in err
