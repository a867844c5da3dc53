"""Programs that are asked once: bounded in time and size, and gone with who asked."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from harness.program import ask


def test_what_it_says_and_how_it_ends() -> None:
    done = ask(["sh", "-c", "cat; echo no >&2; exit 3"], 60, said="words\n")
    assert (done.returncode, done.stdout, done.stderr) == (3, "words\n", "no\n")
    with pytest.raises(OSError, match="nothing"):
        ask(["/nothing"], 60)


@pytest.mark.parametrize("command", ["exec sleep 1000", "exec >&- 2>&-; exec sleep 1000"])
def test_one_that_takes_too_long_is_killed(command: str) -> None:
    began = time.monotonic()
    with pytest.raises(subprocess.SubprocessError, match="takes too long"):
        ask(["sh", "-c", command], 0.2)
    assert time.monotonic() - began < 30


def test_one_that_never_stops_is_killed() -> None:
    with pytest.raises(subprocess.SubprocessError, match="says more than 4 MiB"):
        ask(["sh", "-c", "exec yes >&2"], 60)


@pytest.mark.skipif(sys.platform != "linux", reason="the kernel's own promise, Linux alone")
def test_it_dies_with_who_asked(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    code = f"from harness.program import ask; ask(['sh', '-c', 'echo $$ > {note}; exec sleep 1000'], 900)"
    asking = subprocess.Popen([sys.executable, "-c", code])
    end = time.monotonic() + 60
    while not (note.exists() and note.read_text().strip()) and time.monotonic() < end:
        time.sleep(0.01)
    asked = int(note.read_text())
    asking.send_signal(signal.SIGKILL)
    asking.wait()
    while time.monotonic() < end:
        try:
            if Path(f"/proc/{asked}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
                break
            time.sleep(0.01)
        except OSError:
            break
    else:
        os.kill(asked, signal.SIGKILL)
        pytest.fail("the program outlived who asked it")
