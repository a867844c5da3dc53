"""A verdict on scores in words, and its numbers: what is printed is enough to compute it again."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from harness.checks.verdict import Fact, Side, Verdict
from harness.report.format.numbers import bounds, chance, signed, trimmed
from harness.report.verdicts import figures, words
from harness.stats.decision import Rule, decide
from harness.stats.reference import single, unknown
from harness.stats.t import quantile, tail
from harness.stats.variance import sample
from tests.report.verdicts.made_up import (
    COMPARED,
    cases,
    decided,
    decision,
    few,
    parity,
    plain,
    points,
    quality,
    said,
    text_of,
)


class TestWords:
    def test_versions_that_name_environments_are_told_once(self) -> None:
        a, b = Side("tiny · transformers==4.57.6 · seed 1"), Side("tiny · transformers==5.0.0 · seed 1")
        one = Verdict("diff", "PASS", b, Fact.of("diff.same"), against=a)
        assert words.subject(one) == "tiny · seed 1: transformers 4.57.6 -> 5.0.0"
        steps = replace(one, subject=Side("tiny · batch=8"), against=Side("tiny · batch=4"))
        assert words.subject(steps) == "tiny: batch 4 -> 8"

    def test_sentence(self) -> None:
        source = Fact.of("margin.declared", points=2.5)
        one = quality((347, 345, 350, 340, 349), 85.0, "a · fp32", margin_from=source)
        assert words.sentence(one) == (
            "0.15 points below the reference, 90 % interval -1.07 to +0.78, margin 2.5 (2.5 points, as declared)"
        )

    def test_parity_names_the_other(self) -> None:
        one = parity((350, 352), (350, 340), "m · fp16", "m · fp32")
        assert words.subject(one) == "m: fp32 -> fp16"
        assert words.sentence(one).startswith("1.47 points below fp32, ")

    @pytest.mark.parametrize(
        ("because", "reason", "short"),
        [
            # Of equal answers nobody knows that the weights are equal: on two devices they were not.
            (
                Fact.of("runs.identical"),
                "the same answer to every example at every seed",
                "the same answer to every example",
            ),
            (
                Fact.of("runs.identical_at", seeds=5, planned=5),
                "equal bit for bit at all 5 seeds",
                "equal bit for bit",
            ),
        ],
    )
    def test_what_is_equal_is_said_as_far_as_it_is_known(self, because: Fact, reason: str, short: str) -> None:
        numbers = decide(replace(single(sample([85.0] * 5), 85.0), identical=True), Rule(1.5))
        why = Fact.of("judged", scores=None, because=because)
        one = decided(numbers=numbers, outcome=numbers.outcome, reason=why)
        assert words.sentence(one).startswith("no difference at any seed, margin 1.5")
        assert words.reason(one) == reason
        assert figures.kept_by(one) == short
        assert figures.judged_difference(one, numbers) == f"0 ({short})"
        assert figures.score_figures(one)["se"] == "0.000, 0.000"

    def test_no_spread(self) -> None:
        one = quality((350,), 85.0, "a")
        assert "no interval" in words.sentence(one)
        assert figures.score_figures(one)["se"] == "—"

    @pytest.mark.parametrize(
        ("number", "text"),
        [
            (4, "4 more seeds give an 80 % chance of a verdict"),
            (1, "1 more seed gives an 80 % chance of a verdict"),
            (None, ""),
        ],
    )
    def test_outlook(self, number: int | None, text: str) -> None:
        assert words.outlook(replace(few(), todo=(), more_seeds=number)) == text

    def test_a_verdict_needs_no_more_seeds(self) -> None:
        assert words.outlook(decided(more_seeds=3)) == ""
        assert figures.more(decided()) == "none"
        assert figures.more(plain("ERROR", said("x"))) == "—"

    def test_difference_that_is_not_mean_less_target(self) -> None:
        best = cases()[3]
        assert best.against is not None
        assert best.subject.mean is not None
        assert best.against.mean is not None
        added = decision(best).difference - (best.subject.mean - best.against.mean)
        assert f"and {added:+.2f}: the published value is the median or the best" in figures.remainder(best)
        assert figures.remainder(cases()[0]) == ""

    def test_unknown_provenance_is_said(self) -> None:
        numbers = unknown(sample(points((350, 352, 347, 349, 351))), 85.78, Rule(2.5))
        assert "Provenance unknown, taken as" in text_of(decided(numbers=numbers))

    def test_waived_is_not_red(self) -> None:
        waived = cases()[5]
        assert words.word(waived) == "FAIL (waived)"
        assert not waived.is_red("fail")
        assert few().is_red("fail")
        assert not few().is_red("pass")

    def test_order(self) -> None:
        found = [words.word(one) for one in words.ordered(cases())]
        order = ["FAIL", "ERROR", "INCONCLUSIVE", "FAIL (waived)", "SKIP", "PASS"]
        assert list(dict.fromkeys(found)) == order

    def test_counts(self) -> None:
        assert words.counts_text([]) == "No judgement."
        assert words.counts_text([decided()], "configuration") == "1 configuration: 1 PASS"

    def test_another_check_is_against_a_name(self) -> None:
        one = replace(parity((350, 352), (350, 340), "m · fp32", "before"), check="baseline")
        assert words.sentence(one).startswith("1.47 points below before, ")
        assert words.subject(one) == "m · fp32 against before"


class TestNumbers:
    @pytest.mark.parametrize("one", COMPARED, ids=words.subject)
    def test_every_verdict_can_be_computed_again(self, one: Verdict) -> None:
        d = decision(one)
        assert d.df is not None
        assert d.se_eq is not None
        below, above = tail((d.delta + d.difference) / d.se_eq, d.df), tail((d.delta - d.difference) / d.se_eq, d.df)
        assert d.p_tost == pytest.approx(below if d.direction == "lower" else max(below, above), rel=1e-6)
        half = quantile(0.95, d.df) * d.se_eq
        assert d.ci90 == pytest.approx((d.difference - half, d.difference + half))
        if d.se_diff is None:
            assert one.against is not None
            assert one.against.label in ("card-best-of-5", "card-median-of-5")
        else:
            assert d.p_diff == pytest.approx(2 * tail(abs(d.difference) / d.se_diff, d.df), rel=1e-6)

    def test_rounding_never_contradicts_the_verdict(self) -> None:
        d = replace(decision(decided()), ci_pass=(-2.4996, 0.0))
        assert words.digits(d) == 4
        assert words.digits(replace(d, ci_pass=(-2.496, 0.0))) == 3
        assert words.digits(replace(d, ci_pass=(-2.4, 0.0))) == 2

    @pytest.mark.parametrize(
        ("p", "alpha", "text"),
        [
            (0.5, 0.05, "0.5000"),
            (0.00001, 0.05, "< 0.0001"),
            (0.04998, 0.05, "0.049980"),
            (0.05, 0.05, "0.0500"),
            (None, 0.05, "—"),
            (math.nan, 0.05, "—"),
        ],
    )
    def test_chance(self, p: float | None, alpha: float, text: str) -> None:
        assert chance(p, alpha) == text

    def test_signed(self) -> None:
        assert [signed(v) for v in (-0.001, 0.0, -1.9, None)] == ["+0.00", "+0.00", "-1.90", "—"]
        assert signed(math.inf) == "not a number"
        assert bounds((-1.9, 0.4)) == "-1.90 to +0.40"
        assert [trimmed(v) for v in (2.5, 2.505, 2.0)] == ["2.5", "2.505", "2"]
