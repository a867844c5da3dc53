"""`harness accept` on a store made up, a record a run."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.cli.made_up_nights import BF16, FILE, FP32, GRID, WRONG, Night, baselines, kept

Make = Callable[..., Any]


def labels(path: Path = FILE) -> list[str]:
    return [one["label"] for one in kept(path)["configurations"]]


def test_runs_are_accepted_with_what_tells_each_attempt(harness: Make, night: Night) -> None:
    night.measure()
    code, out, err = harness("accept", "night.toml", "--note", "two\nlines")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"wrote {FILE}: 2 configurations accepted, 10 runs"
    assert "10 cells; when they were last run is not known; oldest 2026-11-26" in out
    assert out.splitlines()[-1] == f"next: git add {FILE} and commit it: every later night is held against it"
    data = kept()
    assert (data["schema"], data["note"], data["grid"]["name"], data["left_out"]) == (3, "two lines", "night", [])
    assert data["command"].startswith("harness accept night.toml")
    run, cell = data["configurations"][0]["seeds"]["1"], night.cells("fp32")[0]
    assert (run["cell_id"], run["started"]) == (cell.cell_id, "2026-11-26T00:01:00.000Z")
    assert run["scores"]["accuracy"] == 1 - 40 / 240


def test_what_is_not_whole_is_left_out_and_keeps_what_was_accepted(harness: Make, night: Night) -> None:
    night.measure()
    assert harness("accept", "night.toml", "--note", "first")[0] == 0
    before = kept()
    for cell in night.cells("bf16"):
        night.put(cell, 50, "ok" if cell.seed < 4 else "failed", measurement=2, day=27)
    night.measure(night.cells("fp32"), more=2, measurement=2, day=27)
    code, out, _ = harness("accept", "night.toml", "--note", "second")
    assert code == 4
    assert out.splitlines()[0] == f"wrote {FILE}: 1 configuration accepted, 5 runs, 1 as accepted before"
    (line,) = [line for line in out.splitlines() if line.startswith("left out")]
    assert line.startswith(f"left out: {BF16}: 2 of 5 cells have no score: seed 4 failed, seed 5 failed")
    assert f"; what was accepted {before['date'][:10]} " in line
    fp32, bf16 = kept()["configurations"]
    assert bf16 == {**before["configurations"][1], "accepted": before["date"]}
    assert fp32["seeds"]["1"]["started"].startswith("2026-11-27")
    assert (kept()["note"], "accepted" in fp32) == ("second", False)


@pytest.mark.parametrize(
    ("status", "said"),
    [("failed", "seed 3 failed"), ("timeout", "seed 3 timeout"), ("killed", "seed 3 killed"), (None, "seed 3 missing")],
)
def test_nothing_is_written_where_nothing_is_whole(harness: Make, night: Night, status: str | None, said: str) -> None:
    for cell in night.cells():
        if cell.seed != 3:
            night.put(cell, WRONG[cell.seed])
        elif status is not None:
            night.put(cell, status=status)
    code, out, _ = harness("accept", "night.toml", "--note", "n")
    assert (code, FILE.exists()) == (4, False)
    assert out.splitlines()[0] == f"nothing is accepted; {FILE} is not written"
    assert out.count(said) == 2
    assert out.count("; never accepted") == 2


def test_another_acceptance_says_what_changed_of_the_environment(harness: Make, night: Night) -> None:
    night.measure()
    harness("accept", "night.toml", "--note", "n")
    data = kept()
    data["environments"]["e0"]["packages"]["transformers"] = "5.22.0"
    FILE.write_text(json.dumps(data), encoding="utf-8")
    code, out, _ = harness("accept", "night.toml", "--note", "n")
    assert code == 0
    assert out.count("transformers 5.22.0 -> 5.23.0") == 1
    assert f"since then the environment of {FP32}, {BF16} has changed: transformers 5.22.0 -> 5.23.0" in out


def test_no_record_is_exit_5(harness: Make, night: Night) -> None:
    code, _, err = harness("accept", "night.toml", "--note", "n")
    assert (code, FILE.exists()) == (5, False)
    assert "no record of night.toml yet; run it first: harness run night.toml" in err


def test_what_cannot_run_here_is_no_mistake(harness: Make, night: Night) -> None:
    night.measure(night.cells("fp32"))
    for cell in night.cells("bf16"):
        night.put(cell, status="skipped")
    code, out, _ = harness("accept", "night.toml", "--note", "n")
    assert (code, labels()) == (0, [FP32])
    assert f"left out: {BF16}: not run: Skipped: planted; never accepted" in out
    FILE.unlink()
    assert harness("accept", "night.toml", "-s", "precision=bf16", "--note", "n")[0] == 5
    assert not FILE.exists()


def test_chosen_seeds_are_not_accepted(harness: Make, night: Night) -> None:
    night.measure()
    code, out, _ = harness("accept", "night.toml", "-s", "seed=1,2,3", "--note", "n")
    assert (code, FILE.exists()) == (4, False)
    assert out.count("not all of its seeds are chosen: who chooses them chooses what is expected") == 2
    assert "Part of the grid: 6 of 10 cells; left out: seeds 4, 5" in out


def test_a_part_is_accepted_and_the_rest_stays(harness: Make, night: Night) -> None:
    night.measure()
    assert harness("accept", "night.toml", "-s", "precision=bf16", "--note", "n")[0] == 0
    assert labels() == [BF16]
    assert harness("accept", "night.toml", "-s", "precision=fp32", "--note", "n")[0] == 0
    assert labels() == [FP32, BF16], "in the grid's order"
    assert set(kept()["environments"]) == {"e0"}


def test_what_the_grid_has_no_more_goes_and_is_told(harness: Make, night: Night) -> None:
    night.measure()
    harness("accept", "night.toml", "--note", "n")
    night.write(GRID.replace(', "bf16"', ""))
    assert baselines(harness)[:2] == (4, {FP32: "SKIP", BF16: "ERROR"})
    code, out, _ = harness("accept", "night.toml", "--note", "n")
    assert (code, labels()) == (0, [FP32])
    assert f"dropped: {BF16}: the grid has it no more" in out


def test_a_demand_holds_for_what_is_accepted(harness: Make, night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    night.measure()
    monkeypatch.setenv("HARNESS_REQUIRE", "cuda")
    code, out, _ = harness("accept", "night.toml", "--note", "n")
    assert (code, FILE.exists()) == (4, False)
    assert out.count("requires cuda: measured on cpu") == 2


def test_a_record_that_cannot_be_read_leaves_its_configuration_out(harness: Make, night: Night) -> None:
    paths = {(cell.precision, cell.seed): night.put(cell, WRONG[cell.seed]) for cell in night.cells()}
    paths["bf16", 1].write_text("{", encoding="utf-8")
    code, out, _ = harness("accept", "night.toml", "--note", "n")
    assert (code, labels()) == (4, [FP32])
    assert f"left out: {BF16}: " in out
    assert "record.json" in out


def test_another_grids_file_is_not_overwritten(harness: Make, night: Night) -> None:
    night.measure()
    harness("accept", "night.toml", "-o", "other.json", "--note", "n")
    data = kept(Path("other.json"))
    data["grid"]["name"] = "day"
    Path("other.json").write_text(json.dumps(data), encoding="utf-8")
    code, _, err = harness("accept", "night.toml", "-o", "other.json", "--note", "n")
    assert code == 2
    assert 'other.json: grid.name: got "day"; allowed "night", or another --out' in err
    assert harness("accept", "night.toml", "-o", "other.txt", "--note", "n")[0] == 2


def test_an_unknown_reference_is_said_before_anything_is_accepted(harness: Make, night: Night) -> None:
    night.measure()
    night.path.write_text(GRID + '[[reference]]\nid = "no-such-thing"\n', encoding="utf-8")
    code, _, err = harness("accept", "night.toml", "--note", "n")
    assert (code, FILE.exists()) == (2, False)
    assert "no-such-thing" in err
