"""The surface of the command: names, options, error lines, exit codes; `validate`, `references`, `schema`, `doctor`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.characterization.conftest import Done, Harness
from tests.characterization.golden import digest, kinds, same, same_text, words
from tests.characterization.made_up import GRIDS, copy_benchmarks
from tests.characterization.payload import payload, plain

GROUPS = ("store", "references")
MISTAKES = """
frobnicate | plan | plan --nope scores.toml | plan nothing.toml | plan . | plan scores.toml -s precision
plan scores.toml -s colour=red | plan scores.toml -s precision=fp61 | plan scores.toml -s seed=7 | validate
run both.toml --slots 0 | run both.toml --host thread | run both.toml --max-hours -1 | run both.toml --retries -1
check scores.toml --inconclusive maybe | check scores.toml --fail-on speed | check speed.toml
check both.toml --results empty | report both.toml --results empty | report nothing.toml
status nothing | status --results empty | store reindex nothing | store reindex --results empty
compare results/speed | compare results/speed results/speed | compare results/speed results/nothing
compare results/speed results/scores | compare results/speed:precision=fp64 results/speed:precision=fp32
compare results/speed:colour=red results/speed | compare results/speed:precision results/before/speed
compare results/speed results/before/speed --margin 0 | compare results/speed --save speed.txt
compare results/before/speed results/speed --confirm looks.toml
compare results/before/speed results/speed --inconclusive maybe
diff abc results/speed | diff ffffffffff 9421 | diff 9421d00420b34b4980ed 9421d00420b34b4980ed | diff 9421
export results | export results/scores | export nothing | export results/speed --session s9
accept both.toml --note x --results empty | accept scores.toml --note x -o scores.txt
accept scores.toml --note x --environment nothing | accept speed.toml --note x | accept scores.toml
check scores.toml --accepted nothing.json | baseline save scores.toml
references show nothing | references list --kind nothing | verify scores.toml --checkpoint embedded/tiny-bert
verify both.toml --only everything | verify both.toml --steps 1 | bench nothing.toml | pack nothing.toml
doctor nothing.toml | bench both.toml --host thread
"""


def test_options(harness: Harness) -> None:
    found = {"harness": options(harness("-h").out)}
    names = commands(harness("-h").out)
    for name in names:
        inner = commands(harness(name, "-h").out) if name in GROUPS else [""]
        for word in inner:
            found[f"{name} {word}".strip()] = options(harness(name, *word.split(), "-h").out)
    same("options", found, depth=1)


def commands(text: str) -> list[str]:
    """The commands that a help text lists."""
    listed = text[text.index("Commands:") : text.index("Exit codes") if "Exit codes" in text else None]
    return re.findall(r"^  (\w+)  ", listed, re.MULTILINE)


def options(text: str) -> list[str]:
    """The arguments and options that a help text names, in its order."""
    usage = re.search(r"Usage: .*?\[OPTIONS\](.*)", text)
    names = [f"({word.strip('[]{}.').upper()})" for word in (usage[1].split() if usage else ())]
    for line in words(text):
        for word in line.removeprefix("* ").split():
            if not re.fullmatch(r"--?[a-z][\w-]*,?", word):
                break
            names.append(word.rstrip(","))
    return names


def test_mistakes(harness: Harness) -> None:
    Path("empty").mkdir()
    found = []
    for line in MISTAKES.strip().replace("\n", " | ").split(" | "):
        done = harness(*line.split())
        found.append(f"{line}: exit {done.code}{''.join(f' ¶ {said}' for said in lines_of(done))}"[:400])
    same_text("mistakes", found)


def lines_of(done: Done) -> list[str]:
    """What a command says on standard error; of usage errors the names in the last line."""
    if done.err.lstrip().startswith("Usage:"):
        return re.findall(r"'[^ ']+'", words(done.err)[-1])  # the sentence is typer's
    return (words(plain(done.err)) or words(plain(done.out)))[:6]


def test_broken_grids(harness: Harness) -> None:
    found = []
    for part in (GRIDS / "broken.txt").read_text(encoding="utf-8").split("=== ")[1:]:
        name, _, text = part.partition("\n")
        Path("broken.toml").write_text(text, encoding="utf-8")
        done = harness("validate", "broken.toml")
        found += [f"=== {name}: exit {done.code}", *done.err.splitlines(), *done.out.splitlines()]
    same_text("broken-grids", found)


def test_good_grids(harness: Harness, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # So deep that the folder which three of them name, two levels up, is still this test's.
    (here / "own" / "grids").mkdir(parents=True)
    monkeypatch.chdir(here / "own" / "grids")
    names = copy_benchmarks(Path())
    done, as_json = harness("validate", *names), harness("validate", *names, "--json")
    # Three of them name a folder that is not here.
    assert (done.code, done.err, as_json.code) == (4, "", 4)
    same_text("validate", words(done.out))
    same("validate", payload("validate", as_json), depth=1)


def test_schema(harness: Harness) -> None:
    done = harness("schema")
    found = _bare(json.loads(done.out))
    same("schema", {**found.pop("$defs"), "record": found}, depth=1)


def _bare(schema: Any) -> Any:
    """A JSON Schema without the prose in it."""
    if isinstance(schema, dict):
        prose = {name for name in ("title", "description") if isinstance(schema.get(name), str)}
        return {name: _bare(value) for name, value in schema.items() if name not in prose}
    return [_bare(one) for one in schema] if isinstance(schema, list) else schema


def test_references(harness: Harness) -> None:
    listed = payload("references list", harness("references", "list", "--json"))
    audited = payload("references audit", harness("references", "audit", "--json"))
    shown = payload("references show", harness("references", "show", "hf-course-ch3", "--json"))
    told = harness("references", "audit").out.splitlines()
    against = words("\n".join(told[next(n for n, line in enumerate(told) if line.endswith("contradictions:")) :]))
    kept = words(harness("references", "list", "--kind", "course").out)
    found = {
        "list": {one["id"]: digest(one) for one in listed},
        "audit": {one["id"]: f"{one['verdict']} {digest(one, 4)}" for one in audited},
        "keys": [*kinds(listed), *kinds(audited)],
        "show": shown,
        "contradictions": [f"{line[:60]}… {digest(line, 4)}" for line in against],
        "text of one kind": [digest(line, 4) for line in kept[:-1]] + kept[-1:],
    }
    same("references", found, depth=1)


def test_doctor(harness: Harness) -> None:
    Path("gpu.toml").write_text(Path("both.toml").read_text(encoding="utf-8") + '\n[require]\naccelerator = "cuda"\n')
    found = []
    for arguments in ((), ("both.toml",), ("gpu.toml",)):
        done = harness("doctor", *arguments, "--json")
        facts = payload(f"doctor {len(arguments) * 'GRID'}".strip(), done)
        found.append([done.code, sorted(facts), kinds(facts.get("grid"))])
    told = harness("doctor", "gpu.toml")
    problems = [re.sub(r"torch \S+ ", "torch <version> ", line) for line in words(told.out) if "gpu.toml" in line]
    keys = kinds({name: value for name, value in facts.items() if name not in ("devices", "grid", "environments")})
    same("doctor", {"codes and keys": found, "gpu": [told.code, *problems], "keys": keys})
