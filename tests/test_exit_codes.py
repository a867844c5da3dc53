"""One table of exit codes: it knows every command, every help ends with its part, the page is made from it."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command

from harness import errors
from harness.cli.app import application
from harness.exit_codes import CHANGES, EVERYWHERE, MEANINGS, ORDER, SITUATIONS, epilog, page, summary, worst

ROOT = Path(__file__).resolve().parents[1]


def commands() -> dict[str, str]:
    """Each command that a user can type, and its help's epilog."""
    found = {}
    for name, one in get_command(application()).commands.items():  # type: ignore[attr-defined]
        inner = getattr(one, "commands", None)
        if inner is None:
            found[name] = one.epilog or ""
        else:
            found |= {f"{name} {word}": leaf.epilog or "" for word, leaf in inner.items()}
    return found


def test_every_command_has_its_codes_and_its_help_ends_with_them() -> None:
    for command, end in commands().items():
        assert 0 in SITUATIONS[command], command
        assert set(SITUATIONS[command]) <= set(ORDER) - set(EVERYWHERE), command
        assert end.startswith("\b\n"), "its lines are kept as they are"
        assert end[2:].split() == epilog(command).split()


def test_no_command_is_listed_that_is_not_there() -> None:
    assert set(SITUATIONS) == set(commands())


def test_the_help_prints_a_line_for_each_code() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "harness", "store", "reindex", "--help"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    )  # fmt: skip
    end = " ".join(done.stdout.partition("Exit codes:")[2].split())
    assert end == (
        "0 the index is rebuilt 2 usage, or a name or value that cannot be 4 the results cannot be read or written "
        "70 internal error: a defect of the harness 130 interrupted"
    )


def test_of_several_codes_the_first_in_designs_order() -> None:
    assert ORDER == (130, 70, 2, 1, 4, 5, 3, 0)
    for at, code in enumerate(ORDER):
        assert worst(ORDER[at:]) == worst([*reversed(ORDER[at:])]) == code
    assert [int(number) for number in re.findall(r"\b\d+\b", summary())] == [*ORDER]


@pytest.mark.parametrize("kind", [errors.HarnessError, *errors.HarnessError.__subclasses__()])
def test_every_error_ends_with_a_code_that_is_told(kind: type[errors.HarnessError]) -> None:
    assert kind.exit_code in MEANINGS


def test_the_page_is_what_the_table_writes() -> None:
    assert (ROOT / "docs" / "exit-codes.md").read_text(encoding="utf-8") == page(), "python -m harness.exit_codes"
    rows = [line for line in page().splitlines() if line.startswith("|")]
    assert len(rows) == 2 + len(MEANINGS) + 2 + len(CHANGES) + 2 + sum(map(len, SITUATIONS.values()))
