"""Several grids in one summary of a step; and what an exit code is for where no verdict says it."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from dataclasses import replace

from harness.checks.verdict import Outcome
from harness.fact import Fact
from harness.report.verdicts.markdown import STEP_LIMIT
from harness.report.verdicts.sections import Section, sections_badge, sections_junit, sections_summary
from tests.report.verdicts.made_up import HEAD, cases


def test_the_summary_of_several_grids_is_within_what_github_shows_and_has_each() -> None:
    many = cases() * 130
    sections = [Section(replace(HEAD, title=f"grid {name}"), many) for name in "ab"]
    assert len(sections_summary(sections[:1]).encode()) < STEP_LIMIT
    text = sections_summary(sections)
    assert len(text.encode()) <= STEP_LIMIT
    assert [line for line in text.splitlines() if line.startswith("# ")] == ["# grid a", "# grid b"]
    assert text.count("Cut here: ") == 2


def test_a_summary_that_fits_is_whole() -> None:
    small = [Section(HEAD, cases()), Section(HEAD, code=3, error="no grid")]
    assert "Cut here" not in sections_summary(small)
    assert "# harness check: exit 3" in sections_summary(small)


def red_cases(section: Section) -> list[tuple[str, str]]:
    """(class name, message) of the cases that are no success."""
    every = ET.fromstring(sections_junit([section])).iter("testcase")
    return [(one.get("classname", ""), bad.get("message", "")) for one in every for bad in one.iter("error")]


def test_no_file_is_green_where_the_exit_code_is_not_0() -> None:
    passed = [one for one in cases() if one.outcome == "PASS"]
    assert passed
    head = replace(HEAD, grid="night", facts=(Fact.of("judged.nothing"),))
    nothing = Section(head, passed, code=5)
    assert nothing.why.startswith("nothing was judged: the scores were compared with nothing")
    assert red_cases(nothing) == [("night.check", nothing.why)]
    assert sections_summary([nothing]).startswith("# harness check: exit 5\n")
    assert Section(head, passed).why == ""
    assert red_cases(Section(head, passed)) == []


def test_what_was_skipped_is_the_reason_where_it_counts() -> None:
    skipped = [replace(cases()[0], outcome="SKIP", item="cells")]
    assert Section(HEAD, skipped, code=1).why.startswith("1 check skipped: ")
    assert Section(HEAD, skipped).why == ""


def test_a_badge_is_green_only_where_the_exit_code_is_0() -> None:
    head, (first, *_) = replace(HEAD, grid="night"), cases()

    def badge(*outcomes: Outcome, code: int = 0, error: str = "") -> tuple[str, str, bool]:
        verdicts = [replace(first, outcome=outcome, findings=(), waiver=None) for outcome in outcomes]
        facts = json.loads(sections_badge([Section(head, verdicts, code=code, error=error)]))
        assert (facts["schemaVersion"], facts["label"]) == (1, "night")
        return facts["message"], facts["color"], facts.get("isError", False)

    assert badge("PASS", "PASS") == ("2 PASS", "brightgreen", False)
    assert badge("PASS", "FAIL", "PASS", code=1) == ("1 FAIL of 3", "red", False)
    assert badge("PASS", "INCONCLUSIVE", code=3) == ("1 INCONCLUSIVE of 2", "yellow", False)
    part = replace(head, part=Fact.of("part", left_out=2, of=4))
    assert '"1 PASS, of a part"' in sections_badge([Section(part, [replace(first, outcome="PASS", waiver=None)])])
    # Verdicts that came before what stopped the command are no result of it.
    assert badge("PASS", code=4, error="a cell errored") == ("not measured", "lightgrey", True)
    assert badge(code=5) == ("not measured", "lightgrey", True)
    assert badge(code=0) == ("not measured", "lightgrey", True)
