"""Waivers held against verdicts: what covers a FAIL, up to which bound, and what became of each."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.checks.verdict import Finding, Side, Verdict, exit_code
from harness.checks.waived import ledger, standing, waived
from harness.fact import Fact
from harness.grid.waivers import Waiver
from harness.report.phrases.say import say
from harness.report.phrases.waivers import ledger_text
from harness.stats.decision import Decision
from harness.stats.throughput import Speed

Make = Callable[..., Any]
LAST = datetime.date(2026, 12, 31)
NEXT = datetime.date(2027, 1, 1)
ISSUE = "huggingface/transformers#47688"
SCORES = Side("minilm · bf16", "0123456789abcdef0123")
RUN = Side("tiny · fp32 · batch=4 x 8 · seed 42", "abcd")


def waiver(**changes: Any) -> Waiver:
    sound = {"configuration": "minilm · bf16", "check": "quality", "issue": ISSUE, "bound": 3.0, "reason": "known"}
    return Waiver.model_validate({**sound, "author": "Ada", "expires": "2026-12-31", **changes})


def of_runs(**changes: Any) -> Waiver:
    return waiver(**{"configuration": None, "check": "invariants", "bound": 4.01, **changes})


def quality(difference: float = -2.0, outcome: Any = "FAIL", **changes: Any) -> Verdict:
    numbers = Decision(outcome="FAIL", n=5, n_min=5, difference=difference, delta=1.5, alpha=0.05, direction="both")
    verdict = Verdict("quality", outcome, SCORES, Fact.of("judged"), item="accuracy", numbers=numbers)
    return replace(verdict, **changes)


def failure(item: str = "gradient norm", ratio: float | None = 4.0, upstream: str | None = ISSUE) -> Finding:
    return Finding(item, "FAIL", Fact.of("start.same"), 0, ratio, None, upstream)


def invariant(*failures: Finding) -> Verdict:
    findings = (Finding("initial weights", "PASS", Fact.of("start.same")), *failures)
    outcome: Any = "FAIL" if failures else "PASS"
    return Verdict("invariants", outcome, RUN, Fact.of("start.same"), item="accumulation", findings=findings)


def codes(verdict: Verdict) -> list[str]:
    return [note.code for note in verdict.notes]


def states(waivers: Sequence[Waiver], verdicts: Sequence[Verdict]) -> list[tuple[str, int]]:
    return [(fact.values["use"], fact.values["failures"]) for fact in ledger(waivers, verdicts, LAST)]


# What covers a FAIL.


def test_a_waived_fail_stays_a_fail_and_is_not_red() -> None:
    one = waived(quality(), [waiver()], LAST)
    assert (one.outcome, one.waived, exit_code([one])) == ("FAIL", True, 0)
    assert one.waiver is not None
    assert say(one.waiver) == f"waived by Ada until 2026-12-31: known ({ISSUE}); 2 points, bound 3 points"


def test_after_its_last_day_it_is_void_and_says_so() -> None:
    one = waived(quality(), [waiver()], NEXT)
    assert (one.waiver, codes(one), exit_code([one])) == (None, ["waiver.expired"], 1)


@pytest.mark.parametrize(
    "verdict",
    [
        quality(check="parity"),
        quality(subject=Side("minilm")),
        quality(subject=Side("minilm · bf16 · 2")),
        *(quality(outcome=outcome) for outcome in ("INCONCLUSIVE", "ERROR", "PASS")),
    ],
)
def test_it_covers_a_failure_of_its_check_and_configuration_alone(verdict: Verdict) -> None:
    assert waived(verdict, [waiver()], LAST) == verdict


def test_a_configuration_may_be_named_by_its_id_or_by_the_plans_label() -> None:
    assert waived(quality(), [waiver(configuration="0123456789abcdef0123")], LAST).waived
    elsewhere = quality(subject=Side("minilm · bf16 · environment 1a2b", "x"))
    assert waived(elsewhere, [waiver()], LAST, "minilm · bf16").waived


def test_a_metric_may_be_named() -> None:
    assert waived(quality(item="f1"), [waiver(item="f1")], LAST).waived
    assert not waived(quality(), [waiver(item="f1")], LAST).waived


# Bounds.


@pytest.mark.parametrize(("difference", "red"), [(-3.0, 0), (-3.01, 1), (3.01, 1), (2.99, 0)])
def test_what_is_worse_than_the_bound_is_red_again_and_says_so(difference: float, red: int) -> None:
    one = waived(quality(difference), [waiver()], LAST)
    assert exit_code([one]) == red
    assert codes(one) == ["waiver.exceeded"] * red
    if red:
        said = f"not waived by Ada until 2026-12-31 (known, {ISSUE}): it is 3.01 points, beyond the bound of 3 points"
        assert say(one.notes[0]) == said


def test_a_wider_waiver_behind_an_exceeded_one_holds() -> None:
    one = waived(quality(-4), [waiver(), waiver(bound=5, item="accuracy")], LAST)
    assert (one.waived, codes(one)) == (True, ["waiver.exceeded"])


def test_a_baseline_that_fails_by_collapses_needs_a_waiver_of_collapses() -> None:
    because = Fact.of("judged", because=Fact.of("collapses.risen", k1=0, n1=5, k2=2, n2=5, p=0.01))
    one = quality(check="baseline", reason=because)
    assert not waived(one, [waiver(check="baseline")], LAST).waived, "points say nothing of collapses"
    assert waived(one, [waiver(check="baseline", item="collapses", bound=0.4)], LAST).waived
    assert not waived(one, [waiver(check="baseline", item="collapses", bound=0.3)], LAST).waived
    assert not waived(quality(check="baseline"), [waiver(check="baseline", item="collapses", bound=1)], LAST).waived


@pytest.mark.parametrize(("bound", "red"), [(0.4, 0), (0.39, 1)])
def test_of_stability_the_bound_is_a_fraction_of_the_runs(bound: float, red: int) -> None:
    side = replace(SCORES, collapsed=2, ended=5)
    one = Verdict("stability", "FAIL", side, Fact.of("judged"), item="collapses")
    assert int(not waived(one, [waiver(check="stability", bound=bound)], LAST).waived) == red


def test_of_speed_the_bound_is_percent_and_memory_has_none() -> None:
    numbers = Speed("FAIL", "slower", 5, 0.8, (0.78, 0.82), 0.001, 0.05, 0.02)  # type: ignore[arg-type]
    slow = Verdict("speed", "FAIL", SCORES, Fact.of("speed.interval"), numbers=numbers)
    assert waived(slow, [waiver(check="speed", bound=20)], LAST).waived
    assert not waived(slow, [waiver(check="speed", bound=19)], LAST).waived
    grown = replace(slow, reason=Fact.of("speed.memory_grew"))
    assert not waived(grown, [waiver(check="speed", bound=20)], LAST).waived


@pytest.mark.parametrize(
    ("ratio", "covered"),
    [(4.0, True), (4.02, False), (0.25, True), (0.249, False), (-4.0, False), (float("inf"), False), (None, False)],
)
def test_a_ratio_is_bounded_either_way(ratio: float | None, covered: bool) -> None:
    assert waived(invariant(failure(ratio=ratio)), [of_runs()], LAST).waived is covered


def test_what_has_a_number_is_not_waived_without_a_bound() -> None:
    one = waived(invariant(failure()), [of_runs(bound=None)], LAST)
    assert (one.waived, say(one.notes[0]).endswith("it is 4.000 x, and there is no bound")) == (False, True)
    assert waived(invariant(failure(ratio=None)), [of_runs(bound=None)], LAST).waived


# Findings of verify.


def test_without_an_item_it_fits_what_is_recognised_as_its_issue_alone() -> None:
    assert waived(invariant(failure(), failure("logged loss")), [of_runs()], LAST).waived
    assert waived(invariant(failure()), [of_runs(issue=f"https://github.com/{ISSUE.replace('#', '/issues/')}")], LAST)
    new = waived(invariant(failure(ratio=3.0, upstream=None)), [of_runs()], LAST)
    assert (new.waived, codes(new)) == (False, [])
    assert not waived(invariant(failure(upstream="a/b#1")), [of_runs()], LAST).waived


def test_a_new_failure_beside_a_waived_one_is_red_and_named() -> None:
    one = waived(invariant(failure(), failure("optimizer steps", None, None)), [of_runs()], LAST)
    assert (one.waiver, exit_code([one]), codes(one)) == (None, 1, ["waiver.partly"])
    assert say(one.notes[0]) == "no waiver covers: optimizer steps"


def test_with_an_item_it_fits_whatever_is_of_that_name() -> None:
    other = invariant(failure(upstream=None), failure("logged loss", 2.0, None))
    assert waived(other, [of_runs(item="accumulation", issue="me/mine#1")], LAST).waived, "the kind of the invariant"
    one = waived(other, [of_runs(item="gradient norm", issue="me/mine#1")], LAST)
    assert (one.waived, say(one.notes[-1])) == (False, "no waiver covers: logged loss")
    both = [of_runs(item="gradient norm"), of_runs(item="logged loss")]
    assert (waived(other, both, LAST).waived, codes(waived(other, both, LAST))) == (True, ["waiver"])


def test_a_run_may_be_named_by_the_first_parts_of_its_label() -> None:
    one = invariant(failure())
    assert waived(one, [of_runs(configuration="tiny · fp32")], LAST).waived
    assert not waived(one, [of_runs(configuration="tiny · fp3")], LAST).waived


# What became of each.


def test_every_waiver_is_counted_also_those_that_do_nothing() -> None:
    used, unused, unfit = waiver(), waiver(item="f1"), waiver(configuration="other")
    expired, exceeded = waiver(check="parity", expires="2026-11-30"), waiver(check="baseline")
    verdicts = [
        quality(),
        quality(item="f1", outcome="PASS"),
        quality(check="parity"),
        quality(-9, check="baseline"),
        quality(subject=Side("other"), outcome="SKIP"),
    ]
    waivers = [used, unused, unfit, expired, exceeded]
    assert states(waivers, verdicts) == [("used", 1), ("unused", 0), ("unfit", 0), ("expired", 1), ("exceeded", 1)]
    found = ledger(waivers, verdicts, LAST)
    assert ledger_text(found) == "waivers: 1 used, 1 exceeded, 1 unused, 1 expired, 1 fits nothing"
    assert [say(fact).rpartition("): ")[2] for fact in found[1:]] == [
        "unused, nothing that it fits fails",
        "fits nothing that was judged",
        "expired on 2026-11-30, 1 failure no longer waived",
        "1 failure worse than its bound, not waived until 2026-12-31",
    ]
    assert ledger_text([]) == ""


def test_an_expired_waiver_does_not_claim_what_another_covers() -> None:
    expired, used = waiver(expires="2026-11-30"), waiver(item="accuracy")
    assert states([expired, used], [quality()]) == [("expired", 0), ("used", 1)]


def test_of_verify_a_verdict_counts_once_whatever_fails_in_it() -> None:
    assert states([of_runs()], [invariant(failure(), failure("logged loss")), invariant()]) == [("used", 1)]
    assert states([of_runs()], [invariant()]) == [("unused", 0)]
    assert states([of_runs(check="fidelity")], [invariant()]) == [("unfit", 0)]


def test_before_anything_runs_the_expired_and_the_unfit_are_known(cell_of: Make) -> None:
    cell = cell_of(axes={"precision": "fp32"})
    label = cell.configuration_label
    good = [waiver(configuration=label), waiver(configuration=cell.configuration_id), of_runs(), of_runs(item="x")]
    assert standing(good, [cell], LAST) == ()
    bad = [waiver(configuration=label.replace("fp32", "fp23")), of_runs(issue=f"{ISSUE[:-2]}77")]
    first, second = standing(bad, [cell], LAST)
    assert say(first).endswith(f": fits nothing of the grid; did you mean {label}?")
    assert say(second).endswith(f": fits nothing of the grid; did you mean {ISSUE}?")
    assert [say(fact).rpartition(": ")[2] for fact in standing(good[:1], [cell], NEXT)] == ["expired on 2026-12-31"]
