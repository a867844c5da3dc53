"""Verdicts on speed and on runs as text, Markdown, JUnit XML and annotations: what must be read off each."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from harness.checks.verdict import Fact, Finding, Side, Verdict
from harness.report.verdicts.figures import speed_figures
from harness.report.verdicts.github import MOST, workflow_commands
from harness.report.verdicts.markdown import document, shortened
from harness.report.verdicts.text import WIDTH, verdicts_text
from harness.report.verdicts.words import Head, subject
from harness.stats.throughput import compare_pairs
from tests.report.verdicts.made_up import junit, said

OLD, NEW = "results/speed:environment=old", "results/speed:environment=new"
HEAD = Head("compare", "harness compare", "harness compare a b", OLD, NEW, facts=(said("margin 5 %"),))
EVEN = [400.0, 404.0, 396.0, 402.0, 398.0]
SLOWER = [352.0, 350.0, 349.0, 353.0, 347.0]
SLOW = compare_pairs(EVEN, SLOWER)
ALIKE = compare_pairs(EVEN, [399.0, 405.0, 395.0, 401.0, 399.0])


def speed(outcome: Any, a: str, b: str, reason: Fact, **values: Any) -> Verdict:
    findings = (Finding("processes", "PASS", Fact.of("speed.pairs", counted=5)),) if values.get("numbers") else ()
    given = {"item": "speed", "against": Side(a) if a else None, "findings": findings, **values}
    return Verdict("speed", outcome, Side(b), reason, **given)


FAILED = speed(
    "FAIL", "minilm · fp32 · old", "minilm · fp32 · new", said("the ratio is low"), numbers=SLOW, adjusted_p=0.0002
)
INTERVAL = Fact.of("speed.interval", ratio=1.0, low=0.99, high=1.01, margin=0.05, detectable=0.01)
PASSED = speed("PASS", "tiny · fp32", "tiny · fp32", INTERVAL, numbers=ALIKE)
BUSY = speed(
    "INCONCLUSIVE", "big · bf16", "big · bf16", said("the machine was not quiet"), todo=(said("close programs"),)
)
MISSING = speed("ERROR", "gone", "gone", said("missing: B has no timing of it"))
ADDED = speed("SKIP", "", "added", said("new: A has no timing of it"))
EVERY = [PASSED, ADDED, FAILED, MISSING, BUSY]


class TestSpeed:
    def test_text(self) -> None:
        text = verdicts_text(HEAD, EVERY)
        lines = text.splitlines()
        assert lines[:3] == [f"A: {OLD}", f"B: {NEW}", "margin 5 %"]
        row = next(line for line in lines if line.startswith("FAIL  "))
        for part in ("minilm · fp32: old -> new", "5 pairs", "0.876", "0.870 to 0.882", "-12.4 %", "1.0 %"):
            assert part in row
        assert "After Holm's correction p = 0.0002." in text
        assert "To do:\n  - big · bf16: close programs\n" in text
        assert lines[-1] == "5 configurations: 1 FAIL, 1 ERROR, 1 INCONCLUSIVE, 1 SKIP, 1 PASS"
        # Reasons come worst first; a PASS has its row only.
        heads = ["FAIL speed: minilm", "ERROR speed: gone", "INCONCLUSIVE speed: big", "SKIP speed: added"]
        places = [text.index(head) for head in heads]
        assert places == sorted(places)
        assert "PASS speed" not in text
        assert max(map(len, lines)) <= WIDTH

    def test_what_was_confirmed_is_told_of_a_pass_too(self) -> None:
        again = replace(PASSED, reason=said("not confirmed: it is as fast as before"))
        assert "Not confirmed: it is as fast as before." in verdicts_text(HEAD, [again])

    def test_a_thing_to_do_for_many_is_told_once(self) -> None:
        text = verdicts_text(HEAD, [replace(BUSY, subject=Side(f"c{n}"), against=Side(f"c{n}")) for n in range(6)])
        assert text.count("close programs") == 1
        assert "c0, c1, c2, c3" in text

    def test_a_tiny_p_reads_well(self) -> None:
        assert "After Holm's correction p < 0.0001." in verdicts_text(HEAD, [replace(FAILED, adjusted_p=1e-9)])

    def test_nothing_compared_has_no_table(self) -> None:
        text = verdicts_text(HEAD, [ADDED])
        assert "interval" not in text
        assert text.endswith("1 configuration: 1 SKIP")

    def test_figures_of_sessions_and_of_little(self) -> None:
        one = replace(
            PASSED,
            numbers=compare_pairs(EVEN[:1], SLOWER[:1]),
            findings=(Finding("processes", "PASS", Fact.of("speed.sessions", counted=1)),),
        )
        assert speed_figures(one) == ["1 session", "0.880", "—", "-12.0 %", "—"]
        assert speed_figures(BUSY) == ["—"] * 5
        assert subject(MISSING) == "gone"

    def test_long_names_wrap(self) -> None:
        name = Side(" · ".join(["word"] * 25))
        text = verdicts_text(HEAD, [replace(PASSED, subject=name, against=name), FAILED])
        assert max(map(len, text.splitlines())) <= WIDTH
        assert text.count("word") == 25

    def test_markdown(self) -> None:
        text = document(replace(HEAD, a="a|b"), EVERY)
        assert text.startswith("# harness compare\n\n```sh\nharness compare a b\n```\n")
        for part in ("Margin 5 %.", "| FAIL ", "### INCONCLUSIVE, speed: big", "a&#124;b", "## To do"):
            assert part in text
        assert len(shortened(document(HEAD, EVERY * 50), 3000, "here").encode()) <= 3000

    def test_junit(self) -> None:
        memory = Finding("device memory", "PASS", Fact.of("speed.device_memory", a=1000.0, b=1001.0))
        every = [*EVERY, replace(PASSED, findings=(memory,))]
        suite = ET.fromstring(junit(HEAD, every)).find("testsuite")
        assert suite is not None
        cases = {str(case.get("name")): case for case in suite}
        assert [case.get("classname") for case in suite] == ["speed"] * 6
        assert [tag for tag in ("failure", "error", "skipped") for case in suite if case.find(tag) is not None] == [
            "failure", "failure", "error", "skipped",
        ]  # fmt: skip
        failed = cases["minilm · fp32: new against old"]
        properties = {one.get("name"): one.get("value") for one in failed.iter("property")}
        assert properties["ratio"] == f"{SLOW.ratio:.6g}"
        assert properties["margin"] == "0.05"
        assert properties["processes_counted"] == "5"
        assert properties["adjusted_p"] == "0.0002"
        again = {one.get("name"): one.get("value") for one in cases["tiny · fp32 #2"].iter("property")}
        assert again["device_memory_b"] == "1001"

    def test_annotations(self) -> None:
        lines = workflow_commands(HEAD, EVERY).splitlines()
        assert [line.split("::")[1] for line in lines] == [
            "error title=FAIL speed", "error title=ERROR speed", "error title=INCONCLUSIVE speed",
        ]  # fmt: skip
        assert lines[2].endswith("The machine was not quiet. To do: close programs.")
        assert len(workflow_commands(HEAD, [FAILED] * (MOST + 3)).splitlines()) == MOST + 1


def run(label: str, outcome: Any = "PASS", *findings: Finding, **values: Any) -> Verdict:
    values = {"check": "fidelity", "reason": said("all items hold"), "findings": findings, **values}
    return Verdict(outcome=outcome, subject=Side(label, cell_ids=(label,)), **values)


VERIFY = Head("verify", "harness verify", "harness verify grid.toml")
WRONG = Finding("steps", "FAIL", said("4 instead of 3"), cause="too many", ratio=4 / 3)
NORM = Finding("gradient norm", "FAIL", said("8 x too large"), step=2, ratio=8.0, cause="scale", upstream="o/r#1")
PAIR = run("m · devices=2", "FAIL", NORM, check="invariants", item="devices", against=Side("m · devices=1"))
RUNS = [
    run("m · fp32", "FAIL", WRONG),
    run("m · bf16", "FAIL", WRONG),
    PAIR,
    run("m · fp32 · seed 2", not_available=(said("tf32"),)),
    run("m · fp16", "SKIP", reason=said("no GPU")),
]


class TestRuns:
    def test_text(self) -> None:
        assert verdicts_text(VERIFY, RUNS) == "\n".join([
            "FAIL invariants: devices: m: devices 1 -> 2",
            "    gradient norm: 8 x too large [1]",
            "",
            "FAIL fidelity: m · fp32",
            "    and 1 more run alike: bf16",
            "    steps: 4 instead of 3 [2]",
            "",
            "SKIP fidelity: m · fp16",
            "    no GPU",
            "",
            "[1] o/r#1: scale",
            "[2] usually: too many",
            "",
            "PASS          fidelity (1)",
            "not available: tf32",
            "",
            "5 checks: 3 FAIL, 1 SKIP, 1 PASS",
        ])  # fmt: skip

    def test_runs_skipped_for_one_reason_are_told_together(self) -> None:
        why = Finding("run", "SKIP", said("no GPU"))
        runs = [run(f"m · {name}", "SKIP", why) for name in ("fp16", "fp16 · repeat=2", "tf32")]
        text = verdicts_text(VERIFY, runs)
        assert "SKIP fidelity: m · fp16\n    and 2 more runs alike: repeat=2, tf32\n" in text
        assert text.count("no GPU") == 1

    def test_markdown(self) -> None:
        text = document(VERIFY, RUNS)
        assert "| FAIL      | invariants: devices" in text
        assert "### FAIL, fidelity: m · fp32\n\nAnd 1 more run alike: bf16.\n\n- steps: 4 instead of 3 \\[2\\]" in text
        assert "- \\[1] [o/r#1](https://github.com/o/r/issues/1): scale\n- \\[2] usually: too many" in text
        assert "Not available here, and so neither passed nor failed: tf32." in text

    def test_junit_and_annotations(self) -> None:
        suite = ET.fromstring(junit(VERIFY, RUNS)).find("testsuite")
        assert suite is not None
        names = [(case.get("classname"), case.get("name")) for case in suite]
        assert names[2:4] == [
            ("invariants", "m: devices=1 against devices=2 (devices)"),
            ("fidelity", "m · fp32 · seed 2"),
        ]
        assert len(set(names)) == len(names)
        properties = {one.get("name"): one.get("value") for one in suite[2].iter("property")}
        assert (properties["gradient_norm_step"], properties["gradient_norm_ratio"]) == ("2", "8")
        lines = workflow_commands(VERIFY, RUNS).splitlines()
        said_first = "Gradient norm: 8 x too large: o/r#1: scale."
        assert lines[0] == f"::error title=FAIL invariants::m: devices 1 -> 2%0A{said_first}"

    def test_diff(self) -> None:
        def differs(layer: str, item: str, outcome: Any, cause: str | None = None) -> Finding:
            values = {"a": 1, "b": 2, "ratio": None, "where": None}
            return Finding(item, outcome, Fact.of("difference", item=item, layer=layer, **values), cause=cause)

        found = [
            differs("asked", "seed", "SKIP"),
            differs("exact", "initial weights", "FAIL", "another seed"),
            differs("trajectory", "loss", "INCONCLUSIVE"),
            Finding("logits", "SKIP", Fact.of("consequence", item="logits", of="x")),
        ]
        head = Head("diff", "harness diff", a="m · seed 1 (old)", b="m · seed 2 (new)")
        one = run("m · seed 2", "FAIL", *found, check="diff", against=Side("m · seed 1"), reason=said("they differ"))
        text = document(head, [one])
        head_line = "### FAIL, diff: m: seed 1 -> seed 2\n\n- they differ\n- Asked for otherwise: seed: 1 -> 2\n"
        assert head_line in text


@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=200))
def test_any_text_is_harmless(a: str, b: str, why: str) -> None:
    sides: dict[str, Any] = {"subject": Side(b), "against": Side(a)}
    slow = replace(FAILED, reason=said(why), notes=(said(why),), todo=(said(why),), **sides)
    failed = replace(PAIR, findings=(Finding(a, "FAIL", said(why), cause=b, upstream=a),), **sides)
    head = replace(HEAD, a=a, b=b)
    ET.fromstring(junit(head, [slow, failed]))
    assert len(workflow_commands(head, [slow, failed]).splitlines()) == 2
    verdicts_text(head, [slow, failed])
    document(head, [slow, failed])
