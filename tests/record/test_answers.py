"""Answers pair up with what is true by example, in whatever order a run evaluated."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from harness.record.answers import predicted_of, truth_of

PREDICTED = np.array([1, 0, 0, 1, 1])
TRUTH = np.array([1, 1, 0, 0, 1])
LOGITS = np.stack([1.0 - PREDICTED, PREDICTED], axis=1)


@given(st.permutations(range(5)))
def test_both_are_in_the_order_of_the_ids(order: list[int]) -> None:
    series = {"logits": LOGITS[order], "labels": TRUTH[order], "evaluated_ids": np.array(order) * 10}
    predicted, truth = predicted_of(series), truth_of(series)
    assert predicted is not None
    assert truth is not None
    assert predicted.tolist() == PREDICTED.tolist()
    assert truth.tolist() == TRUTH.tolist()


def test_without_ids_they_are_as_they_came_and_what_was_not_kept_is_none() -> None:
    predicted = predicted_of({"logits": LOGITS[::-1], "evaluated_ids": np.arange(3)})
    assert predicted is not None
    assert predicted.tolist() == PREDICTED[::-1].tolist()
    assert predicted_of({}) is None
    truth = truth_of({"labels": TRUTH})
    assert truth is not None
    assert truth.tolist() == TRUTH.tolist()
