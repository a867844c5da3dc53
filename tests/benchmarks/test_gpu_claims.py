"""The claims of `python -m benchmarks.gpu`: each breaks where a record shows otherwise; a rehearsal on a CPU works."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from benchmarks.gpu import readings
from benchmarks.gpu.__main__ import KEPT, main
from benchmarks.gpu.finding import Found
from benchmarks.gpu.page import page
from harness.record.model import Record
from tests.checks.conftest import build_run, plant

PLAIN = build_run()
PRINT = "observed.fingerprint"
SCALE = {"initial": 65536.0, "minimum": 16384.0, "final": 16384.0, "skipped_steps": 2, "nonfinite_steps": 2}
TIMING: dict[str, Any] = {
    "session": "s", "place": 1, "clock": "device", "warmup_steps": 30, "steps": 100, "seconds": 2.0, "samples": 3200,
    "samples_per_second": 1600.0, "median_samples_per_second": 1610.0,
    "step_ms": {"p5": 19.0, "p50": 20.0, "p95": 21.0},
    "stages": {"data": 0.1, "forward": 0.6, "backward": 1.0, "optimizer": 0.2, "other": 0.1},
    "limit": {"dtype": "float32", "size": 8192, "flops_per_second": 5e13, "drift": 0.01},
    "breakdown": {"steps": 10, "data": 0.1, "kernels": 0.6, "communication": 0.0, "framework": 0.3},
    "noise": {"reasons": []}, "energy_joules": 900.0,
}  # fmt: skip
LIMITS = {"fp32": 5e13, "tf32": 4e14, "fp16": 7e14, "bf16": 7.5e14}


def record(precision: str, checkpoint: str = "base", **changes: Any) -> Record:
    """A run on a device, in that precision."""
    peak = {"fp32": 3000.0, "tf32": 3000.0}.get(precision, 2000.0)
    seen = {
        "name": precision,
        "share": 1.0,
        "flops": {},
        "tf32": precision == "tf32",
        "tf32_probe": precision == "tf32",
    }
    base = {
        "asked.precision": precision, "asked.checkpoint.name": checkpoint, "observed.model.device": "cuda:0",
        "observed.fingerprint.precision": seen,
        "observed.fingerprint.loss_scale": dict(SCALE) if precision == "fp16" else None,
        "measured.peak_memory_mib": {"device": peak}, "measured.seconds": {"total": 12.0},
    }  # fmt: skip
    return plant(PLAIN, {**base, **changes}).record


def timed(precision: str, compiled: bool = False, **changes: Any) -> Record:
    limit = {**TIMING["limit"], "flops_per_second": LIMITS[precision]}
    timing = {**TIMING, "limit": limit, **changes}
    recipe = {**PLAIN.record.asked.recipe, "torch_compile": compiled}
    return record(precision, **{"measured.timing": timing, "asked.recipe": recipe})


def broken(look: Any, records: list[Record]) -> list[str]:
    found = Found()
    look(found, records)
    return [one.name for one in found.broken]


GOOD = [record(precision) for precision in LIMITS]
TIMED = [timed(precision, compiled) for precision in LIMITS for compiled in (False, True)]


def test_runs_as_they_should_be_break_no_claim() -> None:
    for look, records in ((readings.quality, GOOD), (readings.speed, TIMED), (readings.scores, GOOD)):
        found = Found()
        look(found, records)
        assert (found.broken, [one.name for one in found.claims if one.held is None]) == ([], [])


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("the model is on the device", record("fp32", **{"observed.model.device": "cpu"})),
        ("the precision is the one asked for", record("fp32", **{f"{PRINT}.precision": None})),
        ("the precision is the one asked for", record("fp16", **{f"{PRINT}.precision.name": "fp32"})),
        ("a product is rounded to TF32 in tf32 alone", record("fp32", **{f"{PRINT}.precision.tf32_probe": True})),
        ("the loss is scaled in fp16 alone", record("fp16", **{f"{PRINT}.loss_scale": None})),
        ("few steps are left out for overflow", record("fp16", **{f"{PRINT}.loss_scale.skipped_steps": 9})),
        ("peak memory of the device", record("fp16", **{"measured.peak_memory_mib": {"device": 3100.0}})),
    ],
)  # fmt: skip
def test_a_run_that_is_otherwise_breaks_its_claim(name: str, wrong: Record) -> None:
    others = [one for one in GOOD if one.asked.precision != wrong.asked.precision]
    assert broken(readings.quality, [*others, wrong]) == [name]


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("the device's clock", timed("fp32", clock="host")),
        ("shares of the profile", timed("fp32", breakdown={**TIMING["breakdown"], "framework": 1.2})),
        ("tensor cores are used where asked for", timed("tf32", limit={**TIMING["limit"], "flops_per_second": 5e13})),
        (
            "torch.compile changes no precision",
            timed("fp32", True, limit={**TIMING["limit"], "flops_per_second": 4e14}),
        ),
        ("nothing is compiled in the window", timed("fp32", True, noise={"reasons": [], "compiled_frames": 2})),
        ("energy by time", timed("fp32", energy_joules=9000.0)),
    ],
)
def test_a_timing_that_is_otherwise_breaks_its_claim(name: str, wrong: Record) -> None:
    key = wrong.asked.precision, wrong.asked.recipe["torch_compile"]
    others = [one for one in TIMED if (one.asked.precision, one.asked.recipe["torch_compile"]) != key]
    if name == "tensor cores are used where asked for":
        others = [one for one in others if not one.asked.recipe["torch_compile"]]
    assert broken(readings.speed, [*others, wrong]) == [name]


def test_precisions_far_apart_break_the_claim_about_scores() -> None:
    found = record("bf16", **{"measured.metrics.accuracy": 0.5})
    assert broken(readings.scores, [*GOOD[:3], found]) == ["precisions agree at each seed"]


def test_a_claim_that_nothing_shows_is_not_looked_at() -> None:
    found = Found()
    readings.speed(found, [])
    assert {one.held for one in found.claims} == {None}


def test_the_page_names_what_does_not_hold_first() -> None:
    found = Found(commands=["python -m harness run quality.toml"])
    found.claim("good", "a", "a", True)
    found.claim("bad", "a", "b | c", False)
    found.claim("unseen", "a", "no file", None)
    found.figure("rate", "3 cells an hour")
    text = page({"ground": found}, "NVIDIA H100", "2026-11-28", "python -m benchmarks.gpu", "torch 2.13.0")
    lines = [line for line in text.splitlines() if line]
    assert lines[0] == "# NVIDIA H100: 1 of 3 claims hold, 1 broken, 1 not looked at"
    assert lines[2] == "- bad: asked a; found b &#124; c"
    assert "python -m harness run quality.toml" in lines


@pytest.mark.slow
def test_a_rehearsal_types_every_command_and_breaks_no_claim(tmp_path: Path) -> None:
    stages = ("ground", "precisions", "speed", "faults", "packing", "task")
    chosen = [word for name in stages for word in ("--stage", name)]
    assert main(["--rehearse", "--work", str(tmp_path), "-o", str(tmp_path), *chosen]) == 0
    kept = json.loads((tmp_path / KEPT).read_text(encoding="utf-8"))
    assert [*kept] == [*stages]
    assert all(one["held"] is not False for stage in kept.values() for one in stage["claims"])
    text = (tmp_path / "gpu-a-rehearsal-on-a-cpu.md").read_text(encoding="utf-8")
    assert text.startswith("# a rehearsal on a CPU: ")
