"""What is told of data and checkpoints before anything trains, and what is then in the record and the report."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.checks.verify.diff.compare import compare
from harness.checks.verify.diff.explain import explain
from harness.execution.cache import LOCK, Scratch
from harness.record.run import read_run
from harness.subject.data import checkpoints, corpus

HEADER = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n"
GRID = """
name = "g"
task = "{task}"
[recipe]
max_steps = 2
[matrix]
checkpoint = ["{checkpoint}"]
seed = [1]
"""
Rows = list[tuple[str, str, int]]


@pytest.fixture
def rows() -> Rows:
    made = corpus.generate("train", 100)
    return list(zip(made["sentence1"], made["sentence2"], made["label"], strict=True))


def write(folder: Path, train: Rows, validation: Rows) -> None:
    folder.mkdir()
    for file, rows in (("train.tsv", train), ("dev.tsv", validation)):
        lines = "".join(f"{label}\t1\t2\t{first}\t{second}\n" for first, second, label in rows)
        (folder / file).write_text(HEADER + lines, encoding="utf-8")


def grid(house: Any, task: str = "data", checkpoint: str = "embedded/tiny-bert") -> None:
    text = GRID.format(task=task, checkpoint=checkpoint)
    (house.folder / "g.toml").write_text(text, encoding="utf-8")


@pytest.mark.slow
def test_validation_examples_that_are_in_training_are_told_recorded_and_reported(house: Any, rows: Rows) -> None:
    validation = [(a, b, 1 - label if number < 5 else label) for number, (a, b, label) in enumerate(rows[:60])]
    write(house.folder / "data", [*rows, *rows[:3]], validation)
    grid(house)
    code, output = house.run()
    assert code == 0, output
    leak = "60 of 60 validation examples are in training, 5 with the other label"
    twice = "3 of 103 training examples repeat an earlier one"
    lines = output.splitlines()
    assert [line for line in lines if line.startswith("warning: ")] == [f"warning: {leak}", f"warning: {twice}"]
    assert lines.index(f"warning: {leak}") < next(n for n, line in enumerate(lines) if line.startswith("start "))
    (record,) = house.records()
    audit = record.observed.data.audit
    assert (audit.in_training, audit.other_label, audit.train.duplicates) == (60, 5, 3)
    _, output = house.run("-o", "report.md", command="report")
    text = (house.folder / "report.md").read_text(encoding="utf-8")
    assert leak in output
    assert f"{leak}. {twice}." in text.split("## Results")[0]
    assert leak in house.run(command="check")[1]


@pytest.mark.slow
def test_each_length_is_tokenized_for_itself_and_is_the_cause_of_what_differs(house: Any, rows: Rows) -> None:
    write(house.folder / "data", rows, rows[:60])
    grid(house)
    text = (house.folder / "g.toml").read_text(encoding="utf-8")
    (house.folder / "g.toml").write_text(f"{text}max_length = [24, 40, 100]\n", encoding="utf-8")
    code, output = house.run()
    assert code == 0, output
    found = {record.asked.recipe["max_length"]: record.observed for record in house.records()}
    cut = {length: seen.data.truncated.rows["train"] for length, seen in found.items()}
    assert cut[24] > cut[40] > cut[100] == 0
    for length in (24, 40):
        assert f"warning: {cut[length]} of 100 training examples are truncated to {length} tokens" in output
        assert found[length].fingerprint.widths.most == length
    assert all("max_length" not in seen.arguments for seen in found.values())
    # They stand in the report once each, and nothing of what was not truncated.
    house.run("-o", "report.md", command="report")
    report = (house.folder / "report.md").read_text(encoding="utf-8")
    assert report.count("training examples are truncated to") == 2
    runs = [read_run(house.store.folder / entry.path) for entry in house.scanned()]
    a, b = (run for run in runs if run.record.asked.recipe["max_length"] != 40)
    found = explain(a, b, compare(a, b))
    assert (found.state, [one.field for one in found.causes]) == ("different", ["recipe.max_length"])
    assert not [one.field for one in found.held if one.field.startswith(("inputs", "evaluation inputs"))]


@pytest.mark.slow
def test_one_class_is_told_before_training_and_all_right_is_no_collapse(house: Any, rows: Rows) -> None:
    # Training has one class too: after a few steps at this rate every answer is right.
    negatives = [row for row in rows if row[2] == 0]
    write(house.folder / "data", negatives[:20], negatives[20:30])
    grid(house)
    text = (house.folder / "g.toml").read_text(encoding="utf-8")
    fast = "max_steps = 8\nlearning_rate = 0.01"
    (house.folder / "g.toml").write_text(text.replace("max_steps = 2", fast), encoding="utf-8")
    code, output = house.run()
    assert code == 0, output
    assert "warning: one class in the validation split: all 10 examples have label 0; F1 is undefined" in output
    (record,) = house.records()
    assert (record.status, record.measured.metrics["accuracy"], "f1" in record.measured.metrics) == ("ok", 1.0, False)
    assert record.measured.confusion.named["tn"] == 10
    _, checked = house.run(command="check")
    assert "0 of 1 runs collapsed" in checked


@pytest.fixture
def saved(house: Any) -> Path:
    return Path(
        shutil.copytree(checkpoints.locate("embedded/tiny-bert", None, None, house.cache), house.folder / "own")
    )


def save_head(folder: Path, names: list[str]) -> None:
    from transformers import AutoModelForSequenceClassification

    labels = dict(enumerate(names))
    model = AutoModelForSequenceClassification.from_pretrained(folder, num_labels=len(names), id2label=labels)
    model.save_pretrained(folder)
    assert json.loads((folder / "config.json").read_text())["id2label"] == {str(n): name for n, name in labels.items()}


@pytest.mark.slow
def test_a_head_of_three_classes_keeps_its_cells_from_beginning(house: Any, saved: Path) -> None:
    save_head(saved, ["a", "b", "c"])
    grid(house, "embedded/paraphrase", "./own")
    code, output = house.run()
    assert code == 4, output
    assert (
        "blocked, 1 cell: checkpoint ./own: its saved head has 3 classes, the task has 2; "
        "allowed one without a head, or with a head of 2" in output
    )
    assert house.records() == []


@pytest.mark.slow
def test_a_head_whose_classes_are_the_other_way_round_is_told(house: Any, saved: Path) -> None:
    save_head(saved, ["equivalent", "not_equivalent"])
    grid(house, "embedded/paraphrase", "./own")
    code, output = house.run()
    assert code == 0, output
    said = "warning: checkpoint ./own: its saved head calls the classes equivalent, not_equivalent, the task "
    assert output.count(said) == 1
    # Also where what was prepared is found again.
    (house.folder / "g.toml").write_text((house.folder / "g.toml").read_text().replace("[1]", "[1, 2]"))
    code, output = house.run()
    assert (code, output.count("preparing "), output.count(said)) == (0, 0, 1)


def test_what_dead_processes_left_is_removed_and_nothing_else(tmp_path: Path) -> None:
    place, other = tmp_path / "place", tmp_path / "other"
    for folder in (place / "x-dead" / "deep", place / "another", place / "x-another-program's", other):
        folder.mkdir(parents=True)
    (place / "x-dead" / LOCK).touch()
    (place / "x-link").symlink_to(other)
    first = Scratch(place, "x-")
    held = first.folder()
    second = Scratch(place, "x-")
    assert held.is_dir()
    assert not (place / "x-dead").exists()
    assert (place / "another").is_dir()
    assert list(other.iterdir()) == []
    first.close()
    second.close()
    assert sorted(path.name for path in place.iterdir()) == ["another", "x-another-program's", "x-link"]
