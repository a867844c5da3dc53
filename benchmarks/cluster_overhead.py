"""The same tiny cells by this machine's executor and on one Ray node of it: `python -m benchmarks.cluster_overhead`.

Needs Ray (the extra `ray`). Each turn is a command of its own with an empty store and what was prepared once; the time
is the command's, Ray's own start left out. CPU time tells more on a busy machine: of the command with all that
it started, and on Ray of Ray's own processes too.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path


def grid_text(cells: int) -> str:
    """So many cells of three steps, a seed each."""
    return (
        'name = "tiny"\ntask = "embedded/paraphrase"\n[recipe]\nmax_steps = 3\n'
        f'[matrix]\ncheckpoint = "embedded/tiny-bert"\nseed = {list(range(1, cells + 1))}\n'
    )


def cpu_of_all() -> float:
    """CPU seconds of this process's children, dead or alive, and of theirs."""
    parents, spent = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = path.read_text(encoding="utf-8").rpartition(")")[2].split()
            parents[int(path.parent.name)], spent[int(path.parent.name)] = int(fields[1]), sum(map(int, fields[11:15]))
    own = {os.getpid()}
    while more := {pid for pid, parent in parents.items() if parent in own} - own:
        own |= more
    reaped = resource.getrusage(resource.RUSAGE_CHILDREN)
    ticks = sum(spent[pid] for pid in own - {os.getpid()})
    return reaped.ru_utime + reaped.ru_stime + ticks / os.sysconf("SC_CLK_TCK")


def seconds_of(
    folder: Path, name: str, on: Sequence[str], slots: int, variables: dict[str, str]
) -> tuple[float, float]:
    """Wall and CPU, of one command over an empty store; raises CalledProcessError where a cell is missing."""
    command = [sys.executable, "-m", "harness", "run", "tiny.toml", "--results", name, "--slots", str(slots), *on]
    begun, before = time.monotonic(), cpu_of_all() if on else resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, cwd=folder, env={**os.environ, **variables}, check=True, stdout=subprocess.DEVNULL)
    wall = time.monotonic() - begun
    if not isinstance(before, float):
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    time.sleep(2.0)  # the node's actor ends, and its raylet hears of it
    return wall, cpu_of_all() - before


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--slots", type=int, default=2)
    asked = parser.parse_args()
    from ray.cluster_utils import Cluster

    head = {"num_cpus": asked.slots, "include_dashboard": False, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    ray = {"RAY_ADDRESS": cluster.address}
    found: dict[str, list[tuple[float, float]]] = {"here": [], "ray": []}
    try:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "tiny.toml").write_text(grid_text(2), encoding="utf-8")
            seconds_of(folder, "first", ["--on", "ray"], asked.slots, ray)  # probes, tokenizes, unpacks
            seconds_of(folder, "second", [], asked.slots, {})
            (folder / "tiny.toml").write_text(grid_text(asked.cells), encoding="utf-8")
            for turn in range(asked.rounds):
                for arm in ("here", "ray") if turn % 2 == 0 else ("ray", "here"):
                    on = ["--on", "ray"] if arm == "ray" else []
                    found[arm].append(seconds_of(folder, f"{arm}{turn}", on, asked.slots, ray))
                    wall, cpu = found[arm][-1]
                    print(f"{arm}: {wall:.1f} s, {cpu:.1f} s of CPU", file=sys.stderr, flush=True)
    finally:
        cluster.shutdown()
    pairs = list(zip(found["here"], found["ray"], strict=True))
    wall, cpu = (round(statistics.median(b[kind] / a[kind] for a, b in pairs), 3) for kind in (0, 1))
    told = {"cells": asked.cells, "slots": asked.slots, "seconds": found, "wall_ratio": wall, "cpu_ratio": cpu}
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
