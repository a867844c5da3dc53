"""Standard output and error: what others named is no command to GitHub's runner, and Ctrl-C is no traceback."""

from __future__ import annotations

import io
import os
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cli import streams
from harness.cli.ci import annotate
from harness.cli.streams import Muting

ACTS = re.compile(r"^\s*::", re.MULTILINE)
"""How the runner finds a command."""


def written(*parts: str, guarded: bool = True) -> str:
    stream = io.StringIO()
    muting = Muting(stream, guarded=guarded)
    for part in parts:
        assert muting.write(part) == len(part)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("parts", "shown"),
    [
        (("::error::pwn\n",), "·::error::pwn\n"),
        (("  ::error::pwn",), "  ·::error::pwn"),
        (("a::b ::c\n", "d::e\n"), "a::b ::c\nd::e\n"),
        (("a", "::b", "\n", "::c"), "a::b\n·::c"),
        (("one\n\t::set-env::x\r::y",), "one\n\t·::set-env::x\r·::y"),
        (("x ##[group]y",), "x #·#[group]y"),
        (("  ", "::error::x"), "  ·::error::x"),
        ((":", ":error::x"), "·::error::x"),
    ],
)
def test_no_name_is_a_command_to_the_runner(parts: tuple[str, ...], shown: str) -> None:
    assert written(*parts) == shown
    assert written(*parts, guarded=False) == "".join(parts)


@given(st.lists(st.text(alphabet=" \t\n\ra:", max_size=12), max_size=6))
def test_however_a_text_is_cut_none_of_it_is_a_command(parts: list[str]) -> None:
    shown = written(*parts)
    assert ACTS.findall(shown.replace("\r", "\n")) == []
    assert shown.replace("·", "") == "".join(parts)


def test_what_is_meant_as_one_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(sys, "stderr", Muting(stream, guarded=True))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    print("::error::named so", end="", file=sys.stderr)
    annotate(lambda: "::error title=t::m\n")
    print("::error::named so", file=sys.stderr)
    assert stream.getvalue() == "·::error::named so\n::error title=t::m\n\n·::error::named so\n"
    assert isinstance(sys.stderr, streams.Muting)


def test_a_named_command_in_a_plan_stays_text(tmp_path: Path, tour: Any) -> None:
    (tmp_path / "g.toml").write_text(
        'name = "g"\ntask = "embedded/paraphrase"\n[matrix]\ncheckpoint = ["::error::pwn"]\nseed = [1]\n'
        '[checkpoint."::error::pwn"]\nfrom = "embedded/tiny-bert"\n'
    )
    for github in ("true", "false"):
        done = tour.harness("plan", str(tmp_path / "g.toml"), "--results", str(tmp_path / "r"), GITHUB_ACTIONS=github)
        assert done.returncode == 0, done.stderr
        assert "::error::pwn" in done.stdout
        assert bool(ACTS.search(done.stdout)) == (github == "false")


def test_an_interrupt_while_modules_are_imported_is_no_traceback(tmp_path: Path, tour: Any) -> None:
    (tmp_path / "typer.py").write_text("import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(60)\n")
    variables = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{tour.variables['PYTHONPATH']}"}
    done = tour.harness("plan", "tour.toml", **variables)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "")
