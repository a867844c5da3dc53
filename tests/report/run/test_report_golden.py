"""Every renderer's whole output.

Regenerate with `HARNESS_REGENERATE_GOLDEN=1 pytest tests/report` and read the diff.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from harness.report import render
from harness.report.index import render_index

GOLDEN = Path(__file__).parents[1] / "golden"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")


def check(name: str, text: str, *, tolerance: float = 0.0) -> None:
    path = GOLDEN / name
    if os.environ.get("HARNESS_REGENERATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    expected = path.read_text(encoding="utf-8")
    if tolerance:
        assert NUMBER.sub("0", text) == NUMBER.sub("0", expected), f"{name}: shape differs"
        for got, wanted in zip(NUMBER.findall(text), NUMBER.findall(expected), strict=True):
            assert abs(float(got) - float(wanted)) <= tolerance, f"{name}: {got} instead of {wanted}"
    else:
        assert text == expected


def test_demo(demo: Any) -> None:
    files = render(demo, "demo")
    assert list(files) == ["demo.md", "demo-scores.svg", "demo-loss.svg", "demo.json"]
    for name, text in files.items():
        check(name, text, tolerance=0.05 if name.endswith(".svg") else 0.0)


def test_empty(make_report: Any) -> None:
    files = render(make_report([]), "empty")
    assert list(files) == ["empty.md", "empty.json"]
    for name, text in files.items():
        check(name, text)


def test_one_run(make_report: Any, make_entry: Any) -> None:
    check("one-run.md", render(make_report([make_entry()]), "one-run", plots=False)["one-run.md"])


def test_index(demo: Any, make_report: Any) -> None:
    reports = {
        "demo.md": render(demo, "demo", plots=False)["demo.md"],
        "empty.md": render(make_report([]), "empty", plots=False)["empty.md"],
        "by-hand.md": "# What fp16 costs\n\nIt costs *nothing*, see [demo](demo.md). Really.\n",
        "demo.json": "{}",
    }
    check("index.md", render_index(reports))


def test_same_model_same_bytes(demo: Any) -> None:
    assert render(demo, "demo") == render(demo, "demo")


@pytest.mark.parametrize("stem", ["", "a/b", "../x", "a b", ".hidden", "a)b"])
def test_stem_must_be_a_plain_name(demo: Any, stem: str) -> None:
    with pytest.raises(ValueError, match="stem"):
        render(demo, stem)
