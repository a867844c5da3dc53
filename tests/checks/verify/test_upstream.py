"""The known issue is named only where what was found fits it."""

from __future__ import annotations

import pytest

from harness.checks.verify.upstream import BACKWARD_SCALE, EPOCH_STEPS, LOSS_SCALE, Scaling, ends_early, known_issue
from tests.checks.conftest import build_run, plant


@pytest.mark.parametrize(
    ("kind", "ratio", "run", "against", "fits"),
    [
        ("accumulation", 4.0, Scaling(4, 1, "5.23.0", True), Scaling(1, 1, "5.23.0", True), True),
        ("accumulation", 4.001, Scaling(4, 1, "5.23.0", True), Scaling(1, 1, "5.23.0", True), True),
        ("accumulation", 4.0, Scaling(4, 1, "4.45.2", True), Scaling(1, 1, "4.45.2", True), False),
        ("accumulation", 4.0, Scaling(4, 1, "5.23.0", False), Scaling(1, 1, "5.23.0", True), False),
        ("accumulation", 4.0, Scaling(4, 1, None, True), Scaling(1, 1, None, True), False),
        ("accumulation", 3.0, Scaling(4, 1, "5.23.0", True), Scaling(1, 1, "5.23.0", True), False),
        ("accumulation", 1.0, Scaling(1, 1, "5.23.0", True), Scaling(1, 1, "5.23.0", True), False),
        ("devices", 2.0, Scaling(4, 2, "5.23.0", True), Scaling(4, 1, "5.23.0", True), True),
        ("work_around", 0.125, Scaling(1, 1, "5.23.0", False), Scaling(4, 2, "5.23.0", True), True),
        ("engine", 0.25, Scaling(4, 1, "5.23.0", None, "loop"), Scaling(4, 1, "5.23.0", True), True),
        ("evaluation loss", 2.0, Scaling(4, 2, "5.23.0", True), None, True),
        ("evaluation loss", 8.0, Scaling(4, 2, "5.23.0", True), None, False),
        ("resume", 4.0, Scaling(4, 1, "5.23.0", True), None, False),
        ("accumulation", None, Scaling(4, 1, "5.23.0", True), None, False),
    ],
)
def test_the_known_issue_is_named_only_where_it_fits(
    kind: str, ratio: float | None, run: Scaling, against: Scaling | None, fits: bool
) -> None:
    assert known_issue(kind, ratio, run, against) == (LOSS_SCALE if fits else None)


@pytest.mark.parametrize(
    ("version", "ratio", "fits"),
    [
        ("4.46.3", 4.0, True),
        ("4.47.1", 4.0, True),
        ("4.48.0", 4.0, False),
        ("4.45.2", 4.0, False),
        ("4.46.3", 2.0, False),
    ],
)
def test_gradients_that_were_added_up_undivided(version: str, ratio: float, fits: bool) -> None:
    run, single = Scaling(4, 1, version, False), Scaling(1, 1, version, False)
    assert known_issue("accumulation", ratio, run, single) == (BACKWARD_SCALE if fits else None)


@pytest.mark.parametrize(
    ("version", "accumulation", "fits"),
    [("4.48.3", 4, True), ("4.51.3", 4, True), ("4.52.0", 4, False), ("4.47.1", 4, False), ("4.49.0", 1, False)],
)
def test_epochs_that_end_early(version: str, accumulation: int, fits: bool) -> None:
    run = plant(build_run(batch=2, accumulation=accumulation), {"observed.packages.transformers": version})
    assert ends_early(run) == (EPOCH_STEPS if fits else None)
