"""The embedded tiny BERT as a folder, for programs other than the harness."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_MAKE = """
import sys
from pathlib import Path
from harness.protocol import TINY_BERT
from harness.subject.data import checkpoints
print(checkpoints.locate(TINY_BERT, None, None, Path(sys.argv[1])))
"""


def tiny_bert(folder: Path, variables: dict[str, str]) -> Path:
    """Write it below `folder`, in a process of its own: torch stays out of this one."""
    done = subprocess.run(
        [sys.executable, "-c", _MAKE, str(folder)], env=variables, capture_output=True, text=True, check=True
    )
    return Path(done.stdout.strip().splitlines()[-1])
