"""Verdicts on scores in words, as a table and as Markdown: what is printed is enough to compute each again."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.checks.verdict import Fact, Side, Verdict
from harness.record.results import SeedScore
from harness.report.format.numbers import bounds, chance, signed, trimmed
from harness.report.verdicts import figures, words
from harness.report.verdicts.forest import forest_caption
from harness.report.verdicts.issue import issue_text
from harness.report.verdicts.json import verdicts_from_json, verdicts_json
from harness.report.verdicts.markdown import STEP_LIMIT, document, shortened, verdicts_markdown
from harness.report.verdicts.sections import Section, sections_junit, sections_summary
from harness.report.verdicts.text import WIDTH, verdicts_text
from harness.stats.decision import Rule, decide
from harness.stats.reference import single, unknown
from harness.stats.t import quantile, tail
from harness.stats.variance import Sd, sample
from tests.report.verdicts.made_up import (
    HEAD,
    cases,
    check,
    decided,
    decision,
    named,
    parity,
    plain,
    points,
    quality,
    runs,
    said,
)

ANY = st.text(st.characters(), max_size=60)
MARKDOWN = MarkdownIt("commonmark").enable("table")
COMPARED = [one for one in cases() if words.decision_of(one)]


def few() -> Verdict:
    return cases()[2]


def text_of(*verdicts: Verdict) -> str:
    return verdicts_text(HEAD, verdicts)


def markdown_of(*verdicts: Verdict) -> str:
    return verdicts_markdown(HEAD, verdicts)


class TestGolden:
    def test_text(self) -> None:
        check("judgements.txt", text_of(*cases()) + "\n")

    def test_markdown(self) -> None:
        check("judgements.md", verdicts_markdown(HEAD, cases(), forest_file="judgements-forest.svg"))

    def test_a_document_is_the_markdown_under_the_command(self) -> None:
        head = "# harness check\n\n```sh\nharness check benchmarks/mrpc.toml\n```\n\n"
        assert document(HEAD, cases()) == head + markdown_of(*cases())

    def test_issue(self) -> None:
        check("judgements-issue.md", issue_text(HEAD, cases()[1:4]))


class TestWords:
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

    def test_equal_bit_for_bit(self) -> None:
        numbers = decide(replace(single(sample([85.0] * 5), 85.0), identical=True), Rule(1.5))
        why = Fact.of("judged", scores=None, because=Fact.of("runs.identical"))
        one = decided(numbers=numbers, outcome=numbers.outcome, reason=why)
        assert words.sentence(one).startswith("Equal to the reference, 90 % interval +0.00 to +0.00, margin 1.5")
        assert words.reason(one) == "equal bit for bit at every seed"
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


class TestText:
    def test_width(self) -> None:
        long = quality((350, 340), 85.78, f"{'x' * 200} · fp32", against="y" * 80)
        lines = text_of(*cases(), long).split("\n")
        assert max(map(len, lines)) <= WIDTH
        assert all(line == line.rstrip() for line in lines)

    def test_per_seed_scores_of_what_is_not_a_pass_only(self) -> None:
        assert "4: oom; 5: oom" in text_of(*cases())
        assert "By seed" not in text_of(decided())

    def test_f1(self) -> None:
        assert "By seed, F1 (accuracy): 1: 89.78 (85.78)" in text_of(quality((350, 340), 89.0, "a", item="f1"))

    def test_seeds_that_only_one_side_has(self) -> None:
        one = parity((350, 352), (350, 340), "m · fp16", "m · fp32")
        one = replace(one, against=Side("m · fp32", runs=runs((350,), first=2)))
        assert figures.by_seed(one)[0][2] is None
        assert "1: 85.78 − —; 2: 83.33 − 85.78 = -2.45" in text_of(one)

    def test_nothing(self) -> None:
        assert text_of() == "No judgement."
        assert markdown_of() == "## Verdicts\n\nNo judgement.\n"

    def test_source_notes_are_shared(self) -> None:
        noted = decided(numbers=replace(decision(decided()), sd=Sd(1.0, 4, note=said("a note"))))
        text = text_of(noted, noted)
        assert text.count("] a note") == 1
        assert text.count("own [1]") == 2

    def test_head_and_waivers(self) -> None:
        use = {"configuration": "m", "check": "parity", "author": "me", "expires": "2027-03-01", "reason": "known"}
        use |= {"issue": "a/b#1", "item": None}
        states = ("used", "unused", "expired")
        waivers = tuple(Fact.of("waiver.use", use=state, failures=1, waiver=use) for state in states)
        head = replace(HEAD, kind="compare", a="old.json", b="new", facts=(said("same place"),), waivers=waivers)
        lines = [
            "waivers: 1 used, 1 unused, 1 expired",
            "waiver of m, parity (a/b#1, me: known): unused, nothing that it fits fails",
            "waiver of m, parity (a/b#1, me: known): expired on 2027-03-01, 1 failure no longer waived",
        ]
        assert verdicts_text(head, [decided()]).split("\n")[:6] == [*lines, "A: old.json", "B: new", "same place"]
        assert "Waivers: 1 used, 1 unused, 1 expired. " in verdicts_markdown(head, [decided()])
        suite = ET.fromstring(sections_junit([Section(head, [decided()])])).find("testsuite")
        assert suite is not None
        assert [one.get("value") for one in suite.findall("properties/property[@name='waivers']")] == lines
        again, _ = verdicts_from_json(verdicts_json(head, [decided()]))
        assert again.waivers == waivers

    @given(ANY, ANY, ANY)
    @settings(deadline=None, max_examples=60)
    def test_any_text(self, name: str, why: str, note: str) -> None:
        changes: dict[str, Any] = {"reason": said(why), "notes": (said(note),)}
        error = plain("ERROR", said(why), name, runs=(SeedScore(1, note),))
        text = text_of(replace(named(few(), name, why), **changes), error)
        assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f\ud800-\udfff]", text)
        assert text.encode()


class TestMarkdown:
    def test_tables_have_a_row_each(self) -> None:
        tables = MARKDOWN.render(markdown_of(*cases())).split("<table>")[1:]
        assert tables[0].count("<tr>") == len(COMPARED) + 1
        assert markdown_of(*cases()).count("; alpha ") == len(COMPARED)

    @given(ANY, ANY)
    @settings(deadline=None, max_examples=60)
    def test_text_stays_text(self, name: str, why: str) -> None:
        one = replace(named(few(), name, why), reason=said(why), recipe_differences=(said(name),))
        html = MARKDOWN.render(markdown_of(one, plain("SKIP", said(why), name)))
        assert html.count("<table>") == 2
        assert html.count("<tr>") == 2 + 4
        assert html.count("<h2>") == 3
        assert "<a " not in html

    def test_pipes_and_markup(self) -> None:
        one = replace(named(few(), "a | b <img> [x](y)", "c"), reason=said("# no\n- heading @user"))
        text = markdown_of(one)
        assert MARKDOWN.render(text).count("<tr>") == 2 + 4
        assert "<img>" not in text
        assert "`@user.`" in text


class TestLimits:
    def many(self, count: int = 1100) -> list[Verdict]:
        return [named(few(), f"model-{number} · fp32", "hf-course-ch3") for number in range(count)]

    def test_step_summary_within_github_limit(self) -> None:
        text = sections_summary([Section(HEAD, self.many())])
        assert STEP_LIMIT - 2000 < len(text.encode()) <= STEP_LIMIT
        found = re.fullmatch(
            r"Cut here: ([\d,]+) of ([\d,]+) lines \(([\d,]+) of ([\d,]+) bytes\) are left out, because "
            r"its share of a step's summary on GitHub holds 1,048,575 bytes\. The JSON has everything\.",
            text.rstrip().split("\n")[-1],
        )
        assert found is not None
        whole = document(HEAD, self.many())
        left, lines, left_bytes, size = (int(group.replace(",", "")) for group in found.groups())
        assert size == len(whole.encode())
        assert lines == len(whole.rstrip("\n").split("\n"))
        shown = text[: text.rindex("\n\nCut here")]
        assert whole.startswith(shown)
        assert shown.count("\n") + 1 == lines - left
        assert left_bytes == size - len(shown.encode())

    def test_issue_within_github_limit(self) -> None:
        text = issue_text(HEAD, self.many(100))
        assert len(text.encode()) <= 65_536
        assert "Cut here: " in text

    @given(st.lists(st.sampled_from(["a" * 90, "é" * 50, "```", ""]), max_size=80), st.integers(1000, 3000))
    def test_shortened(self, lines: list[str], limit: int) -> None:
        text = "\n".join(lines) + "\n"
        short = shortened(text, limit, "it")
        assert len(short.encode()) <= limit
        assert (short == text) == (len(text.encode()) <= limit)
        if short != text:
            assert sum(line.startswith("```") for line in short.split("\n")) % 2 == 0

    def test_limit_too_small(self) -> None:
        with pytest.raises(ValueError, match="limit: 999"):
            shortened("", 999, "it")


class TestIssue:
    def test_nothing_red(self) -> None:
        green = [one for one in cases() if not one.is_red("fail")]
        assert green
        assert issue_text(HEAD, green) == ""

    def test_policy(self) -> None:
        assert issue_text(replace(HEAD, inconclusive="pass"), [few()]) == ""
        assert issue_text(HEAD, [few()]) != ""

    def test_what_it_says(self) -> None:
        text = issue_text(HEAD, cases())
        assert text.startswith("## FAIL, quality: google-bert/bert-base-uncased · fp16 against mrpc-sample")
        for part in ("and 3 more", "```sh\nharness check", "-4.92 to -3.50", "`c0ffee00c0ffee00`"):
            assert part in text
        assert "waived" not in text.split("###")[1]

    def test_it_says_since_when(self) -> None:
        well = {"since": "2026-11-27T02:00:00.000Z", "tonight": True, "well": "2026-11-26T02:00:00.000Z"}
        past = (Fact.of("past.well", **well, mean=87.25, undecided=False), Fact.of("past.again", select=(), fresh=True))
        text = issue_text(HEAD, [replace(case, past=past) for case in cases()])
        assert "Since tonight; last good 2026-11-26 02:00 (87.25)." in text
        assert "harness run GRID" not in text

    def test_bare_error(self) -> None:
        assert issue_text(HEAD, [plain("ERROR", said("3 of 5 cells have no run"))]).count("3 of 5 cells") == 1


class TestInterval:
    @given(st.lists(st.integers(300, 380), min_size=2, max_size=8), st.floats(0.01, 0.2))
    @settings(deadline=None, max_examples=40)
    def test_every_interval_that_is_shown_is_the_deciding_one(self, hits: list[int], alpha: float) -> None:
        one = quality(hits, 85.0, "m", rule=Rule(2.5, alpha=alpha))
        numbers = json.loads(verdicts_json(HEAD, [one]))["verdicts"][0]["numbers"]
        low, high = numbers["ci_pass_points"] or (None, None)
        places = words.digits(decision(one))
        known = "no interval" if low is None else f"{signed(low, places)} to {signed(high, places)}"
        level = f"{100 * (1 - 2 * numbers['alpha']):.3g} %"
        page = markdown_of(one).replace("\xa0", " ")
        assert f"({known})" in page
        assert f"Difference ({level} interval)" in page
        shown = set(re.findall(r"[+-]\d+\.\d+ to [+-]\d+\.\d+", page + words.sentence(one) + forest_caption([one])[0]))
        assert shown == ({known} if low is not None else set())
