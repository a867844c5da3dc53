"""Verdicts on scores as a text, as a table and as Markdown."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.checks.verdict import Fact, Side
from harness.record.results import SeedScore
from harness.report.format.numbers import signed
from harness.report.verdicts import figures, words
from harness.report.verdicts.forest import forest_caption
from harness.report.verdicts.issue import issue_text
from harness.report.verdicts.json import verdicts_from_json, verdicts_json
from harness.report.verdicts.markdown import document, verdicts_markdown
from harness.report.verdicts.sections import Section, sections_junit
from harness.report.verdicts.text import WIDTH, verdicts_text
from harness.stats.decision import Rule
from harness.stats.variance import Sd
from tests.report.verdicts.made_up import (
    COMPARED,
    HEAD,
    cases,
    check,
    decided,
    decision,
    few,
    markdown_of,
    named,
    parity,
    plain,
    quality,
    runs,
    said,
    text_of,
)

ANY = st.text(st.characters(), max_size=60)
MARKDOWN = MarkdownIt("commonmark").enable("table")


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


def test_a_published_value_stands_with_its_spread_and_its_runs() -> None:
    target = Fact.of("target", value=85.294, statistic="sample", n=25, sd=0.8123, known=True)
    scores = Fact.of("scores.reference", metric="accuracy", mean=85.0, runs=5, target=target, label=None)
    verdict = replace(cases()[0], check="quality", reason=Fact.of("judged", scores=scores), against=Side("theirs"))
    assert figures.held_against(verdict) == "85.29 ± 0.81 (mean of 25 runs) theirs"
    assert figures.held_against(replace(verdict, against=None)) == "—"
    # Runs that came after the mean was taken do not pass for those in it.
    assert figures.measured(replace(verdict.subject, mean=1.0), "accuracy") == "1.00"
