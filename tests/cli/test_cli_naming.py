"""One way to name a grid, in every command: by file, by name, by a folder of its results; from a folder below too."""

from __future__ import annotations

import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from harness.record.folders import results_folder, to_type
from tests.cli.made_up_nights import Night

Make = Callable[..., Any]

COMMANDS: Final = """
validate GRID | plan GRID | doctor GRID | data GRID | run GRID --keep-errored | bench GRID --keep-errored
pack GRID --select seed=7 | verify GRID --select seed=7 | ab current nothing GRID
bisect transformers --from 4 --to 5 GRID --on nothing
check GRID | accept GRID --note x -o accepted.json | why GRID | compare GRID GRID | diff GRID GRID
compare GRID:precision=fp32 GRID --confirm GRID
status GRID | runs GRID | report GRID -o out.md | export GRID | export GRID --to csv | export GRID --to bencher
history GRID | history add GRID | store list GRID | store verify GRID | store reindex GRID
store prune GRID --keep 30d --dry-run
""".strip().replace("\n", " | ")


@pytest.fixture
def project(here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A user's project that has run the grid: its file in a folder that pyproject.toml names, results at the root."""
    root = tmp_path / "project"
    (root / "grids").mkdir(parents=True)
    (root / "below" / "deeper").mkdir(parents=True)
    (root / "pyproject.toml").write_text('[tool.harness]\ngrids = ["grids/*.toml"]\n')
    text = (here / "tour.toml").read_text()
    (root / "grids" / "tour.toml").write_text(f'{text}\n[history]\nfile = "history.jsonl"\n')
    shutil.copytree(here / "results", root / "results")
    monkeypatch.chdir(root)
    return root


@pytest.mark.parametrize("command", COMMANDS.split(" | "))
def test_every_command_takes_every_name(
    harness: Make, project: Path, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    """Each way ends as the file does; what is told is the same, but for the words by which it was named."""
    assert harness("check", "grids/tour.toml")[0] == 4  # `why` reads what it leaves
    ways = {
        project: ("grids/tour.toml", "tour", "results/tour", "results"),
        project / "below" / "deeper": ("../../grids/tour.toml", "tour", "../../results/tour"),
    }
    codes = {}
    for folder, names in ways.items():
        monkeypatch.chdir(folder)
        for name in names:
            code, out, err = harness(*command.replace("GRID", name).split())
            assert "no such" not in err or "accepted.json" in err, name
            codes[name] = code, len(out.splitlines())
    assert len({code for code, _ in codes.values()}) == 1, codes
    if "seed=7" in command:
        assert '--select seed: got "7"; allowed 42' in err


def test_a_name_of_nothing_gets_the_nearest_that_there_is(harness: Make, project: Path) -> None:
    for command in COMMANDS.split(" | "):
        code, _, err = harness(*command.replace("GRID", "tuor").split())
        assert code == 2, command
        assert '"tuor": no ' in err, command
        assert "did you mean tour?" in err, command


def test_a_part_of_a_grid_is_named_as_in_diff(harness: Make, project: Path) -> None:
    by_name = harness("plan", "tour:precision=fp32,optim=adamw_torch")
    assert by_name == harness("plan", "tour", "--select", "precision=fp32", "-s", "optim=adamw_torch")
    assert "1 cell: 0 to do, 1 done" in by_name[1]
    code, _, err = harness("validate", "tour:precision=fp32")
    assert (code, "a part of a grid; allowed a whole one here" in err) == (2, True)


def test_results_of_several_grids_are_no_grid(harness: Make, project: Path) -> None:
    shutil.copytree(project / "results" / "tour", project / "results" / "other")
    code, _, err = harness("check", "results")
    assert (code, err) == (2, "error: results: results of 2 grids; allowed one of them: results/other, results/tour\n")
    code, _, err = harness("check", "results/other")
    assert (code, err) == (2, "error: results/other: results whose grid is not known here; allowed the grid's file\n")
    assert "other: 4 records" in harness("store", "reindex", "results")[1]


def test_a_run_notes_the_file_of_its_grid(harness: Make, here: Path, tmp_path: Path) -> None:
    """So its results name it wherever it lies, and after both have moved together."""
    place = shutil.copytree(here, tmp_path / "moved", ignore=shutil.ignore_patterns("cache"))
    code, out, _ = harness("plan", str(place / "results" / "tour"), "--json")
    assert (code, str(place / "tour.toml") in out or "moved/tour.toml" in out) == (0, True)


def test_results_are_found_upwards(project: Path, tmp_path: Path) -> None:
    assert results_folder(project) == Path("results")
    assert results_folder(project / "below" / "deeper") == Path("../../results")
    shutil.rmtree(project / "results")
    assert results_folder(project / "below") == Path("../results")  # the table says where the root is
    (project / "pyproject.toml").write_text('[project]\nname = "x"\n')
    assert results_folder(project / "below") == Path("results")
    (tmp_path / "results" / "tour" / "cells").mkdir(parents=True)
    assert results_folder(project / "below") == Path("../../results")
    (project / ".git").mkdir()
    assert results_folder(project / "below") == Path("results")  # another repository's are none of ours


def test_hints_are_quoted_and_carry_the_results(harness: Make, project: Path) -> None:
    (project / "grids" / "tour.toml").rename(project / "my grid.toml")
    code, _, err = harness("check", "my grid.toml", "--results", "other place")
    assert code == 5
    assert err.endswith("run it first: harness run 'my grid.toml' --results 'other place'\n")
    assert to_type("run", "x", results=Path("results")) == "harness run x"


def test_the_next_commands_are_of_the_same_runs(harness: Make, night: Night) -> None:
    """What is to be typed next has the results and the environment that were asked for, quoted."""
    night.measure()
    Path("results").rename("other results")
    place = ("--results", "other results", "--environment", "all")
    assert harness("accept", "night.toml", "--note", "x", *place)[0] == 0
    Path("other results").rename("results")
    night.measure(night.cells("bf16"), more=30, measurement=2, day=27)
    Path("results").rename("other results")
    out = harness("check", "night.toml", *place)[1].replace(" \\\n            ", " ")
    (accept,) = [line.split(maxsplit=1)[1] for line in out.splitlines() if line.startswith("  accept")]
    assert accept.startswith("harness accept night.toml --results 'other results' --environment all --only ")
    assert harness(*shlex.split(accept)[1:])[::2] == (0, "")
