from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.f1 import scores

Confusion = tuple[int, int, int, int]


@given(st.tuples(*[st.integers(0, 300)] * 4).filter(any))
def test_f1_is_the_harmonic_mean_of_precision_and_recall(confusion: Confusion) -> None:
    tp, fp, fn, tn = confusion
    found = scores(*confusion)
    assert found.accuracy == pytest.approx(100 * (tp + tn) / sum(confusion))
    if not tp:
        assert (found.f1, found.se_f1) == (0.0, 0.0)
        return
    precision, recall = tp / (tp + fp), tp / (tp + fn)
    assert found.f1 == pytest.approx(100 * 2 * precision * recall / (precision + recall))
    assert found.se_f1 >= 0
    # True negatives change neither F1 nor, to first order, its error.
    more = scores(tp, fp, fn, tn + 100)
    assert more.f1 == pytest.approx(found.f1)
    assert more.se_f1 == pytest.approx(found.se_f1)


def test_by_hand() -> None:
    found = scores(260, 39, 19, 90)
    assert (found.accuracy, found.f1) == (pytest.approx(85.784314), pytest.approx(89.965398))
    assert found.se_accuracy == pytest.approx(1.729, abs=5e-4)
    assert found.se_f1 == pytest.approx(1.311, abs=5e-4)


@pytest.mark.parametrize("confusion", [(260, 39, 19, 90), (1058, 190, 89, 388), (150, 60, 40, 158)])
def test_errors_by_resampling_examples(confusion: Confusion) -> None:
    # The second path: multinomial draws of the whole test sample.
    n = sum(confusion)
    draws = np.random.default_rng(1).multinomial(n, np.asarray(confusion) / n, 40_000)
    tp, fp, fn, tn = draws.T
    f1, accuracy = 200 * tp / (2 * tp + fp + fn), 100 * (tp + tn) / n
    found = scores(*confusion)
    assert found.se_f1 == pytest.approx(f1.std(), rel=0.02)
    assert found.se_accuracy == pytest.approx(accuracy.std(), rel=0.02)


@pytest.mark.parametrize("confusion", [(0, 0, 0, 0), (1, -1, 2, 2)])
def test_nonsense_is_refused(confusion: Confusion) -> None:
    with pytest.raises(ValueError, match="allowed"):
        scores(*confusion)
