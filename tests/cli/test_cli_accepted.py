"""The accepted file within `harness check`: on a store made up, a record a run."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from typing import Any

import pytest

from tests.cli.made_up_nights import BF16, FILE, FP32, GRID, Night, baselines, kept

Make = Callable[..., Any]


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
    assert "5 of 5 cells bit for bit as last measured, on 2026-11-26" in out
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
    assert "5 of 10 cells bit for bit as last measured, on 2026-11-26; not: bf16 (5)" in out
    night.write(GRID + "[quality]\nparity_margin = 12\n")
    assert baselines(harness, "--accepted", "mine.json")[1][BF16] == "PASS", "the margin is the grid's parity_margin"


def test_other_data_than_were_accepted_are_excused_by_nothing(harness: Make, night: Night) -> None:
    """An edit of the data must not switch the gate off, whatever the workflow says of what is undecided."""
    night.measure()
    harness("accept", "night.toml", "--note", "n")
    night.measure(more=24, measurement=2, day=27, bits="other", content="c1")
    for word in ("fail", "pass"):
        code, out, _ = harness("check", "night.toml", "--inconclusive", word)
        assert code == 3
        assert out.startswith("INCONCLUSIVE  night: ")
        told = "training data is not what was accepted: scores cannot be compared"
        assert told in " ".join(out.split())


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
        (lambda text: text.replace('"schema": 3', '"schema": 99'), "night.json: schema: got 99, of a newer harness"),
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
