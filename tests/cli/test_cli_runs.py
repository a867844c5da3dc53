"""`harness runs`: cells with the ids that `harness diff` takes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from harness.cli.read.runs import runs
from harness.errors import SpecError
from harness.pipelines.find import find_runs
from harness.record.meant import Machine, write_meant
from tests.checks.conftest import build_run, plant
from tests.pipelines.test_find import keep

CELL = "abcd1234efgh5678"


@pytest.fixture
def results(tmp_path: Path) -> Path:
    for environment, started in (("0old0", "2026-11-22T10:00:00.000Z"), ("1new1", "2026-11-23T10:00:00.000Z")):
        run = plant(build_run(), {"asked.axes": {"checkpoint": "tiny", "dropout": False}})
        keep(tmp_path, "g", run, CELL, environment, started=started)
    keep(tmp_path, "g", build_run(seed=7), "abcd1234other000", started="2026-11-24T10:00:00.000Z")
    return tmp_path


def test_cells_have_ids_that_tell_them_apart_and_find_them_again(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    runs("g", results, as_json=True)
    listed = json.loads(capsys.readouterr().out)
    assert [one["id"] for one in listed] == ["abcd1234e/1new1", "abcd1234o/e1"]
    assert listed[0]["run"] == "tiny · dropout=false · seed 42"
    for one in listed:
        (found,), _ = find_runs(one["id"], results)
        assert found.folder == one["folder"]


def test_every_environment_on_request(results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    runs("g", results, environment="all")
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()[2:]] == [
        "abcd1234e/0old0", "abcd1234e/1new1", "abcd1234o/e1",
    ]  # fmt: skip
    runs("g", results, environment="0old")
    assert capsys.readouterr().out.splitlines()[2].split()[0].startswith("abcd1234")


def test_what_is_no_grid_is_refused(results: Path) -> None:
    with pytest.raises(SpecError, match=r"no such grid; allowed .* known are g, "):
        runs("h", results)


def test_runs_have_the_names_of_their_grid_and_are_found_by_them(
    results: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write_meant(results / "g", Machine(id="a", name="here"), "2026-11-24", {}, {"tiny": "the tiny one"})
    runs("g", results, as_json=True)
    listed = json.loads(capsys.readouterr().out)
    assert [one["run"] for one in listed] == [
        "tiny · dropout=false · seed 42", "tiny · seed 7",
    ]  # fmt: skip
    assert [one["shown"] for one in listed] == ["dropout=false · seed 42", "the tiny one · seed 7"]
    runs("g", results)
    assert "the tiny one · seed 7" in capsys.readouterr().out
    found, named = find_runs('g:checkpoint="the tiny one"', results)
    assert ({one.folder for one in found}, named) == ({one["folder"] for one in listed}, {"checkpoint"})
