"""A report as one page, without a browser: what it is made of. (`tests/pages` opens it in one.)"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from typing import Any

import pytest

from harness.report.page.markup import markup
from harness.report.page.page import FOLDER, html_page, report_page


def test_it_runs_its_own_script_and_no_other(demo: Any) -> None:
    text = report_page(demo)
    assert report_page(demo) == text
    policy = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', text)
    assert policy is not None
    assert policy[1].startswith("default-src 'none'; img-src data:; ")
    for tag in ("style", "script"):
        (inside,) = re.findall(rf"<{tag}>(.*?)</{tag}>", text, re.DOTALL)
        digest = base64.b64encode(hashlib.sha256(inside.encode()).digest()).decode()
        assert f"{tag}-src 'sha256-{digest}'" in policy[1]
    assert re.findall(r'(?:src|href)="(?!#|data:)[^"]*"', text) == []


def test_what_it_carries_of_others_has_its_licence() -> None:
    version = (FOLDER / "uplot" / "uPlot.iife.min.js").read_text(encoding="utf-8")[:60]
    assert version.startswith("/*! https://github.com/leeoniya/uPlot (v1.6.32) */")
    assert "The MIT License" in (FOLDER / "uplot" / "LICENSE").read_text(encoding="utf-8")
    assert "uPlot 1.6.32" in html_page("# A page\n", {}, [])


def test_every_run_is_in_it(demo: Any) -> None:
    text = report_page(demo)
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    data = json.loads(found[1])
    runs = [(row["label"], run["seed"], run["scores"]) for row in data["runs"]["rows"] for run in row["runs"]]
    assert runs == [(row.label, run.seed, run.scores) for row in demo.rows for run in row.scores]
    lines = [data["charts"]["loss"]["lines"][row["line"]]["label"] for row in data["runs"]["rows"]]
    assert lines == [row.label for row in demo.rows]


def test_nothing_measured_is_a_page_too(make_report: Any) -> None:
    assert "No cell of this grid has a score yet." in report_page(make_report([]))


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("<details><summary>A \\_b\\_</summary>\n\nx\n\n</details>", "<details><summary>A _b_</summary>\n<p>x</p>"),
        ("<details open onclick=x>", "&lt;details open onclick=x&gt;"),
        ("a <b onclick=x>b", "a &lt;b onclick=x&gt;b"),
        ("![x](https://example.org/y.svg)", "<p>x</p>"),
        ("[x](javascript:y)", "[x](javascript:y)"),
        ("| a |  |\n|--:|---|\n| 1 |  |", '<th class="right">a</th>\n<td></td>'),
    ],
)
def test_only_our_own_tags_are_tags(text: str, html: str) -> None:
    assert html in markup(text, {}).body
