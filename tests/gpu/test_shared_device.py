"""A run over one GPU that is not there: which cells share it, by the memory of their first one, and who is alone."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.execution import devices, run
from harness.execution.devices import Device
from harness.execution.environment import Environment
from harness.execution.executors import station
from harness.execution.host import Key
from harness.execution.packing import MemoryNeeds, need_mib
from harness.execution.plan import Plan, PlannedCell
from harness.execution.progress import Reporter, Summary
from harness.execution.run import Runner, RunOptions
from harness.execution.session import Session
from harness.grid.cell import Cell
from harness.protocol import EXITED, RESULT, STARTED
from harness.record.model import read_record
from harness.record.results import Results
from harness.record.store import Store
from tests.execution.prepared import Prepared

Make = Callable[..., Any]
OLD = Path(__file__).parents[1] / "data" / "records" / "v1" / "ok.json"
REAL = read_record(OLD).model_dump(mode="json", by_alias=True, exclude_unset=True)
GPU = Device("GPU-a", "H100", 81_559, 0, 0)
RESERVED = 20_000.0
"""Three of them fit with all margins, four do not."""


class Jobs:
    """Hosts whose cells end one after the other, the oldest first; `beside` has, for each start, who ran already."""

    def __init__(self, result: Callable[[Mapping[str, Any], bool], dict[str, Any]]) -> None:
        self._result = result
        self._running: list[Mapping[str, Any]] = []
        self._crowded: set[str] = set()
        self.beside: list[tuple[str, list[str]]] = []

    def __call__(self, environments: Any, logs: Path) -> Jobs:
        return self

    def started(self, key: Any) -> Jobs:
        return self

    def get(self, key: Any) -> None:
        return None

    def run(self, job: Mapping[str, Any], lock: int | None) -> None:
        assert job["variables"]["CUDA_VISIBLE_DEVICES"] == GPU.uuid
        self.beside.append((job["name"], [other["name"] for other in self._running]))
        self._running.append(job)
        if len(self._running) > 1:
            self._crowded.update(each["id"] for each in self._running)

    def heard(self, timeout_s: float) -> Iterator[tuple[Any, Sequence[Mapping[str, Any]]]]:
        if self._running:
            job = self._running.pop(0)
            result = self._result(job, job["id"] in self._crowded)
            (Path(job["folder"]) / RESULT).write_text(json.dumps(result), encoding="utf-8")
            yield (
                Key("current", False),
                [{"event": STARTED, "id": job["id"]}, {"event": EXITED, "id": job["id"], "status": 0}],
            )

    def close(self) -> None:
        assert self._running == []


class Contents:
    def content_id(self, cell: Cell) -> str:
        return "content0"


def name_of(cell: Cell) -> str:
    return f"{cell.recipe['learning_rate']:g}/{cell.seed}" + (" timed" if cell.timed else "")


def a_job(cell: Cell, attempt: Any, environment: Any, materials: Any, prepared: Any, uuids: Any, *_: Any) -> Any:
    variables = {"CUDA_VISIBLE_DEVICES": ",".join(uuids)}
    return {
        "id": f"{cell.cell_id}-{attempt.number}", "folder": str(attempt.folder), "variables": variables,
        "name": name_of(cell), "timed": cell.timed,
    }  # fmt: skip


def ended_well(job: Mapping[str, Any], crowded: bool) -> dict[str, Any]:
    observed = {key: value for key, value in REAL["observed"].items() if key not in ("host", "device_busy")}
    peaks = {"process": 900.0, "device": 15_000.0, "reserved": RESERVED}
    return {"status": "ok", "observed": observed, "measured": {**REAL["measured"], "peak_memory_mib": peaks}}


def out_of_memory_beside_others(job: Mapping[str, Any], crowded: bool) -> dict[str, Any]:
    failure = {"type": "OutOfMemoryError", "message": "CUDA out of memory"}
    return {"status": "oom", "failure": failure} if crowded else ended_well(job, crowded)


@pytest.fixture
def over_gpu(environment_of: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs cells over the GPU, so many at once; returns what ran beside what, and how it came out."""
    environment: Environment = environment_of((9, 0))
    monkeypatch.setattr(run, "Preparations", Prepared)
    monkeypatch.setattr(run, "cell_job", a_job)
    monkeypatch.setattr(devices, "nvidia_devices", lambda: [GPU])

    def make(
        cells: Sequence[Cell], slots: int, result: Any = ended_well, retries: int = 1
    ) -> tuple[list[tuple[str, list[str]]], Summary]:
        jobs = Jobs(result)
        monkeypatch.setattr(station, "Hosts", jobs)
        store = Store(tmp_path / "results", "g")
        materials: Any = Contents()
        plan = Plan(
            [PlannedCell(cell, "to do") for cell in cells], {"current": environment}, {"current": materials}, slots
        )
        (tmp_path / "g.toml").write_text('name = "g"\ntask = "embedded/paraphrase"\n', encoding="utf-8")
        grid: Any = Grid(tmp_path)
        session = Session(grid, cells, store, Results(store.entries(), store, cells), plan)
        summary = Runner(session, RunOptions(retries=retries), Reporter()).run()
        return jobs.beside, summary

    return make


class Grid:
    """As much of one as a run asks for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.execution = type("Execution", (), {"timeout_minutes": 60, "first_step_timeout_minutes": 60})


@pytest.fixture
def cells(cell_of: Make) -> list[Cell]:
    """Two configurations of four seeds."""
    return [cell_of(seed=seed, recipe={"learning_rate": rate}) for rate in (1e-4, 2e-4) for seed in (1, 2, 3, 4)]


def test_the_first_cell_of_a_configuration_is_alone_and_the_others_share(over_gpu: Make, cells: list[Cell]) -> None:
    beside, summary = over_gpu(cells, slots=8)
    assert (summary.exit_code, summary.measured) == (0, 8)
    found = dict(beside)
    assert found["0.0001/1"] == found["0.0002/1"] == []
    assert max(map(len, found.values())) == 2  # three at once: a fourth might not fit
    assert found["0.0001/4"] == ["0.0001/2", "0.0001/3"]
    assert not any("0.0001/1" in others or "0.0002/1" in others for others in found.values())


def test_no_more_share_than_are_to_run_at_once(over_gpu: Make, cells: list[Cell]) -> None:
    beside, _ = over_gpu(cells, slots=2)
    assert max(len(others) for _, others in beside) == 1
    one_at_a_time, _ = over_gpu([replace(cell, head_seeding="course") for cell in cells], slots=1)
    assert {len(others) for _, others in one_at_a_time} == {0}


def test_who_runs_out_of_memory_beside_others_runs_again_alone(over_gpu: Make, cells: list[Cell]) -> None:
    def result(job: Mapping[str, Any], crowded: bool) -> dict[str, Any]:
        return (out_of_memory_beside_others if job["name"] == "0.0001/3" else ended_well)(job, crowded)

    beside, summary = over_gpu(cells, slots=8, result=result)
    assert [others for name, others in beside if name == "0.0001/3"] == [["0.0001/2"], []]
    assert (summary.exit_code, summary.measured, summary.errors) == (0, 8, [])


def test_a_run_that_retries_nothing_leaves_it_to_the_next_which_runs_it_alone(
    over_gpu: Make, cells: list[Cell], environment_of: Make, tmp_path: Path
) -> None:
    _, summary = over_gpu(cells[:3], 8, out_of_memory_beside_others, retries=0)
    (entry, *_) = summary.errors
    assert (summary.exit_code, entry.status) == (4, "oom")
    needs, environment = MemoryNeeds(Store(tmp_path / "results", "g")), environment_of((9, 0))
    failed = next(cell for cell in cells if cell.cell_id == entry.cell_id)
    assert needs.of(PlannedCell(failed, "to do", entry=entry), environment) is None
    assert needs.of(PlannedCell(cells[3], "to do"), environment) == need_mib({"reserved": RESERVED}) == 26_024


def test_what_an_earlier_run_measured_is_known(over_gpu: Make, cells: list[Cell]) -> None:
    over_gpu(cells[:1], slots=8)
    beside, _ = over_gpu(cells[1:4], slots=8)
    assert [len(others) for _, others in beside] == [0, 1, 2]


def test_a_timing_cell_is_alone(over_gpu: Make, cells: list[Cell]) -> None:
    timed = replace(cells[1], timing={"warmup_steps": 1, "measured_steps": 1})

    def result(job: Mapping[str, Any], crowded: bool) -> dict[str, Any]:
        return (
            {"status": "failed", "failure": {"type": "E", "message": "m"}} if job["timed"] else ended_well(job, crowded)
        )

    beside, _ = over_gpu([cells[0], timed, *cells[1:4]], slots=8, result=result, retries=0)
    assert dict(beside)["0.0001/2 timed"] == []
    assert not any("0.0001/2 timed" in others for _, others in beside)
