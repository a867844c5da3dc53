"""Answers kept in a report's JSON: the same again, and comparisons computed again from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.run.kept import packed, unpacked


@given(st.lists(st.integers(0, 1), min_size=1, max_size=70) | st.lists(st.integers(0, 255), min_size=1, max_size=70))
def test_classes_come_back(classes: list[int]) -> None:
    text = packed(np.array(classes))
    assert text is not None
    assert unpacked(text, len(classes)).tolist() == classes


def test_what_is_no_class_is_not_kept() -> None:
    assert packed(None) is None
    assert packed(np.array([0.5, 1, 2])) is None
    assert packed(np.array([0, -1])) is None
    assert packed(np.array([0, 256])) is None
    assert packed(np.array([])) is None
    assert packed(np.array([2, 0, 1])) == "u8:AgAB"
    assert packed(np.array([1, 0, 0, 0, 0, 0, 0, 0, 1])) == "gIA="


@pytest.mark.parametrize("text", ["gIA", "gI!=", "gIAA", "u8:gIA="])
def test_damaged_answers_are_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"^answers: "):
        unpacked(text, 9)
