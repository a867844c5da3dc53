"""`harness run` as a user meets it: one small real run that many tests read."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

Make = Callable[..., Any]


def test_a_run_with_a_failed_cell_is_exit_4_and_says_what_happened(tour: Any) -> None:
    assert tour.code == 4, tour.output
    lines = tour.output.splitlines()
    assert lines[0].startswith("2 cells to do, 0 done, 2 skipped, ")
    assert lines[0].endswith(" at a time, expected time unknown")
    assert "Traceback" not in tour.output
    assert any("failed (" in line and "bitsandbytes" in line for line in lines)
    assert lines[-1].startswith(("1 collapsed, 1 failed, 2 skipped in ", "1 failed, 1 ok, 2 skipped in "))


def test_where_there_is_no_terminal_the_output_is_plain(tour: Any) -> None:
    assert [char for char in tour.output if not char.isprintable() and char != "\n"] == []
    started = [line for line in tour.output.splitlines() if line.startswith("start  ")]
    finished = [line for line in tour.output.splitlines() if line.startswith("done   ")]
    assert len(started) == len(finished) == 2
    assert {line.split("]")[0] for line in finished} == {"done   [1/2", "done   [2/2"}


def test_running_again_runs_nothing(tour: Any) -> None:
    done = tour.harness("run", "tour.toml")
    assert done.returncode == 4
    assert "start " not in done.stdout
    assert "2 done before or elsewhere" in done.stdout


def test_a_selection_without_the_failed_cell_is_fine(tour: Any) -> None:
    done = tour.harness("run", "tour.toml", "-s", "optim=adamw_torch", "-s", "precision=fp32")
    assert (done.returncode, done.stderr) == (0, "")


def test_no_output_of_a_real_process_is_lost_to_a_reader_that_leaves(tour: Any) -> None:
    for arguments in (["plan", "tour.toml", "--json"], ["schema"], ["--help"], ["run", "tour.toml"]):
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *arguments],
            cwd=tour.folder, env=tour.variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()  # before the first word
        said = process.stderr.read()
        process.stderr.close()
        assert process.wait(120) == (4 if arguments[0] == "run" else 0), said
        assert said == ""


def test_plan_into_head(tour: Any) -> None:
    command = f"set -o pipefail; {sys.executable} -m harness plan tour.toml | head -1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tour.folder, env=tour.variables, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("configuration ")


def test_a_terminal_of_another_alphabet_gets_escapes(tour: Any) -> None:
    done = tour.harness("plan", "tour.toml", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert "embedded/tiny-bert \\xb7 fp32" in done.stdout


def test_on_a_terminal(tour: Any, tmp_path: Path) -> None:
    """A real one, for what no fake has: the live table starts, and leaves the terminal as it was."""
    screen, ours = os.openpty()
    command = [sys.executable, "-m", "harness", "run", "tour.toml", "-s", "precision=fp16", "--results", str(tmp_path)]
    process = subprocess.Popen(
        command, cwd=tour.folder, env={**tour.variables, "TERM": "xterm"}, stdin=ours, stdout=ours, stderr=ours
    )
    os.close(ours)
    written = b""
    with contextlib.suppress(OSError):  # the kernel's way to say that the other end is closed
        while chunk := os.read(screen, 4096):
            written += chunk
    os.close(screen)
    text = written.decode()
    assert process.wait(120) == 5, text
    assert "Traceback" not in text
    assert "2 skipped in " in text.splitlines()[-1]
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1
