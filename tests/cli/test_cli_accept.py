"""`harness accept`, and the accepted file within `harness check`: on a store made up, a record a run."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest

from harness.grid.cell import Cell
from harness.grid.grid import load_grid
from harness.record.model import RECORD, asked_of
from harness.record.store import Store
from tests.checks.conftest import POSITIVES, VALIDATION, build_run, plant, sha

Make = Callable[..., Any]
GRID = """
name = "night"
task = "embedded/paraphrase"
[recipe]
max_steps = 4
[matrix]
checkpoint = ["embedded/tiny-bert"]
precision = ["fp32", "bf16"]
seed = [1, 2, 3, 4, 5]
"""
FP32, BF16 = "embedded/tiny-bert · fp32", "embedded/tiny-bert · bf16"
FILE = Path("reports/baselines/night.json")
PLAIN = build_run()
WRONG = {1: 40, 2: 42, 3: 38, 4: 44, 5: 41}
"""Wrong answers of 240, by seed."""


class Night:
    """A grid and its store; each attempt begins a minute after the one before."""

    def __init__(self, folder: Path) -> None:
        self.path, self.minutes = folder / "night.toml", 0
        self.write(GRID)

    def write(self, text: str) -> None:
        self.path.write_text(text, encoding="utf-8")
        self.grid = load_grid(self.path)

    def cells(self, precision: str | None = None) -> list[Cell]:
        return [cell for cell in self.grid.cells() if precision in (None, cell.precision)]

    def put(
        self, cell: Cell, wrong: int = 40, status: str = "ok", measurement: int = 1, bits: str = "", day: int = 26
    ) -> Path:
        """File an attempt at a cell; `bits` tells its weights from those of other runs of the same seed."""
        store = Store(Path("results"), self.grid.name)
        attempt = store.begin(cell.cell_id, "e0")
        self.minutes += 1
        fn = wrong // 3
        counts = {"tp": POSITIVES - fn, "fp": wrong - fn, "fn": fn, "tn": VALIDATION - POSITIVES - (wrong - fn)}
        metrics = {"accuracy": 1 - wrong / VALIDATION, "f1": 2 * counts["tp"] / (2 * counts["tp"] + wrong)}
        began = f"2026-11-{day}T{self.minutes // 60:02d}:{self.minutes % 60:02d}:00.000Z"
        values = {
            "grid": self.grid.name, "cell_id": cell.cell_id, "configuration_id": cell.configuration_id,
            "environment_id": "e0", "content_id": "c0", "attempt": attempt.number, "status": status,
            "measurement": measurement, "started": began, "finished": began, "series": {}, "series_sha256": None,
            "measured.metrics": metrics, "measured.confusion": counts,
            "observed.weights.final_sha256": sha("end", cell.seed, bits),
            "observed.fingerprint.final_sha256": sha("end", cell.seed, bits),
        }  # fmt: skip
        record = plant(PLAIN, values).record.model_copy(update={"asked": asked_of(cell)})
        if status not in ("ok", "collapsed"):
            failed = {"measured": None, "failure": {"type": status.title(), "message": "planted"}}
            record = type(record).model_validate({**record.model_dump(by_alias=True), **failed})
        store.write(record, attempt)
        return attempt.folder / RECORD

    def measure(self, cells: Iterable[Cell] | None = None, more: int = 0, **changes: Any) -> None:
        """A run of every cell, or of these, with so many more wrong answers."""
        for cell in self.cells() if cells is None else cells:
            self.put(cell, WRONG[cell.seed] + more + cell.seed * bool(more) % 3, **changes)


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_REQUIRE", raising=False)
    monkeypatch.delenv("GITHUB_ACTIONS", raising=False)
    return Night(tmp_path)


def kept(path: Path = FILE) -> dict[str, Any]:
    found = json.loads(path.read_text(encoding="utf-8"))
    assert isinstance(found, dict)
    return found


def labels(path: Path = FILE) -> list[str]:
    return [one["label"] for one in kept(path)["configurations"]]


def baselines(harness: Make, *options: str) -> tuple[int, dict[str, str], list[dict[str, Any]]]:
    """(exit code, outcome by configuration, the verdicts) of what `check` says of the accepted file."""
    code, out, _ = harness("check", "night.toml", *options, "--json")
    found = [one for one in json.loads(out)["verdicts"] if one["check"] == "baseline"]
    return code, {one["subject"]["label"]: one["outcome"] for one in found}, found


def test_runs_are_accepted_with_what_tells_each_attempt(harness: Make, night: Night) -> None:
    night.measure()
    code, out, err = harness("accept", "night.toml", "--note", "two\nlines")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"wrote {FILE}: 2 configurations accepted, 10 runs"
    assert "10 cells; when they were last run is not known; oldest 2026-11-26" in out
    data = kept()
    assert (data["schema"], data["note"], data["grid"]["name"], data["left_out"]) == (2, "two lines", "night", [])
    assert data["command"].startswith("harness accept night.toml")
    run, cell = data["configurations"][0]["seeds"]["1"], night.cells("fp32")[0]
    assert (run["accuracy"], run["cell_id"], run["started"]) == (1 - 40 / 240, cell.cell_id, "2026-11-26T00:01:00.000Z")


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


def test_accept_then_check_compares_nothing(harness: Make, night: Night) -> None:
    """G2: results that were accepted are no proof of themselves."""
    night.write(GRID.replace(', "bf16"', ""))
    night.measure()
    assert harness("check", "night.toml")[0] == 5
    harness("accept", "night.toml", "--note", "tonight's")
    code, out, _ = harness("check", "night.toml", "-v")
    assert code == 5
    assert "Made from these very runs: nothing was compared." in out
    assert f"accepted file: {FILE}, " in out
    assert "(tonight's)" in out
    assert harness("check", "night.toml", "--skipped", "fail")[0] == 5


def test_a_fresh_measurement_that_is_equal_passes_by_identity(harness: Make, night: Night) -> None:
    night.write(GRID.replace(', "bf16"', ""))
    night.measure()
    harness("accept", "night.toml", "--note", "n")
    night.measure(measurement=2, day=27)
    code, out, _ = harness("check", "night.toml", "-v", "--junit", "j.xml")
    assert code == 0
    assert "Equal bit for bit at all 5 seeds." in out
    assert "5 of 5 cells bit for bit as on 2026-11-26" in out
    names = [case.attrib["name"] for case in ET.parse("j.xml").getroot().iter("testcase")]
    assert f"{FP32} against the accepted file" in names


def test_a_loss_since_then_is_red_for_its_configuration_alone(harness: Make, night: Night) -> None:
    night.measure()
    harness("accept", "night.toml", "-o", "mine.json", "--note", "n")
    night.measure(night.cells("fp32"), measurement=2, day=27)
    night.measure(night.cells("bf16"), more=24, measurement=2, day=27, bits="other")
    assert baselines(harness)[1] == {}, "no accepted file lies where it is looked for"
    code, outcomes, (fp32, bf16) = baselines(harness, "--accepted", "mine.json")
    assert (code, outcomes) == (1, {FP32: "PASS", BF16: "FAIL"})
    assert bf16["numbers"]["difference_points"] < -10
    assert (bf16["numbers"]["n"], bf16["numbers"]["delta_points"]) == (5, 1.5)
    assert fp32["against"]["label"] == "the accepted file"
    _, out, _ = harness("check", "night.toml", "--accepted", "mine.json", "-v")
    assert f"5 of 10 cells bit for bit as on 2026-11-26; not: {BF16} (5)" in out
    night.write(GRID + "[quality]\nparity_margin = 12\n")
    assert baselines(harness, "--accepted", "mine.json")[1][BF16] == "PASS", "the margin is the grid's parity_margin"


def test_a_waiver_of_the_grid_covers_it_until_its_day(harness: Make, night: Night) -> None:
    night.write(GRID.replace(', "bf16"', ""))
    night.measure()
    harness("accept", "night.toml", "--note", "n")
    night.measure(more=24, measurement=2, day=27, bits="other")
    assert baselines(harness)[0] == 1
    waiver = (
        f'[[waiver]]\nconfiguration = "{FP32}"\ncheck = "baseline"\nreason = "known"\nauthor = "Ada"\nissue = "a/b#1"\n'
    )
    waiver += 'bound = 40\nexpires = "2999-12-31"\n'
    night.write(GRID.replace(', "bf16"', "") + waiver)
    code, _, (one,) = baselines(harness)
    assert (code, one["outcome"], one["waiver"]["code"]) == (0, "FAIL", "waiver")
    night.write(GRID.replace(', "bf16"', "") + waiver.replace("40", "4"))
    code, _, (one,) = baselines(harness)
    assert (code, one["waiver"], one["notes"][-1]["code"]) == (1, None, "waiver.exceeded")


def test_what_was_accepted_must_be_there_unless_it_is_not_selected(harness: Make, night: Night) -> None:
    night.measure()
    harness("accept", "night.toml", "--note", "n")
    night.measure(night.cells("fp32"), measurement=2, day=27)
    for cell in night.cells("bf16"):
        night.put(cell, 40, "ok" if cell.seed < 5 else "failed", measurement=2, day=27)
    code, outcomes, _ = baselines(harness)
    assert (code, outcomes) == (4, {FP32: "PASS", BF16: "ERROR"})
    assert baselines(harness, "-s", "precision=fp32")[:2] == (0, {FP32: "PASS"})
    assert baselines(harness, "-s", "precision=fp32", "-s", "seed=1")[:2] == (3, {FP32: "INCONCLUSIVE"})


def test_what_was_never_accepted_is_listed(harness: Make, night: Night) -> None:
    night.measure()
    harness("accept", "night.toml", "-s", "precision=fp32", "--note", "n")
    night.measure(measurement=2, day=27)
    _, outcomes, found = baselines(harness)
    assert outcomes == {FP32: "PASS", BF16: "SKIP"}
    assert found[1]["reason"]["code"] == "baseline.new"


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda text: text[: len(text) // 2], "night.json: line "),
        (lambda text: text.replace('"status": "ok"', '"status": "fine"', 1), "configurations[0].seeds.1.status: got "),
        (lambda text: text.replace('"schema": 2', '"schema": 99'), "night.json: schema: got 99, of a newer harness"),
    ],
)
def test_a_broken_file_is_exit_2_and_named(
    harness: Make, night: Night, change: Callable[[str], str], said: str
) -> None:
    night.measure()
    harness("accept", "night.toml", "--note", "n")
    FILE.write_text(change(FILE.read_text(encoding="utf-8")), encoding="utf-8")
    for command in (("check", "night.toml"), ("accept", "night.toml", "--note", "n")):
        code, _, err = harness(*command)
        assert code == 2
        assert said in err
        assert str(FILE) in err


def test_a_file_that_was_named_must_be_there(harness: Make, night: Night) -> None:
    night.measure()
    code, _, err = harness("check", "night.toml", "--accepted", "none.json")
    assert code == 2
    assert "none.json: no such file; allowed an accepted file as `harness accept` writes it" in err


def test_a_file_of_schema_1_is_held_as_before(harness: Make, night: Night) -> None:
    night.measure()
    harness("accept", "night.toml", "--note", "n")
    data = {**kept(), "schema": 1}
    for one in data["configurations"]:
        for run in one["seeds"].values():
            del run["cell_id"], run["started"]
    FILE.write_text(json.dumps(data), encoding="utf-8")
    assert baselines(harness)[1] == {FP32: "PASS", BF16: "PASS"}
