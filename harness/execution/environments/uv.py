"""uv, which resolves and installs: found where it is, asked with what pip is configured by, its words shortened."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Final

from harness.errors import RequirementError
from harness.program import ask
from harness.secret import masked
from harness.text import one_line

MOST_S: Final = 1800.0
"""How long one step may take: a first download of a CUDA build is some GB."""
MOST_WORDS: Final = 600
_URL: Final = re.compile(r"\b(?:https?|file)://[^\s`'\"]+")
_PATH: Final = re.compile(r"(?<![\w.])/(?:[^\s/`'\"]+/)+[^\s`'\"]*")


class BuildFailed(RequirementError):
    """An environment cannot be built; the text is what uv, or the environment itself, said of it."""


def program() -> str:
    """Where uv is.

    Raises
    ------
    RequirementError
        Where it is not installed.
    """
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        found = shutil.which("uv")
    if found is None:
        raise RequirementError(
            "uv is not installed, which builds environments of `packages`; install it with: pip install uv"
        )
    return found


def python(version: str, folder: Path) -> str:
    """The path of an interpreter of a version, such as "3.12", that is here; raises BuildFailed where there is none.

    pyenv's shims end with an error for what it has and nobody chose, so that its versions are looked through first.
    """
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    paths = [*map(str, sorted(pyenv.glob("versions/*/bin"))), os.environ.get("PATH", "")]
    words = ["python", "find", "--no-project", version]
    return run(words, folder, {"PATH": os.pathsep.join(paths)}).strip()


def run(words: Sequence[str], folder: Path, more: Mapping[str, str] = MappingProxyType({})) -> str:
    """Run uv to its end in a folder, apart from any project's settings; what it prints. `more` are variables for it.

    Raises
    ------
    BuildFailed
        With what it said, shortened.
    """
    try:
        command = [program(), "--directory", str(folder), *words]
        done = ask(command, MOST_S, variables={**os.environ, **_variables(), **more})
    except (OSError, subprocess.SubprocessError) as error:
        raise BuildFailed(f"uv {words[0]}: {error}") from error
    if done.returncode:
        raise BuildFailed(shortened(done.stderr) or f"uv {words[0]} ended with status {done.returncode}")
    return done.stdout


def shortened(said: str) -> str:
    """What matters of uv's words, on one line: no address and no folder, whose names are nobody's business."""
    texts = [re.sub(r"^\s*(?:error|cause|Caused by|[×╰├│─▶]+)\s*:?\s*", "", line).strip() for line in said.splitlines()]
    kept = [line for line in texts if line and not line.startswith(("warning:", "Using ", "Resolved ", "Prepared "))]
    if len(kept) > 1 and kept[0].startswith("No solution found"):
        kept = kept[1:]
    text = masked(" ".join(kept))
    return one_line(_PATH.sub("...", _URL.sub("the index", text)), MOST_WORDS)


@cache
def pip_configured() -> dict[str, str]:
    """What pip is configured by here, by the name of the option, the environment's variables last."""
    found: dict[str, str] = {}
    try:
        done = ask([sys.executable, "-m", "pip", "config", "list"], 60)
    except (OSError, subprocess.SubprocessError):
        return found
    for line in done.stdout.splitlines() if done.returncode == 0 else ():
        key, _, value = line.partition("=")
        if words := shlex.split(value):
            found[key.rpartition(".")[2]] = words[0]
    return found


def _variables() -> dict[str, str]:
    """What pip is configured by and uv does not read, where uv itself is not told otherwise."""
    configured, found = pip_configured(), {}
    if "find-links" in configured:
        found["UV_FIND_LINKS"] = ",".join(configured["find-links"].split())
    if "index-url" in configured:
        found["UV_DEFAULT_INDEX"] = configured["index-url"]
    given = {"UV_DEFAULT_INDEX", "UV_INDEX_URL"} & os.environ.keys()
    kept = {key: value for key, value in found.items() if key not in os.environ and not (given and "INDEX" in key)}
    return {"UV_PYTHON_DOWNLOADS": "never", "UV_NO_PROGRESS": "1", "NO_COLOR": "1", **kept}
