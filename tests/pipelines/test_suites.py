"""The suites' own pytest: found, run, interrupted; its exit codes in the harness's words."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.pipelines import suites

ROOT = Path(__file__).resolve().parents[2]
PASSES = """
import pytest

def test_quick(benchmark):
    assert benchmark.pedantic(lambda: 2, rounds=3) == 2

@pytest.mark.slow
def test_long():
    raise AssertionError("a slow one was run")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "benchmarks").mkdir()
    (tmp_path / "pyproject.toml").write_text('[tool.pytest.ini_options]\nmarkers = ["slow"]\n')
    return tmp_path


def write(project: Path, text: str, name: str = "test_one") -> None:
    (project / "benchmarks" / f"{name}.py").write_text(text)


def test_suites_are_the_test_files_beside_the_grids(project: Path) -> None:
    assert suites.find_suites(project) == []
    for name in ("test_b", "test_a", "process"):
        write(project, "", name)
    assert [path.name for path in suites.find_suites(project)] == ["test_a.py", "test_b.py"]
    assert suites.find_suites(project / "benchmarks") == []


def test_short_suites_run_and_leave_their_figures(project: Path) -> None:
    write(project, PASSES)
    assert suites.run_suites(project, project / "results") == 0
    (found,) = json.loads((project / "results" / "suites.json").read_text())["benchmarks"]
    assert (found["name"], found["stats"]["rounds"]) == ("test_quick", 3)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("def test_one():\n    assert 1 > 2\n", 1),
        ("import nothing_of_this_name\n", 4),
        ("import os\nos._exit(77)\n", 4),
        ("import os, signal\nos.kill(os.getpid(), signal.SIGKILL)\n", 4),
        ("import pytest\n@pytest.mark.slow\ndef test_one():\n    pass\n", 5),
        ("import pytest\ndef test_one():\n    pytest.skip('no such device')\n", 0),
        ("import pytest\ndef test_one():\n    pytest.exit('enough', returncode=75)\n", 3),
    ],
)
def test_exit_codes(project: Path, text: str, code: int) -> None:
    write(project, text)
    assert suites.run_suites(project, project / "results") == code


def test_no_suite_starts_when_time_is_over(project: Path) -> None:
    write(project, "raise SystemExit('was run')\n")
    assert suites.run_suites(project, project / "results", 0.0) == 3
    assert suites.run_suites(project, project / "results", -5.0) == 3
    assert not (project / "results").exists()


def test_suites_are_told_when_time_will_be_over(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(suites.END, "12")  # an outer one's
    write(
        project,
        "import os, time\ndef test_one():\n"
        "    assert 5000 < float(os.environ['HARNESS_SUITES_END']) - time.time() < 6000\n",
    )
    assert suites.run_suites(project, project / "results", 6000.0) == 0
    write(project, "import os\ndef test_one():\n    assert 'HARNESS_SUITES_END' not in os.environ\n")
    assert suites.run_suites(project, project / "results") == 0


def test_the_projects_own_suites_honour_it() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "benchmarks/test_report.py", "-q", "-p", "no:cacheprovider"],
        cwd=ROOT,
        env={**os.environ, suites.END: repr(time.time() - 1)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == suites.OUT_OF_TIME, done.stdout + done.stderr
    assert "out of time before test_ten_times_as_many_records" in done.stdout


def test_missing_packages_are_named(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert suites.left_out(project) == "no benchmarks/test_*.py here: none is run"
    write(project, "")
    assert suites.left_out(project) is None
    monkeypatch.setattr(suites, "find_spec", lambda module: None if module == "pytest_benchmark" else object())
    assert suites.left_out(project) == "SKIP: not installed: pytest-benchmark; pip install pytest-benchmark"


WAITS = """
import os, subprocess, sys, time
from pathlib import Path

def test_waits():
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    Path("child").write_text(str(child.pid))
    Path("ready").touch()
    time.sleep(600)
"""
RUN = """
import sys
from pathlib import Path
from harness.pipelines.suites import run_suites
sys.exit(run_suites(Path(), Path("results")))
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_of_the_harness_ends_pytest_and_what_it_measures(project: Path, number: signal.Signals) -> None:
    write(project, WAITS)
    process = subprocess.Popen(
        [sys.executable, "-c", RUN],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        end = time.monotonic() + 240
        while not (project / "ready").exists():
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.05)
        process.send_signal(number)
        assert process.wait(timeout=240) == 130
    finally:
        process.kill()
    assert not _runs(int((project / "child").read_text()))


def _runs(pid: int) -> bool:
    """Whether a process does anything; one that is dead and not yet waited for does not."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"
