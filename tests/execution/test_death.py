"""How a cell's process ended: its signal or status, a full disk, and what is kept of its log."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest

from harness.execution.outcome import MOST_LOG, clean_log, death, disk_trouble
from harness.protocol import CANNOT_WRITE
from harness.record.attempts import STATUSES
from harness.subject.process.failure import outcome_of


def test_a_flood_in_a_log_is_cut_in_its_middle(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    path.write_bytes(b"the beginning\n" + b"x" * 3 * MOST_LOG + b"\nthe end")
    clean_log(path)
    assert path.stat().st_size <= MOST_LOG + 100
    content = path.read_bytes()
    assert content.startswith(b"the beginning\nxxx")
    assert content.endswith(b"xxx\nthe end")
    assert f"\n[... {2 * MOST_LOG + 22} bytes cut here ...]\n".encode() in content
    kept = path.read_bytes()
    path.write_bytes(kept[:100])
    clean_log(path)
    assert path.read_bytes() == kept[:100]


@pytest.mark.parametrize(
    ("status", "oom_kills", "named"),
    [
        (-signal.SIGKILL, 0, ("killed", "killed by SIGKILL")),
        (-signal.SIGKILL, 1, ("oom", "killed by the kernel: the machine (or its memory limit) ran out of memory")),
        (None, 1, ("killed", "killed with its host process")),
        (None, 0, ("killed", "killed with its host process")),
        (-signal.SIGTERM, 1, ("killed", "killed by SIGTERM")),
        (-signal.SIGINT, 0, ("killed", "killed by SIGINT")),
        (-signal.SIGSEGV, 0, ("failed", "crashed with SIGSEGV")),
        (-signal.SIGABRT, 0, ("failed", "crashed with SIGABRT")),
        (-63, 0, ("failed", "crashed with signal 63")),
        (0, 0, ("failed", "the process left with status 0 and no result")),
        (1, 0, ("failed", "the process left with status 1 and no result")),
    ],
)
def test_deaths(status: int | None, oom_kills: int, named: tuple[str, str]) -> None:
    assert death(status, oom_kills) == named
    assert named[0] in STATUSES


def test_a_full_disk_is_no_fault_of_the_cell() -> None:
    full = outcome_of(OSError(28, "No space left on device", "x"))
    assert "full disk (OSError: [Errno 28]" in str(disk_trouble(0, full))
    assert "disk is full" in str(disk_trouble(CANNOT_WRITE, None))
    assert disk_trouble(CANNOT_WRITE, {"status": "ok"}) is None
    assert disk_trouble(0, outcome_of(OSError(2, "No such file or directory", "x"))) is None
    assert disk_trouble(-9, None) is None
