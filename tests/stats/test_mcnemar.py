from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.paired import discordant, mcnemar, overdispersion

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
    assert found.churn == pytest.approx(1 - agreed / n)
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


@given(st.lists(st.tuples(*[st.integers(0, 1)] * 3), min_size=1, max_size=40))
def test_flips_from_answers_and_accuracies(rows: list[tuple[int, int, int]]) -> None:
    labels, a, b = (np.asarray(each) for each in zip(*rows, strict=True))
    # The second path knows the labels.
    lost, won = int(np.sum((a == labels) & (b != labels))), int(np.sum((a != labels) & (b == labels)))
    assert discordant(a, b, float(np.mean(a == labels)), float(np.mean(b == labels))) == (lost, won)


def test_flips_that_cannot_be_told() -> None:
    a, b = np.array([0, 1, 1, 0]), np.array([0, 1, 0, 0])
    assert discordant(a, b, 0.75, 0.5) == (1, 0)
    assert discordant(a, b, 0.75, 0.75) is None, "one changed answer changes one correctness"
    assert discordant(a, b, 0.75, None) is None
    assert discordant(a, b[:3], 0.75, 0.5) is None
    assert discordant(a, np.array([0, 1, 2, 0]), 0.75, 0.5) is None, "three classes"


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
    return overdispersion((37 - int(each), int(each)) for each in c) or 0.0


@pytest.mark.parametrize("phi", [1.0, 3.0])
def test_overdispersion_is_found_again(phi: float) -> None:
    assert pairs_with(phi) == pytest.approx(phi, rel=0.15)


def test_nothing_flipped_says_nothing_of_phi() -> None:
    assert overdispersion([(0, 0)]) is None
    assert overdispersion([(4, 0), (2, 2)]) == 16 / 8


@pytest.mark.parametrize(
    "call",
    [
        lambda: mcnemar(-1, 3, 408),
        lambda: mcnemar(200, 209, 408),
    ],
)
def test_nonsense_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        call()
