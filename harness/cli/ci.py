"""What a command leaves for a CI: the step's summary, and annotations."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Final

from harness.cli.streams import command_stream
from harness.errors import StoreError

SUMMARY_VARIABLE: Final = "GITHUB_STEP_SUMMARY"


def add_step_summary(text: Callable[[], str]) -> None:
    """Make Markdown and add it to the step's summary, where a CI asks for one.

    Raises
    ------
    StoreError
        Where it cannot be written.
    """
    place = os.environ.get(SUMMARY_VARIABLE)
    if not place:
        return
    path = Path(place)
    try:
        # Added to, never replaced: it may be a device or a pipe, and earlier steps' text need not be ours.
        with path.open("a", encoding="utf-8") as file:
            file.write(text())
    except OSError as error:
        raise StoreError(f"{path}: cannot write the step summary: {error.strerror or error}") from error


def on_github() -> bool:
    """Whether GitHub Actions reads what is printed."""
    return os.environ.get("GITHUB_ACTIONS") == "true"


def annotate(commands: Callable[[], str]) -> None:
    """Make and print workflow commands where GitHub Actions reads them."""
    if on_github():
        command_stream(f"{commands()}\n")
