"""Leaks and repetitions, counted on small splits."""

from __future__ import annotations

from typing import Any

from harness.subject.data.audit import audit
from harness.subject.data.tasks import load


def split(*rows: tuple[str, str, int]) -> dict[str, list[Any]]:
    first, second, label = zip(*rows, strict=True)
    return {"sentence1": list(first), "sentence2": list(second), "label": list(label)}


NOTHING = {"duplicates": 0, "other_label": 0}


def test_validation_examples_that_are_in_training() -> None:
    train = split(("a", "b", 1), ("c", "d", 0), ("e", "f", 1))
    validation = split(("a", "b", 1), ("c", "d", 1), ("b", "a", 1), ("a  ", "b\n", 0))
    # The third has its texts the other way round; white space makes no other text.
    found = audit({"train": train, "validation": validation})
    assert (found["in_training"], found["other_label"]) == (3, 2)
    assert found["train"] == NOTHING
    assert found["validation"] == {"duplicates": 1, "other_label": 1}


def test_a_label_that_training_has_too_is_no_other_label() -> None:
    found = audit({"train": split(("a", "b", 1), ("a", "b", 0)), "validation": split(("a", "b", 0))})
    assert found == {
        "in_training": 1, "other_label": 0, "train": {"duplicates": 1, "other_label": 1}, "validation": NOTHING,
    }  # fmt: skip


def test_one_column_of_text_will_do() -> None:
    train, validation = {"text": ["a", "b"], "label": [0, 1]}, {"text": ["b", "c"], "label": [0, 1]}
    found = audit({"train": train, "validation": validation}, ("text",))
    assert (found["in_training"], found["other_label"]) == (1, 1)


def test_the_generated_corpus_has_neither() -> None:
    found = audit(load({"name": "embedded/paraphrase"}))
    assert found == {"in_training": 0, "other_label": 0, "train": NOTHING, "validation": NOTHING}
