"""Verdicts for machines: JUnit XML, JSON and back, workflow commands; whatever text they hold."""

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

from harness.checks.verdict import Fact, Finding, Verdict
from harness.errors import SpecError
from harness.record.results import SeedScore
from harness.report.format.as_json import plain as plain_data
from harness.report.format.units import fields_of
from harness.report.phrases.say import PHRASES
from harness.report.verdicts.github import workflow_command, workflow_commands
from harness.report.verdicts.json import SCHEMA, verdicts_from_json, verdicts_json
from harness.report.verdicts.markdown import verdicts_markdown
from harness.report.verdicts.text import verdicts_text
from harness.stats.decision import Decision
from harness.stats.throughput import compare_pairs
from tests.report.verdicts.made_up import HEAD, WAIVER, cases, check, decided, decision, junit, named, plain, said

ANY = st.text(st.characters(), max_size=60)
NUMBER = st.none() | st.floats()
PLAIN = st.none() | st.booleans() | st.integers() | st.floats() | ANY.filter(lambda text: text not in ("nan", "inf"))
CODES = ANY.filter(lambda code: code not in PHRASES)
VALUES = st.recursive(
    PLAIN,
    lambda inner: (
        st.lists(inner, max_size=2).map(tuple)
        | st.dictionaries(ANY, inner, max_size=2)
        | st.builds(Fact, CODES, st.dictionaries(ANY, inner, max_size=2))
    ),
    max_leaves=4,
)
FACTS = st.builds(Fact, CODES, st.dictionaries(ANY, VALUES, max_size=3))
FINDINGS = st.builds(Finding, ANY, st.sampled_from(["PASS", "FAIL"]), FACTS, st.none() | st.integers(), NUMBER)
LENIENT = replace(HEAD, inconclusive="pass")


def hostile(draw: Any) -> Verdict:
    one = draw(st.sampled_from(cases()))
    one = named(one, draw(ANY), draw(ANY)) if one.against else one
    runs = (SeedScore(draw(st.integers()), draw(ANY), {"accuracy": draw(NUMBER), "f1": None}),)
    return replace(
        one,
        subject=replace(one.subject, mean=draw(NUMBER), runs=runs),
        reason=said(draw(ANY)),
        margin_from=said(draw(ANY)),
        todo=(said(draw(ANY)),),
        notes=(said(draw(ANY)),),
        detectable=draw(NUMBER),
        waiver=draw(st.none() | ANY.map(said)),
    )


HOSTILE = st.composite(hostile)()


def any_verdict(draw: Any) -> Verdict:
    numbers = [None, decision(decided()), compare_pairs([1.0, 2.0], [2.0, 3.1])]
    given = {"reason": draw(FACTS), "notes": (draw(FACTS),), "findings": tuple(draw(st.lists(FINDINGS, max_size=2)))}
    return replace(draw(HOSTILE), numbers=draw(st.sampled_from(numbers)), **given)


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
        check("judgements.xml", junit(HEAD, cases()[:3]))

    def test_outcomes(self) -> None:
        outcomes: list[Any] = ["PASS", "FAIL", "ERROR", "SKIP", "INCONCLUSIVE"]
        every = [replace(named(decided(), "a", outcome), outcome=outcome) for outcome in outcomes]
        assert results(parsed(junit(HEAD, every))) == ["passed", "failure", "error", "skipped", "failure"]
        assert results(parsed(junit(LENIENT, every)))[-1] == "skipped"
        waived = parsed(junit(HEAD, [decided(outcome="FAIL", waiver=WAIVER)]))
        assert results(waived) == ["skipped"]
        assert waived[0][1].attrib["message"].endswith("loss scale (a/b#12); 4.17 points, bound 5 points.")

    def test_names_and_numbers(self) -> None:
        case = parsed(junit(HEAD, [cases()[1]]))[0]
        assert case.attrib == {
            "classname": "quality",
            "name": "google-bert/bert-base-uncased · fp16 against mrpc-sample-base-uncased",
        }
        values = {one.attrib["name"]: one.attrib["value"] for one in case[0]}
        assert float(values["difference"]) == pytest.approx(decision(cases()[1]).difference, rel=1e-5)
        assert values["n"] == "5"
        assert values["margin"] == "2.75"
        assert values["outcome"] == "FAIL"
        assert "4.21 points below the reference" in case[1].attrib["message"]
        assert case[1].text is not None
        assert "7: collapsed 68.38" in case[1].text

    def test_names_differ_and_stay(self) -> None:
        one = decided()
        elsewhere = replace(one, subject=replace(one.subject, environment_id="other-environment"))
        same = [one, replace(one, item="f1"), elsewhere, one]
        names = [case.attrib["name"] for case in parsed(junit(HEAD, same))]
        first = "google-bert/bert-base-uncased · fp32 against hf-course-ch3"
        assert names == [first, f"{first} (F1)", f"{first} in other-en", f"{first} in e0f1a2b3"]

    def test_nothing(self) -> None:
        assert results(parsed(junit(HEAD, []))) == []

    @pytest.mark.parametrize(
        "text", ["]]>", "\x00\x08\x1f", "\ud800", "\ufffe\uffff", "<a b='c'>&amp;", "\r\n\t", "\U0001f600"]
    )
    def test_nasty_text(self, text: str) -> None:
        one = plain("ERROR", said(text), text, runs=(SeedScore(1, text),))
        assert results(parsed(junit(replace(HEAD, title=text), [one]))) == ["error"]

    def test_text_comes_back(self) -> None:
        suite = parsed(junit(HEAD, [plain("ERROR", said("a ]]> b & <c> \" ' é 😀"))]))
        assert suite[0][1].attrib["message"] == "A ]]> b & <c> \" ' é 😀."

    @given(st.lists(HOSTILE, max_size=4), st.sampled_from([HEAD, LENIENT]))
    @settings(deadline=None, max_examples=80)
    def test_always_valid(self, verdicts: list[Verdict], head: Any) -> None:
        parsed(junit(head, verdicts))


class TestJson:
    def test_the_envelope(self) -> None:
        data = json.loads(verdicts_json(HEAD, cases()))
        assert list(data) == ["schema", "kind", "head", "counts", "exit_code", "verdicts"]
        assert (data["schema"], data["kind"], data["exit_code"]) == (SCHEMA, "harness-check", 1)
        assert data["head"]["command"] == HEAD.command
        assert data["counts"] == {"FAIL": 3, "ERROR": 1, "INCONCLUSIVE": 1, "SKIP": 2, "PASS": 6, "waived": 1}
        first = data["verdicts"][0]
        assert list(fields_of(first)) == [field.name for field in fields(Verdict)]
        assert list(fields_of(first["numbers"])) == [field.name for field in fields(Decision)]
        assert (first["numbers"]["difference_points"], first["subject"]["runs"][0]["accuracy_fraction"]) == (
            decision(cases()[0]).difference, 350 / 408,
        )  # fmt: skip
        assert first["reason"] == {"code": "judged", "values": {"scores": None}}

    def test_numbers_that_are_none(self) -> None:
        def refuse(name: str) -> None:
            raise AssertionError(name)

        one = decided(detectable=float(np.float64(1.5)), adjusted_p=math.nan, more_seeds=np.int64(3))
        one = replace(one, subject=replace(one.subject, mean=-math.inf))
        found = json.loads(verdicts_json(HEAD, [one]), parse_constant=refuse)["verdicts"][0]
        assert (found["adjusted_p"], found["subject"]["mean_points"], found["detectable_points"]) == (
            "nan",
            "-inf",
            1.5,
        )
        assert found["more_seeds"] == 3

    @given(st.lists(st.composite(any_verdict)(), max_size=2))
    @settings(deadline=None, max_examples=100)
    def test_there_and_back(self, verdicts: list[Verdict]) -> None:
        text = verdicts_json(HEAD, verdicts)
        assert text.isascii()
        head, found = verdicts_from_json(text)
        assert (head, plain_data(found)) == (HEAD, plain_data(verdicts))

    def test_the_form_without_units_is_read(self) -> None:
        old = fields_of(json.loads(verdicts_json(HEAD, cases()))) | {"schema": 2}
        assert "mean" in old["verdicts"][0]["subject"]
        assert verdicts_from_json(json.dumps(old))[1] == tuple(cases())

    def test_the_first_form_is_read_with_its_sentences(self) -> None:
        run = {"seed": 1, "status": "ok", "accuracy": 0.8, "f1": 0.9}
        one = {
            "check": "quality", "outcome": "INCONCLUSIVE", "configuration": "m", "configuration_id": "c",
            "environment_id": "e", "against": "r", "metric": "accuracy", "why": "few runs", "decision": None,
            "mean": 80.0, "target": 85.0, "seeds": [run], "others": [], "margin_from": "", "detectable": None,
            "more_seeds": 4, "outlook": "4 more seeds.", "collapsed": 0, "judged": 1, "adjusted_p": None,
            "recipe_differences": [], "harmless": [], "evidence": ["a note"],
        }  # fmt: skip
        old = {"schema": 1, "kind": "harness-judgements", "waived": 0, "judgements": [one]}
        (found,) = verdicts_from_json(json.dumps(old))[1]
        text = verdicts_text(HEAD, [found])
        assert (found.subject.mean, found.against and found.against.mean, found.more_seeds) == (80.0, 85.0, 4)
        assert "few runs" in text.lower()

    def test_a_report_renders_from_its_json(self) -> None:
        head, found = verdicts_from_json(verdicts_json(HEAD, cases()))
        assert found == tuple(cases())
        for render in (verdicts_text, verdicts_markdown, junit, workflow_commands):
            assert render(head, found) == render(HEAD, cases())

    @pytest.mark.parametrize(
        ("path", "value", "message"),
        [
            (["verdicts", 0, "outcome"], "MAYBE", r"verdicts\[0\].outcome: got \"MAYBE\"; allowed 'PASS', 'FAIL'"),
            (["verdicts", 0, "numbers", "n"], "many", r"verdicts\[0\].numbers.n: got \"many\"; allowed .*integer"),
            (["verdicts", 0, "numbers", "sd", "value_points"], -1.0, r"verdicts\[0\].numbers.sd: .*allowed: 0 or more"),
            (
                ["verdicts", 0, "subject", "colour"],
                "red",
                r"verdicts\[0\].subject.colour: got \"red\"; allowed no",
            ),
            (["verdicts", 0, "detectable_points"], "1.5", r"verdicts\[0\].detectable_points: got \"1.5\"; allowed 1.5"),
            (["verdicts", 0, "reason", "code"], None, r"verdicts\[0\].reason.code: got None; allowed .*string"),
            (["counts", "PASS"], 99, r"counts.PASS: got 99; allowed 1"),
            (["kind"], "else", r"schema, kind: got .*; allowed schema 3"),
            (["schema"], 4, r"schema, kind: got "),
            (["schema"], 1, r"judgements: got "),
        ],
    )
    def test_strict(self, path: list[Any], value: Any, message: str) -> None:
        data = json.loads(verdicts_json(HEAD, [cases()[0]]))
        place = data
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value
        with pytest.raises(SpecError, match=f"x.json: {message}"):
            verdicts_from_json(json.dumps(data), "x.json")

    def test_what_is_missing_is_named(self) -> None:
        data = json.loads(verdicts_json(HEAD, [cases()[0]]))
        del data["verdicts"][0]["subject"]["label"]
        with pytest.raises(SpecError, match=r"JSON: verdicts\[0\].subject.label: missing; it is required"):
            verdicts_from_json(json.dumps(data))
        with pytest.raises(SpecError, match="is no JSON"):
            verdicts_from_json("{")
        with pytest.raises(SpecError, match="schema, kind"):
            verdicts_from_json("[]")


def unescaped(text: str) -> str:
    for escape, char in (("%3A", ":"), ("%2C", ","), ("%0D", "\r"), ("%0A", "\n"), ("%25", "%")):
        text = text.replace(escape, char)
    return text


class TestAnnotations:
    def test_golden(self) -> None:
        check("judgements-annotations.txt", workflow_commands(HEAD, cases()))

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
        assert workflow_commands(HEAD, doubtful).startswith("::error title=INCONCLUSIVE quality::")
        assert workflow_commands(LENIENT, doubtful).startswith("::warning title=INCONCLUSIVE quality::")
        waived = [one for one in cases() if one.waiver]
        assert workflow_commands(HEAD, waived).startswith("::warning title=FAIL (waived) parity::")
        assert workflow_commands(HEAD, [decided(), plain("SKIP", said("no GPU"))]) == ""

    def test_ten_of_each(self) -> None:
        fail = plain("ERROR", said("oom"))
        doubtful = next(one for one in cases() if one.outcome == "INCONCLUSIVE")
        lines = workflow_commands(LENIENT, [fail] * 25 + [doubtful] * 11).splitlines()
        assert Counter(line.split(" ")[0] for line in lines) == {"::error": 10, "::warning": 10, "::notice": 1}
        assert "15 more errors and 1 more warning left out" in lines[-1]
        assert len(workflow_commands(HEAD, [fail] * 10).splitlines()) == 10

    @given(st.lists(HOSTILE, max_size=3))
    @settings(deadline=None, max_examples=60)
    def test_one_line_each(self, verdicts: list[Verdict]) -> None:
        text = workflow_commands(HEAD, verdicts)
        assert all(line.startswith(("::error title=", "::warning title=")) for line in text.split("\n")[:-1])
        assert text.encode().decode() == text
