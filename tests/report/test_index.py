from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from harness.report.format.escape import clean, inline
from harness.report.run.render import render
from reports.index import check_index, read_line, render_index

REPORT = "# A title\n\nIt says 3.5 things. Then more.\n\n```sh\n\n$ harness report x\nmore\n```\n"


def test_reads_title_sentence_and_command() -> None:
    line = read_line("a.md", REPORT)
    assert (line.title, line.sentence, line.command) == ("A title", "It says 3.5 things.", "harness report x")


def test_what_a_code_block_says_is_no_title() -> None:
    line = read_line("a.md", "```toml\n# not this\n```\n\n# This\n\n| a |\n|---|\n| b |\n\nWords without a stop\n")
    assert (line.title, line.sentence, line.command) == ("This", "Words without a stop", None)


def test_reads_our_own_reports(make_entry: Any, make_report: Any) -> None:
    text = render(make_report([make_entry()], title="a | b_c <d> `e` [f](g)"), plots=False)["report.md"]
    line = read_line("x.md", text)
    assert line.title == "a | b_c <d> `e` [f](g)"
    assert line.sentence == "1 configuration of grid demo on glue/mrpc, 1 scored run of 1 planned cell."
    assert line.command == "harness report benchmarks/quickstart.toml --out reports/demo.md"


@given(st.text(alphabet="\\`|*_[]()<>&~#!-ab 1.:@$/", min_size=1, max_size=20))
def test_an_index_is_one_table_whatever_the_titles(title: str) -> None:
    index = render_index({"x.md": f"# {inline(title)}\n\nSays {inline(title)}.\n", "y z.md": f"# {title}\n\n{title}\n"})
    tokens = MarkdownIt("commonmark").enable("table").parse(index)
    cells = [token for token in tokens if token.type == "inline"][2:-2]  # between title, words, licence and limits
    assert len(cells) == 9
    hrefs = [child.attrs["href"] for cell in cells for child in cell.children or [] if child.type == "link_open"]
    assert hrefs == ["x.md", "y%20z.md"]
    assert not any(child.type == "html_inline" for cell in cells for child in cell.children or [])
    assert clean(title) or "[x.md](x.md)" in index


def test_check_says_what_is_wrong() -> None:
    reports = {"a.md": REPORT, "README.md": "old", "a-scores.svg": "<svg/>"}
    assert check_index(render_index(reports), reports) == []
    assert check_index("old", reports) == ["README.md: is not what the reports give; write it anew"]
    assert check_index(None, {}) == ["README.md: is missing"]
    problems = check_index(None, {"b.md": "nothing here"})
    assert problems[0] == "b.md: has no heading"
    assert "names no command" in problems[1]


def test_no_reports_yet() -> None:
    assert "There is none yet." in render_index({})
