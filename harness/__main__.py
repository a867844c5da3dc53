"""`python -m harness`, and the command `harness`: ends in order from its first instant on."""

import os
import signal
import sys
from types import FrameType
from typing import Final

INTERRUPTED: Final = 130
UNMET: Final = 4
"""As `harness.errors.RequirementError` has it."""


def main() -> None:
    """Run the command line; until it can hear Ctrl-C, Ctrl-C ends the process without a traceback."""
    if sys.platform == "win32":
        print("Windows is not supported: the harness forks its cells; WSL 2 is a Linux that can", file=sys.stderr)
        sys.exit(UNMET)
    signal.signal(signal.SIGINT, _leave)
    from harness.cli.app import main as run  # hundreds of modules: long enough for a Ctrl-C to fall into

    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)


def _leave(number: int, frame: FrameType | None) -> None:
    os._exit(INTERRUPTED)


if __name__ == "__main__":
    main()
