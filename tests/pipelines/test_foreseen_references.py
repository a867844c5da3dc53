"""What is said of a grid's references before it runs: whom they fit, and which values no run can have."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.checks.scores.baseline.file import accepted_path, read_baseline
from harness.pipelines.accept import accept
from harness.pipelines.foreseen import foreseen
from harness.report.phrases.say import say
from tests.pipelines.made_up import GRID, REFERENCE, Night
from tests.pipelines.made_up_grids import COURSE, MRPC, applies, doubts, grid_of

pytestmark = pytest.mark.usefixtures("nothing_accepted")


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
    kept = night.grid.path.read_text()
    night.write(kept.replace("[matrix]", "learning_rate = 3e-4\n[matrix]"))
    (other,) = (say(fact) for fact in foreseen(night.grid).doubts)
    assert "accepts nothing that this grid asks for now" in other
    night.write(kept)
    path.write_text(path.read_text()[:100])
    unreadable, nothing = (say(fact) for fact in foreseen(night.grid).doubts)
    assert unreadable.startswith(f"the accepted file cannot be read: check will end with 2: {path}: ")
    assert nothing.startswith("accuracy: compared with nothing")


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
        "a: no run on 408 examples, 279 positive, can have accuracy 0.8578 with F1 0.8578, which needs 175 of "
        "129 negatives right; nearest F1 0.8840"
    ]
    # Of two runs each may have one of them.
    assert impossible(("a", "accuracy", 0.8578), ("b", "f1", 0.8577)) == []
    assert impossible(("a", "accuracy", 0.8578), ("a", "f1", 0.8997)) == []


def test_an_accuracy_that_a_constant_answer_has() -> None:
    def constant(value: float) -> list[str]:
        written = WRITTEN.format(id="a", metric="accuracy", value=value, statistic="single")
        return [line for line in doubts(MRPC + written) if "constant answer" in line]

    said = "is no better than one constant answer, which has 279 of 408 right"
    assert constant(0.6838) == [f"a: accuracy 0.6838 {said}"]
    assert constant(0.6618) == [f"a: accuracy 0.6618 {said}"]
    assert constant(0.6863) == [], "280 of 408"


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
