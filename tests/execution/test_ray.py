"""Three Ray nodes on this machine: the same numbers as without Ray, and whatever is killed, nothing is lost."""

from __future__ import annotations

import importlib.util
import itertools
import os
import random
import shutil
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.execution.conftest import FAULTS, MARK, REPOSITORY, House
from tests.execution.test_foreign import GRID, Foreign

pytestmark = [
    pytest.mark.ray,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed: tox -e ray"),
]
SCORED = {"ok", "collapsed"}
KILLS = int(os.environ.get("HARNESS_KILLS", "8"))
SEED = int(os.environ.get("HARNESS_KILLS_SEED", "1"))
CELLS = int(os.environ.get("HARNESS_KILLS_CELLS", "40"))
STORE_BYTES = 100 * 2**20
"""Of a node's object store: what travels here is small."""


class Three:
    """A head without cores and three nodes of two, on this machine; what they start carries the house's mark."""

    def __init__(self) -> None:
        from ray.cluster_utils import Cluster

        self.cluster = Cluster(
            initialize_head=True,
            head_node_args={"num_cpus": 0, "include_dashboard": False, "object_store_memory": STORE_BYTES},
        )
        self.nodes: list[Any] = []
        self.fill()

    def fill(self) -> None:
        """Have three nodes again."""
        self.nodes = [node for node in self.nodes if node.any_processes_alive()]
        while len(self.nodes) < 3:
            self.nodes.append(self.cluster.add_node(num_cpus=2, object_store_memory=STORE_BYTES))

    def lose(self, node: Any) -> None:
        """A node dies, all of its processes at once."""
        self.nodes.remove(node)
        self.cluster.remove_node(node, allow_graceful=False)


@pytest.fixture(scope="module")
def marked(tmp_path_factory: pytest.TempPathFactory, tiny_cache: Path) -> Iterator[tuple[House, Three]]:
    """A house, and a cluster that its mark is on."""
    house = House(tmp_path_factory.mktemp("ray"), tiny_cache)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(MARK, house.mark)
        patch.setenv("HARNESS_CACHE", str(tiny_cache))
        patch.setenv("HF_HUB_OFFLINE", "1")
        patch.setenv("PYTHONPATH", f"{FAULTS}{os.pathsep}{REPOSITORY}")
        three = Three()
        house.variables = {"RAY_ADDRESS": three.cluster.address}
        yield house, three
        three.cluster.shutdown()
    house.close()


@pytest.fixture
def ray_house(marked: tuple[House, Three], tmp_path: Path) -> Iterator[tuple[House, Three]]:
    """The same with an empty folder and three nodes."""
    house, three = marked
    # Beside other houses: a harness without results of its own would find those of a folder above it.
    house.folder, house.results = tmp_path / "ray", tmp_path / "ray" / "results"
    house.folder.mkdir()
    three.fill()
    yield house, three
    for process in house.started:
        if process.poll() is None:
            process.kill()
    house.started.clear()


def finals(house: House) -> dict[str, Any]:
    """The facts of each cell's final record: exactly one has one."""
    found = [record for record in house.records() if record.status in SCORED]
    assert max(Counter(record.cell_id for record in found).values(), default=1) == 1
    return {record.cell_id: house.facts(record) for record in found}


def ancestor(house: House, pid: int, generations: int) -> int:
    """A process's parent's parent, and so on."""
    for _ in range(generations):
        pid = house.parent_of(pid)
    return pid


def test_every_record_is_that_of_a_run_without_ray(
    ray_house: tuple[House, Three], new_house: Callable[..., House]
) -> None:
    house, _ = ray_house
    alone = new_house("alone")
    for each in (house, alone):
        each.grid([1, 2, 3, 4], more="devices = [1, 2]")
    code, output = house.run("--on", "ray")
    assert code == 0, output
    assert "8 cells to do, 0 done, 0 skipped, 6 at a time" in output
    assert alone.run()[0] == 0
    assert len(finals(house)) == 8
    assert finals(house) == finals(alone)
    assert house.hosts() == []
    assert house.locked() == []
    code, output = house.run("--on", "ray")
    assert (code, "nothing left to do" in output) == (0, True), output


def test_timing_cells_run_on_one_node_alone(ray_house: tuple[House, Three]) -> None:
    house, _ = ray_house
    more = "[throughput]\nwarmup_steps = 1\nmeasured_steps = 2\nprocesses = 2\nonly = true"
    house.grid([1, 2], more=f"precision = ['fp32']\n{more}")
    code, output = house.run("--on", "ray")
    assert code == 0, output
    timings = [record.measured.timing for record in house.records()]
    assert len({timing.session for timing in timings}) == 1
    spans = sorted((record.started, record.finished) for record in house.records())
    assert all(before[1] <= after[0] for before, after in itertools.pairwise(spans)), "two at once"


def test_a_lost_node_costs_no_cell_and_each_attempt_is_told(ray_house: tuple[House, Three]) -> None:
    house, three = ray_house
    house.grid(range(1, 10), max_steps=150)
    harness = house.start("--on", "ray")
    raylets = {node.all_processes["raylet"][0].process.pid: node for node in three.nodes}

    def working() -> list[Any]:
        # A child's host's actor's raylet.
        return [raylets[pid] for child in house.children() if (pid := ancestor(house, child, 3)) in raylets]

    house.wait_for(lambda: house.scanned())
    three.lose(house.wait_for(working)[0])
    output = house.end_of(harness)
    assert harness.returncode == 0, output
    assert len(finals(house)) == 9
    lost = [record for record in house.records() if record.status == "killed"]
    assert 1 <= len(lost) <= 2
    assert all("killed with its machine: node" in record.failure.message for record in lost)
    assert house.hosts() == []


def test_ctrl_c_ends_the_cells_and_a_resume_completes_them(ray_house: tuple[House, Three]) -> None:
    house, _ = ray_house
    house.grid([1, 2, 3], max_steps=300)
    harness = house.start("--on", "ray")
    house.wait_for(lambda: len(house.children()) == 3)
    time.sleep(1.0)
    harness.send_signal(signal.SIGINT)
    output = house.end_of(harness)
    assert harness.returncode == 130, output
    assert house.hosts() == []
    assert {record.status for record in house.records()} <= {"interrupted"}
    code, output = house.run("--on", "ray")
    assert code == 0, output
    assert len(finals(house)) == 3


@pytest.mark.slow
def test_an_environment_is_built_once_a_node_as_it_was_built_here(
    ray_house: tuple[House, Three], new_house: Callable[..., House], tmp_path: Path, tiny_cache: Path
) -> None:
    import evaluate

    house, _ = ray_house
    alone = new_house("alone", tmp_path / "ours")
    copied = 'environment = [{ name = "changed", packages = ["evaluate @ evaluate"] }]'
    for each in (house, alone):
        each.grid([1, 2, 3, 4], more=copied)
        target = each.folder / "evaluate"
        shutil.copytree(Path(evaluate.__file__).parent, target, ignore=shutil.ignore_patterns("__pycache__"))
        (target / "__init__.py").write_text((target / "__init__.py").read_text(encoding="utf-8") + "\nCHANGED = 1\n")
    # The command's cache is its own: what the nodes run they have built.
    house.variables = {**house.variables, "HARNESS_CACHE": str(tmp_path / "ours")}
    code, output = house.run("--on", "ray")
    assert code == 0, output
    (ours,) = (tmp_path / "ours" / "environments").glob("*/environment.json")
    (theirs,) = (tiny_cache / "environments").glob("*/environment.json")
    assert ours.parent.name == theirs.parent.name
    built = {record.built.lock["evaluate"] for record in house.records() if record.built}
    assert len(built) == 1
    assert "+" in built.pop()
    assert alone.run()[0] == 0
    assert len(finals(house)) == 4
    assert finals(house) == finals(alone)


@pytest.mark.slow
def test_somebody_elses_code_reaches_the_nodes_by_content_or_its_cells_say_why_not(
    ray_house: tuple[House, Three], new_house: Callable[..., House], tmp_path: Path
) -> None:
    house, _ = ray_house
    alone = new_house("alone")
    (house.folder / "real").mkdir()
    outside = house.folder / "outside.json"  # beside the real folder: that is where `..` of a link leads
    outside.write_text("{}", encoding="utf-8")
    (tmp_path / "link").symlink_to(house.folder / "real")
    house.folder = tmp_path / "link"
    house.results = house.folder / "results"
    script = 'script = "run_pairs.py"\narguments = {{ do_train = true, do_eval = true, account = "{}" }}\n'
    for each, on in ((house, ["--on", "ray"]), (alone, [])):
        Foreign(each)
        (each.folder / "seen.json").write_text("kept", encoding="utf-8")
        pairs = 'task = "embedded/paraphrase"'
        for subject, task in ((script.format("seen.json"), ""), ('trainer = "own_trainers:pairs"', pairs)):
            text = GRID.format(subject=subject, steps=6, recipe="", more="", task=task).replace("[42]", "[1, 2]")
            (each.folder / "g.toml").write_text(text, encoding="utf-8")
            code, output = each.run(*on)
            assert code == 0, output
    assert len(finals(house)) == 4
    assert finals(house) == finals(alone)
    # A node's own copy was written, not what lies in its cache.
    assert (tmp_path / "link" / "seen.json").read_text(encoding="utf-8") == "kept"
    text = GRID.format(subject=script.format("../outside.json"), steps=6, recipe="", more="", task="")
    (house.folder / "g.toml").write_text(text, encoding="utf-8")
    code, output = house.run("--on", "ray")
    assert code == 4, output
    (failed,) = [record for record in house.records() if record.status == "failed"]
    assert failed.failure.message.startswith(
        "run_pairs.py: its code, or a file that its arguments name, is not on this"
    )


@pytest.mark.slow
def test_whatever_is_killed_each_cell_has_one_final_record(
    ray_house: tuple[House, Three], new_house: Callable[..., House]
) -> None:
    house, three = ray_house
    dice = random.Random(SEED)
    alone = new_house("alone")
    cells = range(1, CELLS + 1)
    for each in (house, alone):
        each.grid(cells, max_steps=10)
    kills: Counter[str] = Counter()
    harness = house.start("--on", "ray", "--retries", "1")
    while sum(kills.values()) < KILLS:
        house.wait_for(lambda: house.children() or harness.poll() is not None)  # noqa: B023 - called here
        time.sleep(dice.uniform(0.1, 3.0))
        if harness.poll() is not None:
            output = house.end_of(harness)
            assert "Traceback" not in output, output
            if harness.returncode == 0:
                break
            three.fill()
            harness = house.start("--on", "ray", "--retries", "1")
            continue
        what = dice.choice(["node", "actor", "host", "child", "driver"])
        hosts = house.hosts()
        pids = {
            "actor": [house.parent_of(pid) for pid in hosts],
            "host": hosts,
            "child": house.children(),
            "driver": [harness.pid],
        }
        if what == "node":
            if len(three.nodes) > 1:
                three.lose(dice.choice(three.nodes))
                three.fill()
                kills[what] += 1
        elif pids[what]:
            try:
                os.kill(dice.choice(pids[what]), signal.SIGKILL)
            except ProcessLookupError:
                continue
            kills[what] += 1
    if harness.poll() is None:
        output = house.end_of(harness)
        assert "Traceback" not in output, output
    house.wait_for(lambda: not house.hosts(), 60)
    three.fill()
    code, output = house.run("--on", "ray", "--retries", "1")
    assert code == 0, output
    statuses = Counter(record.status for record in house.records())
    print(dict(kills), dict(statuses))
    assert statuses["killed"] > 0
    assert alone.run()[0] == 0
    assert len(finals(house)) == len(cells)
    assert finals(house) == finals(alone)
    house.assert_index_is_true()
    house.wait_for(lambda: not house.hosts(), 60)
    assert house.locked() == []
