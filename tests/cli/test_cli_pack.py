"""`harness pack` as a user meets it, and what later plans make of it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli.measure import pack as pack_module
from harness.cli.measure.pack import packing_text
from harness.execution.packing import Measurement, Row, measurements
from harness.pipelines import pack as pipeline

Make = Callable[..., Any]
SAME = {"loss_sha256": ["a" * 64], "final_sha256": ["b" * 64]}
TIMED = """
name = "timed"
task = "embedded/paraphrase"
[matrix]
checkpoint = "embedded/tiny-bert"
[throughput]
only = true
"""


def row(at_once: int, seconds: float, threads: int = 1, **hashes: list[str]) -> Row:
    return Row(at_once=at_once, threads=threads, cells=6, seconds=[seconds], hashes={**SAME, **hashes})


def measured(*rows: Row, **changes: Any) -> Measurement:
    values: dict[str, Any] = {
        "machine": {"cpu": "a CPU", "cores": 2, "memory_gib": 16, "accelerators": []},
        "label": "tiny · fp32",
        "task": "embedded/paraphrase",
        "checkpoint": {"source": "embedded/tiny-bert", "revision": None, "config": {}},
        "precision": "fp32",
        "devices": 1,
        "threads": 1,
        "batch_size": 8,
        "steps": 20,
        "date": "2026-11-22T10:00:00.000Z",
        "others_cores": 0.02,
        "start_s": 4.0,
        "rows": list(rows) or [row(1, 20.0), row(2, 10.0)],
    }
    return Measurement(**{**values, **changes})


@pytest.mark.slow
def test_a_real_measurement(tour: Any, tmp_path: Path) -> None:
    """Short cells of a real grid: their losses do not change, the file is kept, and the next plan goes by it."""
    results = ("--results", str(tmp_path / "kept"))
    cells = ("-s", "precision=fp32", "-s", "optim=adamw_torch")
    done = tour.harness(
        "pack", "tour.toml", *cells, *results, "--steps", "2", "--rounds", "1", "--most", "2", "--allow-busy"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "losses unchanged" in done.stdout
    (found,) = measurements(tmp_path / "kept")
    cores = found.machine["cores"]
    assert [(row.at_once, row.threads) for row in found.rows][:2] == [(1, 1), (2, 1)]
    assert [row.cells for row in found.rows][:2] == [6, 6]
    assert all(len(digests) == 1 for row in found.rows for digests in row.hashes.values())
    assert all(0 < seconds < 600 for row in found.rows for seconds in row.seconds)
    assert found.rows[0].hashes == found.rows[1].hashes
    assert {row.threads for row in found.rows} >= ({1, cores} if cores > 1 else {1})
    assert (found.steps, found.batch_size, found.differences()) == (2, 8, [])
    assert 0 < found.start_s < 600
    assert list((tmp_path / "kept").iterdir()) == [tmp_path / "kept" / "packing.json"]  # no cell of it is a result

    plan = tour.harness("plan", "tour.toml", *cells, *results)
    words = f"Runs {found.best.at_once} at a time: measured {found.date[:10]} with {found.label}"
    assert words in plan.stdout
    facts = json.loads(tour.harness("plan", "tour.toml", *cells, *results, "--json").stdout)
    assert (facts["slots"], facts["packing"]["source"]) == (found.best.at_once, "measured")
    assert facts["packing"]["speeds"]["1"] == 1.0
    own = tour.harness("plan", "tour.toml", *cells, *results, "--slots", "5").stdout
    assert f"Runs 5 at a time, as --slots says (measured {found.date[:10]}: {found.best.at_once} are fastest)" in own


def test_a_plan_without_a_measurement_says_how_to_get_one(tour: Any) -> None:
    out = tour.harness("plan", "tour.toml").stdout
    assert "(not measured: `harness pack tour.toml` does)" in out


def test_a_cell_that_fails_is_exit_4_and_nothing_is_kept(tour: Any, tmp_path: Path) -> None:
    cells = ("-s", "precision=fp32", "-s", "optim=adamw_bnb_8bit")
    done = tour.harness("pack", "tour.toml", *cells, "--results", str(tmp_path))
    assert done.returncode == 4
    assert "optim=adamw_bnb_8bit" in done.stderr
    assert "bitsandbytes" in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def pretended(here: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Measurement], None]:
    """The command without the minutes: what it would measure is given."""

    def install(found: Measurement) -> None:
        monkeypatch.setattr(pack_module, "measure", lambda *_, **__: found)
        monkeypatch.setattr(pipeline, "limit", lambda *_: 3)

    return install


def test_changed_losses_are_exit_1_and_not_kept(harness: Make, pretended: Make, tmp_path: Path) -> None:
    pretended(measured(row(1, 20.0), row(2, 10.0, loss_sha256=["c" * 64])))
    code, out, _ = harness("pack", "tour.toml", "--results", str(tmp_path))
    assert code == 1
    assert "FAIL: losses or weights changed; nothing is kept:" in out
    assert "2 at a time, 1 thread each: loss_sha256 is cccccccccccc, with 1 at a time aaaaaaaaaaaa" in out
    assert measurements(tmp_path) == []


def test_cells_that_differ_even_alone_are_exit_3(harness: Make, pretended: Make, tmp_path: Path) -> None:
    pretended(measured(row(1, 20.0, final_sha256=["c" * 64, "d" * 64])))
    code, out, _ = harness("pack", "tour.toml", "--results", str(tmp_path))
    assert code == 3
    assert "INCONCLUSIVE: not even alone are cells equal" in out


def test_on_a_gpu_that_does_not_repeat_itself_how_far_losses_are_apart_is_said(
    harness: Make, pretended: Make, tmp_path: Path
) -> None:
    rows = [row(n, 20.0 / n, loss_sha256=["c" * 64, "d" * 64]) for n in (1, 2)]
    rows = [one.model_copy(update={"apart": far}) for one, far in zip(rows, (2e-6, 7e-6), strict=True)]
    pretended(measured(*rows, machine={"cpu": "a CPU", "cores": 16, "memory_gib": 128, "accelerators": ["H100"]}))
    code, out, _ = harness("pack", "tour.toml", "--results", str(tmp_path))
    assert code == 0
    assert "losses are up to 2.0e-06 apart alone, 7.0e-06 at once, where up to 10 times as far" in out
    assert "from now on 2 at a time" in out
    assert [one.apart for one in measurements(tmp_path)[0].rows] == [2e-6, 7e-6]


def test_on_a_busy_machine_nothing_is_kept_unless_asked_for(harness: Make, pretended: Make, tmp_path: Path) -> None:
    pretended(measured(others_cores=0.9))
    code, out, _ = harness("pack", "tour.toml", "--results", str(tmp_path))
    assert code == 3
    assert "INCONCLUSIVE: nothing is kept; measure again when the machine is idle" in out
    assert measurements(tmp_path) == []
    assert harness("pack", "tour.toml", "--results", str(tmp_path), "--allow-busy")[0] == 0
    assert len(measurements(tmp_path)) == 1


def test_json(harness: Make, pretended: Make, tmp_path: Path) -> None:
    pretended(measured())
    code, out, _ = harness("pack", "tour.toml", "--results", str(tmp_path), "--json")
    assert code == 0
    assert Measurement.model_validate_json(out) == measured() == measurements(tmp_path)[0]


def test_a_damaged_file_is_said_before_anything_is_measured(harness: Make, pretended: Make, tmp_path: Path) -> None:
    pretended(measured())
    (tmp_path / "packing.json").write_text("{")
    code, _, err = harness("pack", "tour.toml", "--results", str(tmp_path))
    assert code == 4
    assert "delete it and measure again" in err


@pytest.mark.usefixtures("here")
def test_a_grid_of_timing_cells_has_nothing_to_pack(harness: Make, tmp_path: Path) -> None:
    (tmp_path / "timed.toml").write_text(TIMED)
    code, _, err = harness("pack", str(tmp_path / "timed.toml"))
    assert code == 2
    assert "timing cells run alone" in err


def test_where_no_cell_can_run_nothing_is_measured(harness: Make, here: Path) -> None:
    code, _, err = harness("pack", "tour.toml", "-s", "precision=fp16")
    assert code == 5
    assert "fp16 needs a CUDA device" in err


def test_the_table() -> None:
    found = measured(row(1, 20.0), row(2, 10.0), row(3, 10.1), row(1, 18.0, threads=2, final_sha256=["d" * 64]))
    lines = packing_text(found, Path("results/packing.json")).splitlines()
    assert lines[1] == "tiny · fp32 on embedded/paraphrase, batch 8, 20 steps a cell; a CPU, 2 cores"
    cells = [line.split() for line in lines if line[:1].isdigit()]
    assert [(line[0], line[1], line[2], line[6]) for line in cells] == [
        ("1", "1", "1080", "1.00"), ("2", "1", "2160", "2.00"), ("3", "1", "2139", "1.98"), ("1", "2", "1200", "1.11"),
    ]  # fmt: skip
    assert lines[-2:] == [
        "from now on 2 at a time (results/packing.json); --slots wins",
        "threads = 1 is right: no other number that was tried gives 5 % more cells an hour",
    ]


def test_other_threads_are_recommended_not_taken() -> None:
    found = measured(row(1, 20.0), row(2, 19.0), row(1, 10.0, threads=2), others_cores=0.9)
    text = packing_text(found, Path("results/packing.json"))
    assert "from now on 2 at a time" in text
    assert "1 at a time with 2 threads each give 90% more cells an hour: [execution] threads = 2 asks for that" in text
    assert "other processes kept 0.90 cores busy meanwhile" in text
