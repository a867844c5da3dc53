from __future__ import annotations

from pathlib import Path

import pytest

from harness.checks.verdict import Fact
from harness.errors import SpecError
from harness.execution.progress import Reporter
from harness.execution.run import Runner, RunOptions
from harness.execution.session import Session
from harness.pipelines.ab.sides import compare_sides, grid_of_two
from harness.report.phrases.say import say
from harness.report.verdicts.sections import section_markdown


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


def test_one_environment_twice_is_equal_to_the_last_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path))
    grid = grid_of_two("current", "current", None)

    def run(session: Session) -> None:
        Runner(session, RunOptions(), Reporter()).run()

    found = compare_sides(grid, tmp_path / "results", run)
    assert found.answer == Fact.of("ab.answer", state="identical", compared=1, pairs=1, same=True)
    assert say(found.answer).startswith("equal to the last bit")
    section = found.section("harness ab current current", only_new=False, grid="")
    assert section.code == 0
    assert section_markdown(section).startswith("# current -> current: equal to the last bit")


def test_what_was_not_compared_never_reads_as_equal() -> None:
    answer = {"state": "identical", "compared": 3, "pairs": 3, "same": False}
    assert say(Fact.of("ab.answer", **answer)) == "equal to the last bit: 3 pairs of runs of A and B"
    less = say(Fact.of("ab.answer", **{**answer, "pairs": 5}))
    assert less.endswith("2 of 5 could not be compared, which is not to say that they are equal")
    assert say(Fact.of("ab.answer", state="none", compared=0, pairs=2, same=False)).startswith("nothing was compared")
