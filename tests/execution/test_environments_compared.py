"""`verify` over two environments, on real short runs: a fault that came, one that went, and what both have."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

import pytest

FAULTS = Path(__file__).resolve().parent / "faults"
ISSUE = "huggingface/transformers#47688"

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]


def interpreter(folder: Path, fault: str) -> Path:
    """The same Python, under which every run has a fault of training."""
    python = folder / fault / "bin" / "python"
    python.parent.mkdir(parents=True)
    planted = json.dumps({"42": [fault, None]})
    python.write_text(
        f"#!/bin/sh\nexport HARNESS_TEST_FAULTS='{planted}' PYTHONPATH='{FAULTS}{os.pathsep}'\"$PYTHONPATH\"\n"
        f'exec "{sys.executable}" "$@"\n'
    )
    python.chmod(0o755)
    return python


def test_what_came_what_went_and_what_stays(lasting_house: Any, tmp_path: Path) -> None:
    house = lasting_house
    of = {"old": interpreter(tmp_path, "unfused-optimizer"), "new": interpreter(tmp_path, "shifted-rate")}
    environments = "".join(f'\n[environment.{label}]\npython = "{python}"' for label, python in of.items())
    axis = f"environment = {json.dumps(list(of))}\n{environments}"
    house.grid([42], max_steps=8, more=axis, recipe="per_device_train_batch_size = 32")
    out = tmp_path / "found.md"
    code, output = house.run("--only", "accumulation", "--quick", "-o", str(out), command="verify", timeout=1400)
    assert code == 1, output
    found = json.loads(out.with_suffix(".json").read_text(encoding="utf-8"))
    shown = {
        (one["state"], one["item"]): (one["harm"], one["check"], one["checks"], one["a"], one["b"])
        for one in found["head"]["problems"]
    }
    assert shown == {
        ("new", "learning rate"): ("training", "fidelity", 2, "old", "new"),
        ("repaired", "optimizer"): ("training", "fidelity", 2, "old", "new"),
        ("both", "gradient norm"): ("training", "accumulation", 2, "old", "new"),
    }
    assert found["exit_code"] == 1
    assert "1 new problem that changes training, 1 repaired, 1 in both old and new" in output
    assert f"BOTH      with 4 accumulation steps the gradient norm is 4.000 x, 2 checks; known: {ISSUE}" in output
    assert "4 short runs of embedded/tiny-bert: 8 steps, fp32, 1 rank, without dropout, seed 42" in output
    # The other way round what came has gone, and the exit code is the same.
    text = (house.folder / "g.toml").read_text(encoding="utf-8")
    (house.folder / "g.toml").write_text(text.replace('["old", "new"]', '["new", "old"]'), encoding="utf-8")
    code, output = house.run("--only", "accumulation", "--quick", "--reuse", "--json", command="verify", timeout=1400)
    again = json.loads(output[output.index("{\n") :])
    states = {(one["state"], one["item"]) for one in again["head"]["problems"]}
    assert (code, states) == (
        1,
        {("repaired", "learning rate"), ("new", "optimizer"), ("both", "gradient norm")},
    )
