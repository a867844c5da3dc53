"""Judgements in words, as a table and as Markdown: what is printed is enough to compute the verdict again."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.checks.scores.judgement import Judgement, SeedScore
from harness.report.verdicts import words
from harness.report.verdicts.issue_text import issue_text
from harness.report.verdicts.markdown import STEP_LIMIT, judgement_markdown, shortened, step_summary
from harness.report.verdicts.text import WIDTH, judgement_text
from harness.stats.decision import Rule, decide
from harness.stats.reference import single, unknown
from harness.stats.t import quantile, tail
from harness.stats.variance import Sd, sample
from tests.report.verdicts.judgement_cases import cases, check, judgement, parity, plain, points, quality, runs

ANY = st.text(st.characters(), max_size=60)
MARKDOWN = MarkdownIt("commonmark").enable("table")


def few() -> Judgement:
    return cases()[2]


class TestGolden:
    def test_text(self) -> None:
        check("judgements.txt", judgement_text(cases()) + "\n")

    def test_markdown(self) -> None:
        check("judgements.md", judgement_markdown(cases(), forest_file="judgements-forest.svg"))

    def test_step_summary(self) -> None:
        check("judgements-step.md", step_summary(cases()[:3], command="harness check benchmarks/mrpc.toml"))

    def test_issue(self) -> None:
        command = "harness check benchmarks/mrpc.toml"
        check("judgements-issue.md", issue_text(cases(), command=command, since="2026-11-01, transformers 5.22.0"))


class TestWords:
    def test_sentence(self) -> None:
        one = quality((347, 345, 350, 340, 349), 85.0, "a · fp32", margin_from="2.4 sd of the 25 published runs")
        assert words.sentence(one) == (
            "0.15 points below the reference, 90 % interval -1.07 to +0.78, margin 2.5 "
            "(2.4 sd of the 25 published runs)"
        )

    def test_parity_names_the_other(self) -> None:
        one = parity((350, 352), (350, 340), "m · fp16", "m · fp32")
        assert words.subject(one) == "m: fp16 against fp32"
        assert words.sentence(one).startswith("1.47 points below fp32, ")

    def test_equal_bit_for_bit(self) -> None:
        decision = decide(replace(single(sample([85.0] * 5), 85.0), identical=True), Rule(1.5))
        one = judgement(decision=decision, outcome=decision.outcome, why=decision.why, mean=85.0, target=85.0)
        assert words.sentence(one).startswith("Equal to the reference, 90 % interval +0.00 to +0.00, margin 1.5")
        assert words.reason(one) == "equal bit for bit at every seed"
        assert words.standard_errors(decision) == (0.0, 0.0)

    def test_no_spread(self) -> None:
        one = quality((350,), 85.0, "a")
        assert "no interval" in words.sentence(one)
        assert words.reason(one) == "1 of at least 5 runs"
        assert words.figures(one)["se"] == "—"

    @pytest.mark.parametrize(
        ("number", "text"),
        [
            (4, "4 more seeds give an 80 % chance of a verdict"),
            (1, "1 more seed gives an 80 % chance of a verdict"),
            (None, ""),
        ],
    )
    def test_outlook(self, number: int | None, text: str) -> None:
        assert words.outlook(replace(few(), outlook="", more_seeds=number)) == text

    def test_a_verdict_needs_no_more_seeds(self) -> None:
        assert words.outlook(judgement(more_seeds=3)) == ""
        assert words.more(judgement()) == "none"
        assert words.more(plain("ERROR", "x")) == "—"

    def test_reason_is_not_said_twice(self) -> None:
        assert words.reason(cases()[1]) == ""
        why = f"{cases()[1].why}; p = 0.0600 after Holm over 3"
        assert words.reason(replace(cases()[1], why=why)) == "p = 0.0600 after Holm over 3"
        longer = f"accuracy 81.57 over 5 runs against 85.78: {why}"
        told = "accuracy 81.57 over 5 runs against 85.78; p = 0.0600 after Holm over 3"
        assert words.reason(replace(cases()[1], why=longer)) == told

    def test_difference_that_is_not_mean_less_target(self) -> None:
        best = cases()[3]
        assert best.mean is not None
        assert best.target is not None
        assert best.decision is not None
        added = best.decision.difference - (best.mean - best.target)
        assert f"and {added:+.2f}: the published value is the median or the best" in words.remainder(best)
        assert words.remainder(cases()[0]) == ""

    def test_unknown_provenance_is_said(self) -> None:
        decision = unknown(sample(points((350, 352, 347, 349, 351))), 85.78, Rule(2.5))
        assert "Provenance unknown, taken as" in judgement_text([judgement(decision=decision)])

    def test_waived_is_not_red(self) -> None:
        waived = cases()[5]
        assert words.word(waived) == "FAIL (waived)"
        assert not words.is_red(waived, "fail")
        assert [words.is_red(few(), policy) for policy in ("fail", "pass")] == [True, False]

    def test_order(self) -> None:
        found = [words.word(one) for one in words.ordered(cases())]
        order = ["FAIL", "ERROR", "INCONCLUSIVE", "FAIL (waived)", "SKIP", "PASS"]
        assert list(dict.fromkeys(found)) == order

    def test_counts(self) -> None:
        assert words.counts_text([]) == "No judgement."
        assert words.counts_text([judgement()]) == "1 judgement: 1 PASS"


class TestNumbers:
    @pytest.mark.parametrize("one", [j for j in cases() if words.compared(j)], ids=words.subject)
    def test_every_verdict_can_be_computed_again(self, one: Judgement) -> None:
        d = one.decision
        assert d is not None
        assert d.df is not None
        assert d.p_tost is not None
        eq, diff = words.standard_errors(d)
        assert eq is not None
        below, above = tail((d.delta + d.difference) / eq, d.df), tail((d.delta - d.difference) / eq, d.df)
        assert d.p_tost == pytest.approx(below if d.direction == "lower" else max(below, above), rel=1e-6)
        half = quantile(0.95, d.df) * eq
        assert d.ci90 == pytest.approx((d.difference - half, d.difference + half))
        if diff is None:
            assert one.against in ("card-best-of-5", "card-median-of-5")
        else:
            assert d.p_diff == pytest.approx(2 * tail(abs(d.difference) / diff, d.df), rel=1e-6)

    def test_rounding_never_contradicts_the_verdict(self) -> None:
        d = replace(judgement().decision, ci90=(-2.4996, 0.0), ci_pass=(-2.4996, 0.0))  # type: ignore[type-var]
        assert words.span(d.ci90, words.digits(d)) == "-2.500 to +0.000" or words.digits(d) == 4
        assert words.digits(d) == 4
        assert words.digits(replace(d, ci90=(-2.496, 0.0), ci_pass=None)) == 3
        assert words.digits(replace(d, ci90=(-2.4, 0.0), ci_pass=None)) == 2

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
        assert words.chance(p, alpha) == text

    def test_signed(self) -> None:
        assert [words.signed(v) for v in (-0.001, 0.0, -1.9, None)] == ["+0.00", "+0.00", "-1.90", "—"]
        assert words.signed(math.inf) == "not a number"
        assert [words.margin(v) for v in (2.5, 2.505, 2.0)] == ["2.5", "2.505", "2"]


class TestText:
    def test_width(self) -> None:
        long = quality((350, 340), 85.78, f"{'x' * 200} · fp32", against="y" * 80)
        text = judgement_text([*cases(), long])
        assert max(map(len, text.split("\n"))) <= WIDTH
        assert all(line == line.rstrip() for line in text.split("\n"))

    def test_per_seed_scores_of_what_is_not_a_pass_only(self) -> None:
        text = judgement_text(cases())
        assert "7: collapsed 68.38 (81.22)" in text
        assert "2: 82.35 − 86.27 = -3.92" in text
        assert "4: oom; 5: oom" in text
        assert "By seed" not in judgement_text([judgement()])

    def test_f1(self) -> None:
        one = quality((350, 340), 89.0, "a", metric="f1")
        assert "By seed, F1 (accuracy): 1: 89.78 (85.78)" in judgement_text([one])

    def test_nothing(self) -> None:
        assert judgement_text([]) == "No judgement."
        assert judgement_markdown([]) == "## Verdicts\n\nNo judgement.\n"

    def test_another_level_shows_its_interval(self) -> None:
        assert "At alpha 0.0226 a PASS goes by the 95.5 % interval" in judgement_text(cases())

    @given(ANY, ANY, ANY)
    @settings(deadline=None, max_examples=60)
    def test_any_text(self, name: str, why: str, evidence: str) -> None:
        hostile: dict[str, Any] = {"configuration": name, "against": why, "why": why, "evidence": (evidence,)}
        some = [replace(few(), **hostile), plain("ERROR", **hostile, seeds=(SeedScore(1, evidence),))]
        text = judgement_text(some)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]", text)
        assert text.encode()


class TestMarkdown:
    def test_tables_have_a_row_each(self) -> None:
        html = MARKDOWN.render(judgement_markdown(cases()))
        compared = sum(words.compared(one) for one in cases())
        tables = html.split("<table>")[1:]
        assert tables[0].count("<tr>") == tables[-1].count("<tr>") == compared + 1

    @given(ANY, ANY)
    @settings(deadline=None, max_examples=60)
    def test_text_stays_text(self, name: str, why: str) -> None:
        hostile: dict[str, Any] = {"configuration": name, "against": why, "why": why, "recipe_differences": (name,)}
        html = MARKDOWN.render(judgement_markdown([replace(few(), **hostile), plain("SKIP", **hostile)]))
        assert html.count("<table>") == 3
        assert html.count("<tr>") == 2 + 2 + 4
        assert html.count("<h2>") == 3
        assert "<a " not in html

    def test_pipes_and_markup(self) -> None:
        text = judgement_markdown([replace(few(), configuration="a | b <img> [x](y)", why="# no\n- heading @user")])
        assert MARKDOWN.render(text).count("<tr>") == 2 + 2 + 4
        assert "<img>" not in text
        assert "`@user.`" in text


class TestLimits:
    def many(self) -> list[Judgement]:
        return [replace(few(), configuration=f"model-{number} · fp32") for number in range(2500)]

    def test_step_summary_within_github_limit(self) -> None:
        text = step_summary(self.many(), command="harness check grid.toml")
        assert STEP_LIMIT - 2000 < len(text.encode()) <= STEP_LIMIT
        last = text.rstrip().split("\n")[-1]
        found = re.fullmatch(
            r"Cut here: ([\d,]+) of ([\d,]+) lines \(([\d,]+) of ([\d,]+) bytes\) are left out, because "
            r"a step's summary on GitHub holds 1,048,576 bytes\. The JSON has everything\.",
            last,
        )
        assert found is not None
        whole = "\n\n".join(["# harness check", "```sh\nharness check grid.toml\n```", judgement_markdown(self.many())])
        left, lines, left_bytes, size = (int(group.replace(",", "")) for group in found.groups())
        assert size == len(whole.encode())
        assert lines == len(whole.rstrip("\n").split("\n"))
        shown = text[: text.rindex("\n\nCut here")]
        assert whole.startswith(shown)
        assert shown.count("\n") + 1 == lines - left
        assert left_bytes == size - len(shown.encode())

    def test_issue_within_github_limit(self) -> None:
        text = issue_text(self.many(), command="harness check grid.toml")
        assert len(text.encode()) <= 65_536
        assert "Cut here: " in text

    @given(st.lists(st.sampled_from(["a" * 90, "é" * 50, "```", ""]), max_size=80), st.integers(1000, 3000))
    def test_shortened(self, lines: list[str], limit: int) -> None:
        text = "\n".join(lines) + "\n"
        short = shortened(text, limit, "it")
        assert len(short.encode()) <= max(limit, 0)
        assert (short == text) == (len(text.encode()) <= limit)
        if short != text:
            fences = sum(line.startswith("```") for line in short.split("\n"))
            assert fences % 2 == 0

    def test_limit_too_small(self) -> None:
        with pytest.raises(ValueError, match="limit: 999"):
            step_summary([], limit=999)


class TestIssue:
    def test_nothing_red(self) -> None:
        green = [one for one in cases() if not words.is_red(one, "fail")]
        assert green
        assert issue_text(green, command="x") == ""

    def test_policy(self) -> None:
        assert issue_text([few()], command="x", inconclusive="pass") == ""
        assert issue_text([few()], command="x") != ""

    def test_what_it_says(self) -> None:
        text = issue_text(cases(), command="harness check grid.toml", since="v1.2")
        assert text.startswith("## FAIL, quality: google-bert/bert-base-uncased · fp16 against mrpc-sample")
        for part in (
            "and 3 more",
            "`v1.2`",
            "```sh\nharness check grid.toml\n```",
            "-4.92 to -3.50",
            "`c0ffee00c0ffee00`",
        ):
            assert part in text
        assert "waived" not in text.split("###")[1]
        assert "Since" not in issue_text(cases(), command="x")

    def test_bare_error(self) -> None:
        text = issue_text([plain("ERROR", "missing: 3 of 5 cells have no run")], command="x")
        assert text.count("3 of 5 cells") == 1


def test_a_check_of_another_kind_is_shown() -> None:
    one = replace(parity((350, 352), (350, 340), "m · fp32", "before"), check="baseline")
    assert words.sentence(one).startswith("1.47 points below before, ")
    assert "baseline" in judgement_text([one])


def test_source_notes_are_shared() -> None:
    noted = judgement(decision=replace(judgement().decision, sd=Sd(1.0, 4, note="a note")))  # type: ignore[type-var]
    text = judgement_text([noted, noted])
    assert text.count("] a note") == 1
    assert text.count("own [1]") == 2


def test_seeds_that_only_one_side_has() -> None:
    one = replace(parity((350, 352), (350, 340), "m · fp16", "m · fp32"), others=runs((350,), first=2))
    assert words.by_seed(one)[0][2] is None
    assert "1: 85.78 − —; 2: 83.33 − 85.78 = -2.45" in judgement_text([one])
