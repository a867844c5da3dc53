"""The host: what a child runs is the same wherever it starts, and the host itself stays clean enough to fork."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness.execution.devices import Driver
from harness.execution.environment import Environment
from harness.execution.host import MOST_HEARD, MOST_LINE, HostProcess, read_event

REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.mark.slow
def test_spawned_cells_and_repeated_cells_equal_forked_ones_to_the_last_bit(house: Any, new_house: Any) -> None:
    spawned, repeated = new_house("spawned"), new_house("repeated")
    for place in (house, spawned, repeated):
        place.grid([1], max_steps=6, more="precision = ['fp32', 'bf16']\ndevices = [1, 2]")
    assert house.run()[0] == 0
    assert repeated.run("--slots", "1")[0] == 0  # which a cell of two ranks takes alone
    code, output = spawned.run("--host", "spawn")
    assert code == 0, output
    facts = [
        {record.cell_id: place.facts(record) for record in place.records()} for place in (house, spawned, repeated)
    ]
    assert len(facts[0]) == 4
    assert {found["observed"].pop("host") for found in facts[0].values()} == {"fork"}
    assert {found["observed"].pop("host") for found in facts[1].values()} == {"spawn"}
    assert {found["observed"].pop("host") for found in facts[2].values()} == {"fork"}
    assert facts[0] == facts[1] == facts[2]
    finals = {found["observed"]["weights"]["final_sha256"] for found in facts[0].values()}
    assert len(finals) == 4, "precisions and devices differ, so the comparison can fail"
    for found in facts[0].values():
        assert found["observed"]["threads"] == 1
        steps = {"loss", "grad_norm", "learning_rate", "micro_loss", "example_ids", "example_offsets", "random_state"}
        columns = ("input_ids", "attention_mask", "token_type_ids", "labels")
        received = {f"{part}inputs.{column}" for part in ("", "evaluation_") for column in columns}
        update = {"update_before", "update_after", "update_gradient"}
        assert found["arrays"].keys() == {
            *steps, *received, *update, "logits", "logits_again", "labels", "evaluated_ids",
        }  # fmt: skip


def test_a_child_uses_the_threads_that_were_asked_for(house: Any) -> None:
    house.grid([1], max_steps=1, more="[execution]\nthreads = 2")
    code, output = house.run()
    assert code == 0, output
    assert [record.observed.threads for record in house.records()] == [2]


WARM_UP = """
import collections, json, os, sys, threading
from harness.subject.process import host
import torch
from torch.utils._python_dispatch import TorchDispatchMode

calls = collections.Counter()

class Watch(TorchDispatchMode):
    def __torch_dispatch__(self, function, types, arguments=(), options=None):
        if str(function) != "aten.lift_fresh.default":  # a constant is made, as peft's modules do: no kernel runs
            calls[str(function)] += 1
        return function(*arguments, **(options or {}))

with Watch():
    if "--control" in sys.argv:
        torch.ones(2) + 1
    host.warm_up()
print(json.dumps({
    "calls": dict(calls),
    "cuda": torch.cuda.is_initialized(),
    "threads": threading.active_count(),
    "tasks": sorted(open(f"/proc/self/task/{task}/comm").read().strip() for task in os.listdir("/proc/self/task")),
    "variables": [os.environ[name] for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")],
    "torch_threads": torch.get_num_threads(),
    "imported": sorted({"transformers.trainer", "datasets", "evaluate", "accelerate"} & sys.modules.keys()),
}))
"""


def warm_up(*arguments: str) -> dict[str, Any]:
    variables = {**os.environ, "PYTHONPATH": str(REPOSITORY), "OMP_NUM_THREADS": "7", "HF_HUB_OFFLINE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", WARM_UP, *arguments],
        env=variables,
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return dict(json.loads(done.stdout.splitlines()[-1]))


def own_threads(names: Sequence[str]) -> int:
    """Threads, but for pyarrow's allocator's own, which knows how to be forked (jemalloc: pthread_atfork)."""
    return sum(name != "jemalloc_bg_thd" for name in names)


def test_the_host_calls_no_tensor_operation_and_starts_no_thread() -> None:
    found = warm_up()
    assert own_threads(found.pop("tasks")) == 1
    assert found == {
        "calls": {},
        "cuda": False,
        "threads": 1,
        "variables": ["1", "1", "1"],
        "torch_threads": 1,
        "imported": ["accelerate", "datasets", "evaluate", "transformers.trainer"],
    }


def test_the_watch_on_tensor_operations_sees_them() -> None:
    assert sum(warm_up("--control")["calls"].values()) >= 2


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="needs /proc")
def test_a_host_at_work_has_one_thread_no_device_and_no_lock(house: Any) -> None:
    house.grid([1])
    harness = house.start(faults={1: "late-hang"})
    house.wait_for(house.planted)
    (host,) = house.hosts()
    tasks = [(task / "comm").read_text(encoding="utf-8").strip() for task in Path(f"/proc/{host}/task").iterdir()]
    assert own_threads(tasks) == 1
    maps = Path(f"/proc/{host}/maps").read_text(encoding="utf-8")
    assert "libtorch" in maps
    assert "/dev/nvidia" not in maps
    assert not any("nvidia" in str(p.readlink()) for p in Path(f"/proc/{host}/fd").iterdir() if p.is_symlink())
    # The children's locks are theirs and the harness's: a host that kept them would keep cells locked.
    assert not any(p.readlink().name == "lock" for p in Path(f"/proc/{host}/fd").iterdir() if p.is_symlink())
    harness.kill()
    harness.wait()
    house.wait_until_empty(2)


def told(tmp_path: Path, code: str) -> HostProcess:
    """A host that is no host: a program that gets the socket's number as `fd`."""
    path = tmp_path / "python"
    path.write_text(f"#!{sys.executable}\nimport os, sys, time\nfd = int(sys.argv[3])\n{code}\n")
    path.chmod(0o755)
    return HostProcess(Environment("odd", str(path), "e", {}, Driver()), spawn=False, log=tmp_path / "log")


def test_a_host_that_floods_is_heard_in_parts_and_one_endless_line_is_its_end(tmp_path: Path) -> None:
    host = told(tmp_path, "while True: os.write(fd, b'x' * 65536)")
    heard, end = 0, time.monotonic() + 120
    while (events := host.events()) is not None:
        assert events == []
        assert len(host._inbox) <= MOST_LINE + MOST_HEARD
        heard += 1
        assert time.monotonic() < end
    assert heard >= 1
    host.close()


def test_what_a_host_says_besides_events_is_passed_over(tmp_path: Path) -> None:
    lines = [b"{}", b"junk", b"[1]", b"3", b"[" * 20_000, b'{"event": 3}', b'{"event": "exited", "id": "a"}']
    lines += [
        b'{"event": "step", "id": "a", "step": "1", "steps": 3}',
        b'{"event": "exited", "id": ["a"], "status": 0}',
    ]
    lines += [b'{"event": "evaluated", "id": "a", "step": 1, "steps": 3, "scores": {"accuracy": 1%s}}' % (b"0" * 400)]
    lines += [b'{"event": "exited", "id": "a", "status": -9}']
    said = b"".join(line + b"\n" for line in lines)
    host = told(tmp_path, f"os.write(fd, {said!r})")
    found: list[Any] = []
    while (events := host.events()) is not None:
        found += events
    host.close()
    assert found == [{"event": "exited", "id": "a", "status": -9}]


@pytest.mark.parametrize(
    "line", [b'{"id": "x"}', b'{"event": 3}', b"[1]", b"no JSON", b'{"event": "exited", "status": "0"}']
)
def test_a_line_that_is_no_event_is_passed_over(line: bytes) -> None:
    assert read_event(line) is None
