"""What a driver takes for a cell, and how much memory: `python -m benchmarks.cluster_driver --cells 10000`.

The nodes are in this process and hand back at once, for every cell, what one real cell left. All else is what ships:
plan, locks, jobs, parcels, records, index, and their fsyncs. Prints milliseconds a cell of the driver's loop, wall and
CPU time, fsyncs a cell, and the memory of this process. No Ray is needed, and its own costs are not in here.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import os
import pstats
import resource
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.execution.executors.cluster import Cluster
from harness.execution.executors.fabric import NodeInfo
from harness.execution.executors.node import Left, Node, Order, Report, Seen
from harness.execution.host import Event
from harness.execution.progress import Reporter
from harness.execution.run import Runner, RunOptions
from harness.execution.session import Wishes, open_session
from harness.protocol import EXITED, STARTED
from harness.record.meant import Machine
from harness.record.provenance import today


class Hosts:
    """A node whose cells end in the turn after the one that began them, each with what the real cell left."""

    def __init__(self, node: str, fabric: Hands) -> None:
        self._node, self._fabric = node, fabric
        self._began: list[Order] = []

    def look(self, asked: Mapping[str, Any], cpus: int) -> Seen:
        """What the real node is, as a machine of its own."""
        return replace(self._fabric.seen(asked, cpus), machine=Machine(id=self._node, name=self._node))

    def open(self, allow_busy: bool, slots: int) -> None:
        """Nothing is to be opened."""

    def shut(self) -> None:
        """Nothing is left running."""

    def turn(self, orders: Sequence[Order], timeout_s: float) -> Report:
        """End what began before."""
        report, ended, self._began = Report(), self._began, list(orders)
        for order in ended:
            job_id = order.job["id"]
            report.left[job_id] = self._fabric.left_by(order)
            events: list[Event] = [{"event": STARTED, "id": job_id}, {"event": EXITED, "id": job_id, "status": 0}]
            report.heard.append((order.key, events, ""))
        return report


class InProcess:
    """The means of a cluster but for its nodes, all in this process."""

    def call(self, actor: Any, method: str, *arguments: Any) -> Any:
        """A call that is made when its result is asked for."""
        return lambda: getattr(actor, method)(*arguments)

    def ready(self, references: Sequence[Any], timeout_s: float) -> Sequence[Any]:
        """All of them."""
        return references

    def result(self, reference: Any) -> Any:
        """Make the call."""
        return reference()

    def put(self, data: bytes) -> bytes:
        """The object itself."""
        return data

    def stop(self, actor: Any) -> None:
        """Nothing runs."""

    def close(self) -> None:
        """Nothing is held."""


class Hands(InProcess):
    """The means of a cluster of so many nodes with so many cores each, all in this process."""

    def __init__(self, nodes: int, cores: int) -> None:
        self._nodes = {f"n{number}": NodeInfo(f"node {number}", cores, 0) for number in range(nodes)}
        self._real = Node(lambda data: data)
        self._seen: Seen | None = None
        self._left: Left | None = None

    def seen(self, asked: Mapping[str, Any], cpus: int) -> Seen:
        """What the real node says."""
        self._seen = self._seen or self._real.look(asked, cpus)
        environments = {label: replace(one, offered=cpus) for label, one in self._seen.environments.items()}
        return replace(self._seen, environments=environments)

    def left_by(self, order: Order) -> Left:
        """What the first cell left, which is run for real."""
        if self._left is None:
            self._real.open(True, 1)
            report = self._real.turn([order], 1.0)
            while not report.left:
                report = self._real.turn([], 1.0)
            self._left = report.left[order.job["id"]]
            self._real.shut()
        return self._left

    def nodes(self) -> Mapping[str, NodeInfo]:
        """All of them, always."""
        return self._nodes

    def start(self, node: str) -> Hosts:
        """One of them."""
        return Hosts(node, self)


def grid_of(folder: Path, name: str, cells: int) -> Path:
    """A grid of so many tiny cells, a seed each."""
    path = folder / f"{name}.toml"
    path.write_text(
        f'name = "{name}"\ntask = "embedded/paraphrase"\n[recipe]\nmax_steps = 3\n'
        f'[matrix]\ncheckpoint = "embedded/tiny-bert"\nseed = {list(range(1, cells + 1))}\n'
    )
    return path


class Flushes:
    """Counts fsyncs from now on, and the seconds that they take."""

    def __init__(self) -> None:
        self.count, self.seconds, self._fsync = 0, 0.0, os.fsync
        os.fsync = self._counted  # type: ignore[assignment]

    def _counted(self, descriptor: Any) -> None:
        begun = time.perf_counter()
        self._fsync(descriptor)
        self.count, self.seconds = self.count + 1, self.seconds + time.perf_counter() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=10_000)
    parser.add_argument("--nodes", type=int, default=125)
    parser.add_argument("--cores", type=int, default=8)
    parser.add_argument("--profile", action="store_true", help="Also where the time goes.")
    asked = parser.parse_args()
    hands, busy, flushes = Hands(asked.nodes, asked.cores), os.getloadavg()[0], Flushes()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        wishes = Wishes(on=Cluster(hands, "fake hosts"))
        first = open_session(grid_of(folder, "first", 1), folder / "results", wishes)
        assert Runner(first, RunOptions(), Reporter()).run().measured == 1
        path = grid_of(folder, "many", asked.cells)
        begun, cpu = time.perf_counter(), time.process_time()
        session = open_session(path, folder / "results", wishes)
        planned = time.perf_counter() - begun, time.process_time() - cpu
        begun, cpu, profile = time.perf_counter(), time.process_time(), cProfile.Profile(time.process_time)
        flushes.count, flushes.seconds = 0, 0.0
        runner = Runner(session, RunOptions(), Reporter())
        summary = profile.runcall(runner.run) if asked.profile else runner.run()
        wall, cpu = time.perf_counter() - begun, time.process_time() - cpu
        assert summary.measured == asked.cells, summary
        (environment, *_) = session.plan.environments.values()
    found = {
        "made": str(today()),
        "cpu": (environment.facts.get("machine") or {}).get("cpu"),
        "cores": os.cpu_count(),
        "load": round(busy, 1),
        "cells": asked.cells,
        "slots": asked.nodes * asked.cores,
        "plan_s": [round(one, 1) for one in planned],
        "wall_ms_a_cell": round(1e3 * wall / asked.cells, 2),
        "cpu_ms_a_cell": round(1e3 * cpu / asked.cells, 2),
        "fsyncs_a_cell": round(flushes.count / asked.cells, 2),
        "fsyncs_ms_a_cell": round(1e3 * flushes.seconds / asked.cells, 2),
        "peak_mib": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
    }
    print(json.dumps(found, indent=1))
    if asked.profile:
        pstats.Stats(profile).sort_stats("tottime").print_stats(25)


if __name__ == "__main__":
    main()
