"""The same tiny cells by this machine's executor and on one Ray node of it: `python -m benchmarks.cluster_overhead`.

Needs Ray (the extra `ray`). Each turn is a command of its own with an empty store and what was prepared once; the time
is the command's, Ray's own start left out. The machine is to be quiet: Ray's processes keep no account of the CPU time
of those that they started, so that there is only the clock.
"""

from __future__ import annotations

import argparse
import json
import os
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


def seconds_of(folder: Path, name: str, on: Sequence[str], slots: int, variables: dict[str, str]) -> float:
    """Of one command over an empty store; raises CalledProcessError where a cell is missing."""
    command = [sys.executable, "-m", "harness", "run", "tiny.toml", "--results", name, "--slots", str(slots), *on]
    begun = time.monotonic()
    subprocess.run(command, cwd=folder, env={**os.environ, **variables}, check=True, stdout=subprocess.DEVNULL)
    return time.monotonic() - begun


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--slots", type=int, default=2)
    asked = parser.parse_args()
    from ray.cluster_utils import Cluster

    head = {"num_cpus": asked.slots, "include_dashboard": False, "object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    variables = {"RAY_ADDRESS": cluster.address}
    found: dict[str, list[float]] = {"here": [], "ray": []}
    try:
        with tempfile.TemporaryDirectory() as place:
            folder = Path(place)
            (folder / "tiny.toml").write_text(grid_text(2), encoding="utf-8")
            seconds_of(folder, "first", ["--on", "ray"], asked.slots, variables)  # probes, tokenizes, unpacks
            seconds_of(folder, "second", [], asked.slots, {})
            (folder / "tiny.toml").write_text(grid_text(asked.cells), encoding="utf-8")
            for turn in range(asked.rounds):
                for arm in ("here", "ray") if turn % 2 == 0 else ("ray", "here"):
                    on = ["--on", "ray"] if arm == "ray" else []
                    found[arm].append(seconds_of(folder, f"{arm}{turn}", on, asked.slots, variables))
                    print(f"{arm}: {found[arm][-1]:.1f} s", file=sys.stderr, flush=True)
    finally:
        cluster.shutdown()
    ratios = [on_ray / here for here, on_ray in zip(found["here"], found["ray"], strict=True)]
    told = {
        "cells": asked.cells,
        "slots": asked.slots,
        "seconds": found,
        "ratios": [round(one, 3) for one in ratios],
        "median_ratio": round(statistics.median(ratios), 3),
    }
    print(json.dumps(told, indent=1))


if __name__ == "__main__":
    main()
