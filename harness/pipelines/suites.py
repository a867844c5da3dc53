"""The pytest-benchmark suites of a project: found in its folder, run by a pytest of their own, its exit code told.

pytest is no dependency of the harness: where it, or what the suites need of it, is not installed, they are not run.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Final

from harness.errors import RunFailed, StoreError
from harness.execution.interrupts import Interrupts

FOLDER: Final = Path("benchmarks")
PATTERN: Final = "test_*.py"
RESULTS_FILE: Final = "suites.json"
NEEDED: Final[Mapping[str, str]] = {
    "pytest": "pytest",
    "pytest_benchmark": "pytest-benchmark",
    "pytest_timeout": "pytest-timeout",
}
"""Module -> package."""

END: Final = "HARNESS_SUITES_END"
"""Environment variable: seconds since the epoch, after which no further suite starts."""
OUT_OF_TIME: Final = 75
"""With what a suites' pytest leaves then; a number that pytest itself does not use."""

ERRORED, TOO_LATE, INTERRUPTED = 4, 3, 130
EXIT_CODES: Final[Mapping[int, int]] = {0: 0, 1: 1, 5: 5, OUT_OF_TIME: TOO_LATE}
"""pytest's exit code -> ours. Others are ERRORED: an internal error, a signal, and 2, its "interrupted", which it also
says of a file that cannot be imported."""

GRACE_S: Final = 20.0
"""How long an interrupted pytest, with what it measures, may take to leave in order."""


def find_suites(project: Path) -> list[Path]:
    """The files with suites in a project's folder, in order."""
    return sorted((project / FOLDER).glob(PATTERN))


def left_out(project: Path) -> str | None:
    """Why the suites of a project are not run here; None where they can be."""
    if not find_suites(project):
        return f"no {FOLDER}/{PATTERN} here: none is run"
    missing = [package for module, package in NEEDED.items() if find_spec(module) is None]
    return f"SKIP: not installed: {', '.join(missing)}; pip install {' '.join(missing)}" if missing else None


def command(results: Path) -> list[str]:
    """The pytest that runs the short suites; figures go to `suites.json`, for `pytest-benchmark compare`."""
    return [
        *(sys.executable, "-m", "pytest", str(FOLDER), "-q", "-m", "not slow"),
        *("--benchmark-enable", f"--benchmark-json={(results / RESULTS_FILE).resolve()}"),
        *("--benchmark-columns=min,median,max,stddev,rounds", "-p", "no:cacheprovider"),
    ]


def run_suites(project: Path, results: Path, seconds_left: float | None = None) -> int:
    """Run a project's short suites, their output on ours, and return the exit code of the harness that stands for it.

    Ctrl-C and SIGTERM are for the harness alone, which passes them on once to pytest and all that it has started, and
    kills what has not left soon after.

    Raises
    ------
    StoreError
        Where the folder for their figures cannot be made.
    RunFailed
        Where pytest cannot be started.
    """
    # Another pytest may have started this one; pytest-benchmark measures nothing where it sees that one's workers.
    variables = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_XDIST")}
    variables.pop(END, None)
    if seconds_left is not None:
        if seconds_left <= 0:
            return TOO_LATE
        variables[END] = repr(time.time() + seconds_left)
    try:
        results.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"{results}: cannot make the folder: {error.strerror or error}") from error
    with Interrupts().heard() as interrupts:
        try:
            process = subprocess.Popen(
                command(results), cwd=project, env=variables, stdin=subprocess.DEVNULL, process_group=0
            )
        except OSError as error:
            raise RunFailed(f"the suites' pytest cannot be started: {error}") from error
        try:
            code = _wait(process, interrupts)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # what pytest has left behind
            process.wait()
    return INTERRUPTED if interrupts.count or code == -signal.SIGINT else EXIT_CODES.get(code, ERRORED)


def _wait(process: subprocess.Popen[bytes], interrupts: Interrupts) -> int:
    last: float | None = None
    while True:
        try:
            return process.wait(timeout=0.2)
        except subprocess.TimeoutExpired:
            pass
        if not interrupts.count:
            continue
        if last is None:
            last = time.monotonic() + GRACE_S
            os.killpg(process.pid, signal.SIGINT)
        elif interrupts.count > 1 or time.monotonic() > last:
            process.kill()
