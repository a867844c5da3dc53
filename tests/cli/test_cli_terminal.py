"""What a terminal shows: within its width, in its characters, plain where nothing can be redrawn."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from harness.cli.app import COMMANDS
from harness.exit_codes import SITUATIONS
from harness.report.format.width import columns, folded, listing
from tests.cli.made_up_nights import Night
from tests.conftest import REPOSITORY

Make = Callable[..., Any]

DIFF: Final = "diff night:precision=fp32 night:precision=bf16"
TOLD: Final = (
    "check night.toml", "check night.toml -v", "why night", "status", "runs night", "store list", "store verify",
    "validate night.toml", DIFF, f"{DIFF} --all",
    "references list", "references audit", "references show hf-course-ch3",
)  # fmt: skip


@pytest.fixture
def fallen(night: Night, harness: Make) -> Night:
    """A night whose bf16 is worse than what was accepted."""
    night.measure()
    assert harness("accept", "night.toml", "--note", "x")[0] == 0
    night.measure(night.cells("bf16"), more=30, measurement=2, day=27)
    return night


def too_wide(text: str, width: int) -> Iterator[str]:
    """Lines beyond the width that had a place to break; commands to paste, links and paths have none."""
    for line in text.split("\n"):
        words = line.split()
        longest = max(map(len, words), default=0)
        pasted = any(word in line for word in ("harness ", "://", "`"))
        if len(line) > width and not pasted and longest + 6 < width:
            yield line


@pytest.mark.parametrize("width", [60, 80, 120, 200])
def test_every_line_fits_the_terminal(
    harness: Make, fallen: Night, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    harness("check", "night.toml")
    monkeypatch.setenv("COLUMNS", str(width))
    shown = {}
    for command in TOLD:
        _, out, err = harness(*command.split())
        assert out, (command, err)
        shown[command] = out
    if "SHOW" in os.environ:
        Path(os.environ["SHOW"] + str(width)).write_text("\n\n".join(f"$ {key}\n{text}" for key, text in shown.items()))
    assert {key: found for key, text in shown.items() if (found := [*too_wide(text, width)])} == {}


def test_without_a_terminal_a_row_is_a_line(harness: Make, fallen: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)
    assert columns() is None
    assert len(harness("runs", "night")[1].splitlines()) == 2 + 10


@pytest.mark.parametrize("name", sorted(SITUATIONS))
def test_help_is_plain_and_has_the_exit_codes(harness: Make, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = harness(*name.split(), "--help")
    assert (code, harness("help", *name.split())[1]) == (0, out)
    assert out.isascii()
    assert all(len(line) <= 80 and line == line.rstrip() for line in out.splitlines())
    assert "<bool>" not in out
    codes = out[out.index("Exit codes:") :].splitlines()[1:]
    assert [line.split()[0] for line in codes if line[:5].strip().isdecimal()] == [
        str(each) for each in sorted({130, 70, 2, *SITUATIONS[name]})
    ]


def test_help_names_every_command_in_whole_sentences(harness: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    code, out, _ = harness("help")
    assert (code, out) == harness("--help")[:2]
    listed = out[out.index("Commands:") : out.index("Exit codes")]
    assert {line.split()[0] for line in listed.splitlines()[1:] if line[:3].strip()} == set(COMMANDS)
    assert "..." not in listed
    assert harness("help", "chekc")[2].endswith("Did you mean 'check'?\n")


@pytest.mark.parametrize(
    "variables",
    [
        {"PYTHONIOENCODING": "ascii"},
        {"LC_ALL": "C", "PYTHONUTF8": "0"},
        {"TERM": "dumb", "NO_COLOR": "1", "CI": "true"},
    ],
    ids=lambda one: next(iter(one)),
)
def test_what_a_terminal_lacks_is_said_otherwise(fallen: Night, variables: dict[str, str]) -> None:
    """No crash, no escape in the place of a character, no codes of a terminal."""
    environ = {
        key: text for key, text in os.environ.items() if key not in ("PYTHONIOENCODING", "LC_ALL", "FORCE_COLOR")
    }
    for command in ("check night.toml -v", "runs night", DIFF, "help"):
        done = subprocess.run(
            [sys.executable, "-m", "harness", *command.split()],
            env={**environ, "PYTHONPATH": str(REPOSITORY), "COLUMNS": "80", **variables},
            capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        assert done.returncode in (0, 1, 3), done.stderr
        text = done.stdout.decode("ascii" if "TERM" not in variables else "utf-8")
        assert len(text) > 100
        assert "\\x" not in text
        assert "\\u" not in text
        assert "\x1b" not in text


def test_a_table_breaks_its_widest_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    made = listing(["id", "what it is called"], [["0123abcd", "a long name of many words that goes on"]])
    assert max(map(len, made.splitlines())) <= 40
    assert made.splitlines()[2:] == ["0123abcd  a long name of many words that", "          goes on"]
    assert folded("say `harness run a --results b` and then something else") == (
        "say `harness run a --results b` and then\n  something else"
    )
    monkeypatch.setenv("COLUMNS", "400")
    assert len(listing(["a"], [["x" * 90]]).splitlines()[2]) == 90
