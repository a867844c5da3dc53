from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from harness.checks.verify.diff.difference import difference
from harness.checks.verify.fidelity import fidelity
from harness.checks.verify.reproducibility import reproducibility
from harness.checks.verify.series import (
    EXACT,
    FLOOR,
    Tolerance,
    common_steps,
    departure,
    first_other_examples,
    ratio_of,
    relative_tolerance,
    same_examples,
    same_place,
    series_departure,
    tolerance_between,
    unequal,
)
from harness.record.run import Run

MakeRun = Callable[..., Run]
VALUES = st.lists(st.floats(0.1, 10), min_size=1, max_size=30)


@given(VALUES, st.integers(0, 50))
def test_a_series_never_leaves_itself(values: list[float], first: int) -> None:
    a = np.array(values)
    for relative in (0.0, 1e-5):
        assert departure(a, a.copy(), first, relative) is None


@given(VALUES, st.floats(0.25, 8), st.integers(0, 50))
def test_a_scaled_series_is_found_with_its_ratio_on_every_step(values: list[float], r: float, first: int) -> None:
    assume(abs(r - 1) > 1e-3)
    a = np.array(values)
    found = departure(a, r * a, first, 1e-5)
    assert found is not None
    assert (found.step, found.ratio, found.steady) == (first, pytest.approx(r), True)
    assert (found.steps, found.differing) == (len(a), len(a))


@given(VALUES, st.data())
def test_one_odd_step_is_found_where_it_is_and_is_not_steady(values: list[float], data: st.DataObject) -> None:
    a = np.array(values)
    assume(len(a) > 1)
    at = data.draw(st.integers(0, len(a) - 1))
    assume(a[1 if at == 0 else 0] >= FLOOR * a.max())  # some other step must be able to tell
    b = a.copy()
    b[at] *= 2
    found = departure(a, b, 0, 1e-5)
    assert found is not None
    assert (found.step, found.differing, found.steady) == (at, 1, False)


@given(VALUES, VALUES)
def test_departure_is_symmetric_but_for_the_ratio(x: list[float], y: list[float]) -> None:
    length = min(len(x), len(y))
    a, b = np.array(x[:length]), np.array(y[:length])
    there, back = departure(a, b, 0, 1e-5, True), departure(b, a, 0, 1e-5, True)
    assert (there is None) == (back is None)
    if there is not None and back is not None:
        assert (there.step, there.a, there.b, there.differing) == (back.step, back.b, back.a, back.differing)
        assert there.ratio * back.ratio == pytest.approx(1)  # type: ignore[operator]


def test_a_norm_near_zero_is_judged_by_the_runs_largest() -> None:
    # Norms of a real accumulated twin: the third is 300 times smaller than the second, and off by rounding alone.
    a = np.array([0.26181954, 0.52201194, 0.00175565])
    rounded = np.array([0.26181954, 0.52201194, 0.00175573])
    assert departure(a, rounded, 0, 1e-5, floored=False) is not None
    assert departure(a, rounded, 0, 1e-5, floored=True) is None
    doubled = np.array([0.26181954, 0.52201194, 0.0035113])
    found = departure(a, doubled, 0, 1e-5, floored=True)
    assert found is not None
    assert (found.step, found.ratio) == (2, pytest.approx(2.0, abs=1e-4))
    # What all-zero norms are, nobody can scale: they are equal, and anything else is not.
    zero = np.zeros(3)
    assert departure(zero, zero, 0, 1e-5, floored=True) is None
    assert departure(zero, np.full(3, 1e-9), 0, 1e-5, floored=True) is not None


def test_a_ratio_that_drifts_slowly_is_still_the_same_on_every_step() -> None:
    a = np.full(20, 0.5)
    drifting = 4 * a * (1 + 5e-4 * np.arange(20) / 20)
    steady, wandering = departure(a, drifting, 0, 1e-5), departure(a, a * np.linspace(4, 3, 20), 0, 1e-5)
    assert steady is not None
    assert wandering is not None
    assert dict(steady.where.values) == {"step": 0, "steady": True, "differing": 20, "steps": 20}
    assert dict(wandering.where.values) == {"step": 0, "steady": False, "differing": 20, "steps": 20}


@pytest.mark.parametrize(
    ("a", "b", "same"), [(np.nan, np.nan, True), (np.inf, np.inf, True), (np.inf, -np.inf, False), (1.0, np.nan, False)]
)
def test_what_is_not_finite_equals_only_itself(a: float, b: float, same: bool) -> None:
    for relative in (0.0, 1e-2):
        assert bool(unequal(np.array([a]), np.array([b]), relative)[0]) is not same
    assert ratio_of(a, b) is None


def test_steps_of_a_resumed_run_are_aligned_by_number(make_run: MakeRun) -> None:
    whole, resumed = make_run(steps=12), make_run(steps=12, first=5)
    both = common_steps(whole, resumed, "loss")
    assert both is not None
    a, b, first = both
    assert (first, len(a)) == (5, 7)
    assert (a == b).all()
    assert series_departure(whole, resumed, "loss", EXACT) is None
    assert first_other_examples(whole, resumed, ordered=True) is None
    assert common_steps(whole, resumed, "nothing") is None


@given(st.lists(st.integers(0, 9), max_size=12), st.randoms())
def test_examples_are_the_same_in_any_order_but_as_often(ids: list[int], random: Any) -> None:
    shuffled = list(ids)
    random.shuffle(shuffled)
    assert same_examples(np.array(ids), np.array(shuffled))
    assert not same_examples(np.array(ids), np.array([*ids, 3]))
    if ids:
        other = [ids[0] + 100, *ids[1:]]
        assert not same_examples(np.array(ids), np.array(other))


def test_tolerances_by_precision_and_place(make_run: MakeRun, planted: Callable[..., Run]) -> None:
    run = make_run()
    assert tolerance_between(run, run) == Tolerance(1e-5, 20)
    elsewhere = planted(run, {"environment_id": "other"})
    assert not same_place(run, elsewhere)
    assert tolerance_between(run, elsewhere) == Tolerance(1e-5, 1)
    half = planted(run, {"asked.precision": "fp16"})
    assert tolerance_between(run, half) == Tolerance(2e-3, 1)
    assert tolerance_between(half, planted(run, {"asked.precision": "bf16"})) == Tolerance(1.6e-2, 1)
    assert relative_tolerance("int4") == 1e-5


@pytest.mark.parametrize("kept", [0, 1])
def test_a_series_that_ends_early_is_judged_for_what_there_is(
    plain_run: Run, planted: Callable[..., Run], kept: int
) -> None:
    """transformers 4.40 logs no rate: its series has no step, and `ab` ended with an internal error."""
    for name, array in plain_run.series.items():
        less = planted(plain_run, **{name: np.asarray(array)[:kept]})
        verdicts = [difference(plain_run, less), difference(less, plain_run), reproducibility(plain_run, less)]
        assert {fidelity(less).check, *(one.check for one in verdicts)} == {"fidelity", "diff", "reproducibility"}, name
        if name == "learning_rate" and not kept:
            assert "first update" in {fact.values.get("item") for fact in fidelity(less).not_available}
