"""Which releases are probed: whatever the truth is, what is reported is so, and what is left out is said."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

from hypothesis import given
from hypothesis import strategies as st

from harness.pipelines.bisect.search import Step, due, steps

Truth = dict[str, int | None]
"""What each release really does; None where it cannot be probed."""


def minor(release: str) -> str:
    return release.rpartition(".")[0]


@st.composite
def histories(draw: st.DrawFn) -> Truth:
    """Minors of a few patches each, with few behaviours that come and go."""
    truth: Truth = {}
    for number, patches in enumerate(draw(st.lists(st.integers(1, 4), min_size=1, max_size=8))):
        for patch in range(patches):
            truth[f"{number}.{patch}"] = draw(st.one_of(st.none(), st.integers(0, 2)))
    return truth


def searched(
    truth: Truth, group: Callable[[str], object] | None = minor, exhaustive: bool = False
) -> tuple[list[str], list[Step]]:
    """Search to the end: what was probed in which order, and the steps that were found."""
    releases, order = list(truth), []
    told: dict[str, bool] = {}

    def differ(a: str, b: str) -> bool:
        assert told[a]
        assert told[b]
        return truth[a] != truth[b]

    while wanted := due(releases, told, differ, group=group, exhaustive=exhaustive):
        assert not set(wanted) & told.keys()
        assert wanted == sorted(wanted, key=releases.index)
        order += wanted
        told |= {one: truth[one] is not None for one in wanted}
    return order, steps(releases, told, differ)


def told_values(truth: Mapping[str, int | None], probed: list[str]) -> list[tuple[str, int]]:
    return [(one, value) for one, value in truth.items() if one in probed and value is not None]


@given(histories())
def test_each_is_probed_once_and_every_minor_and_both_ends_are(truth: Truth) -> None:
    probed, _ = searched(truth)
    assert len(probed) == len(set(probed)) <= len(truth)
    assert {next(iter(truth)), list(truth)[-1]} <= set(probed)
    for name in {minor(one) for one in truth}:
        patches = [one for one in truth if minor(one) == name]
        # One that can be probed stands for its minor; where none can, all were tried.
        assert any(truth[one] is not None for one in patches if one in probed) or set(patches) <= set(probed)


@given(histories())
def test_a_step_lies_between_neighbours_and_hides_no_release_that_could_be_probed(truth: Truth) -> None:
    probed, found = searched(truth)
    known = told_values(truth, probed)
    due_steps = [(a, b) for (a, x), (b, y) in itertools.pairwise(known) if x != y]
    assert [(one.a, one.b) for one in found] == due_steps
    for one in found:
        assert all(release in probed and truth[release] is None for release in one.untold)


@given(histories())
def test_what_is_not_probed_lies_between_equal_neighbours(truth: Truth) -> None:
    probed, _ = searched(truth)
    known = told_values(truth, probed)
    order = list(truth)
    for left_out in set(truth) - set(probed):
        before = [value for one, value in known if order.index(one) < order.index(left_out)]
        after = [value for one, value in known if order.index(one) > order.index(left_out)]
        assert not before or not after or before[-1] == after[0]


@given(histories())
def test_exhaustive_probes_all_and_finds_every_step(truth: Truth) -> None:
    probed, found = searched(truth, exhaustive=True)
    known = [(one, value) for one, value in truth.items() if value is not None]
    assert probed == list(truth)
    assert len(found) == sum(x != y for (_, x), (_, y) in itertools.pairwise(known))


@given(st.integers(2, 200), st.data())
def test_one_change_among_commits_is_found_by_halving(count: int, data: st.DataObject) -> None:
    at = data.draw(st.integers(1, count - 1))
    truth: Truth = {str(number): int(number >= at) for number in range(count)}
    probed, found = searched(truth, group=None)
    assert found == [Step(str(at - 1), str(at))]
    assert len(probed) <= 3 + count.bit_length()


def test_what_came_and_went_between_minors_is_found_and_within_one_minor_is_not() -> None:
    truth: Truth = {"4.45.0": 0, "4.45.2": 0, "4.46.0": 1, "4.46.3": 1, "4.47.0": 2, "4.47.1": 0, "4.48.0": 0}
    probed, found = searched(truth)
    assert probed == ["4.45.0", "4.45.2", "4.46.3", "4.47.1", "4.48.0", "4.46.0", "4.47.0"]
    assert [(one.a, one.b) for one in found] == [("4.45.2", "4.46.0"), ("4.46.3", "4.47.0"), ("4.47.0", "4.47.1")]
    # Between equal neighbours nobody looked: that is what "no change seen between probed releases" means.
    assert searched({"1.0": 0, "1.1": 1, "1.2": 0}) == (["1.0", "1.2"], [])
    assert searched({"1.0": 0, "1.1": 1, "1.2": 0}, exhaustive=True)[1] == [Step("1.0", "1.1"), Step("1.1", "1.2")]
