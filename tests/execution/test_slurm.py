"""The job script of docs/clusters.md on a Slurm of three nodes, all on this machine."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from tests.execution.conftest import MARK, REPOSITORY, House

PAGE = REPOSITORY / "docs" / "clusters.md"
HERE = Path(__file__).parent / "slurm"
PROGRAMS = ("slurmctld", "slurmd", "munged", "sbatch", "srun", "ip", "unshare")
APART = ("unshare", "--net", "--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc")
LONGEST_S = 1500


def lacking() -> str | None:
    """Why Slurm cannot be tried here."""
    if importlib.util.find_spec("ray") is None:
        return "Ray is not installed: tox -e slurm"
    absent = [name for name in PROGRAMS if shutil.which(name) is None]
    if absent:
        return f"{', '.join(absent)} not installed: apt-get install slurmctld slurmd slurm-client munge iproute2"
    if os.geteuid() != 0:
        return "nodes with a network of their own are made by root"
    try:
        link = ("ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1")
        subprocess.run([*APART, *link], check=True, capture_output=True, timeout=60)
    except (OSError, subprocess.SubprocessError) as error:
        return f"no namespaces here: {error}"
    return None


def blocks(language: str) -> list[str]:
    """The blocks of a language on the page."""
    return re.findall(rf"^```{language}\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def test_the_manifest_is_yaml_and_its_containers_share_one_image() -> None:
    (manifest,) = map(yaml.safe_load, blocks("yaml"))
    cluster = manifest["spec"]["rayClusterSpec"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    images = [one["image"] for group in groups for one in group["template"]["spec"]["containers"]]
    assert (manifest["kind"], len(images), len(set(images))) == ("RayJob", 2, 1)
    assert manifest["spec"]["entrypoint"].startswith("harness run ")


@pytest.fixture
def place() -> Iterator[Path]:
    """A folder with a short name: sockets lie in it."""
    found = Path(tempfile.mkdtemp(prefix="slurm-"))
    yield found
    shutil.rmtree(found, ignore_errors=True)


@pytest.mark.slurm
@pytest.mark.slow
@pytest.mark.timeout(2 * LONGEST_S)
def test_the_job_script_of_the_page_runs_a_grid_on_three_nodes(
    house: House, new_house: Callable[..., House], place: Path
) -> None:
    if reason := lacking():
        pytest.skip(reason)
    (script,) = [block for block in blocks("sh") if "#SBATCH" in block]
    house.grid(range(1, 10))
    shutil.copy(house.folder / "g.toml", house.folder / "grid.toml")
    (house.folder / "job.sh").write_text(script, encoding="utf-8")
    variables = {
        **os.environ, MARK: house.mark, "HARNESS_CACHE": str(house.cache), "PYTHONPATH": str(REPOSITORY),
        "HF_HUB_OFFLINE": "1", "RAY_USAGE_STATS_ENABLED": "0", "SLURM_CONF": str(place / "slurm" / "slurm.conf"),
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
    }  # fmt: skip
    queue = "sbatch --wait --nodes=3 job.sh; code=$?; sbatch --wait --nodes=3 job.sh; exit $((code + $?))"
    done = subprocess.run(
        [*APART, HERE / "cluster.sh", place / "slurm", "3", "bash", "-c", queue], cwd=house.folder, env=variables,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LONGEST_S,
    )  # fmt: skip
    said = [path.read_text(encoding="utf-8") for path in sorted(house.folder.glob("slurm-*.out"))]
    assert done.returncode == 0, (said, done.stdout[-4000:])
    cores = len(os.sched_getaffinity(0))
    assert f"9 cells to do, 0 done, 0 skipped, {3 * cores} at a time" in said[0]
    assert "nothing left to do" in said[1]
    alone = new_house("alone")
    alone.grid(range(1, 10))
    assert alone.run()[0] == 0
    ours, theirs = ({one.cell_id: each.facts(one) for one in each.records()} for each in (house, alone))
    assert len(ours) == 9
    assert ours == theirs
    house.wait_for(lambda: not house.hosts(), 60)
