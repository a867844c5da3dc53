from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.descriptive import f1_standard_error

Confusion = tuple[int, int, int, int]


def scores(tp: int, fp: int, fn: int, tn: int) -> tuple[float, float, int]:
    n = tp + fp + fn + tn
    return (tp + tn) / n, 2 * tp / (2 * tp + fp + fn) if tp else 0.0, n


@given(st.tuples(*[st.integers(0, 300)] * 4).filter(any))
def test_true_negatives_change_nothing_to_first_order(confusion: Confusion) -> None:
    tp, fp, fn, tn = confusion
    error = f1_standard_error(*scores(*confusion))
    assert error >= 0
    assert (error == 0) == (not tp or not fp + fn)
    assert f1_standard_error(*scores(tp, fp, fn, tn + 100)) == pytest.approx(error)


@pytest.mark.parametrize("confusion", [(260, 39, 19, 90), (1058, 190, 89, 388), (150, 60, 40, 158)])
def test_the_error_by_resampling_examples(confusion: Confusion) -> None:
    # The second path: multinomial draws of the whole test sample.
    n = sum(confusion)
    tp, fp, fn, _ = np.random.default_rng(1).multinomial(n, np.asarray(confusion) / n, 40_000).T
    assert f1_standard_error(*scores(*confusion)) == pytest.approx((200 * tp / (2 * tp + fp + fn)).std(), rel=0.02)


@pytest.mark.parametrize("bad", [(1.2, 0.5, 408), (0.5, -0.1, 408), (0.5, 0.5, 0)])
def test_nonsense_is_refused(bad: tuple[float, float, int]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        f1_standard_error(*bad)
