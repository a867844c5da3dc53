"""`check`, `report` and `accept` over the made-up scores: numbers, texts, files for a CI, exit codes."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.characterization.conftest import Harness
from tests.characterization.golden import bag, digest, kinds, same, same_outline, same_text, shortened, words
from tests.characterization.payload import payload, plain

GRIDS = ("scores", "looks", "both")
DECIDING = """
--inconclusive pass | --fail-on parity | --fail-on stability | --fail-on quality | --select seed=42
--select precision=bf16 --inconclusive pass | --select precision=fp32 | --select precision=fp32 --inconclusive pass
--select checkpoint=cased | --select checkpoint=cased --select precision=fp16
--select precision=fp32 --select checkpoint=google-bert/bert-base-uncased --fail-on parity
--select precision=fp32 --select checkpoint=google-bert/bert-base-uncased --inconclusive pass
"""


@pytest.mark.parametrize("grid", GRIDS)
def test_check_as_json(harness: Harness, grid: str) -> None:
    done = harness("check", f"{grid}.toml", "--json")
    found = plain(payload("check", done))
    same(f"check-{grid}", {"code": done.code, "verdicts": [shortened(one) for one in found], "keys": kinds(found)})


@pytest.mark.parametrize("grid", GRIDS[1:])
def test_check_for_people(harness: Harness, grid: str) -> None:
    done = harness("check", f"{grid}.toml", "-v")
    same(f"check-{grid}-words", [done.code, done.err, bag(plain(done.out))], depth=1)
    same_text(f"check-{grid}-screen", plain(harness("check", f"{grid}.toml").out).splitlines())


def test_check_for_a_ci(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = Path("summary.md").absolute()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    done = harness("check", "scores.toml", "--junit", "out/j.xml", "--out", "out/v.md")
    assert done.code == 1
    assert {path.name for path in Path("out").iterdir()} == {"j.xml", "v.md", "v-forest.svg"}
    same_text("check-junit", junit_lines(Path("out/j.xml")))
    same_outline("check-summary", plain(summary.read_text(encoding="utf-8")))
    told = words(done.out + done.err)
    same_text("check-annotations", [line for line in told if line.startswith("::")])
    same("check-scores-words", bag("\n".join(line for line in told if not line.startswith("::"))), depth=0)


def test_what_decides_the_exit_code(harness: Harness) -> None:
    found = {}
    for options in DECIDING.strip().replace("\n", " | ").split(" | "):
        done = harness("check", "scores.toml", *options.split(), "--json")
        outcomes = sorted(one["outcome"] for one in payload("check", done))
        found[options] = f"exit {done.code}: {' '.join(bag(' '.join(outcomes)))}"
    same("check-exit-codes", found, depth=1)


@pytest.mark.parametrize("grid", ["scores", "both", "speed"])
def test_report(harness: Harness, grid: str) -> None:
    done = harness("report", f"{grid}.toml", "-o", "out/r.md", "--command", "made by the tests")
    assert (done.code, done.err) == (0, "")
    same_outline(f"report-{grid}", plain(Path("out/r.md").read_text(encoding="utf-8")))
    data = plain(json.loads(Path("out/r.json").read_text(encoding="utf-8")))
    files = sorted(path.name for path in Path("out").iterdir())
    same(f"report-{grid}", {"keys": kinds(data), "files": files, "report": shortened(data)})


def test_an_accepted_file(harness: Harness) -> None:
    path, other = Path("scores.json"), Path("other.json")
    saved = harness("accept", "scores.toml", "-o", str(path), "--note", "a note")
    again = harness("accept", "both.toml", "-o", str(path), "--note", "n")
    changed = json.loads(path.read_text(encoding="utf-8"))
    data, text = plain(changed), plain(path.read_text(encoding="utf-8"))
    for configuration in changed["configurations"]:
        for run in configuration["seeds"].values():
            run["started"] = "2020-01-01T00:00:00.000Z"
            if run["scores"].get("accuracy") is not None:
                run["scores"]["accuracy"] = round(run["scores"]["accuracy"] + 0.03, 6)
    other.write_text(json.dumps(changed), encoding="utf-8")
    same("accepted", {"keys": kinds(data), "file": shortened(data), "text": [len(text.splitlines()), digest(text)]})
    told = [f"exit {done.code} {line}" for done in (saved, again) for line in words(plain(done.out + done.err))]
    for file in (path, other):
        done = harness("check", "scores.toml", "--accepted", str(file), "--fail-on", "baseline", "--json")
        found = [one for one in payload("check", done) if one["check"] == "baseline"]
        told.append(f"{file}: exit {done.code}: {', '.join(one['outcome'] for one in found)}")
    same_text("accepted", told)
    same("accepted-check", {"found": shortened(plain(found)), "keys": kinds(plain(found))}, depth=4)


def junit_lines(path: Path) -> list[str]:
    """A line a suite and a test: class and name, and what became of it."""
    found = []
    for suite in ET.parse(path).getroot().iter("testsuite"):
        counts = {name: value for name, value in sorted(suite.attrib.items()) if name not in ("time", "timestamp")}
        found.append(" ".join(f"{name}={value}" for name, value in counts.items()))
        for case in suite.iter("testcase"):
            outcomes = [f"{child.tag} {child.attrib.get('message', '')[:60]}" for child in case]
            found.append(f"{case.attrib['classname']} | {case.attrib['name']} | {'; '.join(outcomes)}")
    return found


CHANGES: dict[str, Callable[[str], str]] = {
    "torn": lambda text: text[:200],
    "a list": lambda text: "[]",
    "no schema": lambda text: re.sub(r'"schema": \d', '"other": 1', text, count=1),
    "newer": lambda text: re.sub(r'"schema": \d', '"schema": 99', text, count=1),
    "NaN": lambda text: re.sub(r'"(accuracy|rate)": [\d.]+', r'"\1": NaN', text, count=1),
    "text for a number": lambda text: re.sub(r'"(accuracy|rate)": [\d.]+', r'"\1": "high"', text, count=1),
    "a key twice": lambda text: re.sub(r'("schema": \d)', r"\1, \1", text, count=1),
    "a key too many": lambda text: re.sub(r'("schema": \d)', r'\1, "colour": 1', text, count=1),
    "another kind": lambda text: text.replace('"kind": "harness-', '"kind": "other-', 1),
}


def test_broken_baselines(harness: Harness) -> None:
    harness("accept", "scores.toml", "-o", "scores.json", "--note", "n")
    harness("compare", "results/before/speed", "--save", "speed.json")
    found = []
    for name, change in CHANGES.items():
        for kind, command in (("scores", "check scores.toml --accepted B"), ("speed", "compare B results/speed")):
            text = Path(f"{kind}.json").read_text(encoding="utf-8")
            Path("b.json").write_text(change(text), encoding="utf-8")
            done = harness(*command.replace("B", "b.json").split())
            said = done.err.splitlines() if change(text) != text else ["(not changed)"]
            found.append(f"{kind}, {name}: exit {done.code} {' ¶ '.join(said)}"[:300])
    same_text("broken-baselines", found)
