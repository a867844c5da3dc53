"""Which runs a user means by a folder, a record, a store, a grid, an id, or a part of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import HarnessError, SpecError, StoreError
from harness.pipelines.find import find_runs, told_side
from harness.record.run import Run
from tests.checks.conftest import build_run, plant

CELL = "abcd1234efgh5678"


def keep(
    results: Path, grid: str, run: Run, cell: str, environment: str = "e1", attempt: int = 1, **changes: Any
) -> Path:
    """Write a made-up run as a store has it."""
    shapes = {name: list(array.shape) for name, array in run.series.items()}
    own = {"grid": grid, "cell_id": cell, "configuration_id": f"of{cell}", "environment_id": environment,
           "attempt": attempt, "series": shapes, **changes}  # fmt: skip
    record = plant(run, own).record
    folder = results / grid / "cells" / cell[:2] / cell / environment / f"{attempt:03d}"
    folder.mkdir(parents=True)
    (folder / "record.json").write_text(record.to_json(), encoding="utf-8")
    np.savez(folder / "series.npz", **run.series)
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two grids, two seeds each; in the first one seed ran in two environments, once with a retry."""
    root = tmp_path_factory.mktemp("find") / "results"
    for grid in ("one", "two"):
        for seed in (1, 2):
            axes = {"asked.axes": {"checkpoint": "tiny", "seed": seed}, "asked.seed": seed}
            run = plant(build_run(seed=seed), axes)
            keep(root, grid, run, f"{grid}{seed}aaaaaaaa")
            if (grid, seed) == ("one", 1):
                keep(root, grid, run, "one1aaaaaaaa", "f2", started="2026-11-23T10:00:00.000Z")
                failed = {"status": "failed", "started": "2026-11-23T11:00:00.000Z"}
                keep(root, grid, run, "one1aaaaaaaa", "f2", attempt=2, **failed)
    return root


def found(text: str, results: Path) -> list[str]:
    return [one.run_id for one in find_runs(text, results)[0]]


class TestNames:
    def test_a_folder_and_its_record(self, results: Path) -> None:
        folder = next((results / "two").rglob("001"))
        for name in (folder, folder / "record.json"):
            (one,), named = find_runs(str(name), Path("elsewhere"))
            assert (one.folder, named, one.read().record.grid) == (str(folder), frozenset(), "two")

    def test_a_grid_by_name_and_folder_has_each_cell_once(self, results: Path) -> None:
        # The newest place of a cell, and there the attempt with an outcome.
        expected = ["one1aaaa/f2", "one2aaaa/e1"]
        assert found("one", results) == found(str(results / "one"), Path("elsewhere")) == expected
        assert find_runs("one", results)[0][0].folder.endswith("f2/001")

    def test_a_store_has_all_grids(self, results: Path) -> None:
        every, _ = find_runs(str(results), Path("elsewhere"))
        assert sorted({one.axes["grid"] for one in every}) == ["one", "two"]
        assert len(every) == 4

    def test_a_selector(self, results: Path) -> None:
        assert found("one:seed=2", results) == ["one2aaaa/e1"]
        assert find_runs("one:seed=2", results)[1] == {"seed"}
        assert found("one:seed=1,2", results) == found("one", results)
        assert find_runs("one:seed=1,2", results)[1] == frozenset()

    def test_an_environment_by_its_id(self, tmp_path: Path) -> None:
        for environment in ("0old0", "1new1"):
            keep(tmp_path, "g", build_run(), CELL, environment)
        assert found("g:environment=0old", tmp_path) == ["abcd1234/0old0"]
        assert found("g:environment=1new1", tmp_path) == ["abcd1234/1new1"]

    def test_an_id(self, results: Path) -> None:
        assert found("one2", results) == ["one2aaaa/e1"]
        assert found("one1aaaa/f", results) == ["one1aaaa/f2"]

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ("one1", "2 runs begin so; allowed one of their ids: one1aaaa/e1, one1aaaa/f2"),
            ("zzzz", "no run of such an id"),
            ("on", "no such run; allowed a run's folder"),
            ("one:seed=9", 'seed: got "9"; allowed 1, 2'),
            ("one:colour=red", 'got "colour"; allowed axes'),
            ("one:seed=1,seed=2", "each axis once"),
            ("one:seed=1,environment=e1zz", 'environment: got "e1zz"'),
        ],
    )
    def test_what_cannot_be_meant(self, results: Path, text: str, said: str) -> None:
        with pytest.raises(SpecError) as error:
            find_runs(text, results)
        assert said in str(error.value)

    def test_a_grid_without_a_run_is_missing_not_misnamed(self, tmp_path: Path) -> None:
        (tmp_path / "empty" / "cells").mkdir(parents=True)
        with pytest.raises(StoreError, match="no run in it") as error:
            find_runs("empty", tmp_path)
        assert isinstance(error.value, HarnessError)
        assert error.value.exit_code == 4


def test_a_side_for_people(results: Path) -> None:
    assert told_side("one", find_runs("one", results)[0]) == "one (2 runs)"
    (one,), _ = find_runs("one2", results)
    assert told_side("one2", [one]) == "one2aaaa/e1 tiny · seed 2"
    assert told_side("one2", [one], where=True).endswith(f"({one.folder})")
