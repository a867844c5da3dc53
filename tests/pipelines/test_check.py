"""`check`: what must not be judged is not, what was left out is told, and nothing is green by accident."""

from __future__ import annotations

import pytest

from harness.checks.verdict import Verdict
from harness.errors import NothingMeasured, SpecError
from harness.fact import Fact
from harness.pipelines.check import Checked, Judging
from harness.pipelines.report import grid_report
from harness.report.phrases.head import freshness_text
from harness.report.phrases.say import say
from tests.conftest import environment_of
from tests.pipelines.made_up import BAD, GOOD, GRID, RAN, WITHOUT, Night, check, outcomes


def errors(found: Checked) -> list[Verdict]:
    return [one for one in found.verdicts if one.outcome == "ERROR"]


def collapses(found: Checked) -> list[tuple[int, int]]:
    """(collapsed, ended) of each configuration."""
    return [(one.subject.collapsed, one.subject.ended) for one in found.verdicts if one.item == "collapses"]


def test_an_honest_night_is_green(full: Night) -> None:
    found = check(full)
    gating = {one.check: one.outcome for one in found.verdicts if one.gates}
    assert gating == {"quality": "PASS", "parity": "PASS", "stability": "PASS"}
    assert (found.exit_code, found.part, found.notes) == (0, None, ())


# Whose, and missing.


def test_nothing_recorded_is_exit_5_and_says_what_to_run(night: Night) -> None:
    with pytest.raises(NothingMeasured, match=r"no record of .*night\.toml yet; run it first: harness run "):
        check(night)


def test_after_an_upgrade_the_cells_are_missing(full: Night) -> None:
    full.upgraded(torch="2.14.0")
    found = check(full)
    assert outcomes(found) == {"ERROR stability": 2}
    assert found.exit_code == 4
    assert say(found.notes[0]) == (
        "environment current has changed since the last run: torch 2.13.0 -> 2.14.0; older runs do not count"
    )


def test_one_cell_run_after_an_upgrade_is_no_grid(full: Night) -> None:
    full.upgraded(torch="2.14.0")
    full.put(full.grid.cells()[0], 172, environment_id="env1upgraded")
    found = check(full)
    assert (len(errors(found)), found.exit_code) == (2, 4)
    assert {one.subject.environment_id for one in found.verdicts} <= {"env1upgraded", ""}


def test_all_crashed_is_exit_4_with_the_reason(night: Night) -> None:
    for cell in night.grid.cells():
        night.put(cell, None, "oom")
    night.means()
    found = check(night)
    assert (outcomes(found), found.exit_code) == ({"ERROR stability": 2}, 4)
    assert errors(found)[0].notes == (Fact.of("cells.error", error="E: why"),)


def test_only_the_newest_measurement_is_judged(full: Night) -> None:
    full.fill(BAD, measurement=2)
    assert (check(full).exit_code, "FAIL quality" in outcomes(check(full))) == (1, True)
    full.fill(measurement=3)
    assert check(full).exit_code == 0


def test_a_new_measurement_that_is_not_finished_is_missing_cells(full: Night) -> None:
    full.put(full.grid.cells()[0], 172, measurement=2)
    found = check(full)
    (error,) = errors(found)
    assert (len(error.reason.values["cells"]), error.reason.values["planned"], found.exit_code) == (4, 5, 4)


def test_a_seed_that_diverged_counts_though_a_retry_went_well(night: Night) -> None:
    for cell in night.grid.cells():
        if cell.seed == 3:
            night.put(cell, None, "nonfinite")
            night.put(cell, None, "failed")
        night.put(cell, GOOD[cell.seed])
    night.means()
    assert collapses(check(night)) == [(1, 6)] * 2
    night.fill(measurement=2)
    assert [
        (one.subject.collapsed, one.subject.ended) for one in check(night).verdicts if one.check == "stability"
    ] == [(0, 5)] * 2


# Demands.


@pytest.mark.parametrize("by", ["the grid", "HARNESS_REQUIRE"])
def test_a_gpu_job_does_not_judge_records_of_a_cpu(full: Night, monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    if by == "the grid":
        full.write(GRID + '[require]\naccelerator = "cuda"\n')
    else:
        monkeypatch.setenv("HARNESS_REQUIRE", "cuda")
    found = check(full)
    assert (outcomes(found), found.exit_code) == ({"ERROR stability": 2}, 4)
    assert {say(one.reason) for one in errors(found)} == {"requires cuda: measured on cpu"}


def test_records_of_a_gpu_meet_the_demand_and_not_its_opposite(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    night.fill(machine={"accelerators": ["NVIDIA H100"]})
    night.means()
    monkeypatch.setenv("HARNESS_REQUIRE", "cuda")
    assert check(night).exit_code == 0
    monkeypatch.setenv("HARNESS_REQUIRE", "cpu")
    found = check(night)
    assert {say(one.reason) for one in errors(found)} == {"requires cpu: measured on cuda"}


@pytest.mark.parametrize(
    ("demand", "said"),
    [
        ("devices = 4", "requires 4 devices: measured where there were 1"),
        ("memory_gib = 100", "requires 100 GiB on each device: measured where there were 80.0 GiB"),
    ],
)
def test_numbers_are_demanded_of_the_machine_that_the_run_had(night: Night, demand: str, said: str) -> None:
    night.environments["current"] = environment_of((9, 0))
    night.fill(machine={"accelerators": ["NVIDIA H100"]})
    night.means()
    night.write(GRID + f'[require]\naccelerator = "cuda"\n{demand}\n')
    found = check(night)
    assert ({say(one.reason) for one in errors(found)}, found.exit_code) == ({said}, 4)


def test_a_mistyped_demand_is_no_demand_that_is_met(full: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_REQUIRE", "cude")
    with pytest.raises(SpecError, match="HARNESS_REQUIRE: got 'cude'"):
        check(full)


# Ages.


def test_what_is_too_old_has_an_error_and_no_verdict(full: Night) -> None:
    found = check(full, oldest="2026-11-22T10:30:00.000Z")
    assert (outcomes(found), found.exit_code) == ({"ERROR stability": 2}, 4)
    assert {say(one.reason) for one in errors(found)} == {
        "measured 2026-11-22 10:01, too old: older than 2026-11-22 10:30 (UTC); 5 runs"
    }
    assert check(full, oldest="2026-11-22T09:30:00.000Z").exit_code == 0


def test_one_configuration_that_is_too_old_takes_its_comparisons_along(night: Night) -> None:
    for cell in night.grid.cells():
        old = {"started": "2026-11-01T10:00:00.000Z"} if cell.precision == "bf16" else {}
        night.put(cell, GOOD[cell.seed], **old)
    night.means()
    found = check(night, oldest="2026-11-22T09:00:00.000Z")
    assert found.exit_code == 4
    assert {one.check for one in found.verdicts if "bf16" in one.subject.label} == {"stability"}
    assert not [one for one in found.verdicts if one.check == "parity"]


def test_an_age_is_that_of_a_measurements_first_start(full: Night) -> None:
    """A retry of today makes a measurement of last month no younger."""
    for cell in full.grid.cells():
        full.put(cell, None, "failed", started="2026-11-30T10:00:00.000Z")
        full.put(cell, GOOD[cell.seed], started="2026-11-30T11:00:00.000Z")
    assert check(full, oldest="2026-11-30T00:00:00.000Z").exit_code == 4


def test_freshness_is_told_by_the_last_run(full: Night) -> None:
    found = check(full).freshness
    assert (found.measured, found.reused, found.run) == (10, 0, RAN)
    assert (found.oldest, found.youngest) == ("2026-11-22T10:01:00.000Z",) * 2
    full.means(run="2026-11-23T10:00:00.000Z")
    full.fill(measurement=2, started="2026-11-23T10:00:01.000Z")
    full.put(full.grid.cells()[0], 172, measurement=2, started="2026-11-22T23:00:00.000Z")
    found = check(full).freshness
    assert (found.measured, found.reused, found.oldest) == (9, 1, "2026-11-22T23:00:00.000Z")


# Skipped.


def test_what_is_skipped_is_red_only_when_asked(night: Night) -> None:
    for cell in night.grid.cells():
        skipped = cell.precision == "bf16"
        night.put(cell, None if skipped else GOOD[cell.seed], "skipped" if skipped else "ok")
    night.means()
    assert [check(night, skipped=word).exit_code for word in ("pass", "fail")] == [0, 1]


# Waivers.

WAIVER = """
[[waiver]]
configuration = "embedded/tiny-bert · fp32"
check = "quality"
issue = "a/b#1"
bound = 20
reason = "known"
author = "Ada"
expires = "2999-12-31"
"""


def uses(found: Checked) -> list[str]:
    return [fact.values["use"] for fact in found.waivers]


def test_a_ledger_says_what_became_of_each_waiver(night: Night) -> None:
    others = WAIVER.replace("fp32", "fp23") + WAIVER.replace("2999", "2020").replace("quality", "parity")
    night.write(GRID + WAIVER + others + WAIVER.replace("quality", "baseline"))
    night.fill()
    night.means()
    found = check(night)
    assert (found.exit_code, uses(found)) == (0, ["unused", "unfit", "expired", "unfit"])
    assert found.section(Judging(), "harness check").head.waivers == found.waivers


def test_what_a_selection_leaves_out_is_not_unused(full: Night) -> None:
    full.write(GRID + WAIVER)
    assert uses(check(full, "precision=bf16")) == []
    assert uses(check(full, "precision=fp32")) == ["unused"]


@pytest.mark.parametrize(("bound", "code", "use"), [("20", 0, "used"), ("9.8", 1, "exceeded")])
def test_a_fail_beyond_the_bound_of_its_waiver_is_red(night: Night, bound: str, code: int, use: str) -> None:
    night.write(WITHOUT + GRID[GRID.index("[[reference]]") :] + WAIVER.replace("20", bound))
    night.fill(BAD)
    night.means()
    found = check(night)
    assert (found.exit_code, uses(found)) == (code, [use])


def test_the_head_counts_what_is_missing_among_its_cells(night: Night) -> None:
    cells = night.grid.cells()
    for cell in cells[:4]:
        night.put(cell, 172)
    night.means()
    found = check(night).freshness
    assert (found.cells, found.missing) == (4, 6)
    assert freshness_text(found).startswith("4 of 10 cells measured now, 0 reused, 6 missing; ")


def test_a_report_of_scores_that_nothing_is_held_against_says_so(night: Night) -> None:
    night.write(f"{WITHOUT}[quality]\nmargin = 3.0\n")
    night.fill()
    night.means()
    found = grid_report(night.grid, night.store, Judging(), command="c")
    assert [fact.code for fact in found.head.facts] == ["judged.nothing"]
    assert found.files["report.md"].startswith("# Scores are held against nothing; 1 judgement: 1 PASS")
    # Of chosen seeds there is no verdict for another reason.
    part = grid_report(night.grid, night.store, Judging(("seed=1,2",)), command="c")
    assert part.head.facts == ()
