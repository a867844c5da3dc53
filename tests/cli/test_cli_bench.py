"""`harness bench`, the nightly: real nights of a tiny BERT, the grid that fits the machine, several grids in one go."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.errors import RequirementError, SpecError
from harness.exit_codes import worst
from harness.pipelines.bench import Bench, Night
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import Head

Make = Callable[..., Any]
GRIDS = Path(__file__).resolve().parents[1] / "data" / "grids"
BAD = (GRIDS / "bad.toml").read_text(encoding="utf-8")
NIGHT = """
name = "night"
task = "embedded/paraphrase"
[recipe]
max_steps = 2
[matrix]
checkpoint = ["embedded/tiny-bert"]
seed = [1, 2, 3]
[quality]
references = "none"
collapse_rate = 0.95
[history]
"""
"""A grid that gates on collapses alone, by intent. After two steps a tiny BERT answers a constant: undecided, so 3."""


@pytest.fixture
def night(tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    grid = tmp_path / "night.toml"
    grid.write_text(NIGHT, encoding="utf-8")
    return grid


def lines_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (folder / "history.jsonl").read_text(encoding="utf-8").splitlines()]


def test_nights(harness: Make, night: Path) -> None:
    code, out, _ = harness("bench", "night.toml", "--junit", "j.xml", "-o", "o.md", "--comment", "c.md")
    assert code == 3
    assert [line for line in out.splitlines() if line.startswith("1 undecided in ") and line.endswith(" exit 3")]
    out = " ".join(out.split())
    assert "INCONCLUSIVE night: embedded/tiny-bert" in out
    assert "3 of 3 cells measured now, 0 reused" in out
    assert "3 of 3 runs learn nothing, no better than a constant answer" in out
    suite = ET.parse("j.xml").getroot().find("testsuite")
    assert suite is not None
    assert (suite.get("name"), suite.get("tests"), suite.get("failures")) == ("night", "1", "1")
    case = suite.find("testcase")
    assert case is not None
    assert (case.get("classname"), case.get("name")) == ("night.stability", "embedded/tiny-bert (collapses)")
    assert "3 of 3 cells measured now" in Path("o.md").read_text(encoding="utf-8")
    assert Path("c.md").read_text(encoding="utf-8").startswith("<!-- finetune-harness: night -->")
    assert Path("results/night/report.md").is_file()

    # The second night measures nothing: it ends with 5, says so, and its files say so.
    code, out, _ = harness("bench", "night.toml", "--junit", "j.xml")
    assert code == 5
    assert "nothing was measured: every cell was done before" in out
    assert "0 of 3 cells measured now, 3 reused" in out
    assert ET.parse("j.xml").getroot().get("errors") == "1"

    # Young enough is said to be measured; a fresh night measures whole configurations, to the last bit as before.
    assert harness("bench", "night.toml", "--max-age", "20h")[0] == 3
    code, out, _ = harness("bench", "night.toml", "--fresh", "--inconclusive", "pass")
    assert code == 0
    assert "3 of 3 cells measured now, 0 reused" in out
    found = lines_of(night.parent)
    assert [line["exit_code"] for line in found] == [3, 5, 3, 0]
    assert len({line["configurations"][0]["fingerprint"] for line in found}) == 1
    assert found[0]["configurations"][0]["collapsed"] == 3


@pytest.mark.slow
def test_a_night_that_verifies_first_tells_short_runs_as_what_they_are(harness: Make, night: Path) -> None:
    night.write_text(f'{NIGHT}[verify]\nonly = ["repeat"]\nsteps = 2\n', encoding="utf-8")
    _, out, _ = harness("bench", "night.toml")
    short, _, scored = out.partition("2 of 2 cells measured now (2 done)")
    assert "batch=8 · repeat=2 · seed 1: done, " in short
    assert "collapsed" not in short
    assert "3 of 3 cells measured now (3 collapsed)" in scored
    assert "night, verify: 3 checks" in scored


def test_a_night_that_must_not_judge_what_it_has(harness: Make, night: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_REQUIRE", "devices>=4000")
    code, out, _ = harness("bench", "night.toml", "--junit", "j.xml", "-o", "o.md")
    assert code == 4
    assert "requires 4000 devices" in out
    assert ET.parse("j.xml").getroot().get("errors") == "1"
    assert "requires 4000 devices" in Path("o.md").read_text(encoding="utf-8")


@pytest.fixture
def quiet(tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Nights of which each does what `found` says: add a section with a code, or raise."""
    monkeypatch.chdir(tmp_path)
    found: dict[str, Any] = {"ran": []}

    def run(self: Bench, night: Night) -> None:
        found["ran"].append(night.name)
        answer = found.get(night.name, 0)
        if isinstance(answer, Exception):
            raise answer
        night.sections.append(Section(Head("check", "harness bench", grid=night.name), code=answer))

    monkeypatch.setattr(Bench, "_grid", run)
    return found


def test_the_default_grid_is_the_shipped_one_that_fits(
    harness: Make, fake_machine: Make, environment_of: Make, quiet: dict[str, Any]
) -> None:
    fake_machine(environment_of((9, 0)))
    assert harness("bench")[1].startswith("CUDA is available: running mrpc\n")
    fake_machine(environment_of())
    assert harness("bench")[1].startswith("no CUDA device: running quickstart\n")
    assert quiet["ran"] == ["mrpc", "quickstart"]


def test_the_grids_of_the_users_project_come_first(harness: Make, night: Path, quiet: dict[str, Any]) -> None:
    Path("pyproject.toml").write_text('[tool.harness]\ngrids = ["ni*.toml", "quickstart"]\n', encoding="utf-8")
    assert harness("bench")[0] == 0
    assert quiet["ran"] == ["night", "quickstart"]
    Path("pyproject.toml").write_text('[tool.harness]\ngrids = ["gone.toml"]\n', encoding="utf-8")
    code, _, err = harness("bench")
    assert (code, 'tool.harness.grids[0]: got "gone.toml"; no such file' in err) == (2, True)


def test_a_device_that_torch_cannot_use_is_never_a_quiet_fall_back(
    harness: Make, fake_machine: Make, environment_of: Make, quiet: dict[str, Any]
) -> None:
    fake_machine(environment_of(driver=1))
    code, out, err = harness("bench")
    assert (code, out, quiet["ran"]) == (4, "", [])
    assert "the driver shows GPU number 0, but torch cannot use it: torch 2.13.0 is built without CUDA" in err
    assert harness("doctor")[0] == 4


@pytest.mark.parametrize(
    ("codes", "code"),
    [([0], 0), ([0, 3], 3), ([3, 5], 5), ([5, 4, 0], 4), ([4, 1], 1), ([1, 2], 2), ([2, 130], 130), ([2, 70], 70)],
)
def test_exit_codes_of_several_grids_are_merged(codes: list[int], code: int) -> None:
    assert worst(codes) == worst(codes[::-1]) == code


def test_one_grid_that_cannot_run_does_not_stop_the_others(harness: Make, quiet: dict[str, Any], night: Path) -> None:
    Path("other.toml").write_text(NIGHT.replace('"night"', '"other"'), encoding="utf-8")
    quiet["night"] = RequirementError("requires CUDA: none")
    code, out, _ = harness("bench", "night.toml", "other.toml", "--junit", "j.xml")
    assert (code, quiet["ran"]) == (4, ["night", "other"])
    assert "night, bench: exit 4: requires CUDA: none" in out
    suites = ET.parse("j.xml").getroot().findall("testsuite")
    assert [(suite.get("name"), suite.get("errors")) for suite in suites] == [("night", "1"), ("other", "0")]


def test_every_grid_is_read_before_the_first_one_runs(harness: Make, quiet: dict[str, Any], night: Path) -> None:
    Path("bad.toml").write_text(BAD, encoding="utf-8")
    assert harness("bench", "night.toml", "bad.toml")[0] == 2
    code, _, err = harness("bench", "night.toml", "night.toml")
    assert (code, quiet["ran"]) == (2, [])
    assert "allowed a name of its own" in err


def test_what_no_night_could_decide_is_said_before_it_begins(harness: Make, night: Path) -> None:
    night.write_text(NIGHT.replace("[1, 2, 3]", "[1, 2]") + '[require]\naccelerator = "cuda"\n', encoding="utf-8")
    code, out, _ = harness("bench", "night.toml")
    assert code == 4
    assert out.splitlines()[:2] == [
        "night: a whole night: 2 scored cells",
        "warning: stability: 2 seeds, 3 needed: can only be INCONCLUSIVE",
    ]


def test_an_interrupt_ends_the_job(harness: Make, quiet: dict[str, Any], night: Path) -> None:
    Path("other.toml").write_text(NIGHT.replace('"night"', '"other"'), encoding="utf-8")
    quiet["night"] = 130
    assert harness("bench", "night.toml", "other.toml")[0] == 130
    assert quiet["ran"] == ["night"]


def test_a_wish_that_no_grid_can_meet_is_told_at_once(harness: Make, quiet: dict[str, Any], night: Path) -> None:
    quiet["night"] = SpecError("--select: got nonsense")
    assert harness("bench", "night.toml", "--junit", "j.xml")[0] == 2
    assert ET.parse("j.xml").getroot().get("errors") == "1"
