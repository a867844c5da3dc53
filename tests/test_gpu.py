"""What only a CUDA device can show. Skipped, with the reason, where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.record.store import Store

pytestmark = pytest.mark.gpu

GRID = """
name = "gpu"
task = "embedded/paraphrase"
[recipe]
max_steps = 20
[matrix]
checkpoint = "embedded/tiny-bert"
seed = [42, 1]
precision = ["fp32", "tf32", "fp16", "bf16"]
[require]
accelerator = "cuda"
"""


def test_every_precision_runs_on_the_device(tmp_path: Path) -> None:
    from harness.cli.measure.run import run_session
    from harness.execution.run import RunOptions
    from harness.execution.session import open_session

    grid = tmp_path / "gpu.toml"
    grid.write_text(GRID)
    session = open_session(grid, tmp_path / "results")
    summary = run_session(session, RunOptions(allow_busy=True))
    assert summary.exit_code == 0
    store = Store(tmp_path / "results", "gpu")
    records = [store.record(entry) for entry in store.entries()]
    # tf32 and bf16 are skipped, with the reason, before compute capability 8.0.
    assert {record.asked.precision for record in records if record.measured} >= {"fp32", "fp16"}
    for record in records:
        if record.measured is None or record.observed is None:
            assert record.failure is not None
            assert "8.0" in record.failure.message
            continue
        assert record.observed.model["device"] == "cuda:0"
        # Pinned: the child saw the one device that it was given, whatever the machine has.
        assert len(record.observed.machine["accelerators"]) == 1
        assert record.measured.peak_memory_mib["device"] > 0
        found = record.observed.fingerprint
        assert found is not None
        assert found.precision is not None
        assert found.precision.name == record.asked.precision
        assert found.precision.tf32_probe is (record.asked.precision == "tf32")
        assert (found.loss_scale is not None) == (record.asked.precision == "fp16")


def test_one_cell_twice_is_one_result(tmp_path: Path) -> None:
    from harness.cli.measure.run import run_session
    from harness.execution.run import RunOptions
    from harness.execution.session import Wishes, open_session

    grid = tmp_path / "gpu.toml"
    grid.write_text(GRID)
    hashes = []
    for place in ("a", "b"):
        session = open_session(grid, tmp_path / place, Wishes(("precision=fp32", "seed=42")))
        assert run_session(session, RunOptions(allow_busy=True)).exit_code == 0
        (record,) = [session.store.record(entry) for entry in session.store.entries()]
        assert record.observed is not None
        assert record.observed.weights is not None
        hashes.append(record.observed.weights.init_sha256)
    assert hashes[0] == hashes[1]


TIMED = (
    GRID.replace("[recipe]\nmax_steps = 20\n", "").replace("[42, 1]", "[42]")
    + """
[throughput]
warmup_steps = 5
measured_steps = 50
processes = 2
only = true
"""
)


def test_timing_on_the_device(tmp_path: Path) -> None:
    from harness.cli.measure.run import run_session
    from harness.execution.run import RunOptions
    from harness.execution.session import Wishes, open_session

    grid = tmp_path / "gpu.toml"
    grid.write_text(TIMED)
    session = open_session(grid, tmp_path / "results", Wishes(("precision=fp32,fp16",)))
    assert run_session(session, RunOptions(allow_busy=True)).exit_code == 0
    records = [session.store.record(entry) for entry in session.store.entries()]
    assert len(records) == 4
    for record in records:
        assert record.measured is not None
        timing = record.measured.timing
        assert timing is not None
        assert timing.clock == "device"
        assert timing.steps == 50
        assert timing.warmup_steps > 5  # ten seconds of a tiny BERT are more than five steps
        assert timing.samples == 400
        assert timing.limit is not None
        assert timing.limit.size == 8192
        assert timing.limit.flops_per_second > 1e12
        assert record.measured.peak_memory_mib["device"] > 0
        if timing.energy_joules is not None:  # counted since Volta
            assert timing.energy_joules >= 0
    counted = [record.measured.timing for record in records if record.asked.repeat == 1 and record.measured]
    assert all(timing and timing.breakdown and 0 < timing.breakdown.kernels < 1 for timing in counted)
