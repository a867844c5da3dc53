"""`harness.frame`: a row a run, with the columns and units that its table says."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import harness
from harness.errors import NothingMeasured, SpecError
from harness.record.model import read_record
from harness.report.export.columns import COLUMNS, columns_text, described, page
from tests.characterization.made_up import make_results
from tests.cli.made_up_nights import Night

pandas = pytest.importorskip("pandas", reason="pandas is an extra: pip install pandas")
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("frame")
    make_results(root)
    return root


def test_a_real_run_is_what_its_record_says(tour: Any) -> None:
    found = harness.frame("tour", tour.folder / "results")
    assert found.equals(harness.frame(tour.folder / "results" / "tour"))
    assert len(found) == found.cell_id.nunique() == 4
    assert set(found.status) <= {"ok", "collapsed", "failed", "skipped"}
    (one,) = found[(found.precision == "fp32") & (found.axis_optim == "adamw_torch")].to_dict("records")
    record = read_record(tour.folder / "results" / "tour" / one["folder"] / "record.json")
    assert record.measured is not None
    assert record.observed is not None
    assert record.observed.fingerprint is not None
    assert one["accuracy_fraction"] == record.measured.metrics["accuracy"]
    assert one["train_seconds"] == record.measured.seconds["train"]
    assert one["trajectory_sha256"] == record.observed.fingerprint.trajectory_sha256
    assert one["torch_version"] == record.observed.packages["torch"]
    assert (one["optimizer_steps"], one["seed"], one["validation_examples"]) == (4, 42, 240)
    assert one["started"] == pandas.Timestamp(record.started)
    (failed,) = found[found.status == "failed"].to_dict("records")
    assert "bitsandbytes" in failed["error"]
    assert pandas.isna(failed["accuracy_fraction"])


def test_a_row_is_what_counts_of_a_cell(made: Path) -> None:
    found = harness.frame(made / "scores", environment="all")
    assert len(found) == 28  # 30 cells and places, of which two were never tried
    assert not found.duplicated(["cell_id", "environment_id"]).any()
    counts = found.status.value_counts().to_dict()
    wanted = {"ok": 18, "skipped": 5, "collapsed": 1, "nonfinite": 1, "failed": 1, "killed": 1, "timeout": 1}
    assert counts == wanted
    (lost,) = found[found.status == "collapsed"].accuracy_fraction
    assert lost == 279 / 408
    assert found[found.status == "skipped"].accuracy_fraction.isna().all()


def test_a_collapse_is_a_row_though_it_was_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    night = Night(tmp_path)
    first, second = night.cells("bf16")[:2]
    night.put(first, 80, "collapsed")
    night.put(first, 40)
    night.put(second, 40, "failed")
    night.put(second, 48)
    found = harness.frame("night")
    rows = found[["seed", "status", "attempt", "accuracy_fraction"]].itertuples(index=False, name=None)
    assert [*rows] == [(1, "collapsed", 1, 1 - 80 / 240), (1, "ok", 2, 1 - 40 / 240), (2, "ok", 2, 0.8)]


def test_timings_are_rows_a_process(made: Path) -> None:
    found = harness.frame(made / "speed")
    assert "accuracy_fraction" not in found
    assert set(found.kind) == {"timing"}
    assert found.timing_session.nunique() == 2
    assert (found.samples_per_second > 0).all()
    both = harness.frame(made)
    assert set(both.grid) == {"both", "looks", "scores", "speed"}


def test_kind_tells_timings_from_what_has_a_score(made: Path) -> None:
    found = harness.frame(made / "both")
    assert found.groupby("kind").samples_per_second.agg(["count", "max"]).to_dict("index") == {
        "scored": {"count": 4, "max": pytest.approx(13.1466, abs=1e-4)},
        "timing": {"count": 4, "max": 342.0},
    }
    assert found[found.kind == "scored"].accuracy_fraction.notna().all()
    assert found[found.kind == "timing"].accuracy_fraction.isna().all()
    assert found[found.kind == "timing"].timing_session.notna().all()


def test_what_is_no_grid_is_refused(made: Path, tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r".nowhere.: no such grid; allowed a grid's"):
        harness.frame("nowhere", made)
    with pytest.raises(SpecError, match='environment: got "mine"; allowed "all", None'):
        harness.frame(made / "scores", environment="mine")
    (tmp_path / "empty" / "cells").mkdir(parents=True)
    with pytest.raises(NothingMeasured, match="no run yet"):
        harness.frame(tmp_path / "empty")


def test_the_page_and_the_docstring_are_written_from_the_table(made: Path) -> None:
    assert (ROOT / "docs" / "frame.md").read_text(encoding="utf-8") == page() + "\n"
    assert columns_text().replace("\n", "\n    ") in str(harness.frame.__doc__)
    assert len({name for name, *_ in described()}) == len([*described()])
    found = harness.frame(made / "scores")
    assert list(found)[: len(COLUMNS)] == [one.name for one in COLUMNS]
    assert set(list(found)[len(COLUMNS) :]) <= {"accuracy_fraction", "f1_fraction", "peak_memory_process_mib"}


def test_the_package_stays_light() -> None:
    code = (
        "import sys, harness\n"
        "light = [m for m in ('pandas', 'numpy', 'torch') if m in sys.modules]\n"
        "assert 'frame' in dir(harness) and not hasattr(harness, 'frames')\n"
        "harness.frame\n"
        "print(light, [m for m in ('pandas', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[] []"
