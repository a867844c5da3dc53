from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.stats.drift import drift


def trajectories(runs: int, seed: int, steps: int = 20) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return 0.7 * np.exp(-np.arange(steps) / 30) + np.cumsum(generator.normal(0, 1e-4, (runs, steps)), axis=1)


def test_a_run_of_the_same_law_has_a_uniform_rank() -> None:
    # Exact under exchangeability: with 9 base runs p is uniform on .1, .2, ..., 1.
    p = [drift(runs[:-1].tolist(), runs[-1].tolist()).p for runs in (trajectories(10, seed) for seed in range(2000))]
    shares = np.bincount(np.round(np.asarray(p) * 10).astype(int), minlength=11)[1:] / 2000
    assert shares == pytest.approx(np.full(10, 0.1), abs=0.025)


def test_another_trajectory_is_found() -> None:
    runs = trajectories(19, 5)
    candidate = runs[0] + np.linspace(0, 0.02, 20)
    found = drift(runs.tolist(), candidate.tolist())
    assert found.p == found.least_p == 0.05
    assert found.can_reject()
    assert found.score > max(found.base_scores)


def test_scores_by_hand() -> None:
    # 10 against 1, 2, 3: median 2, MAD 1. 1 against 2, 3, 10: 3 and 1; 2 against 1, 3, 10: 3 and 2; 3: 2 and 1.
    found = drift([[1.0], [2.0], [3.0]], [10.0], epsilon=0.0)
    assert found.score == 8
    assert found.base_scores == (2.0, 0.5, 1.0)


def test_few_base_runs_may_only_warn() -> None:
    runs = trajectories(9, 6)
    found = drift(runs.tolist(), (runs[0] + 1).tolist())
    assert (found.p, found.least_p) == (0.1, 0.1)
    assert not found.can_reject()


@given(st.integers(3, 12), st.integers(0, 50), st.floats(-3, 3))
def test_a_shift_of_all_changes_nothing(runs: int, seed: int, shift: float) -> None:
    losses = trajectories(runs + 1, seed)
    first = drift(losses[:-1].tolist(), losses[-1].tolist())
    second = drift((losses[:-1] + shift).tolist(), (losses[-1] + shift).tolist())
    assert second.score == pytest.approx(first.score, rel=1e-4)
    assert 1 / (runs + 1) <= first.p <= 1


def test_runs_equal_to_the_bit() -> None:
    same = [[0.7, 0.6, 0.5]] * 5
    assert drift(same, same[0]).p == 1.0
    assert drift(same, [0.7, 0.6, 0.5001]).p == pytest.approx(1 / 6)


@pytest.mark.parametrize(
    "call",
    [
        lambda: drift([[0.7]] * 2, [0.7]),
        lambda: drift([[0.7, 0.6]] * 3, [0.7]),
        lambda: drift([[0.7]] * 3, [float("nan")]),
        lambda: drift([[]] * 3, []),
    ],
)
def test_nonsense_is_refused(call: Callable[[], object]) -> None:
    with pytest.raises(ValueError, match="allowed"):
        call()
