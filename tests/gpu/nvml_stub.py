"""NVIDIA's driver made up: `nvml_stub.c`, compiled by the system's compiler, found through LD_LIBRARY_PATH.

As a program it runs a command beside a stubbed board: `python -m tests.gpu.nvml_stub python -m pytest tests/cli`.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCE = Path(__file__).with_name("nvml_stub.c")
COMPILER = shutil.which("cc") or shutil.which("gcc") or shutil.which("clang")


def compile_stub(folder: Path) -> Path:
    """The folder with the library, which `LD_LIBRARY_PATH` must name before a process starts."""
    assert COMPILER is not None
    library = folder / "libnvidia-ml.so.1"
    command = [COMPILER, "-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", str(library), str(SOURCE)]
    subprocess.run(command, check=True, capture_output=True, text=True)
    return folder


def with_stub(library: Path) -> dict[str, str]:
    """The variables of a process that finds the library before the machine's own."""
    others = os.environ.get("LD_LIBRARY_PATH")
    return {"LD_LIBRARY_PATH": f"{library}{os.pathsep}{others}" if others else str(library)}


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        variables = {**os.environ, **with_stub(compile_stub(Path(place)))}
        sys.exit(subprocess.run(sys.argv[1:], env=variables, check=False).returncode)
