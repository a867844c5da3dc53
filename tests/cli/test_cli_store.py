"""`harness store` and the space that it takes, on the shared run's results."""

from __future__ import annotations

import json
import shutil
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.execution import session as session_module
from harness.execution.session import CELL_BYTES, LEAST_FREE_MIB, disk_problem
from harness.grid.cell import Cell, Checkpoint
from harness.record.store import Store

Make = Callable[..., Any]
Usage = namedtuple("Usage", "total used free")


@pytest.fixture
def results(here: Path, tmp_path: Path) -> Path:
    """A copy of the shared run's, without what other tests left there."""
    ignored = shutil.ignore_patterns("report*", "*.svg")
    return Path(shutil.copytree(here / "results" / "tour", tmp_path / "results" / "tour", ignore=ignored).parent)


def test_list(harness: Make, results: Path) -> None:
    code, out, err = harness("store", "list", str(results))
    assert (code, err) == (0, "")
    head, _, row, environment = out.splitlines()
    assert head.split()[:5] == ["grid", "cells", "records", "measurements", "size"]
    assert row.split()[:4] == ["tour", "4", "4", "4"]
    assert row.endswith("nothing")
    (held,) = {entry.environment_id for entry in Store(results, "tour").entries()}
    assert environment.startswith(f"tour: environment {held}: 4 records, youngest 20")
    assert environment.endswith(" (UTC), meant as current")
    data = json.loads(harness("store", "list", str(results), "--json")[1])
    assert (data["schema"], data["kind"], data["exit_code"]) == (1, "harness-store-list", 0)
    tour = data["grids"]["tour"]
    assert (tour["cells"], tour["records"], tour["prunable"]["records"]) == (4, 4, 0)
    assert tour["bytes"] > 4 * 4096
    assert tour["environments"][0]["labels"] == ["current"]


def test_verify(harness: Make, results: Path) -> None:
    code, out, _ = harness("store", "verify", str(results))
    assert (code, out.rpartition(" in ")[0]) == (0, "tour: 4 records and 1 series read")
    assert out.endswith(" s: 0 findings\n")
    (entry,) = [one for one in Store(results, "tour").entries() if one.status in ("ok", "collapsed")]
    path = results / "tour" / entry.path / "record.json"
    path.write_text(path.read_text().replace('"accuracy": 0.', '"accuracy": 0.9', 1))
    code, out, _ = harness("store", "verify", str(results))
    assert code == 4
    assert out.splitlines()[0].startswith(f"tour: {path.resolve()}: measured.metrics.accuracy: got 0.9")
    assert out.endswith(" s: 1 finding\n")
    data = json.loads(harness("store", "verify", str(results), "--json")[1])
    assert (data["exit_code"], len(data["grids"]["tour"]["findings"])) == (4, 1)


def test_prune(harness: Make, results: Path) -> None:
    code, out, err = harness("store", "prune", str(results))
    assert (code, err) == (2, "error: prune: allowed --keep AGE, such as 30d, or --environment ID|LABEL, or both\n")
    code, _, err = harness("store", "prune", str(results), "--keep", "soon")
    assert (code, err) == (2, 'error: --keep: got "soon"; allowed an age such as 90m, 20h or 7d, up to 100 years\n')
    store = Store(results, "tour")
    entry = next(one for one in store.entries() if one.status in ("ok", "collapsed"))
    older = store.folder / entry.path
    record = json.loads((older / "record.json").read_text())
    attempt = store.begin(entry.cell_id, entry.environment_id)
    record |= {"attempt": attempt.number, "measurement": 2, "series": {}, "series_sha256": None}
    (attempt.folder / "record.json").write_text(json.dumps(record))
    store.reindex()
    for path in results.rglob("record.json"):
        path.write_text(path.read_text().replace('"started": "20', '"started": "10'))
    store.index.path.unlink()
    store.reindex()
    code, out, _ = harness("store", "prune", str(results), "--keep", "7d", "--dry-run")
    assert (code, older.exists()) == (0, True)
    assert out.startswith(
        "tour: would take 1 measurement, 1 record, 0.0 MiB; kept: 4 measurements the newest of a cell"
    )
    code, out, _ = harness("store", "prune", str(results), "--keep", "7d", "--json")
    data = json.loads(out)
    assert (code, data["kind"], older.exists()) == (0, "harness-store-prune", False)
    assert data["grids"]["tour"]["taken"]["records"] == 1
    assert data["grids"]["tour"]["taken"]["bytes"] == data["grids"]["tour"]["prunable"]["bytes"] > 8192
    code, out, _ = harness("store", "prune", str(results), "--keep", "7d")
    assert (code, out) == (0, "tour: nothing to take; kept: 4 measurements the newest of a cell\n")
    code, _, err = harness("store", "prune", str(results), "--environment", "current")
    assert code == 2
    assert 'got "current", which tour means' in err


@pytest.mark.parametrize("command", ["list", "prune", "verify"])
def test_an_empty_folder_has_nothing(harness: Make, tmp_path: Path, command: str) -> None:
    keep = ("--keep", "1d") if command == "prune" else ()
    assert harness("store", command, str(tmp_path), *keep)[:2] == (0, f"{tmp_path}: no results yet\n")


def test_what_is_not_there_is_refused_or_empty(harness: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert harness("store", "list")[:2] == (0, "results: no results yet\n")
    code, _, err = harness("store", "verify", "nothing")
    assert (code, err) == (
        2, 'error: "nothing": no such grid; allowed a grid\'s file, its name, or a folder of its results; known are '
        "mrpc, quickstart, quickstart-sample, verify\n",
    )  # fmt: skip
    assert harness("store", "prune", "quickstart", "--keep", "0d")[:2] == (0, "quickstart: no results yet\n")
    assert not Path("results").exists()


# Free space.


def cells(number: int, **recipe: Any) -> list[Cell]:
    checkpoint = Checkpoint("tiny", "embedded/tiny-bert")
    return [Cell("embedded/paraphrase", checkpoint, seed, {"max_steps": 1000, **recipe}) for seed in range(number)]


def free(monkeypatch: pytest.MonkeyPatch, mib: float) -> None:
    monkeypatch.setattr(session_module.shutil, "disk_usage", lambda _: Usage(2**40, 0, int(mib * 2**20)))


def test_what_cells_take_is_estimated_from_their_steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 1,000 steps of 2 x 16 examples: 24 + 2 x (8 + 4 x 16) bytes each.
    each = CELL_BYTES + 1000 * (24 + 2 * 72)
    planned = cells(500, per_device_train_batch_size=16, gradient_accumulation_steps=2)
    needed = LEAST_FREE_MIB + 500 * each / 2**20
    free(monkeypatch, needed + 0.01)
    assert disk_problem(tmp_path, planned) is None
    free(monkeypatch, needed - 0.01)
    problem = f"{needed:.0f} MiB free for results at {tmp_path}; {needed:.0f} MiB are needed for 500 cells, "
    assert disk_problem(tmp_path, planned) == f"{problem}estimated from their steps"


def test_where_the_store_has_records_they_tell(results: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = Store(results, "tour").entries()
    (entry,) = [one for one in entries if one.stamp is not None and one.stamp.series is not None]
    each = CELL_BYTES + sum((results / "tour" / entry.path / n).stat().st_size for n in ("record.json", "series.npz"))
    free(monkeypatch, LEAST_FREE_MIB + 100 * each / 2**20 + 0.01)
    assert disk_problem(results, cells(100), entries) is None
    assert "for 101 cells, as its newest records take" in str(disk_problem(results, cells(101), entries))


@pytest.mark.usefixtures("here")
def test_a_full_disk_is_told_by_plan_and_run_before_anything_runs(
    harness: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    free(monkeypatch, 12)
    code, out, _ = harness("plan", "tour.toml", "--fresh")
    assert code == 4
    assert "`harness run` would end with exit 4: 12 MiB free for results at " in out
    assert "; 64 MiB are needed for 2 cells, as its newest records take" in out
    code, _, err = harness("run", "tour.toml", "--fresh")
    assert (code, err.partition(" at ")[0]) == (4, "error: 12 MiB free for results")


def test_a_part_where_a_whole_grid_is_meant_is_called_that(harness: Make, here: Path) -> None:
    for command in (["runs"], ["status"], ["store", "verify"]):
        code, _, err = harness(*command, "quickstart:seed=1")
        assert (code, err) == (
            2,
            'error: "quickstart:seed=1": a part of a grid; allowed a whole one here: quickstart\n',
        )
