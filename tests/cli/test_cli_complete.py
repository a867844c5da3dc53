"""What Tab gives: asked as the shells' own scripts ask."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from harness.cli.complete import ASKED, TYPED, grids, parts, typed

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "grids").mkdir()
    for name in ("mine.toml", "grids/theirs.toml"):
        (tmp_path / name).touch()
    (tmp_path / "pyproject.toml").write_text('[tool.harness]\ngrids = ["grids/*.toml"]\n', encoding="utf-8")
    return tmp_path


def line(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv(ASKED, "complete_zsh")
    monkeypatch.setenv(TYPED[0], text)


def asked(text: str, folder: Path) -> str:
    """What bash is told."""
    words = {"COMP_WORDS": text, "COMP_CWORD": str(len(text.split(" ")) - 1), ASKED: "complete_bash"}
    code = "import sys; sys.argv = ['harness']; from harness.__main__ import main; main()"
    variables = {**os.environ, **words, "PYTHONPATH": str(REPOSITORY)}
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env=variables, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_a_shell_is_told_commands_and_grids(folder: Path) -> None:
    assert asked("harness ru", folder).split() == ["run", "runs"]
    assert asked("harness plan q", folder).split() == ["quickstart", "quickstart-sample"]
    assert asked("harness plan quickstart --sel", folder).split() == ["--select"]


def test_grids_are_those_that_ship_the_projects_and_files(folder: Path) -> None:
    assert grids("") == ["grids/theirs.toml", "mine.toml", "mrpc", "quickstart", "quickstart-sample", "verify"]
    assert grids("grids/") == ["grids/theirs.toml"]
    assert grids("./m") == ["./mine.toml"]
    assert grids("nothing/") == []


def test_parts_are_those_of_the_grid_on_the_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    line(monkeypatch, "harness run quickstart --select prec")
    assert parts("prec") == ["precision=fp32", "precision=bf16"]
    line(monkeypatch, "harness run mine.toml --select prec")  # no grid
    assert parts("prec") == []


def test_a_line_that_is_not_finished_is_read_as_far_as_it_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    line(monkeypatch, "harness run 'my grid")
    assert typed() == ["run", "'my", "grid"]
    monkeypatch.delenv(ASKED)
    assert typed() == []
