"""`compare` and `export` over the made-up timing sessions."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.characterization.conftest import Harness
from tests.characterization.golden import bag, digest, kinds, same, same_outline, same_text, shortened, words
from tests.characterization.payload import payload, plain
from tests.characterization.test_scores import junit_lines

ARMS = ("results/speed:precision=fp32", "results/speed:precision=bf16")
SESSIONS = ("results/before/speed", "results/speed")


@pytest.mark.parametrize(("name", "sides"), [("arms", ARMS), ("sessions", SESSIONS)])
def test_compare_as_json(harness: Harness, name: str, sides: tuple[str, str]) -> None:
    done = harness("compare", *sides, "--json")
    found = plain(payload("compare", done))
    same(f"compare-{name}", {"code": done.code, "found": [shortened(one) for one in found], "keys": kinds(found)})


def test_compare_for_people_and_a_ci(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = Path("step.md").absolute()
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    files = ("--junit", "j.xml", "-o", "s.md")
    done = harness("compare", *SESSIONS, *files)
    told = words(plain(done.out + done.err))
    rest = "\n".join(line for line in told if not line.startswith("::"))
    same("compare-words", [done.code, bag(rest)], depth=1)
    same_text("compare-ci", [*junit_lines(Path("j.xml")), *(line for line in told if line.startswith("::"))])
    same_outline("compare-summary", plain(Path("s.md").read_text(encoding="utf-8")))
    assert summary.is_file()


def test_a_speed_baseline(harness: Harness) -> None:
    path = Path("speed.json")
    saved = harness("compare", SESSIONS[0], "--save", str(path))
    text = plain(path.read_text(encoding="utf-8"))
    data = plain(json.loads(text))
    file = [len(text.splitlines()), digest(text)]
    same("speed-baseline", {"keys": kinds(data), "file": shortened(data), "text": file})
    told = []
    for done in (
        saved,
        harness("compare", str(path), "results/speed", "--margin", "10"),
        harness("compare", str(path), "results/speed:optim=adamw_torch,precision=fp32"),
    ):
        out = done.out + done.err
        told += [f"exit {done.code}", *(words(out) if len(out) < 1000 else words(out)[-1:])]
    same_text("speed-baseline", told)


def test_export(harness: Harness) -> None:
    newest, older = harness("export", "results/speed"), harness("export", "results/speed", "--session", "s1")
    assert (newest.code, newest.err, older.code, older.err) == (0, "", 0, "")
    data = plain(json.loads(newest.out))
    older_rates = [one["stats"]["median"] for one in json.loads(older.out)["benchmarks"]]
    same("export", {"file": shortened(data), "keys": kinds(data), "medians of s1": older_rates})
    assert harness("export", "results/both", "-o", "deep/e.json").code == 0
    assert json.loads(Path("deep/e.json").read_text(encoding="utf-8")).keys() == data.keys()
