"""Results against a baseline: identity, real losses, collapses, departures, what is missing, new or elsewhere."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from harness.report.verdicts.baseline_text import comparison_text
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from harness.baselines.model import Baseline
from harness.checks.scores.against_baseline import Comparison, compare, exit_code
from harness.checks.scores.baseline_pair import Side
from harness.checks.scores.judgement import Judgement
from harness.grid.waivers import Waiver, ledger

TODAY = datetime.date(2026, 11, 22)
SCORES = (0.80, 0.81, 0.79, 0.805, 0.815)
LAYERS = ("init_sha256", "data_order_sha256", "loss_sha256", "trajectory_sha256", "final_sha256")
Run = dict[str, Any]


def sha(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


def run(seed: int, accuracy: float | None, version: str = "old", since: str = "loss_sha256", **changes: Any) -> Run:
    """A run that is not "old" parts from it at the layer `since`."""
    at = LAYERS.index(since)
    hashes = {name: sha(name, seed, version if number >= at else "old") for number, name in enumerate(LAYERS)}
    scores = {"accuracy": accuracy, "f1": None if accuracy is None else min(1.0, accuracy + 0.05)}
    facts = {"optimizer": "AdamW", "attention": "sdpa", "precision": "fp32"}
    return {"status": "ok", **scores, **hashes, **facts, **changes}


def runs(accuracies: Sequence[float | None], version: str = "old", first: int = 1, **changes: Any) -> dict[int, Run]:
    """Seeds 1, 2, ...; a score of 2/3 or less is a collapse, None a run that lost its loss."""
    found = {}
    for seed, accuracy in enumerate(accuracies, first):
        status = "nonfinite" if accuracy is None else "collapsed" if accuracy <= 2 / 3 else "ok"
        found[seed] = run(seed, accuracy, version, status=status, **changes)
    return found


def side(
    name: str,
    configurations: Mapping[str, Mapping[int, Run]],
    left_out: Sequence[tuple[str, int | None, str]] = (),
    environment: Mapping[str, Any] | None = None,
    **changes: Any,
) -> Side:
    facts = {
        "python": "3.11.7",
        "packages": {"transformers": "5.22.0", "torch": "2.13.0"},
        "machine": {"cpu": "A", "cores": 2},
        **(environment or {}),
    }
    data = {
        "schema": 1,
        "harness": "0.1.0",
        "date": "2026-11-22T10:00:00.000Z",
        "command": "x",
        "grid": {"name": "demo", "file": "demo.toml", "task": "x"},
        "environments": {"env": facts},
        "configurations": [
            {
                "label": label,
                "configuration_id": f"id-{label}",
                "environment_id": "env",
                "content_id": "content",
                "asked": {"threads": 1},
                "collapsed": sum(one["status"] != "ok" for one in found.values()),
                "seeds": {str(seed): one for seed, one in found.items()},
                **changes,
            }
            for label, found in configurations.items()
        ],
        "left_out": [
            {
                "configuration": label,
                "configuration_id": f"id-{label}",
                "seed": seed,
                "status": status,
                "why": "because",
            }
            for label, seed, status in left_out
        ],
    }
    return Side(name, Baseline.model_validate(data))


def against(a: Side, b: Side, **options: Any) -> Comparison:
    return compare(a, b, today=TODAY, **options)


def only(comparison: Comparison) -> Judgement:
    (judgement,) = comparison.judgements
    return judgement


OLD = side("base.json", {"x": runs(SCORES)})


def test_equal_bits_are_a_pass_whatever_their_number() -> None:
    judgement = only(against(OLD, OLD))
    assert (judgement.outcome, judgement.why) == ("PASS", "equal bit for bit at all 5 seeds")
    assert (judgement.check, judgement.against) == ("baseline", "base.json")
    assert judgement.mean == judgement.target == pytest.approx(80.4)
    single = side("one", {"x": runs([0.6])})
    comparison = against(single, single)
    assert (only(comparison).outcome, only(comparison).why) == ("PASS", "equal bit for bit at the only seed")
    assert exit_code(comparison) == 0
    assert not comparison.departures


def test_equal_scores_of_other_weights_are_no_identity() -> None:
    judgement = only(against(OLD, side("new", {"x": runs(SCORES, "new")})))
    assert judgement.outcome == "INCONCLUSIVE"
    assert judgement.why == "sd = 0: all runs are equal"


def test_unknown_final_weights_are_no_identity() -> None:
    blank = side("b", {"x": {s: {**r, "final_sha256": None} for s, r in runs(SCORES).items()}})
    assert only(against(blank, blank)).outcome == "INCONCLUSIVE"


def test_a_loss_at_every_seed_fails_with_the_numbers_of_a_paired_test() -> None:
    new = [0.765, 0.77, 0.76, 0.762, 0.78]
    comparison = against(OLD, side("new", {"x": runs(new, "new")}))
    judgement = only(comparison)
    assert judgement.outcome == "FAIL"
    expected = stats.ttest_rel([100 * x for x in new], [100 * x for x in SCORES])
    decision = judgement.decision
    assert decision is not None
    assert decision.p_diff == pytest.approx(expected.pvalue)
    assert judgement.adjusted_p == pytest.approx(2 * expected.pvalue), "scores have half of alpha"
    assert decision.difference == pytest.approx(-3.66)
    assert (decision.n, decision.delta) == (5, 1.5)
    assert judgement.detectable == pytest.approx(0.78, abs=0.1)
    assert exit_code(comparison) == 1


def test_small_differences_pass_and_the_margin_decides() -> None:
    near = side("new", {"x": runs([0.802, 0.808, 0.792, 0.803, 0.816], "new")})
    assert only(against(OLD, near)).outcome == "PASS"
    judgement = only(against(OLD, near, margin=0.1))
    assert judgement.outcome == "INCONCLUSIVE"
    assert judgement.more_seeds is not None
    assert "more seeds on each side give an 80 % chance" in judgement.outlook
    assert exit_code(against(OLD, near, margin=0.1)) == 3
    assert exit_code(against(OLD, near, margin=0.1), inconclusive="pass") == 0


def test_one_changed_seed_is_undecided_and_named() -> None:
    changed = runs(SCORES)
    changed[3] = {**changed[3], "accuracy": 0.70}
    judgement = only(against(OLD, side("new", {"x": changed})))
    assert judgement.outcome == "INCONCLUSIVE"
    assert any(text.startswith("first difference: scores at seed 3; usually means:") for text in judgement.evidence)


def test_holm_over_the_configurations() -> None:
    """A loss that fails alone and not among twenty that could fail as well; those that could not do not count."""
    before, after = (0.80, 0.81, 0.79, 0.805, 0.815), (0.765, 0.80, 0.77, 0.795, 0.795)
    wide, still = (0.83, 0.78, 0.82, 0.775, 0.815), (0.8, 0.809, 0.791, 0.805, 0.815)
    names = [f"x{number}" for number in range(20)]

    def first(others: tuple[float, ...]) -> Judgement:
        new = {name: runs(after if name == "x0" else others, "new") for name in names}
        return against(side("a", {name: runs(before) for name in names}), side("b", new)).judgements[0]

    alone = only(against(side("a", {"x": runs(before)}), side("b", {"x": runs(after, "new")})))
    assert alone.decision is not None
    assert alone.decision.p_diff is not None
    assert (alone.outcome, alone.adjusted_p) == ("FAIL", pytest.approx(2 * alone.decision.p_diff))
    assert first(still).outcome == first(before).outcome == "FAIL"
    among = first(wide)
    assert among.outcome == "INCONCLUSIVE"
    assert among.adjusted_p == pytest.approx(2 * 20 * alone.decision.p_diff)
    assert among.why.endswith("after Holm")
    assert among.more_seeds is not None


def test_other_seeds_are_compared_by_welch() -> None:
    new = (0.76, 0.77, 0.75, 0.765, 0.77)
    judgement = only(against(OLD, side("new", {"x": runs(new, "new", first=11)})))
    assert judgement.outcome == "FAIL"
    assert judgement.decision is not None
    expected = stats.ttest_ind([100 * x for x in new], [100 * x for x in SCORES], equal_var=False)
    assert judgement.decision.p_diff == pytest.approx(expected.pvalue)
    assert "other seeds on each side: Welch's test, not paired" in judgement.evidence
    assert "not run again: seeds 1, 2, 3, 4, 5" in judgement.evidence


def test_some_shared_seeds_are_paired_by_plan() -> None:
    new = runs(SCORES, "new")
    del new[1], new[2]
    new |= runs((0.5, 0.5), "new", first=8)
    judgement = only(against(OLD, side("new", {"x": new})))
    assert judgement.decision is not None
    assert judgement.decision.n == 3
    assert "not in the baseline: seeds 8, 9" in judgement.evidence


def test_collapses_that_are_too_many_fail_also_without_any_score() -> None:
    comparison = against(OLD, side("new", {"x": runs([0.66] * 5, "new")}))
    judgement = only(comparison)
    assert judgement.outcome == "FAIL"
    assert judgement.why == "5 of 5 runs collapsed, 0 of 5 before (p = 0.0040)"
    assert judgement.adjusted_p == pytest.approx(2 * stats.fisher_exact([[0, 5], [5, 0]], "less").pvalue)
    assert (judgement.collapsed, judgement.judged) == (5, 5)
    assert "seed 1: ok -> collapsed" in judgement.evidence


def test_two_new_collapses_withhold_a_pass_and_one_does_not() -> None:
    scores = [0.80, 0.81, 0.79, 0.805, 0.815, 0.80, 0.81, 0.79]
    moved = [0.801, 0.811, 0.791, 0.804, 0.816, 0.802, 0.66, 0.66]
    base = side("a", {"x": runs(scores)})
    judgement = only(against(base, side("b", {"x": runs(moved, "new")})))
    assert (judgement.outcome, judgement.why) == ("INCONCLUSIVE", "2 of 8 runs collapsed, 0 of 8 before")
    assert only(against(base, side("b", {"x": runs([*moved[:7], 0.791], "new")}))).outcome == "PASS"
    # The baseline collapsed as often: that is how this recipe is.
    often = side("a", {"x": runs([*scores[:6], 0.66, 0.66])})
    assert only(against(often, side("b", {"x": runs(moved, "new")}))).outcome == "PASS"


def test_a_lost_loss_counts_as_a_collapse() -> None:
    judgement = only(against(OLD, side("b", {"x": runs([None] * 5, "new")})))
    assert (judgement.outcome, judgement.collapsed) == ("FAIL", 5)
    assert judgement.seeds[0].status == "nonfinite"


@pytest.mark.parametrize(
    ("since", "layer", "meaning"),
    [
        ("init_sha256", "initial weights", "initialisation"),
        ("data_order_sha256", "data order", "the sampler"),
        ("loss_sha256", "losses of the first steps", "scaling of the loss"),
        ("trajectory_sha256", "trajectory", "schedule"),
        ("final_sha256", "final weights", "updates"),
    ],
)
def test_the_first_layer_that_differs_is_named_with_its_meaning(since: str, layer: str, meaning: str) -> None:
    comparison = against(OLD, side("b", {"x": runs(SCORES, "new", since=since)}))
    (departure,) = comparison.departures["id-x"]
    assert (departure.layer, departure.seeds) == (layer, (1, 2, 3, 4, 5))
    assert meaning in departure.meaning
    assert departure.text in only(comparison).evidence
    assert any("harness verify --only repeat" in text for text in only(comparison).evidence)


def test_layers_may_differ_by_seed_and_facts_come_first() -> None:
    new = runs(SCORES)
    new[2] = run(2, 0.8, "new", "init_sha256")
    new[4] = run(4, 0.8, "new", "trajectory_sha256", optimizer="Adafactor")
    found = against(OLD, side("b", {"x": new})).departures["id-x"]
    assert [(one.layer, one.seeds, one.change) for one in found] == [
        ("optimizer", (4,), "AdamW -> Adafactor"),
        ("initial weights", (2,), ""),
        ("trajectory", (4,), ""),
    ]


def test_what_is_not_known_is_no_difference_and_said() -> None:
    blank = {seed: {**one, **dict.fromkeys(LAYERS)} for seed, one in runs(SCORES).items()}
    comparison = against(OLD, side("b", {"x": blank}))
    assert not comparison.departures
    assert "fingerprints: not available at seeds 1, 2, 3, 4, 5" in only(comparison).evidence


def test_a_hash_with_more_digits_is_the_same_hash() -> None:
    long = {seed: {**one, "init_sha256": one["init_sha256"] + "ab" * 22} for seed, one in runs(SCORES).items()}
    assert only(against(OLD, side("b", {"x": long}))).outcome == "PASS"


def test_another_environment_is_told_package_by_package_and_scores_are_compared() -> None:
    newer = {"packages": {"transformers": "5.23.0", "torch": "2.13.0"}, "machine": {"cpu": "B", "cores": 2}}
    comparison = against(OLD, side("b", {"x": runs(SCORES), "y": runs(SCORES)}, environment=newer))
    (change,) = comparison.environments
    assert change.configurations == ("x",)
    assert change.changes == (
        "transformers 5.22.0 -> 5.23.0",
        "cpu A -> B",
        "another machine: scores are compared, speed would not be",
    )
    assert comparison.judgements[0].outcome == "PASS"


def test_other_contents_are_not_compared() -> None:
    comparison = against(OLD, side("b", {"x": runs(SCORES)}, content_id="other"))
    judgement = only(comparison)
    assert judgement.outcome == "INCONCLUSIVE"
    assert "another checkpoint or other data (content -> other)" in judgement.why
    assert judgement.decision is None
    assert exit_code(comparison) == 3


def test_a_seed_without_a_score_is_an_error_and_the_others_are_still_judged() -> None:
    new = runs(SCORES)
    del new[2]
    comparison = against(OLD, side("b", {"x": new}, [("x", 2, "failed")]))
    judgement = only(comparison)
    assert judgement.outcome == "ERROR"
    assert judgement.why.startswith("1 of 5 seeds without a score (seed 2: failed, because); the others: PASS, equal")
    assert [one.status for one in judgement.seeds] == ["ok"] * 4 + ["failed"]
    assert exit_code(comparison) == 4


def test_a_failure_stays_one_beside_missing_seeds() -> None:
    base = side("a", {"x": runs([*SCORES, 0.8])})
    new = runs([x - 0.04 + 0.001 * n for n, x in enumerate(SCORES)], "new")
    comparison = against(base, side("b", {"x": new}, [("x", 6, "oom")]))
    assert only(comparison).outcome == "FAIL"
    assert "1 of 6 seeds without a score (seed 6: oom, because)" in only(comparison).evidence
    assert exit_code(comparison) == 1


def test_missing_new_skipped_and_nowhere() -> None:
    base = side("a", {name: runs(SCORES) for name in ("x", "gone", "ill", "fp16")}, [("never", 1, "failed")])
    new = side(
        "b",
        {"x": runs(SCORES), "fresh": runs(SCORES)},
        [("ill", 1, "failed"), ("ill", 2, "missing"), ("fp16", 1, "skipped"), ("never", 1, "failed")],
    )
    comparison = against(base, new)
    assert [(one.configuration, one.outcome, one.why) for one in comparison.judgements] == [
        ("x", "PASS", "equal bit for bit at all 5 seeds"),
        ("gone", "ERROR", "missing: b has no such configuration"),
        ("ill", "ERROR", "without a score in b: seed 1: failed, because; seed 2: because"),
        ("fp16", "SKIP", "without a score in b: seed 1: skipped, because"),
        ("fresh", "SKIP", "new: a has no run of it"),
        ("never", "SKIP", "no run on either side: seed 1: failed, because / seed 1: failed, because"),
    ]
    assert exit_code(comparison) == 4


def test_a_changed_recipe_is_missing_and_says_what_changed() -> None:
    base = side("a", {"x": runs(SCORES), "y": runs(SCORES)})
    data = side("b", {"x": runs(SCORES), "y": runs(SCORES)}).results.model_dump(by_alias=True)
    data["configurations"][1].update(configuration_id="another", asked={"threads": 2})
    comparison = against(base, Side("b", Baseline.model_validate(data)))
    assert comparison.judgements[1].why == "missing: what b calls so asks for something else: threads 1 -> 2"
    assert comparison.judgements[1].recipe_differences == ("threads 1 -> 2",)
    assert not comparison.unrelated


def test_nothing_in_common_is_exit_5() -> None:
    comparison = against(OLD, side("b", {"z": runs(SCORES)}))
    assert comparison.unrelated
    assert exit_code(comparison) == 5
    only_skipped = against(OLD, side("b", {}, [("x", 1, "skipped")]))
    assert [one.outcome for one in only_skipped.judgements] == ["SKIP"]
    assert exit_code(only_skipped) == 5


def waiver(expires: str) -> Waiver:
    whom = {"configuration": "x", "check": "baseline", "reason": "known", "author": "Ada"}
    return Waiver.model_validate({**whom, "expires": expires})


def test_a_waived_failure_is_shown_and_does_not_fail() -> None:
    new = side("b", {"x": runs([0.66] * 5, "new")})
    waivers = [waiver("2026-11-22")]
    comparison = against(OLD, new, waivers=waivers)
    assert only(comparison).outcome == "FAIL"
    assert only(comparison).waiver == "waived by Ada until 2026-11-22: known"
    assert exit_code(comparison) == 0
    text = comparison_text(comparison, (OLD, new), ledger(waivers, comparison.judgements, TODAY))
    assert "FAIL (waived) x" in text
    assert "x, baseline: 1 failure waived by Ada until 2026-11-22: known" in text
    late = against(OLD, new, waivers=[waiver("2026-11-21")])
    assert (only(late).waiver, exit_code(late)) == (None, 1)


def test_the_text_is_short_and_the_worst_comes_first() -> None:
    new = [0.765, 0.77, 0.76, 0.762, 0.78]
    a = side("base.json", {"good": runs(SCORES), "bad": runs(SCORES)})
    b = side("grid.toml", {"good": runs(SCORES), "bad": runs(new, "new")}, environment={"python": "3.12.1"})
    lines = comparison_text(against(a, b), (a, b)).splitlines()
    assert lines[0] == "A: base.json, 2026-11-22T10:00:00.000Z, harness 0.1.0"
    assert "  Python 3.11.7 -> 3.12.1" in lines
    heads = [line for line in lines if line.startswith(("FAIL", "PASS"))]
    assert [head.split() for head in heads] == [["FAIL", "bad"], ["PASS", "good"]]
    assert "  accuracy 76.74, before 80.40, n = 5, p after Holm 0.0002" in lines
    assert any(line.startswith("  by seed, A -> B: 1: 80.00 -> 76.50, 2: 81.00 -> 77.00") for line in lines)
    assert lines[-1] == "2 configurations: 1 FAIL, 1 PASS"
    assert len([line for line in lines if "Python" in line]) == 1


def test_without_any_difference_a_comparison_seldom_fails() -> None:
    """A/A: three configurations of five seeds, one run in ten collapses; at most 5 % by Holm and the margin."""
    rng = np.random.default_rng(7)

    def arm(version: str) -> dict[str, dict[int, Run]]:
        scores = np.where(rng.random((3, 5)) < 0.1, 0.66, rng.normal(0.80, 0.012, (3, 5)).clip(0.7, 0.9))
        return {f"x{number}": runs([float(one) for one in row], version) for number, row in enumerate(scores)}

    codes = [exit_code(against(side("a", arm("old")), side("b", arm("new")))) for _ in range(150)]
    assert codes.count(1) <= 0.05 * len(codes)
    assert set(codes) <= {0, 1, 3}


ACCURACIES = st.lists(st.none() | st.integers(100, 408).map(lambda n: n / 408), min_size=1, max_size=8)


@settings(max_examples=200, deadline=None)
@given(ACCURACIES, ACCURACIES, st.sampled_from([1, 3, 20]), st.sampled_from(LAYERS))
def test_any_two_results_give_one_outcome_and_a_reason(
    before: list[float | None], after: list[float | None], first: int, since: str
) -> None:
    a, b = side("a", {"x": runs(before)}), side("b", {"x": runs(after, "new", first, since=since)})
    comparison = against(a, b)
    judgement = only(comparison)
    assert judgement.outcome in ("PASS", "FAIL", "INCONCLUSIVE")
    assert judgement.why
    assert exit_code(comparison) in (0, 1, 3)
    assert comparison_text(comparison, (a, b))
    assert judgement.outcome != "PASS" or (judgement.decision is not None and judgement.decision.n >= 5)
