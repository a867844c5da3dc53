"""The whole report as a Markdown document: hostile results, and results by the thousand."""

from __future__ import annotations

import re
import time
import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from markdown_it import MarkdownIt

from harness.report.format.numbers import amount, duration, points
from harness.report.run.model import GridFacts
from harness.report.run.render import render

EVIL = "a|b `c` <img src=x onerror=y> [l](http://e.vil) ![i](x.png)\n\n# h\n| --- |\n\u202e\x00\x1b[0m $x^2$ \\ https://e.vil"


def tokens_of(text: str) -> list[Any]:
    found = []
    for token in MarkdownIt("commonmark").enable("table").parse(text):
        found += [token, *(token.children or [])]
    return found


def outline(text: str) -> list[Any]:
    return [(token.type, token.tag) for token in tokens_of(text) if token.type not in ("text", "code_inline")]


def test_hostile_text_changes_nothing_but_text(make_entry: Any, make_record: Any, make_report: Any) -> None:
    def report(bad: str) -> dict[str, str]:
        entries = [
            make_entry(bad, s, p, configuration_id=p, cell_id=f"{p}{s}") for s in (1, 2) for p in ("fp32", "bf16")
        ]
        entries.append(make_entry(bad, 3, status="failed", metrics={}, error=bad, configuration_id="fp32", cell_id="f"))
        entries.append(
            make_entry(bad, 4, status="skipped", metrics={}, error=bad, configuration_id="fp32", cell_id="s")
        )
        machine = {bad: bad, "list": [bad], "table": {bad: {bad: bad}}}
        record = make_record(entries[0], machine=machine, packages={bad: bad}, arguments={"optim": bad})
        records = {"fp32": record, "bf16": record}
        grid = GridFacts(bad, bad, file=bad, text=f"{bad}\n```\n# out\n")
        curves = {"fp32": [np.ones(9)], "bf16": [np.ones(9)]}
        return render(make_report(entries, grid=grid, records=records, curves=curves, title=bad, notes=[bad]), "x")

    good, evil = report("good"), report(EVIL)
    assert outline(evil["x.md"]) == outline(good["x.md"])
    blocks = [token.content for token in tokens_of(evil["x.md"]) if token.type in ("html_block", "html_inline")]
    assert all(block.startswith(("<details><summary>", "</details>")) and "<img" not in block for block in blocks)
    links = {token.attrs["href"] for token in tokens_of(evil["x.md"]) if token.type == "link_open"}
    images = {token.attrs["src"] for token in tokens_of(evil["x.md"]) if token.type == "image"}
    assert (links, images) == ({"x.json"}, {"x-scores.svg", "x-loss.svg"})
    assert not re.search("[\u202e\x00\x1b]", "".join(evil.values()))
    for name in ("x-scores.svg", "x-loss.svg"):
        ET.fromstring(evil[name])


@pytest.mark.slow
def test_ten_thousand_entries_in_time(make_entry: Any, make_report: Any) -> None:
    entries = [
        make_entry("minilm", s, axes={"checkpoint": "minilm", "learning_rate": n / 1e6, "seed": s}, metrics=m)
        for n in range(1, 2001)
        for s in range(5)
        for m in [{"accuracy": 0.8 + s / 1000, "f1": 0.9}]
    ]
    curves = {e.configuration_id: [np.ones(1377)] * 5 for e in entries[:40]}
    before = time.process_time()
    files = render(make_report(entries, curves=curves), "x")
    assert time.process_time() - before < 10
    text = files["x.md"]
    results = text.split("## Results")[1].split("## Each run")[0]
    assert results.count("\n| learning") == 2000
    assert (
        "These are the first 200 of 10,000 runs; 9,800 are left out here, and all of them are in [x.json](x.json)."
        in text
    )
    assert "Shown: 40 of 2,000 configurations" in text
    assert len(text) < 1_000_000


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(None, "—"), (0.004, "0.00 s"), (0.42, "0.42 s"), (0.999, "1.0 s"), (99.94, "99.9 s"), (99.96, "1 min 40 s"),
     (485, "8 min 05 s"), (3599.7, "1 h 00 min"), (7800, "2 h 10 min"), (float("nan"), "—")],
)  # fmt: skip
def test_duration(seconds: float | None, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "—"),
        (0, "0"),
        (0.1234, "0.123"),
        (9.876, "9.88"),
        (22.46, "22.5"),
        (1234.5, "1,234"),
        (float("inf"), "—"),
    ],
)
def test_amount(value: float | None, text: str) -> None:
    assert amount(value) == text


def test_points() -> None:
    assert points(100 * 350 / 408) == "85.78"
    assert points(float("nan")) == "not a number"
