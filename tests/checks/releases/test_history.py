"""A history: which releases differ in what, which value each has, and what says nothing."""

from __future__ import annotations

import pytest

from harness.checks.releases.history import History
from harness.pipelines.bisect.search import steps
from tests.checks.releases.made_up import PATCHES, RELEASES, probed


def history(*on: str, broken: tuple[str, ...] = ()) -> History:
    found = History(RELEASES, on)
    for version in PATCHES:
        found.add(probed(version, version in broken))
    return found


def test_a_check_differs_by_what_failed_and_by_how_much() -> None:
    found = history("accumulation")
    assert [(one.a, one.b) for one in steps(found.order, found.told, found.differ)] == [
        ("4.45.2", "4.46.0"),
        ("4.46.1", "4.47.0"),
    ]
    (change,) = found.changes("4.45.2", "4.46.0")
    assert (change.field, change.a.code, change.b.code) == ("accumulation", "bisect.pass", "bisect.fail")
    assert change.b.values["items"]["gradient norm"] == pytest.approx(4, rel=1e-3)
    assert change.ratio == pytest.approx(4, rel=1e-3)
    assert not found.differ("4.46.0", "4.46.1")
    assert list(found.kinds("accumulation").values()) == [0, 0, 0, 1, 1, 0, 0, 0]


def test_without_a_check_the_short_run_counts_too() -> None:
    found = history()
    assert [(one.a, one.b) for one in steps(found.order, found.told, found.differ)][-1] == ("4.47.0", "4.47.1")
    (change,) = found.changes("4.47.0", "4.47.1")
    assert (change.field, change.a, change.b) == ("attention.kernels", ["_efficient"], ["flash"])
    assert found.changing() == ["attention.kernels"]
    assert list(found.kinds("attention.kernels").values()) == [0] * 6 + [1] * 2


def test_what_could_not_be_probed_is_neither_equal_nor_different() -> None:
    found = history("accumulation", broken=("4.46.0", "4.47.0"))
    assert found.told["4.46.0"] is False
    assert [(one.a, one.b, one.untold) for one in steps(found.order, found.told, found.differ)] == [
        ("4.45.2", "4.46.1", ("4.46.0",)),
        ("4.46.1", "4.47.1", ("4.47.0",)),
    ]
    assert "4.46.0" not in found.kinds("accumulation")
