"""The script behind reports/watching-changes-training.md, and that the page says what was measured."""

from __future__ import annotations

import itertools
import json
import math
import os
import re
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from scipy import stats

from benchmarks.watching_changes_training import EVALUATED, RESUMED, SAVED

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "reports" / "watching-changes-training.md").read_text(encoding="utf-8")
MEASURED = json.loads((ROOT / "reports" / "watching-changes-training.json").read_text(encoding="utf-8"))
VERSIONS = [one["transformers"] for one in MEASURED]
LATE = "evaluated by epochs, saved by steps"
"""Where a checkpoint of an epoch's end is of before its evaluation."""


def weights(one: dict[str, Any]) -> dict[str, str]:
    return {name: hashed for name, hashed, _ in one["watched"]}


def row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def holds(one: dict[str, Any]) -> None:
    """What the page says of every version."""
    found = weights(one)
    assert len({found[name] for name in EVALUATED}) == 3
    assert len({found[f"{name}, no dropout"] for name in EVALUATED}) == 1
    assert {found[f"{name}, work-around"] for name in EVALUATED} == {found["no"]}
    assert {number for _, _, drawn in one["watched"] for number in drawn} == {1}
    for name, whole, parts in one["resumed"]:
        other = {step: hashed for step, hashed in parts.items() if hashed != whole}
        assert other == ({"4": found["no"]} if name == LATE else {}), name
        assert set(parts) == ({"4"} if name == "evaluated and saved by epochs" else set(map(str, RESUMED)))
    assert [name for name, _, _ in one["resumed"]] == list(SAVED)


@pytest.mark.parametrize("one", MEASURED, ids=VERSIONS)
def test_every_version_measured_is_what_the_page_says(one: dict[str, Any]) -> None:
    holds(one)


def test_the_tables_are_what_was_measured() -> None:
    rows = []
    for hashes, same in itertools.groupby(MEASURED, lambda one: [*weights(one).values(), one["resumed"][0][2]["4"]]):
        found = dict(zip(weights(MEASURED[0]), hashes[:-1], strict=True))
        around = {found[f"{name}, work-around"] for name in EVALUATED}
        versions = ", ".join(one["transformers"] for one in same)
        rows.append(row(versions, *(f"`{h}`" for h in (*map(found.get, EVALUATED), hashes[-1], *around))))
    for name, whole, parts in MEASURED[-1]["resumed"]:
        said = [f"`{parts[s]}`" if s in parts else "not saved" for s in map(str, RESUMED)]
        rows.append(row(name, f"`{whole}`", *said))
    assert [line for line in rows if line not in PAGE.splitlines()] == []
    versions = PAGE.partition("## Scores")[0].splitlines()
    assert sum(line.startswith("| ") and "| `" in line for line in versions) == len(rows) + 1, "and a heading"
    assert f"{len(VERSIONS)} versions, {VERSIONS[0]} to {VERSIONS[-1]}" in PAGE


def test_the_scores_follow_from_those_of_each_seed() -> None:
    seeds = re.findall(r"^\| (\d+) \| ([\d.]+) -> ([\d.]+) \| ([+-][\d.]+) \|", PAGE, re.MULTILINE)
    assert [int(seed) for seed, *_ in seeds] == [42, 1, 2, 3, 4]
    right = [[round(float(accuracy) * 4.08) for accuracy in (a, b)] for _, a, b, _ in seeds]  # answers of 408
    points = [100 * (b - a) / 408 for a, b in right]
    assert [f"{one:+.2f}" for one in points] == [difference for *_, difference in seeds]
    mean, half = statistics.fmean(points), stats.t.ppf(0.95, 4) * statistics.stdev(points) / math.sqrt(5)
    a, b = (100 * statistics.fmean(side) / 408 for side in zip(*right, strict=True))
    assert f"| accuracy | {a:.2f} -> {b:.2f} | {mean:+.2f} | {mean - half:+.2f} to {mean + half:+.2f} |" in PAGE


@pytest.mark.slow
def test_the_script_shows_it_here() -> None:
    script = ROOT / "benchmarks" / "watching_changes_training.py"
    env = {**os.environ, "TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD": "1"}
    done = subprocess.run([sys.executable, script, "--json"], env=env, capture_output=True, text=True, check=True)
    holds(json.loads(done.stdout))
