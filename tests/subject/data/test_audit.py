"""Leaks and repetitions, counted on small splits."""

from __future__ import annotations

from typing import Any

from harness.subject.data.audit import audit
from harness.subject.data.tasks import load


def split(*rows: tuple[str, str, int]) -> dict[str, list[Any]]:
    first, second, label = zip(*rows, strict=True)
    return {"sentence1": list(first), "sentence2": list(second), "label": list(label)}


def repeated(found: dict[str, Any]) -> list[int]:
    return [found["duplicates"], found["other_label"]]


def test_validation_examples_that_are_in_training() -> None:
    train = split(("a", "b", 1), ("c", "d", 0), ("e", "f", 1))
    validation = split(("a", "b", 1), ("c", "d", 1), ("b", "a", 1), ("a  ", "b\n", 0))
    # The third has its texts the other way round; white space makes no other text.
    found = audit({"train": train, "validation": validation})
    assert (found["in_training"], found["other_label"]) == (3, 2)
    assert repeated(found["train"]) == [0, 0]
    assert repeated(found["validation"]) == [1, 1]


def test_a_label_that_training_has_too_is_no_other_label() -> None:
    found = audit({"train": split(("a", "b", 1), ("a", "b", 0)), "validation": split(("a", "b", 0))})
    assert (found["in_training"], found["other_label"]) == (1, 0)
    assert (repeated(found["train"]), repeated(found["validation"])) == ([1, 1], [0, 0])


def test_empty_texts_and_lengths_in_words() -> None:
    rows = [(" ".join(["w"] * n), "one" if n else " ", 0) for n in range(100)]
    found = audit({"train": split(*rows), "validation": split(("", "b", 1))})
    # The words of both texts: 0 in the first, then n + 1.
    assert found["train"]["words"] == {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    assert (found["train"]["empty"], found["validation"]["empty"]) == (1, 1)


def test_one_column_of_text_will_do() -> None:
    train, validation = {"text": ["a", "b"], "label": [0, 1]}, {"text": ["b", "c"], "label": [0, 1]}
    found = audit({"train": train, "validation": validation}, ("text",))
    assert (found["in_training"], found["other_label"]) == (1, 1)


def test_the_generated_corpus_has_neither() -> None:
    found = audit(load({"name": "embedded/paraphrase"}))
    assert (found["in_training"], found["other_label"]) == (0, 0)
    assert (repeated(found["train"]), repeated(found["validation"])) == ([0, 0], [0, 0])
    assert (found["train"]["empty"], found["train"]["words"]["max"]) == (0, 41)
