"""Several grids in one summary of a step."""

from __future__ import annotations

from dataclasses import replace

from harness.report.verdicts.markdown import STEP_LIMIT
from harness.report.verdicts.sections import Section, sections_summary
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
