"""A cluster of nodes in this process: which of them a grid runs on, what timing cells get, and what a loss means."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from benchmarks.cluster_driver import InProcess
from harness.errors import RequirementError
from harness.execution import run
from harness.execution.environment import Environment
from harness.execution.executors import cluster, spread
from harness.execution.executors.cluster import Cluster
from harness.execution.executors.fabric import Lost, NodeInfo
from harness.execution.executors.node import Left, Order, Report, Seen
from harness.execution.executors.parcel import Parcel, pack, unpacked
from harness.execution.health import HeldDevices
from harness.execution.plan import make_plan
from harness.execution.progress import Reporter, Summary
from harness.execution.run import LOSSES_ALLOWED, Runner, RunOptions
from harness.execution.session import Session, Wishes
from harness.grid.cell import Cell
from harness.protocol import EXITED, RESULT, STARTED
from harness.record.meant import Machine
from harness.record.model import read_record
from harness.record.parts.built import BuiltFrom
from harness.record.results import Results
from harness.record.store import Store
from tests.execution.conftest import FakeMaterials
from tests.execution.prepared import Prepared

Make = Callable[..., Any]
OLD = Path(__file__).parents[1] / "data" / "records" / "v1" / "ok.json"


class FakeNode:
    """A node whose cells end in the turn after the one that began them."""

    def __init__(self, node: str, seen: Seen, fabric: FakeFabric) -> None:
        self.node, self._seen, self._fabric = node, seen, fabric
        self._orders: list[Order] = []

    def look(self, asked: Any, cpus: int) -> Seen:
        return self._seen

    def open(self, allow_busy: bool, slots: int) -> None:
        self._orders = []

    def shut(self) -> None:
        assert self._orders == []

    def turn(self, orders: Sequence[Order], timeout_s: float) -> Report:
        report, began = Report(), self._orders
        self._orders = list(orders)
        at_work = self._fabric.at_work[self._seen.machine.id]
        for order in began:
            at_work.remove(order.job["cell"])
        for order in orders:
            at_work.append(order.job["cell"])
            self._fabric.began.append((self.node, order.job["cell"], [one for one in at_work if one.timed]))
            if order.job["cell"].timed:
                assert len(at_work) == 1, "not alone on its machine"
        for order in began:
            fate = self._fabric.fate(self.node, order.job)
            if fate == "node":
                raise Lost("ActorDiedError: its node is gone")
            if fate == "object":
                report.lost.append(order.job["id"])
                continue
            files = {RESULT: json.dumps(order.job["result"]).encode(), "log.txt": b"trained\n"}
            report.left[order.job["id"]] = Left(files, 0, {}, HeldDevices())
            events = [{"event": STARTED, "id": order.job["id"]}, {"event": EXITED, "id": order.job["id"], "status": 0}]
            report.heard.append((order.key, events, ""))
        return report


class FakeFabric(InProcess):
    """A cluster's means in this process; `began` has each cell's node and the timing cells at work on its machine."""

    def __init__(self, nodes: Mapping[str, tuple[NodeInfo, Seen]]) -> None:
        self.all = nodes
        self.fate: Callable[[str, Mapping[str, Any]], str] = lambda node, job: "ends"
        self.lost: set[str] = set()
        self.puts = 0
        self.at_work: dict[str, list[Cell]] = defaultdict(list)
        self.began: list[tuple[str, Cell, list[Cell]]] = []

    def nodes(self) -> dict[str, NodeInfo]:
        return {node: info for node, (info, _) in self.all.items() if node not in self.lost}

    def start(self, node: str) -> FakeNode:
        return FakeNode(node, self.all[node][1], self)

    def put(self, data: bytes) -> bytes:
        self.puts += 1
        return super().put(data)


class Grid:
    """As much of one as a run asks for."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.execution = type("Execution", (), {"timeout_minutes": 60, "first_step_timeout_minutes": 60})


def seen(environment: Environment, machine: str) -> Seen:
    return Seen(Machine(id=machine, name=machine), {"current": environment})


@pytest.fixture
def over(environment_of: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs cells over a fabric; returns what began where, and the summary."""
    real = read_record(OLD).model_dump(mode="json", by_alias=True, exclude_unset=True)
    observed = {key: value for key, value in real["observed"].items() if key not in ("host", "device_busy")}
    result = {"status": "ok", "observed": observed, "measured": real["measured"]}
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()
    (checkpoint / "config.json").write_text("{}", encoding="utf-8")

    def a_job(cell: Cell, attempt: Any, *_: Any) -> dict[str, Any]:
        return {
            "id": f"{cell.cell_id}-{attempt.number}", "folder": str(attempt.folder), "variables": {}, "cell": cell,
            "checkpoint": {"path": str(checkpoint)}, "dataset": None, "task": {}, "task_folder": "", "result": result,
        }  # fmt: skip

    monkeypatch.setattr(run, "Preparations", Prepared)
    monkeypatch.setattr(run, "cell_job", a_job)
    monkeypatch.setattr(spread, "MUSTER_S", 0.0)
    monkeypatch.setattr(cluster, "POLL_S", 0.0)

    def make(fabric: FakeFabric, cells: Sequence[Cell], slots: int | None = 2) -> tuple[Summary, Store]:
        found = Cluster(fabric, "a cluster")
        store = Store(tmp_path / "results", "g")
        environments = found.environments({"current": environment_of()}, [])
        materials: Any = {"current": FakeMaterials()}
        packing = found.packing(cells, slots)
        plan = make_plan(cells, Results(store.entries()), environments, materials, packing)
        grid: Any = Grid(tmp_path)
        session = Session(grid, cells, store, Results(store.entries(), store, cells), plan, Wishes(on=found))
        summary = Runner(session, RunOptions(), Reporter()).run()
        return summary, store

    return make


def three(environment: Environment, *machines: str) -> dict[str, tuple[NodeInfo, Seen]]:
    return {
        f"n{number}": (NodeInfo(f"node {number}", 2, 0), seen(environment, machine))
        for number, machine in enumerate(machines)
    }


def test_a_lost_node_has_its_cells_begun_again_elsewhere(over: Make, environment_of: Make, cell_of: Make) -> None:
    fabric = FakeFabric(three(environment_of(), "a", "b", "c"))
    cells = [cell_of(seed=seed) for seed in range(12)]

    def fate(node: str, job: Mapping[str, Any]) -> str:
        if node != "n1":
            return "ends"
        fabric.lost.add("n1")
        return "node"

    fabric.fate = fate
    summary, store = over(fabric, cells)
    assert (summary.exit_code, summary.measured) == (0, 12)
    entries = store.entries()
    assert Counter(entry.status for entry in entries) == {"ok": 12, "killed": 2}
    lost = [store.record(entry) for entry in entries if entry.status == "killed"]
    assert {one.failure.message for one in lost if one.failure} == {"killed with its machine: node node 1 was lost"}
    assert {entry.attempt for entry in entries if entry.status == "killed"} == {1}


def test_a_cell_that_loses_every_node_is_left_to_the_next_run(over: Make, environment_of: Make, cell_of: Make) -> None:
    fabric = FakeFabric(three(environment_of(), "a", "b", "c"))
    cells = [cell_of(seed=seed) for seed in range(3)]
    fabric.fate = lambda node, job: "node" if job["cell"].seed == 1 else "ends"
    summary, store = over(fabric, cells, slots=1)
    assert (summary.exit_code, summary.measured, summary.missing) == (4, 2, 1)
    assert Counter(entry.status for entry in store.entries()) == {"ok": 2, "killed": LOSSES_ALLOWED + 1}


def test_a_lost_object_is_sent_again_and_not_for_ever(over: Make, environment_of: Make, cell_of: Make) -> None:
    fabric, tries = FakeFabric(three(environment_of(), "a")), Counter[int]()

    def fate(node: str, job: Mapping[str, Any]) -> str:
        seed = job["cell"].seed
        tries[seed] += 1
        return "object" if seed == 1 or tries[seed] == 1 else "ends"

    fabric.fate = fate
    summary, store = over(fabric, [cell_of(seed=1), cell_of(seed=2)])
    assert tries == {1: spread.SENT_AGAIN + 1, 2: 2}
    assert [(entry.seed, entry.status) for entry in store.entries()] == [(2, "ok"), (1, "killed")]
    assert summary.exit_code == 4
    assert fabric.puts > 1


def test_timing_cells_have_one_machine_to_themselves(over: Make, environment_of: Make, cell_of: Make) -> None:
    # Two nodes of the cluster are one machine.
    fabric = FakeFabric(three(environment_of(), "a", "a", "b"))
    timing = {"warmup_steps": 1, "measured_steps": 2}
    cells = [cell_of(seed=seed) for seed in range(4)] + [cell_of(timing=timing, repeat=n) for n in (1, 2, 3)]
    over(fabric, cells)
    assert len(fabric.began) == 7
    (node,) = {node for node, cell, _ in fabric.began if cell.timed}
    assert all(timed == ([cell] if cell.timed else []) for _, cell, timed in fabric.began), node


def test_a_grid_runs_on_one_kind_and_the_plan_says_what_is_left_out(environment_of: Make, cell_of: Make) -> None:
    plain = environment_of()
    old = replace(plain, facts={**plain.facts, "packages": {"torch": "2.12.0", "transformers": "5.23.0"}})
    other = replace(plain, environment_id="env1")
    nodes = three(plain, "a", "b")
    nodes["odd"] = (NodeInfo("odd node", 2, 0), seen(old, "c"))
    nodes["new"] = (NodeInfo("new node", 2, 0), seen(other, "d"))
    nodes["bad"] = (NodeInfo("bad node", 2, 0), Seen(Machine(id="e", name="e"), {}, "no interpreter at /x"))
    found = Cluster(FakeFabric(nodes), "a cluster")
    assert found.environments({"current": plain}, [])["current"].environment_id == "env0"
    packing = found.packing([cell_of()], 2)
    assert packing.slots == 4
    assert packing.why == (
        ", 2 on each of 2 nodes of a cluster; left out: odd node (environment current: torch 2.12.0 there, 2.13.0 "
        "here); bad node (no interpreter at /x); new node (another kind: a CPU)"
    )
    # Of a built environment all of its lock counts.
    lock = {"torch": "2.13.0", "numpy": "2.0.0"}
    ours = replace(plain, built=BuiltFrom(packages=["a==1"], lock=lock))
    theirs = replace(plain, built=BuiltFrom(packages=["a==1"], lock={**lock, "numpy": "2.0.1"}))
    with pytest.raises(RequirementError, match=r"node 0: environment current: numpy 2\.0\.1 there, 2\.0\.0 here"):
        Cluster(FakeFabric(three(theirs, "a")), "a cluster").environments({"current": ours}, [])
    # What has results goes on with its kind, however few nodes it has.
    assert found.environments({"current": plain}, ["env1"])["current"].environment_id == "env1"
    with pytest.raises(RequirementError, match="a cluster: no node can be used: bad node: no interpreter at /x"):
        Cluster(FakeFabric({"bad": nodes["bad"]}), "a cluster").environments({"current": plain}, [])


def test_a_folder_travels_once_and_is_what_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("harness.execution.executors.parcel.PIECE", 4)
    folder = tmp_path / "data"
    (folder / "train").mkdir(parents=True)
    (folder / "train" / "part.arrow").write_bytes(b"0123456789")
    (folder / "facts.json").write_bytes(b"{}")
    got: list[bytes] = []

    def get(piece: bytes) -> bytes:
        got.append(piece)
        return piece

    parcel: Parcel = pack(folder, [path for path in folder.rglob("*") if path.is_file()], lambda data: data)
    place = unpacked(parcel, get)
    assert (place / "train" / "part.arrow").read_bytes() == b"0123456789"
    assert got == [b"{}", b"0123", b"4567", b"89"]
    assert unpacked(parcel, get) == place
    assert len(got) == 4
    (place / "facts.json").write_bytes(b"{ }")  # a damaged one is unpacked again
    assert (unpacked(parcel, get) / "facts.json").read_bytes() == b"{}"


def test_a_word_that_is_no_cluster_is_refused(tmp_path: Path) -> None:
    from harness.errors import SpecError
    from harness.execution.executors.reach import reached

    # Neither is Ray imported for these.
    for word in ("slurm", "ray:", "ray://", "ray://host", "ray://host:port", "RAY"):
        with pytest.raises(SpecError, match=r"--on: got .*; allowed: ray"), reached(word):
            pass
    with reached(None) as here:
        assert here is None


def test_without_on_nothing_of_ray_is_imported_and_without_ray_on_is_one_line(house: Any) -> None:
    house.grid([1])
    (house.folder / "ray").mkdir()
    (house.folder / "ray" / "__init__.py").write_text("raise ImportError('planted')\n", encoding="utf-8")
    code, output = house.run()  # its folder comes first where Python looks
    assert code == 0, output
    code, output = house.run("--on", "ray")
    assert code == 4
    assert output.splitlines() == [
        "error: --on ray: Ray is not installed (planted); install it with: pip install 'ray[client]'"
    ]
