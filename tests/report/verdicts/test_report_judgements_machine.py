"""Judgements for machines: JUnit XML, JSON, workflow commands; whatever text they hold."""

from __future__ import annotations

import json
import math
import re
import xml.etree.ElementTree as ET
from collections import Counter
from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.checks.scores.judgement import Judgement, SeedScore
from harness.report.verdicts.github import workflow_command, workflow_commands
from harness.report.verdicts.json import SCHEMA, judgement_json
from harness.report.verdicts.junit import to_junit
from harness.stats.decision import Decision
from tests.report.verdicts.judgement_cases import cases, check, judgement, plain

ANY = st.text(st.characters(), max_size=60)
NUMBER = st.none() | st.floats()


def hostile(draw: Any) -> Judgement:
    text = [draw(ANY) for _ in range(5)]
    one = draw(st.sampled_from(cases()))
    changes: dict[str, Any] = dict(
        zip(("configuration", "against", "why", "margin_from", "outlook"), text, strict=True)
    )
    changes |= {
        "mean": draw(NUMBER),
        "detectable": draw(NUMBER),
        "evidence": (draw(ANY),),
        "waiver": draw(st.none() | ANY),
    }
    return replace(one, seeds=(SeedScore(draw(st.integers()), text[0], draw(NUMBER)),), **changes)


HOSTILE = st.composite(hostile)()


def parsed(text: str) -> ET.Element:
    """The root, having asserted what CI systems' schemas (Jenkins, Windy Road) have in common."""
    root = ET.fromstring(text.encode("utf-8"))
    assert root.tag == "testsuites"
    assert set(root.attrib) <= {"name", "tests", "failures", "errors", "time", "disabled"}
    (suite,) = root
    assert suite.tag == "testsuite"
    assert {"name", "tests", "failures", "errors", "skipped"} == set(suite.attrib)
    found: Counter[str] = Counter()
    for case in suite:
        assert case.tag == "testcase"
        assert {"classname", "name"} == set(case.attrib)
        assert case.attrib["classname"]
        assert case.attrib["name"] is not None
        tags = [child.tag for child in case]
        assert tags[0] == "properties"
        assert len(tags) <= 2
        assert set(tags[1:]) <= {"failure", "error", "skipped"}
        found.update(tags[1:])
        for one in case[0]:
            assert one.tag == "property"
            assert set(one.attrib) == {"name", "value"}
            assert not len(one)
        for result in case[1:]:
            assert not len(result)
            assert set(result.attrib) == ({"message"} if result.tag == "skipped" else {"message", "type"})
    assert suite.attrib["tests"] == root.attrib["tests"] == str(len(suite))
    assert suite.attrib["failures"] == root.attrib["failures"] == str(found["failure"])
    assert suite.attrib["errors"] == root.attrib["errors"] == str(found["error"])
    assert suite.attrib["skipped"] == str(found["skipped"])
    names = [(case.attrib["classname"], case.attrib["name"]) for case in suite]
    assert len(set(names)) == len(names)
    return suite


def results(suite: ET.Element) -> list[str]:
    return [case[1].tag if len(case) > 1 else "passed" for case in suite]


class TestJunit:
    def test_golden(self) -> None:
        check("judgements.xml", to_junit(cases()))

    def test_outcomes(self) -> None:
        one = judgement()
        outcomes: list[Any] = ["PASS", "FAIL", "ERROR", "SKIP", "INCONCLUSIVE"]
        every = [replace(one, outcome=o, against=o) for o in outcomes]
        assert results(parsed(to_junit(every))) == ["passed", "failure", "error", "skipped", "failure"]
        assert results(parsed(to_junit(every, inconclusive="pass")))[-1] == "skipped"
        waived = parsed(to_junit([replace(one, outcome="FAIL", waiver="until May")]))
        assert results(waived) == ["skipped"]
        assert waived[0][1].attrib["message"].endswith(" Waived: until May.")

    def test_names_and_numbers(self) -> None:
        case = parsed(to_junit([cases()[1]]))[0]
        assert case.attrib == {
            "classname": "quality",
            "name": "google-bert/bert-base-uncased · fp16 against mrpc-sample-base-uncased",
        }
        values = {one.attrib["name"]: one.attrib["value"] for one in case[0]}
        decision = cases()[1].decision
        assert decision is not None
        assert float(values["difference"]) == pytest.approx(decision.difference, rel=1e-5)
        assert values["n"] == "5"
        assert values["margin"] == "2.75"
        assert values["outcome"] == "FAIL"
        assert "4.21 points below the reference" in case[1].attrib["message"]
        assert case[1].text is not None
        assert "7: collapsed 68.38" in case[1].text

    def test_names_differ_and_stay(self) -> None:
        one = judgement()
        same = [one, replace(one, metric="f1"), replace(one, environment_id="other-environment"), one]
        names = [case.attrib["name"] for case in parsed(to_junit(same))]
        first = "google-bert/bert-base-uncased · fp32 against hf-course-ch3"
        assert names == [first, f"{first} (F1)", f"{first} in other-en", f"{first} in e0f1a2b3"]

    def test_nothing(self) -> None:
        assert results(parsed(to_junit([]))) == []

    @pytest.mark.parametrize(
        "text", ["]]>", "\x00\x08\x1f", "\ud800", "\ufffe\uffff", "<a b='c'>&amp;", "\r\n\t", "\U0001f600"]
    )
    def test_nasty_text(self, text: str) -> None:
        suite = parsed(to_junit([plain("ERROR", text, configuration=text, seeds=(SeedScore(1, text),))], name=text))
        assert results(suite) == ["error"]

    def test_text_comes_back(self) -> None:
        why = "a ]]> b & <c> \" ' é 😀"
        assert parsed(to_junit([plain("ERROR", why)]))[0][1].attrib["message"] == f"{why}."[0].upper() + f"{why}."[1:]

    @given(st.lists(HOSTILE, max_size=4), st.sampled_from(["fail", "pass"]))
    @settings(deadline=None, max_examples=80)
    def test_always_valid(self, judgements: list[Judgement], policy: Any) -> None:
        parsed(to_junit(judgements, inconclusive=policy))


class TestJson:
    def test_golden(self) -> None:
        check("judgements.json", judgement_json(cases()))

    def test_everything_is_there(self) -> None:
        data = json.loads(judgement_json(cases()))
        assert list(data) == ["schema", "kind", "counts", "waived", "judgements"]
        assert data["schema"] == SCHEMA
        assert data["counts"] == {"FAIL": 3, "ERROR": 1, "INCONCLUSIVE": 1, "SKIP": 2, "PASS": 6}
        assert data["waived"] == 1
        assert list(data["judgements"][0]) == [field.name for field in fields(Judgement)]
        assert list(data["judgements"][0]["decision"]) == [field.name for field in fields(Decision)]
        assert [one["configuration"] for one in data["judgements"]] == [one.configuration for one in cases()]

    def test_numbers_that_are_none(self) -> None:
        def refuse(name: str) -> None:
            raise AssertionError(name)

        text = judgement_json([judgement(mean=math.nan, target=-math.inf, detectable=float(np.float64(1.5)))])
        one = json.loads(text, parse_constant=refuse)["judgements"][0]
        assert (one["mean"], one["target"], one["detectable"]) == ("nan", "-inf", 1.5)

    @given(HOSTILE)
    @settings(deadline=None, max_examples=60)
    def test_any(self, one: Judgement) -> None:
        text = judgement_json([one])
        assert text.isascii()
        assert json.loads(text)["judgements"][0]["configuration"] == one.configuration
        assert text == judgement_json([one])


def unescaped(text: str) -> str:
    for escape, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(escape, char)
    return text


class TestAnnotations:
    def test_golden(self) -> None:
        check("judgements-annotations.txt", workflow_commands(cases()))

    @given(ANY, ANY)
    def test_escape(self, title: str, message: str) -> None:
        line = workflow_command("error", title, message)
        assert "\n" not in line
        assert "\r" not in line
        found = re.fullmatch(r"::error title=([^:,]*)::(.*)", line, re.DOTALL)
        assert found is not None
        assert unescaped(found[1]) == title
        assert unescaped(found[2]) == message

    def test_known_escapes(self) -> None:
        assert workflow_command("error", "a: b, c", "50 %\r\n::x, y") == "::error title=a%3A b%2C c::50 %25%0D%0A::x, y"
        assert workflow_command("error", "%0A", "%3A") == "::error title=%250A::%253A"

    def test_policy(self) -> None:
        doubtful = [one for one in cases() if one.outcome == "INCONCLUSIVE"]
        assert workflow_commands(doubtful).startswith("::error title=INCONCLUSIVE quality::")
        assert workflow_commands(doubtful, inconclusive="pass").startswith("::warning title=INCONCLUSIVE quality::")
        waived = [one for one in cases() if one.waiver]
        assert workflow_commands(waived).startswith("::warning title=FAIL (waived) parity::")
        assert workflow_commands([judgement(), plain("SKIP", "no GPU")]) == ""

    def test_ten_of_each(self) -> None:
        fail = plain("ERROR", "oom")
        doubtful = next(one for one in cases() if one.outcome == "INCONCLUSIVE")
        lines = workflow_commands([fail] * 25 + [doubtful] * 11, inconclusive="pass").splitlines()
        assert Counter(line.split(" ")[0] for line in lines) == {"::error": 10, "::warning": 10, "::notice": 1}
        assert "15 more errors and 1 more warning left out" in lines[-1]
        assert len(workflow_commands([fail] * 10).splitlines()) == 10

    @given(st.lists(HOSTILE, max_size=3))
    @settings(deadline=None, max_examples=60)
    def test_one_line_each(self, judgements: list[Judgement]) -> None:
        text = workflow_commands(judgements)
        assert all(line.startswith(("::error title=", "::warning title=")) for line in text.split("\n")[:-1])
        assert text.encode().decode() == text
