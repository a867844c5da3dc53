"""`harness bench`: the grid that fits the machine, and several grids in one go."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli.measure import bench as bench_module
from harness.errors import RequirementError, RunFailed
from harness.execution.progress import Summary
from harness.exit_codes import worst
from harness.pipelines import bench as pipeline
from harness.pipelines import suites as suites_module

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
    monkeypatch.setattr(pipeline, "run_looks", lambda session, *_, **__: (session, session_summary))
    session_summary = Summary()
    session_summary.statuses["ok"] = 1
    return tmp_path


@pytest.mark.usefixtures("project")
def test_the_default_grid(harness: Make, fake_machine: Make, environment_of: Make) -> None:
    fake_machine(environment_of((9, 0)))
    assert harness("bench", "--no-suites")[:2] == (0, "CUDA is available: running benchmarks/mrpc.toml\n")
    fake_machine(environment_of())
    assert harness("bench", "--no-suites")[:2] == (0, "no CUDA device: running benchmarks/quickstart.toml\n")


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
    assert worst(codes) == worst(codes[::-1]) == code


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

    monkeypatch.setattr(pipeline, "run_looks", run)
    code, _, err = harness("bench", "benchmarks/mrpc.toml", "benchmarks/quickstart.toml")
    assert (code, ran) == (4, ["mrpc", "quickstart"])
    assert "error: benchmarks/mrpc.toml: requires CUDA: none" in err
    assert "benchmarks/mrpc.toml: 0 of 2 cells can run here" in err


@pytest.mark.usefixtures("project")
def test_every_grid_is_read_before_the_first_one_runs(
    harness: Make, fake_machine: Make, environment_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_machine(environment_of())
    monkeypatch.setattr(pipeline, "run_looks", lambda *_, **__: pytest.fail("ran"))
    Path("bad.toml").write_text(BAD)
    assert harness("bench", "benchmarks/quickstart.toml", "bad.toml")[0] == 2
    code, _, err = harness("bench", "benchmarks/quickstart.toml", "benchmarks/quickstart.toml")
    assert code == 2
    assert "allowed a name of its own" in err


@pytest.fixture
def suites(project: Path, fake_machine: Make, environment_of: Make, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A project with a suite that is never run: what is asked of it, and what it answers."""
    fake_machine(environment_of())
    (project / "benchmarks" / "test_speed.py").touch()
    found: dict[str, Any] = {"answer": 0, "asked": []}

    def run_suites(*arguments: Any) -> int:
        found["asked"].append(arguments)
        if isinstance(found["answer"], Exception):
            raise found["answer"]
        return int(found["answer"])

    monkeypatch.setattr(bench_module, "run_suites", run_suites)
    return found


QUICKSTART = "benchmarks/quickstart.toml"


@pytest.mark.parametrize(
    ("arguments", "runs"),
    [
        ([], 1),
        (["--suites"], 1),
        (["--no-suites"], 0),
        ([QUICKSTART], 0),
        ([QUICKSTART, "--suites"], 1),
        ([QUICKSTART, "--no-suites"], 0),
    ],
)
def test_suites_run_after_the_default_grid_or_when_asked_for(
    harness: Make, suites: dict[str, Any], arguments: list[str], runs: int
) -> None:
    assert harness("bench", *arguments, "--results", "elsewhere")[0] == 0
    assert suites["asked"] == [(Path(), Path("elsewhere"), None)] * runs


@pytest.mark.parametrize(("answer", "code"), [(0, 0), (1, 1), (3, 3), (4, 4), (5, 5), (130, 130)])
def test_the_suites_exit_code_is_merged(harness: Make, suites: dict[str, Any], answer: int, code: int) -> None:
    suites["answer"] = answer
    found, out, _ = harness("bench")
    assert found == code
    assert ("out of time (--max-hours)" in out) == (answer == 3)


def test_suites_that_cannot_be_started_are_told(harness: Make, suites: dict[str, Any]) -> None:
    suites["answer"] = RunFailed("the suites' pytest cannot be started: no memory")
    code, _, err = harness("bench")
    assert code == 4
    assert "error: suites: the suites' pytest cannot be started: no memory" in err


def test_suites_are_told_how_long_they_may_start(harness: Make, suites: dict[str, Any]) -> None:
    harness("bench", "--max-hours", "1")
    ((_, _, left),) = suites["asked"]
    assert 3000 < left <= 3600


def test_an_interrupted_grid_leaves_the_suites_out(
    harness: Make, suites: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    stopped = Summary()
    stopped.interrupted = True
    monkeypatch.setattr(pipeline, "run_looks", lambda session, *_, **__: (session, stopped))
    assert harness("bench")[0] == 130
    assert suites["asked"] == []


@pytest.mark.usefixtures("project")
def test_a_folder_without_suites_says_so_in_one_line(harness: Make, fake_machine: Make, environment_of: Make) -> None:
    fake_machine(environment_of())
    code, out, _ = harness("bench")
    assert (code, out.splitlines()[-1]) == (0, "suites: no benchmarks/test_*.py here: none is run")


def test_without_pytest_benchmark_the_suites_are_skipped_with_the_reason(
    harness: Make, suites: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(suites_module, "find_spec", lambda module: None if module == "pytest_benchmark" else object())
    code, out, _ = harness("bench")
    assert (code, suites["asked"]) == (0, [])
    assert "suites: SKIP: not installed: pytest-benchmark; pip install pytest-benchmark" in out
