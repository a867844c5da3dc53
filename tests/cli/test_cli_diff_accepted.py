"""`harness diff` with an accepted file on a side, on a store made up, a record a run."""

from __future__ import annotations

import json
import re
import shutil
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.report.verdicts.diff import ROOM, WIDTH
from harness.report.verdicts.json import verdicts_from_json
from tests.cli.made_up_nights import BF16, FILE, FP32, GRID, Night, kept

Make = Callable[..., Any]


@pytest.fixture
def accepted(harness: Make, night: Night) -> Night:
    """A night that was accepted, and one after it in which bf16 has lost 10 points."""
    night.measure()
    assert harness("accept", "night.toml", "--note", "first")[0] == 0
    night.measure(night.cells("fp32"), measurement=2, day=27)
    night.measure(night.cells("bf16"), more=24, measurement=2, day=27, bits="other")
    return night


def changed(name: str, change: Callable[[dict[str, Any]], None]) -> str:
    """Another accepted file: that of the night, changed; its runs are no more those of the night."""
    data = kept()
    for one in data["configurations"]:
        for run in one["seeds"].values():
            run["started"] = "2026-11-20T00:00:00.000Z"
        change(one)
    Path(name).write_text(json.dumps(data), encoding="utf-8")
    return name


@pytest.mark.parametrize("other", ["night.toml", "night", "results", "results/night"])
def test_a_file_against_a_grid_a_store_or_its_results(harness: Make, accepted: Night, other: str) -> None:
    for sides, before, after, sign in (
        ((str(FILE), other), "82.92", "72.42", "-"), ((other, str(FILE)), "72.42", "82.92", r"\+"),
    ):  # fmt: skip
        code, out, _ = harness("diff", *sides)
        lines = out.rstrip("\n").split("\n")
        assert code == 1
        assert lines[0].startswith(f"DIFFERENT  1 of 2 identical, 1 different: {BF16}, in scores: accuracy {before} ")
        assert f"{after}, {sign[-1]}10.50 points at 5 seeds" in " ".join(line.strip() for line in lines)
        assert len(lines) <= ROOM
        assert max(map(len, lines)) <= WIDTH
        shown = {letter: next(line for line in lines if line.startswith(f"{letter}  ")) for letter in "AB"}
        names = [shown["A"], shown["B"]][:: 1 if before == "82.92" else -1]
        assert re.fullmatch(rf"[AB]  {FILE} \(10 runs, accepted 20\d\d-\d\d-\d\d: first\)", names[0])
        assert names[1][3:] == f"{other} (10 runs), measured 2026-11-27"
        table = lines[lines.index("") + 1 :]
        assert re.split(r"  +", table[0].strip()) == ["seeds", "accuracy", "points", "90 % interval", "of F1"]
        row = re.split(r"  +", table[1])
        assert row[:3] == ["different", "5", f"{before} -> {after}"]
        assert re.fullmatch(f"{sign}10.50", row[3])
        assert row[-1] == "bf16"
        assert re.split(r"  +", table[2])[:4] == ["identical", "5", "82.92 -> 82.92", "+0.00"]


@pytest.mark.parametrize(("margin", "state"), [(12.5, "EQUAL"), (1.5, "DIFFERENT")])
def test_the_margin_is_the_grid_s(harness: Make, night: Night, margin: float, state: str) -> None:
    night.write(f"{GRID}[quality]\nparity_margin = {margin}\nreferences = 'none'\n")
    night.measure()
    assert harness("accept", "night.toml", "--note", "first")[0] == 0
    assert kept()["grid"]["parity_margin_points"] == margin
    night.measure(night.cells(), more=24, measurement=2, day=27, bits="other")
    for sides in ((str(FILE), "night"), ("night", str(FILE))):
        _, out, _ = harness("diff", *sides, "--json")
        found = json.loads(out)
        assert {one["reason"]["values"]["margin"] for one in found["verdicts"]} == {margin}
        _, out, _ = harness("diff", *sides)
        assert out.startswith(state)


def test_its_own_runs_are_the_same_runs(harness: Make, night: Night) -> None:
    night.measure()
    harness("accept", "night.toml", "--note", "n")
    code, out, _ = harness("diff", str(FILE), "night.toml")
    assert (code, out.split("\n")[0]) == (0, "IDENTICAL  the same run on both sides, so nothing was compared")
    night.measure(measurement=2, day=27)
    code, out, _ = harness("diff", str(FILE), "night.toml")
    assert (code, out.split("\n")[0]) == (0, "IDENTICAL  to the last bit: 2 of 2 configurations")


def test_two_files_and_why_they_differ(harness: Make, accepted: Night) -> None:
    def upgrade(one: dict[str, Any]) -> None:
        one["asked"]["recipe"]["learning_rate"] = 1e-3
        one["configuration_id"] += "x"
        for run in one["seeds"].values():
            scores = {**run["scores"], "accuracy": run["scores"]["accuracy"] - 0.02}
            run |= {"final_sha256": "a" * 20, "loss_sha256": "b" * 20, "scores": scores}

    data = changed("b.json", upgrade)
    text = Path(data).read_text(encoding="utf-8").replace('"transformers": "5.23.0"', '"transformers": "5.24.0"')
    Path(data).write_text(text, encoding="utf-8")
    code, out, _ = harness("diff", str(FILE), "b.json")
    assert code == 1
    assert "first difference: first losses" in re.sub(r"\s+", " ", out)
    assert "Why: learning_rate nothing -> 0.001; transformers 5.23.0 -> 5.24.0" in out
    assert "Recipe: recipe.learning_rate (none) -> 0.001\nEnvironment: transformers 5.23.0 -> 5.24.0" in out
    assert out.count("-2.00") == 2 + 1, "the answer, and a row a configuration"
    _, back, _ = harness("diff", "b.json", str(FILE))
    assert "Why: learning_rate 0.001 -> nothing; transformers 5.24.0 -> 5.23.0" in back


def test_scores_alone_are_not_called_identical(harness: Make, accepted: Night) -> None:
    def blank(one: dict[str, Any]) -> None:
        for run in one["seeds"].values():
            run |= {name: None for name in run if name.endswith("_sha256")}

    code, out, _ = harness("diff", str(FILE), changed("b.json", blank))
    assert code == 3
    assert out.startswith("UNKNOWN    2 of 2 configurations")
    assert "equal scores at 5 seeds prove no equal runs, without initial weights, data order" in re.sub(
        r"\s+", " ", out
    )


def test_json_markdown_and_junit(harness: Make, accepted: Night) -> None:
    code, out, _ = harness("diff", str(FILE), "night.toml", "--json", "--out", "d.md", "--junit", "j.xml")
    data = json.loads(out)
    assert (code, data["exit_code"], data["counts"]["FAIL"], data["counts"]["PASS"]) == (1, 1, 1, 1)
    assert data["head"]["facts"][0]["values"]["states"] == {"different": 1, "identical": 1}
    worse = next(one for one in data["verdicts"] if one["outcome"] == "FAIL")
    assert worse["subject"]["label"] == BF16
    assert worse["numbers"]["difference_points"] == pytest.approx(-10.5)
    assert [fact["values"]["item"] for fact in worse["notes"]] == ["accuracy", "f1"]
    head, verdicts = verdicts_from_json(out)
    assert (head.kind, len(verdicts)) == ("diff", 2)
    text = Path("d.md").read_text(encoding="utf-8")
    assert f"A: {FILE} (10 runs, accepted" in text
    assert "-10.50 (-10.83 to -10.17)" in text
    cases = {
        case.attrib["name"]: case.find("failure") is not None for case in ET.parse("j.xml").getroot().iter("testcase")
    }
    assert cases == {FP32: False, BF16: True}


def test_runs_that_collapsed_on_a_side_are_counted(harness: Make, accepted: Night) -> None:
    def collapse(one: dict[str, Any]) -> None:
        one["seeds"]["2"] |= {"status": "collapsed", "scores": {"accuracy": 0.5}}
        one["collapsed"] = 1

    code, out, _ = harness("diff", str(FILE), changed("b.json", collapse))
    lines = out.split("\n")
    assert code == 1
    assert "seed 2: ok -> collapsed" in " ".join(line.strip() for line in lines[:3])
    table = lines[lines.index("") + 1 :]
    assert "seeds (lost)" in table[0]
    assert [re.split(r"  +", row)[1] for row in table[1:3]] == ["4 (0 -> 1)"] * 2
    assert [re.split(r"  +", row)[-1] for row in table[1:3]] == ["fp32", "bf16"]


def test_every_configuration_with_all(harness: Make, accepted: Night) -> None:
    _, out, _ = harness("diff", str(FILE), "night.toml", "--all")
    assert f"\n\n{BF16}\n  different in scores: " in out
    assert "first difference: final weights at seeds 1, 2, 3, 4, 5" in out
    assert f"\n\n{FP32}\n  identical to the last bit at 5 seeds, by hashes and scores" in out


def test_what_one_side_lacks_is_missing(harness: Make, night: Night) -> None:
    night.measure()
    harness("accept", "night.toml", "--note", "n")
    night.measure(night.cells("fp32"), measurement=2, day=27)
    for cell in night.cells("bf16"):
        night.put(cell, 40, "ok" if cell.seed < 5 else "failed", measurement=2, day=27)
    code, out, _ = harness("diff", str(FILE), "night.toml")
    assert code == 1, "what there is of it scores otherwise"
    code, out, _ = harness("diff", str(FILE), "night:precision=fp32")
    assert code == 4
    assert out.startswith(f"MISSING    1 of 2 identical, 1 missing: {BF16}, ")


def test_of_a_store_of_several_grids_that_of_the_file_counts(harness: Make, accepted: Night) -> None:
    shutil.copytree("results/night", "results/other")
    day = Night(Path())
    day.path.write_text(GRID.replace('"night"', '"other"'), encoding="utf-8")
    code, out, _ = harness("diff", str(FILE), "results")
    assert code == 1
    assert "B  results (10 runs), measured 2026-11-27" in out


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "x.json: no such file; allowed an accepted file as `harness accept` writes it"),
        ("[1", "x.json: line 1, column 3: got the end; allowed JSON"),
        ("[]", "x.json: got []; allowed an accepted file"),
        ('{"kind": "harness-check"}', "x.json: schema: missing; allowed an accepted file"),
        ('{"schema": 9}', "x.json: schema: got 9, of a newer harness; allowed 1 to 3"),
        ('{"schema": 2}', "x.json: grid: missing; it is required"),
    ],
)
def test_what_is_no_accepted_file_is_exit_2_on_either_side(
    harness: Make, accepted: Night, content: str | None, said: str
) -> None:
    if content is not None:
        Path("x.json").write_text(content, encoding="utf-8")
    for sides in (("x.json", "night.toml"), (str(FILE), "x.json")):
        code, out, err = harness("diff", *sides)
        assert (code, out) == (2, "")
        assert said in err


def test_a_file_without_a_configuration_is_exit_2(harness: Make, accepted: Night) -> None:
    Path("x.json").write_text(json.dumps({**kept(), "configurations": []}), encoding="utf-8")
    code, _, err = harness("diff", "x.json", "night.toml")
    assert code == 2
    assert "x.json: configurations: got []; allowed at least one" in err


def test_a_recipe_that_no_harness_wrote_is_a_difference_like_any_other(harness: Make, accepted: Night) -> None:
    def odd(one: dict[str, Any]) -> None:
        one["asked"] |= {"checkpoint": 3, "recipe": ["x"], "": {"": None}}

    code, out, _ = harness("diff", str(FILE), changed("b.json", odd))
    assert (code, out.split("\n")[0][:10]) == (0, "IDENTICAL ")


def test_what_was_accepted_at_several_dates_has_both(harness: Make, accepted: Night) -> None:
    data = kept()
    data["date"] = "2026-11-28T10:00:00.000Z"
    data["configurations"][0]["accepted"] = "2026-11-20T10:00:00.000Z"
    Path("b.json").write_text(json.dumps(data), encoding="utf-8")
    _, out, _ = harness("diff", "b.json", "night.toml")
    assert "A  b.json (10 runs, accepted 2026-11-20 to 2026-11-28: first)\n" in out


def test_a_part_of_a_file_is_refused(harness: Make, accepted: Night) -> None:
    code, _, err = harness("diff", f"{FILE}:precision=bf16", "night.toml")
    assert code == 2
    assert f"{FILE}:precision=bf16: an accepted file is compared as a whole; allowed {FILE}" in err


def test_the_help_names_it(harness: Make, night: Night) -> None:
    code, out, _ = harness("diff", "--help")
    assert code == 0
    assert "harness accept" in re.sub(r"[\s│]+", " ", out)
