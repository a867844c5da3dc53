"""`check` of a part of the grid: it is told, corrected as the whole, and chosen seeds get no verdict."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from harness.fact import Fact
from harness.pipelines.check import Checked
from harness.report.phrases.say import say
from tests.pipelines.made_up import BAD, GOOD, Night, check


def test_a_part_is_told(full: Night) -> None:
    found = check(full, "precision=fp32")
    assert found.part == Fact.of("part", cells=5, planned=10, seeds=[], configurations=("bf16",))
    assert say(found.part) == "Part of the grid: 5 of 10 cells; left out: bf16"
    assert {one.subject.label for one in found.verdicts} == {"embedded/tiny-bert · fp32"}
    assert found.exit_code == 0


def test_chosen_seeds_get_no_verdict(night: Night) -> None:
    """Who chooses the seeds chooses the verdict: without the bad one, and without the good ones."""
    night.fill({**GOOD, 2: 100})
    night.means()
    whole = check(night)
    for selection in ("seed=1,3,4,5", "seed=2"):
        found = check(night, selection)
        assert {one.outcome for one in found.verdicts} == {"INCONCLUSIVE"}
        assert {one.reason.code for one in found.verdicts} == {"part.seeds"}
        assert found.exit_code == 3
    assert whole.exit_code != 3 or {one.reason.code for one in whole.verdicts} != {"part.seeds"}
    part = check(night, "seed=1,3,4").part
    assert part is not None
    assert say(part) == "Part of the grid: 6 of 10 cells; left out: seeds 2, 5"


def test_a_part_is_corrected_as_the_whole(night: Night) -> None:
    """Holm over the whole grid: who looks at one configuration alone does not get a smaller p."""
    for cell in night.grid.cells():
        night.put(cell, (BAD if cell.precision == "bf16" else GOOD)[cell.seed])
    night.means()
    numbers: Callable[[Checked], dict[str, Any]] = lambda found: {  # noqa: E731
        f"{one.check} {one.subject.label} {one.item}": (one.outcome, one.adjusted_p, one.family)
        for one in found.verdicts
        if "bf16" in one.subject.label
    }
    whole, part = check(night), check(night, "precision=bf16")
    assert numbers(part) == numbers(whole)
    assert (whole.exit_code, part.exit_code) == (1, 1)
    assert {family for _, _, family in numbers(part).values() if family} >= {2}


def test_what_is_not_heeded_decides_nothing_but_errors_do(night: Night) -> None:
    night.fill(BAD)
    night.means()
    assert [check(night, fail_on=[name]).exit_code for name in ("quality", "parity")] == [1, 0]
    night.put(night.grid.cells()[0], None, "failed", measurement=2)
    assert check(night, fail_on=["parity"]).exit_code == 4
