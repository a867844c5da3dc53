"""Real timing cells of a tiny BERT: their records, their schedule, and that they disturb nothing."""

from __future__ import annotations

import itertools
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from harness.grid.grid import Grid, load_grid
from harness.record.model import Record
from harness.record.run import read_series
from harness.record.store import Store

pytestmark = pytest.mark.slow

GRID = """
name = "timed"
task = "embedded/paraphrase"
[recipe]
max_steps = 30
gradient_accumulation_steps = 2
per_device_train_batch_size = 4
[matrix]
checkpoint = ["embedded/tiny-bert"]
engine = ["trainer", "loop"]
[throughput]
warmup_steps = 3
measured_steps = 10
processes = 2
"""


def ran(folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "harness", "run", "timed.toml", "--results", "results", *options]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=540)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> tuple[Grid, Store, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("timed")
    (folder / "timed.toml").write_text(GRID, encoding="utf-8")
    done = ran(folder)
    assert done.returncode == 0, done.stdout + done.stderr
    return load_grid(folder / "timed.toml"), Store(folder / "results", "timed"), done


@pytest.fixture(scope="module")
def timed(results: tuple[Grid, Store, object]) -> list[Record]:
    """The timing records in the order in which they ran."""
    grid, store, _ = results
    ids = {cell.cell_id for cell in grid.timing_cells()}
    records = [store.record(entry) for entry in store.entries() if entry.cell_id in ids]
    return sorted(records, key=lambda record: record.started)


def test_interleaved_alone_and_fresh(timed: list[Record]) -> None:
    engines = [record.asked.engine for record in timed]
    assert engines in (["trainer", "loop", "loop", "trainer"], ["loop", "trainer", "trainer", "loop"])
    assert [record.asked.repeat for record in timed] == [1, 1, 2, 2]
    assert [t.place for t in (record.measured.timing for record in timed)] == [1, 2, 3, 4]  # type: ignore[union-attr]
    assert len({record.measured.timing.session for record in timed}) == 1  # type: ignore[union-attr]
    for record, following in itertools.pairwise(timed):
        assert record.finished <= following.started
    assert {record.observed.host for record in timed if record.observed} == {"spawn"}


def test_the_window(results: tuple[Grid, Store, object], timed: list[Record]) -> None:
    store = results[1]
    entries = {entry.path: entry for entry in store.entries()}
    for record in timed:
        timing = record.measured.timing  # type: ignore[union-attr]
        assert timing is not None
        assert (timing.warmup_steps, timing.steps, timing.samples) == (3, 10, 80)
        assert timing.noise.compiled_frames == 0
        assert record.observed.arguments["dataloader_drop_last"] is True  # type: ignore[union-attr]
        assert timing.tokens is not None
        assert timing.real_tokens is not None
        assert 0 < timing.real_tokens <= timing.tokens
        assert timing.step_ms["p5"] <= timing.step_ms["p50"] <= timing.step_ms["p95"]
        stages = timing.stages
        assert min(stages.data, stages.forward, stages.backward, stages.optimizer, stages.other) > 0
        # What the observer's own clock says of the same steps: epochs' beginnings apart, the same seconds, but for a
        # pause between two readings, which is a lot of the 70 ms that they are.
        entry = next(e for e in entries.values() if e.cell_id == record.cell_id)
        series = read_series(store.series_path(entry), ("step_seconds", "data_seconds"))
        seen = series["step_seconds"][3:13].sum() + series["data_seconds"][3:13].sum()
        assert timing.seconds == pytest.approx(float(seen), rel=0.2)
        assert entry.samples_per_second == timing.median_samples_per_second


def test_one_replicate_counts_for_all(timed: list[Record]) -> None:
    first = [record.measured.timing for record in timed if record.asked.repeat == 1]  # type: ignore[union-attr]
    second = [record.measured.timing for record in timed if record.asked.repeat == 2]  # type: ignore[union-attr]
    assert {timing.flops for timing in second} == {None}
    assert len({timing.flops for timing in first}) == 1  # the engines trained the same batches
    for timing in first:
        assert timing.mfu == pytest.approx(timing.flops / timing.seconds / timing.limit.flops_per_second)
        assert 0 < timing.mfu < 1
        shares = timing.breakdown
        assert shares.data + shares.kernels + shares.communication + shares.framework == pytest.approx(1)
        assert shares.kernels > 0.1


def test_timing_changes_no_loss(results: tuple[Grid, Store, object], timed: list[Record]) -> None:
    grid, store, _ = results
    entries = {entry.cell_id: entry for entry in store.entries()}
    for cell in grid.cells():
        whole = read_series(store.series_path(entries[cell.cell_id]), ("micro_loss", "learning_rate"))
        for record in (record for record in timed if record.asked.engine == cell.engine):
            short = read_series(store.series_path(entries[record.cell_id]), ("micro_loss",))
            # The schedule is another one (a timing cell's horizon is far away): the first step is before any of it.
            assert short["micro_loss"][0] == whole["micro_loss"][0]
            assert np.allclose(short["micro_loss"][:5], whole["micro_loss"][:5], rtol=0.02)


def test_a_further_session(results: tuple[Grid, Store, subprocess.CompletedProcess[str]]) -> None:
    grid, store, _ = results
    folder = grid.path.parent
    again = ran(folder)
    assert again.returncode == 0
    assert "0 of 6 cells measured now, 6 reused" in again.stdout  # two cells trained to their end, four timed
    more = ran(folder, "--fresh", "--select", "timed=true", "--select", "engine=loop")
    assert more.returncode == 0, more.stdout
    ids = {cell.cell_id for cell in grid.timing_cells() if cell.engine == "loop"}
    records = [Store(store.folder.parent, "timed").record(e) for e in store.entries() if e.cell_id in ids]
    assert sorted(record.attempt for record in records) == [1, 1, 2, 2]
    assert len({record.measured.timing.session for record in records if record.measured}) == 2  # type: ignore[union-attr]


def test_two_ranks(tmp_path: Path) -> None:
    text = GRID.replace('engine = ["trainer", "loop"]', "devices = [2]").replace("processes = 2", "processes = 1")
    (tmp_path / "timed.toml").write_text(text.replace("processes = 1", "processes = 1\nonly = true"), encoding="utf-8")
    done = ran(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    store = Store(tmp_path / "results", "timed")
    (entry,) = store.entries()
    timing = store.record(entry).measured.timing  # type: ignore[union-attr]
    assert timing is not None
    assert (timing.steps, timing.samples) == (10, 80)  # strong scaling: the global batch is the same
    assert timing.breakdown is not None
    assert timing.breakdown.communication > 0
    assert timing.limit is not None
    assert timing.limit.flops_per_second > 0
