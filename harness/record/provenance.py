"""Where a record comes from: which harness, which commit, was the tree clean, which command."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path
from typing import Final

from harness import __version__
from harness.errors import SpecError
from harness.record.model import Provenance
from harness.text import show

NO_PROGRAMS: Final = ("--no-optional-locks", "-c", "core.fsmonitor=false", "-c", "core.hooksPath=/dev/null")
"""For git: run no program that the repository names. The grid's may be anybody's, just unpacked."""
MOST_HOURS: Final = 100 * 365 * 24
_AGE: Final = re.compile(r"(?P<number>\d{1,9}(\.\d{1,9})?)\s*(?P<unit>[mhd])")
_HOURS: Final = {"m": 1 / 60, "h": 1, "d": 24}


def now() -> str:
    """The time now, UTC, ISO 8601 with milliseconds: the form of every time in a record."""
    return _written(datetime.now(UTC))


def ago(age: timedelta) -> str:
    """The time so long ago, in the same form, in which times sort as text."""
    return _written(datetime.now(UTC) - age)


def read_age(text: str, where: str, least: float = 1e-9) -> timedelta:
    """Read `90m`, `20h` or `7d`, of at least so many hours; raises SpecError for anything else."""
    match = _AGE.fullmatch(text.strip())
    value = float(match["number"]) * _HOURS[match["unit"]] if match else -1.0
    if not least <= value <= MOST_HOURS:
        raise SpecError(f"{where}: got {show(text)}; allowed an age such as 90m, 20h or 7d, up to 100 years")
    return timedelta(hours=value)


def _written(instant: datetime) -> str:
    return instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def today() -> date:
    """The day that waivers are held against: UTC's, as every time in a record."""
    return datetime.now(UTC).date()


def command_line() -> str:
    """The command as a reader would type it, so without the folder that the program lies in."""
    program = Path(sys.argv[0]).name
    text = shlex.join(["harness" if program in ("__main__.py", "harness") else program, *sys.argv[1:]])
    # A file's name may hold bytes that are no text: a record's UTF-8 cannot carry them.
    return text.encode("utf-8", errors="backslashreplace").decode("utf-8")


def provenance(folder: Path) -> Provenance:
    """Name the harness and the git state of `folder` (the grid's place), both None where it is in no repository."""
    sha, dirty = _git_state(folder.absolute())
    return Provenance(harness=__version__, git_sha=sha, git_dirty=dirty, command=command_line())


@lru_cache(maxsize=8)
def _git_state(folder: Path) -> tuple[str | None, bool | None]:
    sha = _git(folder, "rev-parse", "HEAD")
    status = None
    if sha and not _has_filters(folder):
        status = _git(folder, "status", "--porcelain", "--untracked-files=no")
    return sha or None, None if status is None else bool(status)


def _has_filters(folder: Path) -> bool:
    """Whether the repository itself names programs that files pass through: `git status` would run them."""
    found = _git(folder, "config", "--show-scope", "--get-regexp", r"^filter\.") or ""
    return any(line.startswith(("local", "worktree")) for line in found.splitlines())


def _git(folder: Path, *arguments: str) -> str | None:
    try:
        done = subprocess.run(
            ["git", *NO_PROGRAMS, "-C", str(folder), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=20,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
