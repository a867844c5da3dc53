"""The CUDA build of torch on a machine without a driver: what is asked of it, and what forking keeps."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from harness.execution.environment import CURRENT, probe_environment
from harness.execution.require import unusable_device
from tests.gpu.nvml_stub import COMPILER, compile_stub, with_stub

pytestmark = pytest.mark.cuda_build
Make = Callable[..., Any]
REPOSITORY = Path(__file__).resolve().parents[2]

FORK = """
import json, os, sys
from harness.subject.process import host
host.warm_up()
import torch
if "--poison" in sys.argv:
    torch._C._cuda_getDeviceCount()
reader, writer = os.pipe()
if os.fork() == 0:
    try:
        bad = torch.cuda._is_in_bad_fork()
        torch.cuda.init()
    except Exception as error:
        os.write(writer, json.dumps([bad, str(error)]).encode())
    os._exit(0)
os.close(writer)
print(os.fdopen(reader).read())
"""
CALLS = """
import inspect, json, sys
import torch
called = []
def watched(name, function):
    def call(*arguments, **options):
        called.append(name)
        return function(*arguments, **options)
    return call
for name in ("is_available", "device_count", "init", "_lazy_init", "current_device", "get_device_properties",
             "get_device_capability", "get_device_name", "is_bf16_supported", "mem_get_info", "synchronize",
             "set_device", "current_stream", "get_arch_list"):
    setattr(torch.cuda, name, watched(name, getattr(torch.cuda, name)))
from harness.subject.process import host
host.warm_up()
print(json.dumps([called, torch.cuda.is_initialized()]))
"""


def program(text: str, *arguments: str, **variables: str) -> Any:
    done = subprocess.run(
        [sys.executable, "-c", text, *arguments],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY), "HF_HUB_OFFLINE": "1", **variables},
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_the_host_asks_nothing_of_cuda() -> None:
    assert program(CALLS) == [[], False]


@pytest.mark.parametrize("by_nvml", ["0", "1"])
def test_a_child_of_the_host_can_start_cuda(by_nvml: str) -> None:
    """Without a driver it fails for want of one, and not for having been forked."""
    bad, said = program(FORK, PYTORCH_NVML_BASED_CUDA_CHECK=by_nvml)
    assert not bad
    assert "no NVIDIA driver" in said
    assert program(FORK, "--poison", PYTORCH_NVML_BASED_CUDA_CHECK=by_nvml)[0]  # so the test can fail


def test_the_probe_says_why_there_is_no_device() -> None:
    torch = probe_environment(CURRENT).torch
    assert (torch["cuda_available"], torch["devices"]) == (False, [])
    assert "no NVIDIA driver" in torch["cuda_error"]


ARCHITECTURES = "import json, torch; print(json.dumps(torch._C._cuda_getArchFlags().split()))"


@pytest.mark.parametrize(
    ("capability", "runs"),
    [((6, 0), False), ((7, 0), False), ((7, 5), True), ((8, 0), True), ((8, 9), True), ((9, 0), True), ((10, 0), True)],
)
def test_what_the_wheel_has_code_for(environment_of: Make, capability: tuple[int, int], runs: bool) -> None:
    environment = environment_of(capability)
    environment.facts["torch"]["cuda_architectures"] = program(ARCHITECTURES)
    assert (unusable_device(environment) is None) is runs


def harness(folder: Path, *command: str, **variables: str) -> subprocess.CompletedProcess[str]:
    kept: Mapping[str, str] = {name: value for name, value in os.environ.items() if name != "CUDA_VISIBLE_DEVICES"}
    return subprocess.run(
        [sys.executable, "-m", "harness", *command],
        cwd=folder,
        env={**kept, "PYTHONPATH": str(REPOSITORY), "HARNESS_CACHE": str(folder / "cache"), **variables},
        capture_output=True,
        text=True,
        timeout=540,
        check=False,
    )


RANKS = """
name = "ranks"
task = "embedded/paraphrase"
[recipe]
max_steps = 2
[matrix]
checkpoint = ["embedded/tiny-bert"]
seed = [42]
devices = [1, 2]
"""


def test_cells_of_one_and_of_two_ranks_run(tmp_path: Path) -> None:
    (tmp_path / "ranks.toml").write_text(RANKS, encoding="utf-8")
    done = harness(tmp_path, "run", "ranks.toml", "--retries", "0", HF_HUB_OFFLINE="1")
    assert done.returncode == 0, done.stdout + done.stderr
    records = [json.loads(path.read_text()) for path in tmp_path.glob("results/ranks/cells/??/*/*/*/record.json")]
    seen = {one["observed"]["fingerprint"]["world_size"]: one["observed"]["model"]["device"] for one in records}
    assert seen == {1: "cpu", 2: "cpu:0"}


def test_the_doctor_without_a_driver(tmp_path: Path) -> None:
    done = harness(tmp_path, "doctor")
    assert done.returncode == 0
    assert "accelerator: none: there is no NVIDIA device or driver" in done.stdout


@pytest.mark.skipif(COMPILER is None, reason="no C compiler is here, to make the stub of the driver with")
def test_the_doctor_where_the_driver_shows_what_cuda_cannot_start(tmp_path: Path) -> None:
    done = harness(tmp_path, "doctor", **with_stub(compile_stub(tmp_path)))
    assert done.returncode == 4
    assert "problem: the driver shows Stub H100, but torch cannot use it: torch 2." in done.stdout
    assert "says: Found no NVIDIA driver" in done.stdout


def test_the_environments_id_is_of_what_the_wheel_brings() -> None:
    """And all of it is pinned: `test_every_package_of_an_environment_id_is_pinned` runs in this environment too."""
    assert {"triton", "cuda-toolkit", "nvidia-cublas", "cuda-bindings"} <= probe_environment(CURRENT).packages.keys()
