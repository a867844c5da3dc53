"""`[label]` in what `accept`, `diff` and `verify` print; machines still read values as the grid spells them."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.record.entry import Entry
from harness.record.meant import Machine, write_meant
from harness.record.store import Store
from tests.cli.made_up_nights import BF16, FILE, GRID, Night, kept

Make = Callable[..., Any]
LABEL = {"embedded/tiny-bert": "tiny", "bf16": "half"}


@pytest.fixture
def named(harness: Make, night: Night) -> Night:
    """An accepted night of a grid that calls its values by words of its own, and another in which bf16 is worse."""
    night.write(GRID + "[label]\n" + "\n".join(f'"{value}" = "{word}"' for value, word in LABEL.items()))
    night.measure()
    write_meant(Path("results/night"), Machine(id="a", name="here"), "2026-11-26", {}, LABEL)
    assert harness("accept", "night.toml", "--note", "first")[0] == 0
    night.measure(night.cells("bf16"), more=24, measurement=2, day=27, bits="other")
    return night


def entry(night: Night, precision: str, seed: int) -> Entry:
    store = Store(Path("results"), night.grid.name)
    return next(one for one in store.entries() if (one.precision, one.seed) == (precision, seed))


def test_an_accepted_file_keeps_both_names(named: Night) -> None:
    assert [(one["label"], one["shown"]) for one in kept()["configurations"]][1] == (BF16, "tiny · half")


def test_another_acceptance_calls_values_by_their_labels(harness: Make, named: Night) -> None:
    code, out, _ = harness("accept", "night.toml", "--note", "second")
    assert code == 0
    (line,) = [line for line in out.splitlines() if line.startswith("tiny · half: ")]
    assert "82.92 -> 72.42" in line
    assert "embedded/tiny-bert" not in out


@pytest.mark.parametrize("other", ["night", "results", "results/night", "night.toml"])
def test_diff_with_an_accepted_file_prints_labels(harness: Make, named: Night, other: str) -> None:
    code, out, _ = harness("diff", str(FILE), other, "--junit", "diff.xml")
    assert code == 1
    assert out.startswith("DIFFERENT  1 of 2 identical, 1 different: tiny · half, in scores: ")
    assert out.splitlines()[-2].endswith("half")
    names = {case.get("name", "") for case in ET.parse("diff.xml").iter("testcase")}
    assert any(name.startswith(BF16) for name in names)
    assert not any("half" in name for name in names)


def test_diff_of_runs_prints_labels(harness: Make, named: Night) -> None:
    a, b = entry(named, "fp32", 1), entry(named, "bf16", 2)
    for sides in (
        (a.cell_id, b.cell_id),
        (f"results/night/{a.path}", f"results/night/{b.path}"),
        ("night:precision=fp32,seed=1", "night:precision=half,seed=2"),
    ):
        _, out, _ = harness("diff", *sides)
        shown = {line[0]: line for line in out.splitlines() if line[:3] in ("A  ", "B  ")}
        assert shown["A"].endswith("tiny · fp32 · seed 1")
        assert shown["B"].endswith("tiny · half · seed 2")
    _, out, _ = harness("diff", "night:precision=fp32", "night:precision=bf16", "--json")
    sides = [one[side] for one in json.loads(out)["verdicts"] for side in ("against", "subject") if one[side]]
    names = {tuple(one[name].partition(" · transformers")[0] for name in ("label", "shown")) for one in sides}
    assert {one for one in names if one[0].endswith("seed 1")} == {
        ("embedded/tiny-bert · fp32 · seed 1", "tiny · fp32 · seed 1"),
        ("embedded/tiny-bert · bf16 · seed 1", "tiny · half · seed 1"),
    }
