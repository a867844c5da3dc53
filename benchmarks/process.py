"""A whole process measured from outside: wall seconds, CPU seconds and peak memory, its descendants included.

Also a program, `python process.py RESULT COMMAND ...`: the kernel starts a child's peak memory at its parent's, so
the measured command is started by this small process and not by a large one.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Usage:
    """One finished command. `peak_mib` is the largest single process among it and its descendants."""

    wall_s: float
    cpu_s: float
    peak_mib: float
    output: str


def measure(
    command: list[str], folder: Path, variables: dict[str, str] | None = None, exits: Collection[int] = (0,)
) -> Usage:
    """Run a command in `folder` and measure it.

    Raises
    ------
    RuntimeError
        With the end of its output where the command does not exit as expected: a failed run has no time.
    """
    result, log = folder / "usage.json", folder / "output.txt"
    with log.open("wb") as output:
        status = subprocess.run(
            [sys.executable, "-S", "-E", __file__, str(result), *command],
            cwd=folder,
            env={**os.environ, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            check=False,
        ).returncode
    text = log.read_text(encoding="utf-8", errors="replace")
    if status not in exits:
        raise RuntimeError(f"{' '.join(command)} exited with {status}:\n{text[-3000:]}")
    return Usage(**json.loads(result.read_text(encoding="utf-8")), output=text)


def main() -> None:
    """Run the command, write its usage, exit as it did."""
    start = time.perf_counter()
    pid = os.posix_spawnp(sys.argv[2], sys.argv[2:], os.environ)
    _, status, used = os.wait4(pid, 0)
    usage: dict[str, Any] = {
        "wall_s": time.perf_counter() - start,
        "cpu_s": used.ru_utime + used.ru_stime,
        "peak_mib": used.ru_maxrss / 1024,
    }
    Path(sys.argv[1]).write_text(json.dumps(usage), encoding="utf-8")
    sys.exit(os.waitstatus_to_exitcode(status) & 0xFF)


if __name__ == "__main__":
    main()
