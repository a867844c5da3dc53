"""A run and a verification that really happen: layout of the store, records, series, events of the host, verdicts.

Numbers of a machine (losses, hashes of weights, times) are not held; keys, shapes and everything asked for are.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.execution.outcome import VARIABLES as SETS_TORCH
from tests.characterization.conftest import DROPPED, VARIABLES, Done
from tests.characterization.golden import bag, kinds, same, same_text, words
from tests.characterization.made_up import REPOSITORY
from tests.characterization.payload import payload, plain

GRID = """
name = "real"
task = "embedded/paraphrase"
[recipe]
max_steps = 4
[matrix]
checkpoint = "embedded/tiny-bert"
precision = ["fp32", "fp16"]
optim = ["adamw_torch", "adamw_bnb_8bit"]
"""
TIMED = GRID.replace('"real"', '"timed"').replace('["fp32", "fp16"]', '"fp32"').replace(', "adamw_bnb_8bit"', "")
TIMED += "[throughput]\nprocesses = 1\nwarmup_steps = 1\nmeasured_steps = 2\nonly = true\n"


@dataclass(frozen=True)
class Place:
    """A folder in which the command runs as a process of its own."""

    folder: Path

    def harness(self, *arguments: str) -> Done:
        # Records name what torch is set by, and a test before this one may have set it.
        kept = {n: value for n, value in os.environ.items() if n not in DROPPED and not n.startswith(SETS_TORCH)}
        own = {"HARNESS_CACHE": str(self.folder / "cache"), "TAP": str(self.folder / "events.jsonl")}
        path = os.pathsep.join([str(Path(__file__).parent / "tap"), str(REPOSITORY)])
        done = subprocess.run(
            [sys.executable, "-m", "harness", *arguments], cwd=self.folder, capture_output=True, text=True, check=False,
            env={**kept, **VARIABLES, **own, "PYTHONPATH": path},
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Place:
    found = Place(tmp_path_factory.mktemp("real"))
    (found.folder / "real.toml").write_text(GRID, encoding="utf-8")
    (found.folder / "timed.toml").write_text(TIMED, encoding="utf-8")
    return found


@pytest.fixture(scope="module")
def ran(place: Place) -> Done:
    return place.harness("run", "real.toml", "--retries", "0")


def records(folder: Path) -> dict[str, tuple[Path, dict[str, Any]]]:
    """label -> (folder of the attempt, its record), of every record there."""
    found = {}
    for path in sorted(folder.glob("cells/*/*/*/*/record.json")):
        data = json.loads(path.read_text(encoding="utf-8"))
        found[" ".join(str(value) for value in data["asked"]["axes"].values())] = (path.parent, data)
    return dict(sorted(found.items()))


def shapes(data: dict[str, Any], folder: Path) -> list[str]:
    """Each series by name, kind of number and shape; `record.json` names them alike."""
    with np.load(folder / "series.npz") as arrays:
        assert {name: list(arrays[name].shape) for name in arrays.files} == data["series"]
        return [f"{name} {arrays[name].dtype} {list(arrays[name].shape)}" for name in sorted(arrays.files)]


def test_a_run(place: Place, ran: Done) -> None:
    told = [re.sub(r"[\d.]+ (samples/s|s|at a time)\b", r"# \1", line) for line in words(plain(ran.out))]
    told = [re.sub(r"\[\d/2\]", "[#/2]", re.sub(r"/[0-9a-f]{20}/001/", "/ENVIRONMENT/001/", line)) for line in told]
    found: dict[str, Any] = {"code": ran.code, "err": ran.err, "text": sorted(told)}
    for label, (folder, data) in records(place.folder / "results" / "real").items():
        text = (folder / "record.json").read_text(encoding="utf-8")
        assert text.startswith('{\n "schema": 4,\n "grid": "real",\n')
        assert text.endswith("\n}\n")
        ids = {name: data[name] for name in ("cell_id", "configuration_id", "content_id", "status", "attempt")}
        assert folder.parent.parent.name == data["cell_id"]
        assert folder.parent.name == data["environment_id"]
        files = sorted(path.name for path in folder.iterdir())
        found[label] = {
            **ids,
            "files": files,
            "asked": data["asked"],
            "failure": plain((data["failure"] or {}).get("type")),
        }
    same("run", found)


def test_a_record(place: Place, ran: Done) -> None:
    folder, data = records(place.folder / "results" / "real")["embedded/tiny-bert fp32 adamw_torch"]
    observed = data["observed"]
    unsteady = ("arguments", "requested", "packages")  # the fields of the installed transformers
    keys = kinds({**data, "observed": {k: v for k, v in observed.items() if k not in unsteady}})
    found = {
        "keys": {name: kind for name, kind in keys.items() if not name.startswith("observed.optimizer.groups[]")},
        "order": [list(data), list(observed), list(data["measured"])],
        "series": shapes(data, folder),
        "data": observed["data"],
        "requested": observed["requested"],
    }
    same("record", found)


def test_the_folder_of_a_grid(place: Place, ran: Done) -> None:
    root = place.folder / "results"
    names = sorted({re.sub(r"\b[0-9a-f]{20}\b", "ID", str(path.relative_to(root))) for path in root.rglob("*")})
    names = sorted({re.sub(r"cells/[0-9a-f]{2}", "cells/XX", name) for name in names})
    lines = (root / "real" / "index.jsonl").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 4
    same_text("layout", [*names, *sorted({f"index line: {' '.join(json.loads(line))}" for line in lines})])


def test_events(place: Place, ran: Done) -> None:
    """What the host says of each cell, in its order; how often it tells of steps is a matter of time."""
    labels = {data["cell_id"]: label for label, (_, data) in records(place.folder / "results" / "real").items()}
    events: dict[str, dict[str, None]] = {}
    for line in (place.folder / "events.jsonl").read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        name, _, rest = event.get("id", "host").partition("-")
        assert re.fullmatch(r"|[0-9a-f]{20}(-1)?", rest)
        said = f"{event.pop('event')} {' '.join(event)}"
        events.setdefault(labels.get(name, name), {})[said] = None
    same("events", {name: list(said) for name, said in events.items()}, depth=1)


def test_a_verification(place: Place, ran: Done) -> None:
    select = ("-s", "precision=fp32", "-s", "devices=1")
    done = place.harness("verify", "--only", "repeat", "--only", "accumulation", "--steps", "2", *select, "-o", "v.md")
    found = payload("verify", Done(0, (place.folder / "v.json").read_text(encoding="utf-8"), ""))
    verdicts = {
        f"{one['check']} {one['item']}: {one['subject']['label']} / {(one['against'] or {}).get('label')}": [
            one["outcome"],
            one["reason"]["code"],
            " · ".join(sorted(f"{finding['item']} {finding['outcome']}" for finding in one["findings"])),
        ]
        for one in found
    }
    same("verify", {"code": done.code, "verdicts": verdicts, "keys": kinds(found)})
    told = words(done.out)
    ran_last = max(n for n, line in enumerate(told) if line.startswith("done ["))
    headings = [line for line in (place.folder / "v.md").read_text(encoding="utf-8").splitlines() if line[:1] == "#"]
    same("verify-words", [told[-1], bag(_masked("\n".join(told[ran_last + 2 :]))), headings[1:]], depth=1)


@pytest.mark.slow
def test_a_timing_record(place: Place) -> None:
    done = place.harness("run", "timed.toml")
    assert (done.code, done.err) == (0, "")
    ((folder, data),) = records(place.folder / "results" / "timed").values()
    found = {"asked": data["asked"], "keys": kinds(data["measured"]), "series": shapes(data, folder)}
    same("timing-record", {**found, "files": sorted(path.name for path in folder.iterdir())})


def _masked(text: str) -> str:
    """A text without its numbers: those of a machine are among them."""
    return re.sub(r"\d[\d.e+-]*", "#", text)
