"""What older measurements say of what is red: last good, since when, what changed; judged by the rules of today."""

from __future__ import annotations

import shutil
from typing import Any

import pytest

from harness.checks.verdict import Verdict
from harness.pipelines.accept import accept
from harness.pipelines.check import Judging, check_grid
from harness.pipelines.history import append_line
from harness.pipelines.judged import judged
from harness.report.phrases.say import say
from tests.pipelines.made_up import GOOD, GRID, RAN, Night

BAD = {seed: correct - 20 for seed, correct in GOOD.items()}
TONIGHT = "2026-11-24T02:00:00.000Z"


def night_of(night: Night, day: int, correct: dict[int, int], number: int, **changes: Any) -> None:
    """A measurement of the whole grid on a day of November, run by run."""
    for at, cell in enumerate(night.grid.cells()):
        started = f"2026-11-{day:02d}T02:{at:02d}:00.000Z"
        right = correct[cell.seed] + (cell.precision == "bf16") * (cell.seed % 3 - 1)
        night.put(cell, right, measurement=number, started=started, **changes)


def red(night: Night, **asked: Any) -> dict[str, Verdict]:
    """By check and precision."""
    found = check_grid(night.grid, night.store, Judging(**asked)).verdicts
    return {f"{one.check} {one.subject.label[-4:]}": one for one in found if one.is_red()}


def past(verdict: Verdict) -> dict[str, dict[str, Any]]:
    return {fact.code: dict(fact.values) for fact in verdict.past}


def test_last_good_is_the_last_measurement_that_passes(night: Night) -> None:
    night_of(night, 22, GOOD, 1)
    night_of(night, 23, GOOD, 2)
    night_of(night, 24, BAD, 3)
    night.means(run=TONIGHT)
    found = past(red(night)["quality fp32"])
    assert found["past.well"] == {
        "since": TONIGHT, "tonight": True, "well": "2026-11-23T02:00:00.000Z", "mean": pytest.approx(86.1),
        "undecided": False,
    }  # fmt: skip
    again = found["past.again"]
    assert (again["select"], again["fresh"], again["grid"].partition(" ")[2][:9]) == (
        ("precision=fp32",),
        True,
        "--results",
    )
    assert found["past.runs"]["runs"][0]["seed"] == 1


def test_since_is_when_the_first_bad_measurement_began(night: Night) -> None:
    for number, (day, correct) in enumerate([(20, BAD), (21, GOOD), (22, BAD), (23, BAD), (24, BAD)], 1):
        night_of(night, day, correct, number)
    night.means(run=TONIGHT)
    found = past(red(night)["quality bf16"])["past.well"]
    assert (found["since"][:10], found["well"][:10], found["tonight"]) == ("2026-11-22", "2026-11-21", False)


@pytest.mark.usefixtures("nothing_accepted")
def test_other_data_was_another_trouble(night: Night) -> None:
    """What is of other data tonight is so since tonight, though other data again were there before."""
    night.write(GRID.partition("[[reference]]")[0])
    for number, (day, content) in enumerate([(20, "c0"), (21, "c0"), (22, "c1"), (24, "c2")], 1):
        night_of(night, day, GOOD, number, content_id=content)
        if number == 1:
            night.means()
            accept(night.grid, night.store, (), None, "a note", None)
    night.content = "c2"
    night.means(run=TONIGHT)
    found = past(red(night)["baseline fp32"])["past.well"]
    assert (found["tonight"], found["well"][:10]) == (True, "2026-11-20")


def test_what_was_never_good_and_what_has_no_past(night: Night) -> None:
    night_of(night, 23, BAD, 1)
    night.means()
    (only,) = [fact for fact in red(night)["quality fp32"].past if fact.code.startswith("past.none")]
    assert say(only) == "measured 2026-11-23 02:00; nothing older in this store to compare with"
    night_of(night, 24, BAD, 2)
    found = red(night)["quality fp32"].past[0]
    assert say(found) == "never good in 2 measurements, the first of 2026-11-23 02:00"


def test_what_changed_is_what_the_runs_say(night: Night) -> None:
    night_of(night, 23, GOOD, 1)
    night.upgraded(transformers="5.24.0", torch="2.13.0")
    for at, cell in enumerate(night.grid.cells()):
        night.put(
            cell, BAD[cell.seed], environment_id="env1upgraded", started=f"2026-11-24T02:{at:02d}:00.000Z",
            packages={"transformers": "5.24.0"},
        )  # fmt: skip
    night.means(run=TONIGHT)
    found = red(night)["quality fp32"]
    assert past(found)["past.well"]["well"] == "2026-11-23T02:00:00.000Z"
    changed = next(fact for fact in found.past if fact.code == "past.changed")
    assert say(changed) == ("changed since: transformers 5.23.0 -> 5.24.0; recipe, data, weights, machine: same")


def test_a_pair_looks_back_on_both_sides(night: Night) -> None:
    for day, number, less in ((22, 1, 0), (23, 2, 20)):
        for at, cell in enumerate(night.grid.cells()):
            right = GOOD[cell.seed] - (cell.precision == "bf16") * less + (cell.precision == "bf16") * (cell.seed % 3)
            night.put(cell, right, measurement=number, started=f"2026-11-{day}T02:{at:02d}:00.000Z")
    night.means(run="2026-11-23T02:00:00.000Z")
    found = red(night)
    assert past(found["parity bf16"])["past.well"]["well"][:10] == "2026-11-22"
    assert "quality fp32" not in found


def test_a_fall_from_undecided_is_one(night: Night) -> None:
    """Runs that are all equal never pass against a reference; that is no reason not to say when they fell."""
    for day, number, right in ((21, 1, 172), (22, 2, 172), (23, 3, 130)):
        same = right == 172
        night_of(night, day, {seed: right + (0 if same else seed) for seed in GOOD}, number)
    night.means(run="2026-11-23T02:00:00.000Z")
    found = red(night)["quality fp32"].past[0]
    assert say(found) == "since tonight; never good, last undecided 2026-11-22 02:00 (86.00)"


def test_an_id_is_the_same_every_night_and_no_others(night: Night) -> None:
    night_of(night, 22, GOOD, 1)
    night.means()
    before = [one.id for one in check_grid(night.grid, night.store, Judging()).verdicts]
    assert len(set(before)) == len(before) == 5
    night_of(night, 23, BAD, 2)
    night.upgraded(transformers="6")
    assert {one.id for one in check_grid(night.grid, night.store, Judging()).verdicts} <= set(before)
    night.means(run=RAN)
    after = check_grid(night.grid, night.store, Judging(environment="all")).verdicts
    assert {one.id for one in after} == set(before)


def test_what_must_not_be_judged_has_no_fall(night: Night) -> None:
    night_of(night, 22, GOOD, 1)
    night.means()
    found = red(night, oldest="2026-11-23T00:00:00.000Z")
    assert {fact.code for one in found.values() for fact in one.past} == {"past.again", "past.runs"}


def test_the_history_tells_where_the_store_has_nothing_older(night: Night) -> None:
    night.write(GRID + "[history]\n")
    night_of(night, 22, GOOD, 1)
    night.means(run="2026-11-22T02:00:00.000Z")
    append_line(night.grid, judged(night.grid, night.store), 0)
    shutil.rmtree(night.store.folder)
    night_of(night, 24, BAD, 1, packages={"transformers": "5.24.0"})
    night.means(run=TONIGHT)
    with (night.folder / "history.jsonl").open("a", encoding="utf-8") as file:
        file.write("torn\n")
    found = red(night)["quality fp32"].past
    assert say(found[0]) == "since tonight; last good 2026-11-22 02:00 (86.10)"
    assert "transformers 5.23.0 -> 5.24.0" in say(found[1])
