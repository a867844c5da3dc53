"""A grid on three Ray nodes of this machine, and without Ray: `python -m benchmarks.cluster_equality quickstart`.

Needs Ray (the extra `ray`). Ends with what `harness diff --exact` says of the two, 0 where all runs are equal to the
last bit; further words go to `harness run`, such as `--select seed=42`. Both results stay in the folder that this is
called in, and what is there is reused.
"""

from __future__ import annotations

import os
import subprocess
import sys

NODES = 3


def main() -> None:
    grid, *options = sys.argv[1:]
    from ray.cluster_utils import Cluster

    size = {"object_store_memory": 100 * 2**20}
    cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False, **size})
    harness = [sys.executable, "-m", "harness"]
    try:
        for _ in range(NODES):
            cluster.add_node(num_cpus=os.cpu_count(), **size)
        variables = {**os.environ, "RAY_ADDRESS": cluster.address}
        on_ray = [*harness, "run", grid, "--on", "ray", "--results", "on-ray", *options]
        subprocess.run(on_ray, env=variables, check=True)
    finally:
        cluster.shutdown()
    subprocess.run([*harness, "run", grid, "--results", "here", *options], check=True)
    name = grid.rpartition("/")[2].removesuffix(".toml")
    raise SystemExit(subprocess.run([*harness, "diff", "--exact", f"here/{name}", f"on-ray/{name}"]).returncode)


if __name__ == "__main__":
    main()
