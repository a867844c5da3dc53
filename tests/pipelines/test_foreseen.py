"""What is said of a grid before it runs is what the gate says after the best of nights."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.checks.scores.baseline.file import accepted_path, read_baseline
from harness.checks.scores.gate import judge_grid
from harness.checks.verdict import exit_code
from harness.grid.grid import Grid, load_grid
from harness.pipelines.accept import accept
from harness.pipelines.foreseen import foreseen
from harness.record.provenance import today
from harness.record.results import Results
from harness.report.phrases.say import say
from tests.pipelines.made_up import GRID, Night

REFERENCE = "[[reference]]" + GRID.partition("[[reference]]")[2].partition("[quality]")[0]
COURSE = '[[reference]]\nid = "hf-course-ch3"\n'
MRPC = """
name = "m"
task = "glue/mrpc"
[matrix]
checkpoint = ["google-bert/bert-base-uncased", "google-bert/bert-base-cased"]
seed = [42, 1, 2, 3, 4]
"""


@pytest.fixture(autouse=True)
def _nothing_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_FILES", raising=False)


def grid_of(text: str, *changes: tuple[str, str]) -> Grid:
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    Path("g.toml").write_text(text, encoding="utf-8")
    return load_grid(Path("g.toml"))


def doubts(text: str, *changes: tuple[str, str]) -> list[str]:
    return [say(fact) for fact in foreseen(grid_of(text, *changes)).doubts]


def applies(text: str, *changes: tuple[str, str]) -> list[str]:
    return [say(fact) for fact in foreseen(grid_of(text, *changes)).applies]


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


# References.


def test_which_configurations_a_reference_is_for() -> None:
    assert applies(MRPC + COURSE) == [
        "not checked, needs the hub: glue/mrpc, google-bert/bert-base-uncased, google-bert/bert-base-cased",
        "hf-course-ch3: 1 of 2 configurations (checkpoint google-bert/bert-base-uncased)",
    ]
    assert doubts(MRPC + COURSE) == []


def test_a_reference_of_another_task_or_checkpoint() -> None:
    assert doubts(GRID, (REFERENCE, REFERENCE + COURSE)) == [
        "hf-course-ch3: not compared, other task (glue/mrpc, here embedded/paraphrase)"
    ]
    minni = ('checkpoint = "embedded/tiny-bert"', 'checkpoint = "embedded/tiny-brt"')
    assert doubts(GRID, minni) == [
        "published: not compared, fits no checkpoint of this grid (embedded/tiny-brt, here embedded/tiny-bert); did "
        "you mean embedded/tiny-bert?"
    ]


def test_a_recipe_that_differs_is_told_once_a_reference() -> None:
    other = ("[recipe]\nnum_train_epochs = 1", "[recipe]\nnum_train_epochs = 2")
    assert doubts(GRID, other) == [
        "quality against published: recipes differ (num_train_epochs: run 2, reference 1): can only be INCONCLUSIVE"
    ]
    axis = ("[matrix]", "[matrix]\nlearning_rate = [1e-5, 2e-5, 3e-5]")
    stated = ("recipe = { num_train_epochs = 1 }", "recipe = { num_train_epochs = 1, learning_rate = 1e-5 }")
    (line,) = doubts(GRID, axis, stated)
    assert line == (
        "quality against published: recipes differ (learning_rate: run 2e-05, reference 1e-05; learning_rate: run "
        "3e-05, reference 1e-05): can only be INCONCLUSIVE (4 of 6)"
    )


@pytest.mark.parametrize("kept", ["task", "checkpoint"])
def test_what_compares_with_nothing_is_said(kept: str) -> None:
    alone = (', "bf16"', "")
    reference = COURSE if kept == "checkpoint" else REFERENCE.replace('"embedded/tiny-bert"', '"x"')
    found = doubts(GRID, alone, (REFERENCE, reference))
    assert found[-1] == (
        'accuracy: compared with nothing: check will end with 5, unless [quality] references = "none", or results are '
        "accepted"
    )
    assert len(found) == 2


def test_a_grid_without_a_reference() -> None:
    alone = GRID.partition("[[reference]]")[0].replace(', "bf16"', "")
    (line,) = doubts(alone)
    assert line.startswith("accuracy: compared with nothing")
    assert doubts(alone + '[quality]\nreferences = "none"\n') == []
    (line,) = doubts(alone + '[quality]\ngate = ["accuracy", "f1"]\n')
    assert line.startswith("accuracy and f1: compared with nothing")


def test_an_accepted_file_is_something_to_compare_with(night: Night) -> None:
    night.write(GRID.partition("[[reference]]")[0].replace(', "bf16"', ""))
    night.fill()
    night.means()
    assert len(foreseen(night.grid).doubts) == 1
    accept(night.grid, night.store, (), None, "a note", None)
    path = accepted_path("night")
    assert read_baseline(path).configurations
    assert foreseen(night.grid).doubts == ()
    path.write_text(path.read_text()[:100])
    unreadable, nothing = (say(fact) for fact in foreseen(night.grid).doubts)
    assert unreadable.startswith(f"the accepted file cannot be read: check will end with 2: {path}: ")
    assert nothing.startswith("accuracy: compared with nothing")


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


def test_counts_of_a_folders_examples_tell_whether_a_reference_is_of_them() -> None:
    """A folder with MRPC's counts is compared with what is published on it, as after a run."""
    Path("files").mkdir()
    header = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
    Path("files/train.tsv").write_text(header + "1\t1\t2\ta\tb\n")
    for positives, fits in ((279, True), (278, False)):
        labels = [1] * positives + [0] * (408 - positives)
        rows = "".join(f'{label}\t1\t2\t"a\tb\n' for label in labels)
        Path("files/dev.tsv").write_text(header + rows)
        found = foreseen(grid_of(MRPC.replace("glue/mrpc", "files") + COURSE))
        assert (found.applies[-1].code == "foreseen.applies") is fits
        assert ([fact.code for fact in found.doubts][:1] == ["reference.other_task"]) is not fits


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

WRITTEN = """
[[reference]]
id = "{id}"
metric = "{metric}"
statistic = "{statistic}"
value = {value}
split = "validation"
source = "made up"
"""


def impossible(*written: tuple[str, str, float], statistic: str = "single", text: str = MRPC) -> list[str]:
    more = "".join(
        WRITTEN.format(id=name, metric=metric, value=value, statistic=statistic) for name, metric, value in written
    )
    more = more.replace('"mean"', '"mean"\nn = 5')
    return [line for line in doubts(text + more) if "can have" in line]


def test_an_accuracy_that_no_run_of_408_can_have() -> None:
    assert impossible(("a", "accuracy", 0.9225)) == [
        "a: no run on 408 examples, 279 positive, can have accuracy 0.9225; 400 of the examples can give it"
    ]
    assert impossible(("a", "accuracy", 0.9216)) == []
    # 0.9225 can be a mean of five: 1882 of 2040 answers.
    assert impossible(("a", "accuracy", 0.9225), statistic="mean") == []
    assert impossible(("a", "accuracy", 0.92251), statistic="mean") == [
        "a: no mean of 5 runs on 408 examples, 279 positive, can have accuracy 0.92251"
    ]


def test_an_accuracy_and_an_f1_that_no_run_has_together() -> None:
    both = [("a", "accuracy", 0.8578), ("a", "f1", 0.8578)]
    assert impossible(*both) == [
        "a: no run on 408 examples, 279 positive, can have accuracy 0.8578 with F1 0.8578; nearest F1 0.8840"
    ]
    # Of two runs each may have one of them.
    assert impossible(("a", "accuracy", 0.8578), ("b", "f1", 0.8577)) == []
    assert impossible(("a", "accuracy", 0.8578), ("a", "f1", 0.8997)) == []


def test_the_examples_counted_are_the_grid_s_own(tmp_path: Path) -> None:
    own = MRPC.replace("glue/mrpc", "data")
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.tsv").write_text("Quality\t#1 String\t#2 String\n1\ta\tb\n", encoding="utf-8")
    rows = "".join(f"{int(number < 6)}\ta{number}\tb\n" for number in range(10))
    (folder / "dev.tsv").write_text(f"Quality\t#1 String\t#2 String\n{rows}", encoding="utf-8")
    assert impossible(("a", "accuracy", 0.85), text=own) == [
        "a: no run on 10 examples, 6 positive, can have accuracy 0.85; nearest accuracy 0.8000 or 0.9000"
    ]
    assert impossible(("a", "accuracy", 0.9), text=own) == []


def test_a_written_value_that_contradicts_the_registry() -> None:
    """The course's recipe has given 0.82 to 0.88 in 25 runs; a single 0.9020 of it lies outside."""
    recipe = "{ learning_rate = 5e-5, per_device_train_batch_size = 8, num_train_epochs = 3 }"
    text = WRITTEN.format(id="mine", metric="accuracy", statistic="single", value=0.902)
    text += f'checkpoint = "google-bert/bert-base-uncased"\nrecipe = {recipe}\n'
    (found,) = [line for line in doubts(MRPC + text) if line.startswith("contradiction: mine 0.9020")]
    assert "the range of 25 runs (replication-course-uncased)" in found
    assert not [line for line in doubts(MRPC + text.replace("0.902", "0.8578")) if "contradiction" in line]


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
