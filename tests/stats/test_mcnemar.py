from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.mcnemar import ClassFlips, compare_answers, least_sd, mcnemar, overdispersion

counts = st.integers(0, 60)


@given(counts, counts, st.integers(0, 400))
def test_exact_p_by_summing_a_binomial(b: int, c: int, agreed: int) -> None:
    n = b + c + agreed
    if not n:
        return
    found = mcnemar(b, c, n)
    # The second path: twice the tail of a fair coin, in whole numbers.
    tail = sum(math.comb(b + c, k) for k in range(min(b, c) + 1)) / 2 ** (b + c)
    assert found.p == pytest.approx(min(1.0, 2 * tail), rel=1e-9)
    assert mcnemar(c, b, n).p == pytest.approx(found.p, rel=1e-9)
    assert found.least_p <= found.p + 1e-12
    assert found.agreement == pytest.approx(agreed / n)
    assert found.difference == pytest.approx(100 * (c - b) / n)


@pytest.mark.parametrize(("flips", "can"), [(0, False), (5, False), (6, True)])
def test_fewer_than_six_flips_cannot_reject(flips: int, can: bool) -> None:
    found = mcnemar(0, flips, 408)
    assert found.p == pytest.approx(found.least_p)
    assert found.can_reject() == can


@given(counts, counts, st.integers(1, 400))
def test_se_is_that_of_the_examples_differences(b: int, c: int, agreed: int) -> None:
    d = np.repeat([-1.0, 1.0, 0.0], [b, c, agreed])
    assert mcnemar(b, c, d.size).se_independent == pytest.approx(100 * d.std() / math.sqrt(d.size), abs=1e-9)


def test_answers_by_class() -> None:
    labels = [1, 1, 1, 1, 0, 0, 0]
    first = [1, 1, 0, 0, 0, 1, 0]
    second = [1, 0, 1, 0, 1, 0, 0]
    found, by_class = compare_answers(labels, first, second)
    assert (found.b, found.c, found.n) == (2, 2, 7)
    assert by_class == {0: ClassFlips(3, 1, 1), 1: ClassFlips(4, 1, 1)}


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2), st.integers(0, 2)), min_size=1, max_size=40))
def test_answers_and_accuracies_agree(rows: list[tuple[int, int, int]]) -> None:
    labels, first, second = (list(each) for each in zip(*rows, strict=True))
    found, by_class = compare_answers(labels, first, second)
    accuracy = [np.mean(np.asarray(each) == np.asarray(labels)) for each in (first, second)]
    assert found.difference == pytest.approx(100 * (accuracy[1] - accuracy[0]), abs=1e-9)
    assert sum(each.became_right for each in by_class.values()) == found.c
    assert sum(each.became_wrong for each in by_class.values()) == found.b
    assert sum(each.n for each in by_class.values()) == found.n


def pairs_with(phi: float, pairs: int = 1500) -> float:
    """Pairs of runs whose 37 flips of 408 lean together: the second's share of them varies from pair to pair."""
    generator = np.random.default_rng(int(10 * phi))
    # Var(c - b) = 37 + 37 * 36 * 4 Var(share): so much variance of the share gives phi.
    variance = (phi - 1) / (36 * 4)
    share = np.full(pairs, 0.5)
    if variance:
        ab = (0.25 / variance - 1) / 2
        share = generator.beta(ab, ab, pairs)
    c = generator.binomial(37, share)
    return overdispersion([mcnemar(37 - int(each), int(each), 408) for each in c]) or 0.0


@pytest.mark.parametrize("phi", [1.0, 3.0])
def test_overdispersion_is_found_again(phi: float) -> None:
    assert pairs_with(phi) == pytest.approx(phi, rel=0.15)


def test_nothing_flipped_says_nothing_of_phi() -> None:
    assert overdispersion([mcnemar(0, 0, 408)]) is None
    assert overdispersion([mcnemar(4, 0, 408), mcnemar(2, 2, 408)]) == 16 / 8


def test_least_sd() -> None:
    assert least_sd(0.09, 408) == pytest.approx(1.05, abs=0.005)
    # The second path: two runs with independent flips of 9 % of the examples differ with twice the variance of one.
    generator = np.random.default_rng(12)
    b, c = generator.multinomial(408, [0.045, 0.045, 0.91], 20_000)[:, :2].T
    assert (100 * (b - c) / 408).std() / math.sqrt(2) == pytest.approx(least_sd(0.09, 408), rel=0.02)
    assert least_sd(0.09, 408, phi=4) == pytest.approx(2 * least_sd(0.09, 408))


@pytest.mark.parametrize(
    "call",
    [
        lambda: mcnemar(-1, 3, 408),
        lambda: mcnemar(200, 209, 408),
        lambda: compare_answers([1], [1, 0], [1]),
        lambda: compare_answers([], [], []),
        lambda: overdispersion([mcnemar(1, 1, 408), mcnemar(1, 1, 1725)]),
        lambda: least_sd(1.5, 408),
        lambda: least_sd(0.1, 0),
    ],
)
def test_nonsense_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        call()
