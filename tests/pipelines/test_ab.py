from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from harness.checks.verdict import Fact
from harness.checks.verify.checklist import KINDS, NOT_QUICK, judge
from harness.checks.verify.problems import Environments
from harness.errors import SpecError
from harness.execution.progress import Reporter
from harness.execution.run import Runner, RunOptions
from harness.execution.session import Session
from harness.pipelines.ab.scores import untold
from harness.pipelines.ab.sides import Sides, compare_sides, grid_of_two
from harness.record.model import Failure
from harness.report.phrases.say import say
from harness.report.verdicts.sections import section_markdown, sections_comment


def test_sides_are_requirements_labels_and_interpreters(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    grid = grid_of_two("transformers==4.45.2 accelerate==1.0.1", "current", None)
    assert list(dict.fromkeys(cell.environment for cell in grid.cells())) == [
        "transformers==4.45.2 accelerate==1.0.1", "current",
    ]  # fmt: skip
    own = grid_of_two("current", str(tmp_path), None)
    assert own.environments[tmp_path.name].python == str(tmp_path / "bin" / "python")
    two = grid_of_two("toy @ /a/toy", "toy @ /b/toy", None)
    assert {name: spec.packages for name, spec in two.environments.items()} == {
        "A: toy @ toy": ["toy @ /a/toy"], "B: toy @ toy": ["toy @ /b/toy"],
    }  # fmt: skip
    with pytest.raises(SpecError, match=r'ab: got "nonsense"; allowed a requirement'):
        grid_of_two("nonsense", "current", None)


def test_a_grid_keeps_how_it_trains_and_loses_what_is_about_scores(tmp_path: Path) -> None:
    (tmp_path / "g.toml").write_text(
        'name = "g"\ntask = "embedded/paraphrase"\n[recipe]\nlearning_rate = 1e-4\n[matrix]\n'
        'checkpoint = ["embedded/tiny-bert"]\nseed = [1, 2]\nenvironment = ["current", "old"]\n'
        '[environment.old]\npackages = ["transformers==4.45.2"]\n[[compare]]\naxis = "environment"\n',
        encoding="utf-8",
    )
    grid = grid_of_two("old", "transformers==5.0.0", tmp_path / "g.toml")
    assert list(grid.environments) == ["old", "transformers==5.0.0"]
    assert {cell.recipe["learning_rate"] for cell in grid.cells()} == {1e-4}
    assert grid.compare == []


def test_the_data_of_a_shipped_grid_lie_beside_its_file() -> None:
    grid = grid_of_two("current", "transformers==5.0.0", Path("quickstart"))
    assert (grid.path, (grid.folder / "quickstart-train.csv").is_file()) == (Path("quickstart"), True)


def test_without_a_grid_waivers_are_those_of_the_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text(
        '[[tool.harness.waiver]]\ncheck = "fidelity"\nissue = "a/b#1"\nreason = "known"\nauthor = "me"\n'
        'expires = "2999-01-01"\n',
        encoding="utf-8",
    )
    assert [one.issue for one in grid_of_two("current", "transformers==5.0.0", None).waiver] == ["a/b#1"]
    assert grid_of_two("current", "transformers==5.0.0", Path("quickstart")).waiver == []


def run(session: Session) -> None:
    Runner(session, RunOptions(), Reporter()).run()


def test_one_environment_twice_is_equal_to_the_last_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    grid = grid_of_two("current", "current", None)

    found = compare_sides(grid, tmp_path / "results", run, speed=True)
    assert found.answer == Fact.of(
        "ab.answer", state="identical", compared=1, pairs=1, same=True, different=0, within=0
    )
    assert say(found.answer).startswith("equal to the last bit")
    section = found.section("harness ab current current", only_new=False, grid="")
    assert section.code == 0
    assert [say(fact) for fact in section.head.facts[-2:]] == [
        "speed: not compared, for A and B are one environment",
        "final scores: not compared (--scores): training is the same to the last bit as far as it was run",
    ]
    assert section_markdown(section).startswith("# current -> current: equal to the last bit")


def test_what_was_not_compared_never_reads_as_equal() -> None:
    answer = {"state": "identical", "compared": 3, "pairs": 3, "same": False}
    assert say(Fact.of("ab.answer", **answer)) == "equal to the last bit: 3 pairs of runs of A and B"
    less = say(Fact.of("ab.answer", **{**answer, "pairs": 5}))
    assert less.endswith("2 of 5 could not be compared, which is not to say that they are equal")
    assert say(Fact.of("ab.answer", state="none", compared=0, pairs=2, same=False)).startswith("nothing was compared")


@pytest.mark.slow
def test_two_environments_are_verified_timed_and_scored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same interpreter under two names, on a grid of its own."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    (tmp_path / "g.toml").write_text(
        'name = "g"\ntask = "embedded/paraphrase"\n[recipe]\nmax_steps = 4\n[matrix]\n'
        'checkpoint = ["embedded/tiny-bert"]\nseed = [1, 2]\n[throughput]\nwarmup_steps = 1\nmeasured_steps = 2\n'
        "processes = 2\nonly = true\n",
        encoding="utf-8",
    )
    grid = grid_of_two("current", sys.executable, tmp_path / "g.toml", scores=True)
    found = compare_sides(grid, tmp_path / "results", run, speed=True, scores=True)
    assert found.answer == Fact.of(
        "ab.answer", state="identical", compared=14, pairs=14, same=False, different=0, within=0
    )
    everywhere = [kind for kind in KINDS if kind not in ("repeat", *NOT_QUICK)]
    (ways,) = found.ways
    assert sorted(ways.values["identical"]) == sorted(["plain", *everywhere])
    assert [ways.values[state] for state in ("equal", "unknown", "different")] == [[], [], []]
    assert found.speed is not None
    (timed,) = found.speed
    assert (timed.check, timed.outcome) == ("speed", "INCONCLUSIVE")  # 2 pairs are too few
    (scored,) = [one for one in found.comparisons if one.metric == "accuracy"]
    # A tiny BERT learns nothing in 4 steps, and what has collapsed is compared with nothing.
    assert (scored.axis, scored.word, scored.reason) == ("environment", "undecided", Fact.of("compare.no_runs"))
    section = found.section("harness ab", only_new=False, grid="")
    assert section.code == 0
    # Pairs of one answer are told once; on a pull request all that stands behind the problems is folded.
    text, comment = section_markdown(section), sections_comment([section])
    equal = re.findall(r"\n### PASS, diff: [^\n]*\n\nAnd (\d+) more runs? alike: ", text)
    assert len(equal) == text.count("\n### PASS, diff: ") == 2  # one by the number of steps
    assert sum(map(int, equal)) == 14 - 2
    assert re.search(r"\n14 pairs: 14 PASS\. \d+ checks: ", text)
    assert "<details>" not in text
    head, _, folded = comment.partition("<details>\n<summary>Every pair and check</summary>")
    assert "14 pairs: 14 PASS" in head
    assert "### PASS, diff" not in head
    assert folded.rstrip().endswith("</details>")
    assert "speed: B trains at " in section_markdown(section).replace("Speed", "speed")
    # A run that fails alike in both is told and leaves the answer; one that fails in B alone does not.
    assert all(one.outcome != "ERROR" for one in section.verdicts)
    both = [cell for cell in found.verification.checklist.cells if cell.resume_at]
    assert broken(found, [cell.cell_id for cell in both]).section("", only_new=False, grid="").code == 0
    alone = broken(found, [cell.cell_id for cell in both if cell.environment == found.b])
    assert alone.section("", only_new=False, grid="").code == 4
    assert "could not be compared" in say(alone.answer)
    # Nor does one that is missing in both.
    left = {key: one for key, one in found.verification.runs.items() if key not in {cell.cell_id for cell in both}}
    was = found.verification
    missing = Sides.of(replace(was, runs=left, verdicts=judge(was.checklist, left)))
    assert missing.ways[0].values["unknown"] == ["resume"]
    assert missing.answer == Fact.of(
        "ab.answer", state="identical", compared=13, pairs=14, same=False, different=0, within=0
    )


def test_what_a_verdict_is_in_which_way_of_running() -> None:
    kinds = {"identical": ["plain", "observation"], "equal": ["engine"], "unknown": ["resume"], "different": []}
    assert say(Fact.of("ab.ways", **kinds)) == (
        "the same to the last bit: in a run by itself, watched more closely; the same within rounding: in a plain "
        "training loop; not known: resumed from a checkpoint"
    )


def broken(found: Sides, cells: list[str]) -> Sides:
    """The same where these runs have failed."""
    failure, was = Failure(type="UnpicklingError", message="no"), found.verification
    runs = dict(was.runs)
    for cell_id in cells:
        left = {"status": "failed", "failure": failure, "observed": None, "measured": None}
        failed = runs[cell_id].record.model_copy(update=left)
        runs[cell_id] = replace(runs[cell_id], record=failed)
    verdicts = judge(was.checklist, runs)
    not_new = Environments(was.checklist.cells, verdicts).judged()
    return Sides.of(replace(was, runs=runs, verdicts=[not_new.get(id(one), one) for one in verdicts]))


def test_what_scores_could_tell_goes_by_the_spread_of_runs_that_are_there(tmp_path: Path) -> None:
    unknown = untold(grid_of_two("current", "transformers==5.0.0", None), tmp_path, "different")
    assert "whether they could tell is not known" in say(unknown)
    known = Fact.of("ab.scores", state="different", metric="accuracy", sd=1.25, runs=5, detectable=2.5)
    assert say(known).endswith(
        "seeds spread accuracy by 1.25 points (sd of 5 runs here), so that 5 seeds a side tell a difference of 2.50 "
        "points or more"
    )
