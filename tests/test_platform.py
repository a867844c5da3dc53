"""Where the harness cannot run at all it says so, before it imports what is not there."""

from __future__ import annotations

import subprocess
import sys


def test_windows_is_one_sentence() -> None:
    pretend = (
        "import sys; sys.platform = 'win32'; sys.modules['fcntl'] = None; from harness import __main__ as m; m.main()"
    )
    done = subprocess.run([sys.executable, "-c", pretend, "doctor"], capture_output=True, text=True, check=False)
    assert done.returncode == 4
    assert done.stderr == "Windows is not supported: the harness forks its cells; WSL 2 is a Linux that can\n"
    assert done.stdout == ""
