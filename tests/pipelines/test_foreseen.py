"""What is said of a grid before it runs is what the gate says after the best of nights."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.checks.scores.gate import judge_grid
from harness.checks.verdict import exit_code
from harness.pipelines.foreseen import foreseen
from harness.record.provenance import today
from harness.record.results import Results
from harness.report.phrases.say import say
from tests.pipelines.made_up import GRID, Night
from tests.pipelines.made_up_grids import MRPC, applies, doubts, grid_of

pytestmark = pytest.mark.usefixtures("nothing_accepted")


def seeds(number: int) -> tuple[str, str]:
    return "seed = [1, 2, 3, 4, 5]", f"seed = {list(range(1, number + 1))}"


def test_a_sound_grid_has_no_doubts() -> None:
    assert doubts(GRID) == []
    assert applies(GRID) == ["published: 2 of 2 configurations (checkpoint embedded/tiny-bert)"]


# Seeds.


def test_two_seeds_are_too_few_for_each_check() -> None:
    assert doubts(GRID, seeds(2)) == [
        "stability: 2 seeds, 3 needed: can only be INCONCLUSIVE",
        "parity: 2 seeds, 5 needed: can only be INCONCLUSIVE",
        "quality against published: 2 seeds, 5 needed: can only be INCONCLUSIVE",
    ]


@pytest.mark.parametrize("number", [3, 4])
def test_four_seeds_do_where_the_gate_says_so(number: int) -> None:
    """Two configurations lend each other no spread, four do: the number needed is that of the gate, no rule of ours."""
    few = f"{number} seeds, 5 needed: can only be INCONCLUSIVE"
    assert doubts(GRID, seeds(number)) == [f"parity: {few}", f"quality against published: {few}"]
    four = ('precision = ["fp32", "bf16"]', 'precision = ["fp32", "bf16"]\nengine = ["trainer", "loop"]')
    assert doubts(GRID, seeds(number), four) == [f"parity: {few}"]


def test_seeds_that_differ_by_configuration() -> None:
    more = ("[[reference]]", "[matrix.x]\n[[reference]]")
    text = GRID.replace("[[reference]]", 'exclude = [{ precision = "bf16", seed = 5 }]\n[[reference]]', 1)
    assert more[0] in text
    assert doubts(text) == [
        "parity: 4 seeds, 5 needed: can only be INCONCLUSIVE",
        "quality against published: 4 seeds, 5 needed: can only be INCONCLUSIVE (1 of 2)",
    ]


def test_seeds_of_a_planned_look_suffice() -> None:
    assert doubts(GRID, ("seed = [1, 2, 3, 4, 5]", "seeds = { looks = [3, 5] }")) == []
    (parity, quality) = doubts(GRID, ("seed = [1, 2, 3, 4, 5]", "seeds = { looks = [3, 4] }"))
    assert parity.startswith("parity: 4 seeds, 5 needed")
    assert quality.startswith("quality against published: 4 seeds, 5 needed")


def test_without_a_seed_in_common_nothing_is_paired() -> None:
    apart = ("seed = [1, 2, 3, 4, 5]", "seed = [1, 2, 3, 4, 5, 11, 12, 13, 14, 15]\nexclude = [" + ", ".join(
        [f'{{ precision = "bf16", seed = {n} }}' for n in (1, 2, 3, 4, 5)]
        + [f'{{ precision = "fp32", seed = {n} }}' for n in (11, 12, 13, 14, 15)]
    ) + "]")  # fmt: skip
    assert doubts(GRID, apart) == ["parity: 0 seeds, 5 needed: can only be INCONCLUSIVE"]


def test_a_margin_that_the_references_own_spread_does_not_allow() -> None:
    wide = ("sd = 0.01\nn = 25", "sd = 0.06\nn = 2")
    assert doubts(GRID, wide) == [
        "quality against published: not even equal scores lie within the margin of 3.5 points for sure: can never PASS"
    ]


# What lies here.


def test_folders_packages_and_interpreters_that_are_not_here() -> None:
    text = """
    name = "g"
    task = "data/mrcp"
    [matrix]
    checkpoint = ["./nowhere", "mini"]
    environment = ["current", "old"]
    seed = [1, 2, 3, 4, 5]
    [checkpoint.mini]
    from = "pypi:no-such-distribution"
    [environment.old]
    python = "old/bin/python"
    [quality]
    references = "none"
    """
    found = foreseen(grid_of(text))
    said = [say(fact) for fact in found.missing]
    codes = [fact.code.partition(".")[2] for fact in found.missing]
    assert codes == ["missing", "missing", "no_package", "no_interpreter"]
    assert said[0].startswith("not here: task 'data/mrcp': data/mrcp has no train.tsv; allowed: ")
    assert said[1] == "not here: checkpoint ./nowhere: nowhere is not a folder"
    assert "no-such-distribution" in said[2]
    assert said[3] == "not here: no interpreter of old: old/bin/python"
    assert (found.blocked, found.doubts) == (True, ())
    assert not foreseen(grid_of(GRID)).blocked


# Speed.


@pytest.mark.parametrize(("processes", "said"), [(1, 1), (4, 1), (5, 0), (20, 0)])
def test_timing_processes(processes: int, said: int) -> None:
    line = f"[throughput] processes = {processes}: 5 quiet ones are needed: speed side by side can only be INCONCLUSIVE"
    assert doubts(f"{GRID}[throughput]\nprocesses = {processes}\n") == [line] * said


# And it comes true.


@pytest.mark.parametrize("number", [2, 3, 5])
def test_what_is_foreseen_is_what_check_says(night: Night, number: int) -> None:
    night.write(GRID.replace(*seeds(number)))
    night.fill()
    night.means()
    verdicts = judge_grid(night.grid, Results.of(night.grid, night.store, night.grid.cells()), today())
    open_ones = {one.check for one in verdicts if one.gates and one.outcome == "INCONCLUSIVE"}
    assert open_ones == {fact.values["check"] for fact in foreseen(night.grid).doubts}
    assert (exit_code(verdicts) == 3) is bool(open_ones)


# Values and recipes that are hardly meant.


def test_arguments_of_which_one_has_no_effect_are_told() -> None:
    steps = 'num_train_epochs = 1\nmax_steps = 10\nmetric_for_best_model = "loss"\ngreater_is_better = true\n[matrix]'
    found = doubts(GRID, ("num_train_epochs = 1\n[matrix]", steps))
    assert found[:2] == [
        "max_steps = 10 counts, num_train_epochs = 1 does not",
        'greater_is_better = true with metric_for_best_model = "loss" keeps the worst model: the lower loss is the '
        "better",
    ]


@pytest.mark.parametrize(("label", "said"), [(0, True), (1, True), (None, False)])
def test_one_class_in_the_validation_split_is_told(tmp_path: Path, label: int | None, said: bool) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for file in ("train.tsv", "dev.tsv"):
        rows = "".join(f"{number % 2 if label is None else label}\ta{number}\tb\n" for number in range(4))
        (folder / file).write_text(f"Quality\t#1 String\t#2 String\n{rows}", encoding="utf-8")
    lines = [line for line in doubts(MRPC.replace("glue/mrpc", "data")) if "one class" in line]
    undefined = "; F1 is undefined" if label == 0 else ""
    expected = f"one class in the validation split: all 4 examples have label {label}{undefined}; "
    assert lines == ([f"{expected}accuracy tells nothing of the other class"] if said else [])


# Which model is scored.


def test_a_best_epoch_is_not_compared_with_a_last_one() -> None:
    best = ("recipe = { num_train_epochs = 1 }", 'recipe = { num_train_epochs = 1 }\nselection = "best epoch"')
    load = ("num_train_epochs = 1\n[matrix]", "num_train_epochs = 1\nload_best_model_at_end = true\n"
            'save_strategy = "epoch"\n[matrix]')  # fmt: skip
    only = "can only be INCONCLUSIVE"
    assert doubts(GRID, best) == [
        f"quality against published: recipes differ (selection: run last, reference best epoch): {only}"
    ]
    assert doubts(GRID, load) == [
        f"quality against published: recipes differ (selection: run best epoch by loss, reference last): {only}"
    ]
    assert doubts(GRID, best, load) == []
    harmless = ("margin = 3.0\nparity", 'margin = 3.0\nharmless = ["selection"]\nparity')
    assert doubts(GRID, best, harmless) == []
