"""`harness compare` on stores written here: arms, results, baselines, exit codes, files for a CI."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.grid.grid import load_grid
from harness.record.meant import Machine, write_meant
from harness.record.store import Store
from tests.cli.made_up_sessions import ALIKE, ARMS, BUSY, MOMENT, SLOW, put, session

Make = Callable[..., Any]


def test_two_arms_of_one_grid(harness: Make, grid: Path) -> None:
    session(Path("results"), grid, SLOW)
    code, out, err = harness("compare", *ARMS)
    assert (code, err) == (1, "")
    lines = out.splitlines()
    assert lines[0] == f"A: {ARMS[0]}"
    assert lines[-1] == "2 configurations: 1 FAIL, 1 PASS"
    assert "margin 5 %" in out
    failed = next(line for line in lines if line.startswith("FAIL"))
    assert "optim=adafactor: fp32 -> bf16" in failed
    assert "5 pairs  0.850" in failed
    assert harness("compare", *ARMS, "--margin", "20")[0] == 0
    assert harness("compare", f"{ARMS[0]},optim=adamw_torch", f"{ARMS[1]},optim=adamw_torch")[0] == 0


def test_json_has_everything(harness: Make, grid: Path) -> None:
    session(Path("results"), grid, SLOW)
    code, out, _ = harness("compare", *ARMS, "--json")
    data = json.loads(out)
    assert (code, data["exit_code"], data["kind"]) == (1, 1, "harness-compare")
    assert data["head"]["facts"] == [{"code": "speed.margin", "values": {"margin": 0.05}}]
    by_outcome = {one["outcome"]: one for one in data["verdicts"]}
    found = by_outcome["FAIL"]
    assert found["numbers"]["ratio"] == pytest.approx(0.85, abs=1e-3)
    processes, memory = found["findings"]
    assert (processes["fact"]["code"], processes["fact"]["values"]["counted"]) == ("speed.pairs", 5)
    assert (memory["item"], memory["ratio"]) == ("process memory", 1.0)
    assert found["adjusted_p"] == pytest.approx(2 * found["numbers"]["p_slower"])
    assert len(found["subject"]["cell_ids"]) == 5


@pytest.mark.parametrize("indexed", [False, True])
def test_a_timing_record_that_cannot_be_read_is_named(harness: Make, grid: Path, indexed: bool) -> None:
    session(Path("results"), grid, ALIKE)
    store = Store(Path("results"), "speed")
    if indexed:
        store.reindex()
    path = next(store.folders.every()) / "record.json"
    path.write_text("{", encoding="utf-8")
    code, out, _ = harness("compare", *ARMS, "--margin", "20")
    assert code == 4
    said = " ".join(out.split())
    assert f"a record that may be a timing's cannot be read, and counts for nothing: {path.absolute()}: not a" in said
    data = json.loads(harness("compare", *ARMS, "--json")[1])
    assert (data["exit_code"], [one["code"] for one in data["head"]["facts"]]) == (
        4, ["speed.margin", "speed.unreadable"],
    )  # fmt: skip


def test_a_busy_machine_is_inconclusive_with_advice(harness: Make, grid: Path) -> None:
    session(Path("results"), grid, SLOW, reasons=BUSY)
    code, out, _ = harness("compare", *ARMS)
    assert code == 3
    flat = " ".join(out.split())
    assert "2 configurations: 2 INCONCLUSIVE" in out
    assert "The machine was not quiet in 5 of 5 pairs, 5 quiet ones are needed: 10 × other processes kept" in flat
    assert flat.count("close other programs") == 1
    assert harness("compare", *ARMS, "--inconclusive", "pass")[0] == 0


def test_files_for_a_ci(harness: Make, grid: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    session(Path("results"), grid, SLOW)
    step = Path("step.md")
    step.write_text("# before\n\n", encoding="utf-8")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(step))
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    code, _, err = harness("compare", *ARMS, "--junit", "out/speed.xml", "-o", "out/speed.md")
    assert code == 1
    suite = ET.parse("out/speed.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("tests"), suite.get("failures")) == ("2", "1")
    assert err.startswith("::error title=FAIL speed::")
    written = Path("out/speed.md").read_text(encoding="utf-8")
    assert "harness compare results/speed:precision=fp32" in written
    assert step.read_text(encoding="utf-8") == "# before\n\n" + written


def test_missing_and_new(harness: Make, grid: Path) -> None:
    old = dict.fromkeys((("fp32", "adamw_torch"), ("fp32", "adafactor")), 400.0)
    new = dict.fromkeys((("fp32", "adamw_torch"), ("bf16", "adamw_torch")), 400.0)
    for number in (1, 2, 3):
        session(Path("old"), grid, dict.fromkeys(old, 400 + number), f"s{number}", number)
    session(Path("new"), grid, new, "s9", 9)
    loaded = load_grid(grid)
    lost = next(c for c in loaded.timing_cells() if (c.precision, c.recipe["optim"]) == ("fp32", "adafactor"))
    code, out, _ = harness("compare", "old/speed", "new/speed")
    assert (code, out.splitlines()[-1]) == (4, "3 configurations: 1 ERROR, 1 SKIP, 1 PASS")
    assert "Missing: new/speed has no timing of it." in out
    put(Store(Path("new"), "speed"), lost, 1.0, "s9", MOMENT, status="oom")
    code, out, _ = harness("compare", "old/speed", "new/speed")
    assert code == 4
    assert "Not timed in new/speed: oom: out of memory." in out


def test_an_arm_of_which_every_process_failed(harness: Make, grid: Path) -> None:
    session(Path("results"), grid, {key: 400.0 for key in ALIKE if key[0] == "fp32"})
    for cell in load_grid(grid).timing_cells():
        if cell.precision == "bf16":
            put(Store(Path("results"), "speed"), cell, 1.0, "s1", MOMENT, status="oom")
    code, out, err = harness("compare", *ARMS)
    assert (code, err) == (4, "")
    assert out.count(f"Not timed in {ARMS[1]}: oom: out of memory.") == 2
    code, _, err = harness("compare", "--save", "x.json", ARMS[1])
    assert code == 2
    assert f"{ARMS[1]}: none of its timings ended well" in err


def test_another_machine_is_refused(harness: Make, grid: Path) -> None:
    for number in (1, 2, 3):
        session(Path("old"), grid, ALIKE, f"s{number}", number)
    session(Path("new"), grid, ALIKE, "s9", 9, machine={"cores": 64})
    code, out, _ = harness("compare", "old/speed", "new/speed")
    assert (code, out.splitlines()[-1]) == (5, "4 configurations: 4 SKIP")
    assert "cores 2 -> 64" in out


def test_a_baseline_of_sessions(harness: Make, grid: Path) -> None:
    results, kept = Path("results"), "reports/baselines/speed.json"
    for number, level in enumerate((400, 404), start=1):
        session(results, grid, dict.fromkeys(ALIKE, level), f"s{number}", number)
    code, out, err = harness("compare", "--save", kept, "results/speed")
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == f"wrote {kept}: 4 configurations"
    assert "2 sessions, 10 processes" in out
    session(results, grid, SLOW, "s8", 8)
    code, out, _ = harness("compare", kept, "results/speed")
    assert (code, out.splitlines()[-1]) == (3, "4 configurations: 4 INCONCLUSIVE")
    assert "A has 2 of at least 3 sessions" in out
    # A third session, from elsewhere in time: saved into the same file.
    session(Path("more"), grid, dict.fromkeys(ALIKE, 396), "s3", 3)
    code, out, _ = harness("compare", "--save", kept, "more/speed")
    assert (code, "3 sessions, 15 processes" in out) == (0, True)
    assert harness("compare", "--save", kept, "more/speed")[0] == 0
    assert len(json.loads(Path(kept).read_text(encoding="utf-8"))["configurations"][0]["processes"]) == 15
    code, out, _ = harness("compare", kept, "results/speed")
    assert (code, out.splitlines()[-1]) == (1, "4 configurations: 1 FAIL, 3 PASS")
    assert "3 sessions" in out
    # The same sessions on both sides are not compared with themselves.
    code, out, _ = harness("compare", kept, "more/speed")
    assert (code, "B has no session that A does not have" in out) == (3, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["results/speed"], "B: missing; allowed two results"),
        (["results/speed", "results/speed"], "the same as A; allowed another result, or two arms"),
        (["results/speed:precision=fp32", "./results/speed:precision=fp32"], "the same as A"),
        (["nowhere", "results/speed"], '"nowhere": no such grid; allowed a grid\'s file, its name'),
        (
            ["results", "results/speed"],
            "results: no record of a timed cell; allowed a grid's timed results: time a grid",
        ),
        (["results/speed:precison=fp32", "results/speed"], 'got "precison"; allowed axes checkpoint, precision'),
        (["results/speed:precision=fp3", "results/speed"], 'got "fp3"; allowed fp32, bf16; did you mean fp32?'),
        (["results/speed:precision=", "results/speed"], 'got "precision="; allowed AXIS=VALUE'),
        (["results/speed:precision=fp32,x", "results/speed"], 'precision: got "x"; allowed fp32, bf16'),
        (["results/speed:precision=fp32,=x", "results/speed"], 'got "=x"; allowed AXIS=VALUE or AXIS=VALUE,VALUE'),
        (["results/speed", "results/speed:precision=bf16"], "allowed one value of precision"),
        (["gone.json", "results/speed"], "gone.json: no such file; allowed a speed baseline"),
        (["speed.toml.json", "results/speed"], "speed.toml.json: line 1, column 1: not JSON"),
        ([*ARMS, "--margin", "0"], "--margin: got 0; allowed above 0"),
        ([*ARMS, "--inconclusive", "no"], '--inconclusive: got "no"; allowed fail, pass'),
        (["--save", "x.json", *ARMS], "--save: got it beside B"),
        (["--save", "x.txt", "results/speed"], '--save: got "x.txt"; allowed a file name that ends in .json'),
        (["--save", "speed.toml.json", "results/speed"], "speed.toml.json: line 1, column 1: not JSON"),
        ([*ARMS, "--confirm", "other.toml"], "a grid named other; allowed the grid of B's results, speed"),
        ([*ARMS, "--confirm", "untimed.toml"], "untimed.toml times nothing"),
    ],
)
def test_what_cannot_be_meant(harness: Make, grid: Path, arguments: list[str], said: str) -> None:
    session(Path("results"), grid, ALIKE)
    text = grid.read_text(encoding="utf-8")
    Path("speed.toml.json").write_text(text.lstrip(), encoding="utf-8")
    Path("other.toml").write_text(text.replace('"speed"', '"other"'), encoding="utf-8")
    Path("untimed.toml").write_text(text.partition("[throughput]")[0], encoding="utf-8")
    code, out, err = harness("compare", *arguments)
    assert (code, out) == (2, "")
    assert said in err


def test_help_has_an_example(harness: Make) -> None:
    code, out, _ = harness("compare", "--help")
    assert code == 0
    assert "Example: harness compare" in " ".join(out.split())


def test_configurations_have_the_names_of_their_grid(harness: Make, grid: Path) -> None:
    """Where only its results are at hand too; JSON and JUnit also have the values as the grid spells them."""
    session(Path("results"), grid, SLOW)
    label = {"adafactor": "Adafactor", "bf16": "half, b"}
    write_meant(Path("results/speed"), Machine(id="a", name="here"), "2026-11-22", {}, label)
    arms = (ARMS[0], 'results/speed:precision="half, b"')
    code, out, err = harness("compare", *arms, "--junit", "speed.xml")
    assert (code, err) == (1, "")
    failed = next(line for line in out.splitlines() if line.startswith("FAIL"))
    assert "Adafactor: fp32 -> half, b" in failed
    assert "optim=adamw_torch: fp32 -> half, b" in out
    sides = [one["subject"] for one in json.loads(harness("compare", *arms, "--json")[1])["verdicts"]]
    assert {(one["label"], one["shown"]) for one in sides} == {
        ("embedded/tiny-bert · bf16 · optim=adafactor", "half, b · Adafactor"),
        ("embedded/tiny-bert · bf16 · optim=adamw_torch", "half, b · optim=adamw_torch"),
    }
    names = {case.get("name") for case in ET.parse("speed.xml").iter("testcase")}
    assert names == {f"embedded/tiny-bert · optim={optim}: bf16 against fp32" for optim in ("adafactor", "adamw_torch")}
    kept = harness("compare", "--save", "kept.json", "results/speed")[1].splitlines()
    assert "  half, b · Adafactor: 1 session, 5 processes" in kept
