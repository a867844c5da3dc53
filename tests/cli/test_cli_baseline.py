"""`harness baseline` on a real run: save, compare with itself, with planted changes, and with broken files."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from benchmarks.synthetic_store import Template, fill
from harness.grid.grid import load_grid
from harness.record.attempts import SCORED
from harness.record.store import Store

Make = Callable[..., Any]
SAVED = "reports/baselines/tour.json"


@pytest.fixture
def saved(harness: Make, here: Path, tmp_path: Path) -> Path:
    """The shared run's baseline."""
    path = tmp_path / "base.json"
    code, _, err = harness("baseline", "save", "tour.toml", "-o", str(path), "--note", "first of all")
    assert (code, err) == (0, "")
    return path


def changed(path: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    data = json.loads(path.read_text(encoding="utf-8"))
    change(data)
    other = path.with_name("changed.json")
    other.write_text(json.dumps(data), encoding="utf-8")
    return other


def first(data: dict[str, Any]) -> dict[str, Any]:
    found = data["configurations"][0]
    assert isinstance(found, dict)
    return found


def plant_a_score(data: dict[str, Any]) -> None:
    first(data)["seeds"]["42"]["accuracy"] += 0.05


def test_save_says_what_it_leaves_out(harness: Make, here: Path, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "base.json"
    code, out, err = harness("baseline", "save", "tour.toml", "-o", str(path), "--note", "two\nlines")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert lines[0].startswith(f"wrote {path}: 1 configuration, 1 run")
    assert (
        sum("left out: embedded/tiny-bert · fp32 · optim=adamw_bnb_8bit · seed 42: failed, " in x for x in lines) == 1
    )
    assert sum(": skipped, " in x for x in lines) == 2
    data = json.loads(path.read_text(encoding="utf-8"))
    assert (data["schema"], data["note"], data["grid"]["file"]) == (1, "two lines", "tour.toml")
    assert data["command"].startswith("harness baseline save tour.toml -o ")
    (entry,) = [e for e in Store(here / "results", "tour").entries() if e.status in SCORED]
    run = data["configurations"][0]["seeds"]["42"]
    assert (run["status"], run["accuracy"]) == (entry.status, entry.metrics["accuracy"])
    record = Store(here / "results", "tour").record(entry)
    assert record.observed is not None
    assert record.observed.weights is not None
    assert record.observed.fingerprint is not None
    assert str(record.observed.weights.final_sha256).startswith(run["final_sha256"])
    assert record.observed.fingerprint.loss_sha256.startswith(run["loss_sha256"])
    assert len(run["final_sha256"]) == 20


def test_save_does_not_replace_unasked(harness: Make, saved: Path) -> None:
    before = saved.read_text(encoding="utf-8")
    assert harness("baseline", "save", "tour.toml", "-o", str(saved))[0] == 2
    assert saved.read_text(encoding="utf-8") == before
    assert harness("baseline", "save", "tour.toml", "-o", str(saved), "--force")[0] == 0
    assert json.loads(saved.read_text(encoding="utf-8"))["note"] == ""


@pytest.mark.parametrize("selection", ["precision=fp16", "optim=adamw_bnb_8bit"])
def test_nothing_scored_is_not_saved(harness: Make, here: Path, tmp_path: Path, selection: str) -> None:
    path = tmp_path / "base.json"
    code, out, err = harness("baseline", "save", "tour.toml", "-o", str(path), "-s", selection)
    assert (code, out) == (5, "")
    assert "no run of tour.toml has a score; nothing is saved" in err
    assert "left out: " in err
    assert not path.exists()


def test_no_results_at_all(harness: Make, here: Path, saved: Path, tmp_path: Path) -> None:
    for command in (["save", "tour.toml"], ["compare", str(saved)]):
        code, _, err = harness("baseline", *command, "--results", str(tmp_path / "none"))
        assert code == 5
        assert "no record of tour.toml yet; run it first: harness run tour.toml" in err


def test_compared_with_itself_it_passes_by_identity(harness: Make, saved: Path) -> None:
    for arguments in ([], ["tour.toml"], [str(saved)]):
        code, out, err = harness("baseline", "compare", str(saved), *arguments)
        assert (code, err) == (0, "")
        lines = out.splitlines()
        assert lines[0].startswith(f"A: {saved}, 20")
        assert "(first of all) B: " in " ".join(out.split())
        told = [line.strip() for line in lines]
        at = told.index("PASS          baseline: Equal bit for bit at the only seed.")
        assert told[at + 1].startswith("embedded/tiny-bert · fp32 · optim=adamw_torch against")
        assert lines[-1] == "4 configurations: 3 SKIP, 1 PASS"
        assert "environment" not in out


def test_a_grid_alone_is_compared_with_its_own_baseline(harness: Make, here: Path) -> None:
    code, _, err = harness("baseline", "compare", "tour.toml")
    assert code == 2
    assert f"{SAVED}: no such file; allowed a baseline as `harness baseline save` writes it" in err
    try:
        assert harness("baseline", "save", "tour.toml", "-s", "optim=adamw_torch", "-s", "precision=fp32")[0] == 0
        for a in ("tour.toml", SAVED):
            code, out, _ = harness("baseline", "compare", a)
            # What the baseline selected is what it is compared with.
            assert (code, out.splitlines()[-1]) == (0, "1 configuration: 1 PASS")
    finally:
        (here / SAVED).unlink()


def test_a_planted_score_is_found(harness: Make, saved: Path) -> None:
    path = changed(saved, plant_a_score)
    code, out, _ = harness("baseline", "compare", str(path))
    assert code == 5  # of one seed nothing can be decided
    assert "first difference: scores at seed 42; usually means: another metric" in " ".join(out.split())
    assert harness("baseline", "compare", str(path), "--inconclusive", "pass")[0] == 5


def test_planted_weights_and_packages_are_found(harness: Make, saved: Path) -> None:
    def plant(data: dict[str, Any]) -> None:
        first(data)["seeds"]["42"]["init_sha256"] = "0" * 20
        (environment,) = data["environments"].values()
        environment["packages"]["transformers"] = "4.0.0"

    code, out, _ = harness("baseline", "compare", str(changed(saved, plant)), "--json")
    assert code == 5
    data = json.loads(out)
    assert (data["kind"], data["exit_code"]) == ("harness-baseline", 5)
    (environment,) = data["head"]["facts"]
    (change,) = environment["values"]["changes"]
    assert (environment["code"], change["code"]) == ("environment.changed", "changed")
    assert (change["values"]["field"], change["values"]["a"]) == ("transformers", "4.0.0")
    (one,) = [one for one in data["verdicts"] if one["outcome"] != "SKIP"]
    assert (one["check"], one["outcome"], one["subject"]["runs"][0]["seed"]) == ("baseline", "INCONCLUSIVE", 42)
    (finding,) = one["findings"]
    assert (finding["item"], finding["cause"], finding["fact"]["values"]["seeds"]) == (
        "initial weights",
        "initial weights",
        [42],
    )


def test_every_form_for_a_ci(harness: Make, saved: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    junit, out = tmp_path / "j.xml", tmp_path / "out.md"
    path = changed(saved, plant_a_score)
    code, _, err = harness("baseline", "compare", str(path), "--junit", str(junit), "-o", str(out))
    assert code == 5
    assert "::error title=INCONCLUSIVE baseline::" in err
    names = [case.attrib["name"] for case in ET.parse(junit).getroot().iter("testcase")]
    assert f"embedded/tiny-bert · fp32 · optim=adamw_torch against {path}" in names
    assert out.read_text(encoding="utf-8") == (tmp_path / "summary.md").read_text(encoding="utf-8")
    assert "first difference: scores at seed 42" in out.read_text(encoding="utf-8")


def test_missing_and_new_configurations(harness: Make, saved: Path) -> None:
    def rename(data: dict[str, Any]) -> None:
        data["configurations"].append({**first(data), "label": "extra", "configuration_id": "extra"})

    more = changed(saved, rename)
    code, out, _ = harness("baseline", "compare", str(more))
    assert code == 4
    assert "ERROR         baseline: Missing: tour.toml (results/tour) has no such configuration." in out
    code, out, _ = harness("baseline", "compare", str(saved), str(more))
    assert code == 0
    assert f"SKIP baseline: New: {saved} has no run of it." in " ".join(out.split())

    def other(data: dict[str, Any]) -> None:
        first(data)["configuration_id"] = "other"
        first(data)["asked"]["threads"] = 7
        data["left_out"] = []

    nothing = changed(saved, other)
    code, out, _ = harness("baseline", "compare", str(nothing))
    assert code == 5
    assert "asks for something else: threads 7 -> 1" in out
    assert "A and B have no configuration in common" in out


@pytest.mark.parametrize(
    ("change", "arguments", "said"),
    [
        ({"file": "gone.toml"}, [], 'grid.file: got "gone.toml"; allowed a grid that is there'),
        ({"select": ["speed=1"]}, [], 'changed.json: grid.select: --select: got "speed"; allowed'),
        ({}, ["none.toml"], "none.toml: no such file; allowed the TOML file of a grid"),
        ({}, ["--margin", "nan"], "--margin: got nan; allowed above 0 to 100 points"),
    ],
)
def test_what_cannot_be_compared_is_named(
    harness: Make, saved: Path, change: dict[str, Any], arguments: list[str], said: str
) -> None:
    path = changed(saved, lambda data: data["grid"].update(change))
    code, out, err = harness("baseline", "compare", str(path), *arguments)
    assert (code, out) == (2, "")
    assert said in err


MANY = """
name = "many"
task = "embedded/paraphrase"
[recipe]
max_steps = 4
[matrix]
checkpoint = ["embedded/tiny-bert"]
seed = [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
precision = ["fp32", "bf16"]
"""
WAIVER = """
[[waiver]]
configuration = "embedded/tiny-bert · fp32"
check = "baseline"
reason = "known"
author = "Ada"
expires = "{}"
"""


@pytest.fixture
def many(harness: Make, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store of 20 runs made from the shared one, and its baseline; this process in their folder."""
    shared = Store(here / "results", "tour")
    (entry,) = [e for e in shared.entries() if e.status in SCORED]
    monkeypatch.chdir(tmp_path)
    (tmp_path / "many.toml").write_text(MANY, encoding="utf-8")
    template = Template(shared.record(entry), shared.series_path(entry))
    fill(Store(tmp_path / "results", "many"), load_grid(Path("many.toml")).cells(), template)
    code, out, _ = harness("baseline", "save", "many.toml")
    assert (code, "2 configurations, 20 runs" in out) == (0, True)
    return tmp_path / "reports" / "baselines" / "many.json"


def better(data: dict[str, Any]) -> None:
    """As if fp32 had been 8 points better before."""
    for run in first(data)["seeds"].values():
        if run["status"] == "ok":
            run["accuracy"] += 0.08 + 0.001 * (run["accuracy"] > 0.84)


def test_a_loss_fails_with_its_configuration_alone(harness: Make, many: Path) -> None:
    assert harness("baseline", "compare", "many.toml")[0] == 0
    code, out, _ = harness("baseline", "compare", str(changed(many, better)))
    assert code == 1
    lines = out.splitlines()
    at = next(n for n, line in enumerate(lines) if line.startswith("FAIL baseline: embedded/tiny-bert · fp32 against"))
    behind = " ".join(" ".join(lines[at : at + 8]).split())
    assert re.search(r"\b8\.\d+ points below ", behind), behind
    assert lines[-1] == "2 configurations: 1 FAIL, 1 PASS"
    assert harness("baseline", "compare", str(changed(many, better)), "--margin", "9")[0] == 0


def test_a_waiver_of_the_grid_is_shown_and_void_after_its_day(harness: Make, many: Path) -> None:
    path = changed(many, better)
    Path("many.toml").write_text(MANY + WAIVER.format("2999-12-31"), encoding="utf-8")
    code, out, _ = harness("baseline", "compare", str(path))
    assert code == 0
    lines = out.splitlines()
    assert "FAIL (waived) baseline: embedded/tiny-bert · fp32 against" in " ".join(out.split())
    assert "    Waived: waived by Ada until 2999-12-31: known" in lines
    assert "  - embedded/tiny-bert · fp32, baseline: 1 failure waived by Ada until 2999-12-31: known" in lines
    Path("many.toml").write_text(MANY + WAIVER.format("2020-12-31"), encoding="utf-8")
    code, out, _ = harness("baseline", "compare", str(path))
    assert code == 1
    assert "void since 2020-12-31, 1 failure no longer waived" in out
