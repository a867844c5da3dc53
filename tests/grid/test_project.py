"""`[tool.harness]` of the user's pyproject.toml: found upwards, read whole, relative to its file."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.grid.project import read_project

WAIVER = """
[[tool.harness.waiver]]
check = "invariants"
issue = "a/b#1"
bound = 4
reason = "r"
author = "a"
expires = "2027-06-30"
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two grids, in whose folder `nightly` somebody works."""
    (tmp_path / "grids").mkdir()
    (tmp_path / "nightly").mkdir()
    for name in ("b", "a"):
        (tmp_path / "grids" / f"{name}.toml").touch()
    monkeypatch.chdir(tmp_path / "nightly")
    return tmp_path


def write(root: Path, text: str) -> None:
    (root / "pyproject.toml").write_text(text, encoding="utf-8")


def test_without_one_there_is_nothing(root: Path) -> None:
    assert (read_project().grid_files(), read_project().waiver) == ([], [])
    write(root, "[project]\nname = 'x'\n[tool.ruff]\nline-length = 100\n")
    assert (read_project().grid_files(), read_project().waiver) == ([], [])


def test_grids_are_relative_to_the_file_and_each_comes_once(root: Path) -> None:
    write(root, "[tool.harness]\ngrids = ['grids/b.toml', 'grids/*.toml', 'mrpc']\n")
    assert read_project().grid_files() == [Path("../grids/b.toml"), Path("../grids/a.toml"), Path("mrpc")]


def test_the_nearest_table_counts_and_a_file_without_one_is_passed_over(root: Path) -> None:
    write(root, "[tool.harness]\ngrids = ['mrpc']\n")
    write(root / "nightly", "[project]\nname = 'inner'\n")
    assert read_project().grid_files() == [Path("mrpc")]
    write(root / "nightly", "[tool.harness]\ngrids = ['quickstart']\n")
    assert read_project().grid_files() == [Path("quickstart")]


def test_waivers_are_those_of_a_grid(root: Path) -> None:
    write(root, WAIVER)
    (one,) = read_project().waiver
    assert (one.check, one.bound, one.expires) == ("invariants", 4.0, datetime.date(2027, 6, 30))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[tool.harness]\ngrid = ['x']", "tool.harness: grid: got ['x']; not a key here; allowed grids, waiver"),
        ("[tool.harness]\ngrids = []", "tool.harness: grids: got []; allowed at least 1 entries"),
        ("[tool.harness]\ngrids = 'x'", 'tool.harness: grids: got "x"; allowed a list'),
        ("[tool]\nharness = 3", "tool.harness: "),
        ("[tool.harness", "not valid TOML"),
        (WAIVER.replace("bound", "bonud"), "did you mean bound?"),
        (WAIVER.replace("invariants", "invariant"), "did you mean invariants?"),
        (
            WAIVER.replace("invariants", "parity"),
            'waiver[0].configuration: missing; it is required with check "parity"',
        ),
        (
            WAIVER.replace('"invariants"', '"parity"\nconfiguration = "x"'),
            'tool.harness.waiver[0].check: got "parity"; allowed fidelity, invariants, reproducibility: '
            "what a grid judges is waived in the grid",
        ),
        (WAIVER + WAIVER, 'tool.harness.waiver[1].check: got "invariants" again'),
    ],
)
def test_a_mistake_is_one_error_that_names_it(root: Path, text: str, said: str) -> None:
    write(root, text)
    with pytest.raises(SpecError) as caught:
        read_project()
    assert str(caught.value).startswith(str(root / "pyproject.toml"))
    assert said in str(caught.value)


@pytest.mark.parametrize("entry", ["gone.toml", "gird/*.toml", "**a/[", "/*.toml"])
def test_a_grid_that_is_not_there_is_an_error(root: Path, entry: str) -> None:
    write(root, f"[tool.harness]\ngrids = ['grids/a.toml', '{entry}']\n")
    with pytest.raises(SpecError, match=r"tool\.harness\.grids\[1\]: got .*; no such file; allowed a grid"):
        read_project().grid_files()
