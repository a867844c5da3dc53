"""What a cluster would take, simulated: the plan on paper behind `reports/cluster-plan.md`.

`python -m benchmarks.cluster_simulation --driver driver.json -o reports/cluster-plan.md` simulates cells of one length
on nodes of several devices; nodes are lost at a rate, and back after a while; what ran there has a record as killed and
begins again. One driver takes for each record and the cell after it what `benchmarks.cluster_driver` measured on the
disk at hand, in `driver.json`. It writes time against the ideal (no loss, a driver that takes no time), records a
second, and how busy the driver is, for more and more devices until it is the driver that decides; and its data, from
which `--from` renders it again.
"""

from __future__ import annotations

import argparse
import heapq
import json
import random
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from harness.record.provenance import today
from harness.report.format.table import table

COMMAND = """python -m benchmarks.cluster_driver --cells 5000 > driver.json
python -m benchmarks.cluster_simulation --driver driver.json -o reports/cluster-plan.md"""
KIND = "cluster-plan"
DEVICES = (1000, 2000, 4000, 8000, 16_000)
CELLS_A_DEVICE = 100
SEEDS = range(1, 6)
FULL = 0.9
"""Of the time: a driver that is busy for more of it keeps devices waiting."""


@dataclass(frozen=True)
class Size:
    """A cluster and its cells; `lost_an_hour` is the share of nodes lost an hour, `back_s` how long each is away."""

    devices: int = 1000
    a_node: int = 8
    cells: int = 100_000
    cell_s: float = 45.0
    lost_an_hour: float = 0.01
    back_s: float = 600.0
    driver_s: float = 0.0


@dataclass(frozen=True)
class Outcome:
    """`ideal_s` is that of no loss and a driver that takes no time; `busy` the driver's share of the time."""

    seconds: float
    ideal_s: float
    records: int
    lost: int
    busy: float


def simulate(size: Size, seed: int = 1) -> Outcome:
    """Run it to its end, event by event."""
    dice, nodes = random.Random(seed), size.devices // size.a_node
    rate = size.lost_an_hour / 3600
    life = [0] * nodes  # how often a node was lost: what was to end there before then does not
    free = [(node, 0) for node in range(nodes) for _ in range(size.a_node)]
    running = [0] * nodes
    waiting, done, lost, clock, driver, worked = size.cells, 0, 0, 0.0, 0.0, 0
    events: list[tuple[float, int, Literal["end", "loss", "back"], int]] = []
    if rate:
        events = [(dice.expovariate(rate), 0, "loss", node) for node in range(nodes)]
        heapq.heapify(events)
    while done < size.cells:
        while waiting and free:
            node, born = free.pop()
            if born == life[node]:
                waiting, running[node] = waiting - 1, running[node] + 1
                heapq.heappush(events, (max(clock, driver) + size.cell_s, born, "end", node))
        clock, born, kind, node = heapq.heappop(events)
        if kind == "end" and born == life[node]:
            driver, worked, done = max(driver, clock) + size.driver_s, worked + 1, done + 1
            running[node] -= 1
            free.append((node, born))
        elif kind == "loss":
            gone, running[node], life[node] = running[node], 0, life[node] + 1
            driver, worked = max(driver, clock) + gone * size.driver_s, worked + gone
            waiting, lost = waiting + gone, lost + gone
            heapq.heappush(events, (clock + size.back_s, life[node], "back", node))
        elif kind == "back":
            free += [(node, life[node])] * size.a_node
            heapq.heappush(events, (clock + dice.expovariate(rate), life[node], "loss", node))
    seconds = max(clock, driver)
    ideal_s = size.cells * size.cell_s / (nodes * size.a_node)
    return Outcome(seconds, ideal_s, worked, lost, worked * size.driver_s / seconds)


@dataclass(frozen=True)
class Driver:
    """What `benchmarks.cluster_driver` printed: milliseconds and fsyncs of a cell, and where and when."""

    made: str
    cpu: str | None
    cores: int
    load: float
    cells: int
    slots: int
    plan_s: tuple[float, float]
    wall_ms_a_cell: float
    cpu_ms_a_cell: float
    fsyncs_a_cell: float
    fsyncs_ms_a_cell: float
    peak_mib: int


@dataclass(frozen=True)
class Row:
    """A cluster that `drivers` share, a grid each, and each one's outcomes, a draw of losses each."""

    devices: int
    drivers: int
    outcomes: tuple[Outcome, ...]

    @property
    def cells(self) -> int:
        """All drivers' together: 100 a device."""
        return CELLS_A_DEVICE * self.devices


@dataclass(frozen=True)
class Found:
    """What was simulated, as its JSON has it."""

    source: str
    made: str
    driver: Driver
    size: Size
    rows: tuple[Row, ...]
    kind: str = KIND


def find(driver: Driver) -> Found:
    """Simulate clusters of more and more devices, and those that one driver is not enough for with two."""
    size = Size(driver_s=driver.wall_ms_a_cell / 1e3)
    rows = [_row(size, devices, 1) for devices in DEVICES]
    rows += [_row(size, row.devices, 2) for row in rows if _busy(row) > FULL]
    return Found(COMMAND, str(today()), driver, size, tuple(rows))


def _row(size: Size, devices: int, drivers: int) -> Row:
    mine = replace(size, devices=devices // drivers, cells=CELLS_A_DEVICE * devices // drivers)
    return Row(devices, drivers, tuple(simulate(mine, seed) for seed in SEEDS))


def _busy(row: Row) -> float:
    return max(one.busy for one in row.outcomes)


def again(data: Mapping[str, Any]) -> Found:
    """What was found, from its JSON."""
    return TypeAdapter(Found).validate_python(data)


def render(found: Found) -> str:
    """The report's Markdown."""
    size, driver, first = found.size, found.driver, found.rows[0]
    full = size.cell_s / size.driver_s
    slowest = max(one.seconds / one.ideal_s for one in first.outcomes)
    lost = [one.lost for one in first.outcomes]
    body = [
        [
            f"{row.devices:,}", str(row.drivers),
            _range([one.seconds / 60 for one in row.outcomes], ".1f"),
            _range([one.seconds / one.ideal_s for one in row.outcomes], ".3f"),
            f"{row.drivers * max(one.records / one.seconds for one in row.outcomes):.1f}",
            _share(_busy(row)),
        ]
        for row in found.rows
    ]  # fmt: skip
    pace = max(one.records / one.seconds for one in first.outcomes)
    parts = [
        "# A grid on a cluster, planned on paper",
        f"{first.cells:,} cells of {size.cell_s:g} s on {first.devices:,} GPUs, of whose nodes "
        f"{100 * size.lost_an_hour:g} % are lost an hour, take up to {100 * (slowest - 1):.1f} % longer than the "
        f"ideal; one driver is busy for {_share(_busy(first))} of it and is full at {full:,.0f} GPUs.",
        f"```sh\n{found.source}\n```",
        f"Simulated {found.made}; no cluster of this size was at hand. What a cell takes of the driver was measured "
        f"{driver.made} by the first command: {driver.wall_ms_a_cell:g} ms of wall time, {driver.cpu_ms_a_cell:g} ms "
        f"of CPU time and {driver.fsyncs_a_cell:g} fsyncs, over {driver.cells:,} cells on {driver.slots:,} slots of "
        f"nodes that are simulated in its process and hand back at once what a real cell left; with locks, jobs, "
        f"records and index as they ship, without what Ray itself takes. It was one process on {driver.cpu}, "
        f"{driver.cores} cores, whose load was {driver.load:g} before; its memory came to {driver.peak_mib} MiB.",
        f"Nodes have {size.a_node} GPUs, and are away for {size.back_s / 60:g} minutes when they are lost, at moments "
        f"drawn at random ({len(SEEDS)} draws; ranges are over them). What ran there leaves a `killed` record each and "
        f"begins again from its start: {min(lost)} to {max(lost)} cells of the first row. The ideal knows no loss, and "
        f"a driver that takes no time. Every row has {CELLS_A_DEVICE} cells a GPU.",
        table(["GPUs", "Drivers", "Minutes", "Time / ideal", "Records a second", "Driver busy"], body, "rrrrrr"),
        f"**Writes.** {first.devices:,} GPUs end {pace:.1f} cells a second; each is a record, its series, its log and "
        f"a line of the index, with {driver.fsyncs_a_cell:g} fsyncs: {pace * driver.fsyncs_a_cell:.0f} of them a "
        "second, by the one process that writes the store. Where a disk answers more slowly a cell takes more of the "
        f"driver, which is full at {1e3 * size.cell_s:,.0f} GPUs divided by those milliseconds.",
        "**When the driver is full** it is the driver that decides: GPUs wait for it, and nothing is lost by that. A "
        "grid has one driver; more GPUs than it can keep busy take several grids, or parts of one (`--select`), each "
        "with a driver, a store and nodes of its own. The last row is two drivers, each with half of the nodes and the "
        "cells.",
    ]
    return "\n\n".join(parts) + "\n"


def _share(value: float) -> str:
    return f"{100 * value:.0f} %"


def _range(values: Sequence[float], form: str) -> str:
    least, most = format(min(values), form), format(max(values), form)
    return least if least == most else f"{least} to {most}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate or read, and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver", type=Path, help="what `python -m benchmarks.cluster_driver` printed")
    parser.add_argument("--from", dest="source", type=Path, help="render again from this JSON")
    parser.add_argument("-o", "--out", type=Path, default=Path("reports/cluster-plan.md"))
    asked = parser.parse_args(arguments)
    if asked.source is None and asked.driver is None:
        parser.error("--driver or --from is needed")
    data = json.loads((asked.source or asked.driver).read_text(encoding="utf-8"))
    found = again(data) if asked.source else find(TypeAdapter(Driver).validate_python(data))
    asked.out.write_text(render(found), encoding="utf-8")
    if not asked.source:
        asked.out.with_suffix(".json").write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
