"""Answers kept in a report's JSON: the same again, and comparisons computed again from them."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.report.run.kept import packed, unpacked


@given(st.lists(st.integers(0, 1), min_size=1, max_size=70))
def test_bits_come_back(bits: list[int]) -> None:
    text = packed(np.array(bits))
    assert text is not None
    assert unpacked(text, len(bits)).tolist() == bits


def test_what_is_no_bit_is_not_kept() -> None:
    assert packed(None) is None
    assert packed(np.array([0, 1, 2])) is None
    assert packed(np.array([])) is None
    assert packed(np.array([1, 0, 0, 0, 0, 0, 0, 0, 1])) == "gIA="


@pytest.mark.parametrize("text", ["gIA", "gI!=", "gIAA"])
def test_damaged_answers_are_said(text: str) -> None:
    with pytest.raises(ValueError, match=r"^answers: "):
        unpacked(text, 9)
