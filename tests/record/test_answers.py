"""Answers pair up with what is true by example, in whatever order a run evaluated."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.record.answers import answers_of

PREDICTED = np.array([1, 0, 0, 1, 1])
TRUTH = np.array([1, 1, 0, 0, 1])
LOGITS = np.stack([1.0 - PREDICTED, PREDICTED], axis=1)


@given(st.permutations(range(5)))
def test_both_are_in_the_order_of_the_ids(order: list[int]) -> None:
    series = {"logits": LOGITS[order], "labels": TRUTH[order], "evaluated_ids": np.array(order) * 10}
    found = answers_of(series)
    assert found.predicted is not None
    assert found.truth is not None
    assert found.predicted.tolist() == PREDICTED.tolist()
    assert found.truth.tolist() == TRUTH.tolist()


def test_without_ids_they_are_as_they_came_and_what_was_not_kept_is_none() -> None:
    found = answers_of({"logits": LOGITS[::-1], "labels": TRUTH[::-1], "evaluated_ids": np.arange(3)})
    assert found.predicted is not None
    assert found.predicted.tolist() == PREDICTED[::-1].tolist()
    assert answers_of({}).predicted is None
    truth = answers_of({"labels": TRUTH}).truth
    assert truth is not None
    assert truth.tolist() == TRUTH.tolist()
