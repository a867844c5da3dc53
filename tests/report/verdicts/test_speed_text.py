"""Comparisons of speed as text, Markdown, JUnit XML and annotations: what must be read off each."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.speed.compare import Comparison, Memory
from harness.report.verdicts.github import MOST
from harness.report.verdicts.speed_junit import speed_commands, speed_junit
from harness.report.verdicts.speed_markdown import speed_markdown
from harness.report.verdicts.speed_text import WIDTH, figures, is_red, speed_text, subject
from harness.stats.throughput import compare_pairs

EVEN = [400.0, 404.0, 396.0, 402.0, 398.0]
SLOWER = [352.0, 350.0, 349.0, 353.0, 347.0]
SLOW = compare_pairs(EVEN, SLOWER)
ALIKE = compare_pairs(EVEN, [399.0, 405.0, 395.0, 401.0, 399.0])
FAILED = Comparison(
    "minilm · fp32 · old", "minilm · fp32 · new", "FAIL", SLOW.why, SLOW, 5, 0, "side by side", adjusted_p=0.0002
)
PASSED = Comparison("tiny · fp32", "tiny · fp32", "PASS", ALIKE.why, ALIKE, 5, 0, "side by side")
BUSY = Comparison(
    "big · bf16", "big · bf16", "INCONCLUSIVE", "the machine was not quiet in 5 of 5 pairs", None, 0, 5, "side by side",
    advice="close other programs", quiet=False,
)  # fmt: skip
MISSING = Comparison("gone", "", "ERROR", "missing: B has no timing of it", None, 0, 0, "side by side")
NEW = Comparison("", "added", "SKIP", "new: A has no timing of it", None, 0, 0, "side by side")
EVERY = [PASSED, NEW, FAILED, MISSING, BUSY]


def test_text() -> None:
    text = speed_text(EVERY, "results/speed:environment=old", "results/speed:environment=new", 0.05)
    lines = text.splitlines()
    assert lines[:3] == [
        "A: results/speed:environment=old",
        "B: results/speed:environment=new",
        "margin 5 %, one-sided: only slower can fail",
    ]
    row = next(line for line in lines if line.startswith("FAIL  "))
    assert row.split("  ")[0] == "FAIL"
    for said in ("minilm · fp32: new against old", "5 pairs", "0.876", "0.870 to 0.882", "-12.4 %", "1.0 %"):
        assert said in row
    assert "After Holm's correction p = 0.0002." in text
    assert "To do:\n  - big · bf16: close other programs\n" in text
    assert lines[-1] == "5 configurations: 1 FAIL, 1 ERROR, 1 INCONCLUSIVE, 1 SKIP, 1 PASS"
    # Reasons come worst first; a PASS has its row only.
    places = [
        text.index(word) for word in ("FAIL          minilm", "ERROR         gone", "INCONCLUSIVE  big", "SKIP  ")
    ]
    assert places == sorted(places)
    assert not any(line.startswith("PASS          tiny") for line in lines)
    assert max(map(len, lines)) <= WIDTH


def test_an_advice_for_many_is_given_once() -> None:
    text = speed_text([replace(BUSY, a=f"c{n}", b=f"c{n}") for n in range(6)], "a", "b", 0.05)
    assert text.count("close other programs") == 1
    assert "c0, c1, c2, c3" in text


def test_a_tiny_p_reads_well() -> None:
    text = speed_text([replace(FAILED, adjusted_p=1e-9)], "a", "b", 0.05)
    assert "After Holm's correction p < 0.0001." in text


def test_nothing_compared_has_no_table() -> None:
    text = speed_text([NEW], "a", "b", 0.05)
    assert "interval" not in text
    assert text.endswith("1 configuration: 1 SKIP")


def test_figures_of_sessions_and_of_little() -> None:
    few = compare_pairs(EVEN[:1], SLOWER[:1])
    one = replace(PASSED, speed=few, pairs=1, design="sessions")
    assert figures(one) == ["1 session", "0.880", "—", "-12.0 %", "—"]
    assert figures(BUSY) == ["—"] * 5
    assert subject(FAILED) == "minilm · fp32: new against old"
    assert subject(MISSING) == "gone"


def test_long_names_wrap() -> None:
    long = replace(PASSED, a=" · ".join(["word"] * 25), b=" · ".join(["word"] * 25))
    text = speed_text([long, FAILED], "a", "b", 0.05)
    assert max(map(len, text.splitlines())) <= WIDTH
    assert text.count("word") == 25


def test_markdown() -> None:
    text = speed_markdown(EVERY, "a|b", "b", 0.05, command="harness compare a b")
    assert "# harness compare" in text
    assert "Margin 5 %." in text
    assert "| **FAIL** " in text
    assert "## INCONCLUSIVE: big" in text
    assert "a&#124;b" in text
    assert "5 configurations: 1 FAIL, 1 ERROR, 1 INCONCLUSIVE, 1 SKIP, 1 PASS." in text
    short = speed_markdown(EVERY * 50, "a", "b", 0.05, limit=3000)
    assert len(short.encode()) <= 3000
    assert "are left out" in short


@pytest.mark.parametrize(("policy", "failures", "skipped"), [("fail", "2", "1"), ("pass", "1", "2")])
def test_junit(policy: str, failures: str, skipped: str) -> None:
    suite = ET.fromstring(speed_junit(EVERY, inconclusive=policy)).find("testsuite")  # type: ignore[arg-type]
    assert suite is not None
    assert {key: suite.get(key) for key in ("tests", "failures", "errors", "skipped")} == {
        "tests": "5", "failures": failures, "errors": "1", "skipped": skipped,
    }  # fmt: skip
    cases = {str(case.get("name")): case for case in suite}
    failed = cases["minilm · fp32: new against old"]
    assert failed.get("classname") == "speed"
    properties = {one.get("name"): one.get("value") for one in failed.iter("property")}
    assert properties["ratio"] == f"{SLOW.ratio:.6g}"
    assert properties["margin"] == "0.05"
    assert properties["detectable"] == f"{SLOW.detectable:.6g}"
    assert properties["adjusted_p"] == "0.0002"
    failure = failed.find("failure")
    assert failure is not None
    assert "margin 5 %, MDE 1.0 %" in str(failure.get("message"))
    assert cases["tiny · fp32"].find("failure") is None
    assert cases["gone"].find("error") is not None
    assert cases["added"].find("skipped") is not None


def test_junit_names_are_unique_and_memory_is_there() -> None:
    twice = replace(PASSED, memory=Memory(1000.0, 1001.0))
    suite = ET.fromstring(speed_junit([PASSED, twice])).find("testsuite")
    assert suite is not None
    assert [case.get("name") for case in suite] == ["tiny · fp32", "tiny · fp32 #2"]
    assert '"memory_mib_b" value="1001"' in speed_junit([twice])


def test_annotations() -> None:
    lines = speed_commands(EVERY).splitlines()
    assert [line.split("::")[1] for line in lines] == [
        "error title=FAIL speed", "error title=ERROR speed", "error title=INCONCLUSIVE speed",
    ]  # fmt: skip
    assert "::warning title=INCONCLUSIVE speed::" in speed_commands([BUSY], inconclusive="pass")
    assert speed_commands([PASSED, NEW]) == ""
    many = speed_commands([FAILED] * (MOST + 3)).splitlines()
    assert len(many) == MOST + 1
    assert "3 more left out" in many[-1]
    assert not is_red(BUSY, "pass")


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=200))
def test_any_text_is_harmless(a: str, b: str, why: str) -> None:
    one = replace(FAILED, a=a, b=b, why=why, notes=(why,), advice=why)
    ET.fromstring(speed_junit([one]))
    assert len(speed_commands([one]).splitlines()) == 1
    speed_text([one], a, b, 0.05)
    speed_markdown([one], a, b, 0.05)
