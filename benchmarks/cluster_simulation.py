"""What a cluster would take, simulated: `python -m benchmarks.cluster_simulation --driver-ms MS`.

Cells of one length on nodes of several devices; nodes are lost at a rate, and back after a while; what ran there has a
record as killed and begins again. One driver takes `--driver-ms` for each record and the cell after it: what
it was measured to take on the disk at hand. Prints the time against the ideal (no loss, a driver that takes no time),
records a second, and how busy the driver is; then the same for more devices, until it is the driver that decides.
"""

from __future__ import annotations

import argparse
import heapq
import random
from dataclasses import dataclass, replace
from typing import Literal


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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--driver-ms", type=float, required=True)
    asked = parser.parse_args()
    size = Size(driver_s=asked.driver_ms / 1e3)
    print("devices  time/ideal  records/s  driver busy  cells lost")
    for devices in (1000, 2000, 4000, 8000):
        found = simulate(replace(size, devices=devices))
        ratio, pace = found.seconds / found.ideal_s, found.records / found.seconds
        print(f"{devices:7}  {ratio:10.3f}  {pace:9.1f}  {found.busy:11.0%}  {found.lost:10}")


if __name__ == "__main__":
    main()
