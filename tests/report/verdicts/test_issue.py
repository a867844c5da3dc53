"""Verdicts as an issue, and within what GitHub holds."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.verdict import Fact, Verdict
from harness.report.verdicts.issue import issue_text
from harness.report.verdicts.markdown import STEP_LIMIT, document, shortened
from harness.report.verdicts.sections import Section, sections_summary
from tests.report.verdicts.made_up import HEAD, cases, few, named, plain, said


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
