"""Every command beside a stubbed driver: 0, 1 and 4 boards, lost and sliced ones, a driver that does not answer.

The real pynvml talks to the stub; what torch sees is told to the probe. Each case asks four commands in one process,
of a grid that leaves nothing to train: its cells want 99 devices.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.gpu.nvml_stub import COMPILER, compile_stub, with_stub

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler is here, to make the stub of the driver with")

REPOSITORY = Path(__file__).resolve().parents[2]
GRID = """
name = "nothing"
task = "embedded/paraphrase"
[recipe]
max_steps = 2
[matrix]
checkpoint = ["embedded/tiny-bert"]
seed = [1, 2]
devices = [99]
scaling = "weak"
"""
ASK = """
import contextlib, io, json, sys
from harness.cli.app import run_command
found = {}
for command in json.loads(sys.argv[1]):
    said = io.StringIO()
    sys.argv = ["harness", *command]
    with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
        code = run_command()
    found[command[0]] = [code, said.getvalue()]
print(json.dumps(found))
"""
H100 = {"name": "Stub H100", "memory_mib": 81559, "capability": [9, 0]}


def facts(*devices: Mapping[str, Any], build: str | None = "13.0", error: str | None = None) -> dict[str, Any]:
    """What an interpreter says whose torch is the wheel of 2.13.0 and sees these devices."""
    torch = {
        "version": "2.13.0", "cuda_build": build, "cuda_available": bool(devices), "cuda_error": error, "other": None,
        "cuda_architectures": ["sm_75", "sm_80", "sm_90"] if devices else [], "devices": devices,
        "cuda_bf16": bool(devices), "cpu_bf16": False, "cpu_capability": "AVX2",
    }  # fmt: skip
    names = ("accelerate", "datasets", "evaluate", "torch", "transformers")
    return {
        "python": "3.11.7", "packages": dict.fromkeys(names, "1.0"), "missing": [], "torch": torch,
        "machine": {"cpu": "a CPU", "cores": 2, "memory_gib": 16.0, "system": "Linux", "architecture": "x86_64"},
    }  # fmt: skip


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return compile_stub(tmp_path_factory.mktemp("stub"))


FOUR = [["doctor", "g.toml"], ["plan", "g.toml"], ["bench", "g.toml"], ["run", "g.toml"]]
DEFAULT = [["bench"] if command[0] == "bench" else command for command in FOUR]
"""`bench` chooses its grid by the machine."""


def beside(
    folder: Path, library: Path | None, torch: Mapping[str, Any], variables: Mapping[str, str], *arguments: str
) -> subprocess.CompletedProcess[str]:
    """Run Python beside the stub, and a torch that sees what is said."""
    dropped = ("CUDA_VISIBLE_DEVICES", "HARNESS_REQUIRE", "HARNESS_DEBUG", "GITHUB_ACTIONS", "LD_LIBRARY_PATH")
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env={
            **{name: value for name, value in os.environ.items() if name not in dropped},
            **(with_stub(library) if library else {}),
            "HARNESS_CACHE": str(folder / "cache"),
            "HF_HUB_OFFLINE": "1",
            "COLUMNS": "400",
            "PYTHONPATH": os.pathsep.join([str(Path(__file__).with_name("torch_stub")), str(REPOSITORY)]),
            "TORCH_STUB_FACTS": json.dumps(torch),
            **variables,
        },
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def ask(
    folder: Path,
    library: Path | None,
    torch: Mapping[str, Any],
    variables: Mapping[str, str],
    commands: list[list[str]] = FOUR,
) -> dict[str, tuple[int, str]]:
    """Exit code and words of each command."""
    (folder / "g.toml").write_text(GRID, encoding="utf-8")
    done = beside(folder, library, torch, variables, "-c", ASK, json.dumps(commands))
    assert done.returncode == 0, done.stderr
    found = {name: (code, said) for name, (code, said) in json.loads(done.stdout).items()}
    assert not [name for name, (_, said) in found.items() if "Traceback" in said or "internal error" in said]
    return found


FALLEN = {"NVML_STUB_BOARDS": "4", "NVML_STUB_LOST": "1"}
WELL: dict[str, tuple[dict[str, str], int, str, str]] = {
    # variables, devices that torch sees, a line of the doctor's, why nothing is left to run
    "no board": ({"NVML_STUB_BOARDS": "0"}, 0, "accelerator: none: there is no NVIDIA device", "99 devices asked for"),
    "not loaded": ({"NVML_STUB_ERROR": "9"}, 0, "accelerator: none: there is no NVIDIA device", "99 devices asked for"),
    "one board": ({}, 1, "  Stub H100 GPU-00000000-0000-4000-8000-000000000000, 81559 MiB\n", "asked for, 1 here"),
    "four boards": ({"NVML_STUB_BOARDS": "4"}, 4, "GPU-00000003-", "asked for, 4 here"),
    "one of four lost": (FALLEN, 3, "  NVIDIA device 1 does not answer and is left out: GPU is lost", "for, 3 here"),
    "slices": ({"NVML_STUB_SLICES": "7"}, 1, "Stub H100 MIG 1g.10gb MIG-00000000-", "asked for, 7 here"),
    "no memory query": ({"NVML_STUB_MEMORY": "0"}, 1, "  Stub H100 GPU-00000000-", "asked for, 1 here"),
    "busy": ({"NVML_STUB_PID": "77"}, 1, "is used by process 77", "asked for, 1 here"),
    "two chosen": ({"NVML_STUB_BOARDS": "4", "CUDA_VISIBLE_DEVICES": "3,0"}, 2, "GPU-00000003-", "asked for, 2 here"),
    "broken, and hidden": (
        {"NVML_STUB_ERROR": "18", "CUDA_VISIBLE_DEVICES": ""}, 0, "accelerator: none: there is no", "99 devices asked"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", WELL)
def test_devices_that_can_be_used(case: str, tmp_path: Path, library: Path) -> None:
    variables, count, line, skipped = WELL[case]
    found = ask(tmp_path, library, facts(*[H100] * count), variables)
    assert {name: code for name, (code, _) in found.items()} == {"doctor": 0, "plan": 5, "bench": 5, "run": 5}
    assert line in found["doctor"][1]
    assert ("accelerator: cuda" in found["doctor"][1]) is (count > 0)
    assert all(skipped in found[name][1] for name in ("doctor", "plan", "bench", "run"))
    assert ("NVIDIA device 1 does not answer" in found["plan"][1]) is (case == "one of four lost")


NO_ANSWER = "the NVIDIA driver does not answer: "
BROKEN: dict[str, tuple[dict[str, str], dict[str, Any], str]] = {
    "fell off the bus": ({"NVML_STUB_ERROR": "15"}, facts(), f"{NO_ANSWER}GPU is lost (NVML error 15); a device"),
    "upgraded, not rebooted": ({"NVML_STUB_ERROR": "18"}, facts(), "mismatch. (NVML error 18); it was upgraded while"),
    "unknown": ({"NVML_STUB_ERROR": "999"}, facts(), f"{NO_ANSWER}Unknown Error (NVML error 999); in a container"),
    "the only board lost": ({"NVML_STUB_LOST": "0"}, facts(), "NVIDIA device 0 does not answer and is left out: GPU"),
    "chosen wrongly": ({"CUDA_VISIBLE_DEVICES": "7"}, facts(), "CUDA_VISIBLE_DEVICES=7 names no NVIDIA device ("),
    "a build without CUDA": (
        {}, facts(build=None), "the driver shows Stub H100, but torch cannot use it: torch 2.13.0 is built without "
        "CUDA; install the build for this machine's driver (driver 580.95.05 supports CUDA 13.0)"
    ),
    "driver too old": (
        {}, facts(build="14.1"), "driver 580.95.05 supports CUDA 13.0, torch 2.13.0 is built for CUDA 14.1: install a "
        "newer driver, or torch==2.13.0 built for CUDA 13.x"
    ),
    "CUDA does not start": (
        {}, facts(error="CUDA error: system not yet initialized"), "torch 2.13.0 (CUDA 13.0) says: CUDA error: system"
    ),
    "no code for it": (
        {}, facts({**H100, "capability": [7, 0]}), "built for sm_75, sm_80, sm_90 and has no code for Stub H100 (7.0)"
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_gpu_that_cannot_be_used_is_never_a_quiet_cpu(case: str, tmp_path: Path, library: Path) -> None:
    """`bench` without a grid chose the one for CPUs, and a GPU night was green."""
    variables, torch, words = BROKEN[case]
    found = ask(tmp_path, library, torch, variables, DEFAULT)
    assert [code for code, _ in found.values()] == [4, 4, 4, 4]
    # A plan can still be made where the driver answers.
    assert ("`harness run` would end with exit 4" in found["plan"][1]) is ("NVML_STUB_ERROR" not in variables)
    assert all(words in said for _, said in found.values())
    assert all("set CUDA_VISIBLE_DEVICES= to run on the CPU" in said for _, said in found.values())


def test_a_container_without_the_drivers_library(tmp_path: Path) -> None:
    found = ask(tmp_path, None, facts(H100), {}, DEFAULT)
    assert [code for code, _ in found.values()] == [4, 4, 4, 4]
    words = "torch sees Stub H100, but the driver's library (libnvidia-ml.so.1) shows no device; in a container"
    assert all(words in said for _, said in found.values())


TRAINS = """
name = "trains"
task = "embedded/paraphrase"
[recipe]
max_steps = 2
[matrix]
checkpoint = ["embedded/tiny-bert"]
seed = [1]
"""


@pytest.mark.slow
def test_a_device_that_cuda_loses_between_plan_and_run_fails_its_cell(tmp_path: Path, library: Path) -> None:
    """It trained on the CPU, was ok, and lay under the GPU's environment."""
    (tmp_path / "trains.toml").write_text(TRAINS, encoding="utf-8")
    found = ask(tmp_path, library, facts(H100), {}, commands=[["run", "trains.toml", "--retries", "0"]])
    assert found["run"][0] == 4, found["run"][1]
    (path,) = tmp_path.glob("results/trains/cells/??/*/*/*/record.json")
    record = json.loads(path.read_text(encoding="utf-8"))
    assert (record["status"], record["failure"]["message"]) == (
        "failed",
        "cuda was asked for; torch in its process trains on cpu: a device is gone, or CUDA cannot use it",
    )


COUNT = """
import json, pynvml
from harness.execution.devices import nvidia_devices
from harness.execution.health import HealthWatch, HeldDevices, nvml, settings, throttle_reasons
import time
uuids = [device.uuid for device in nvidia_devices()]
with nvml() as driver:
    held = HeldDevices(uuids)
    watch = HealthWatch(uuids)
    start = time.monotonic()
    held.at_edge("opens")
    time.sleep(1)
    held.at_edge("closes")
    seconds = time.monotonic() - start
    print(json.dumps([held.joules / seconds, sorted(throttle_reasons(uuids)), watch.findings(), held.capped_s / seconds,
                      settings(uuids)]))
"""


def test_energy_and_what_slows_devices_down_are_read_from_the_library(tmp_path: Path, library: Path) -> None:
    variables = {"NVML_STUB_BOARDS": "2", "NVML_STUB_THROTTLE": "0x44", "NVML_STUB_VIOLATION": "1000"}
    done = beside(tmp_path, library, facts(H100, H100), variables, "-c", COUNT)
    assert done.returncode == 0, done.stderr
    watts, reasons, findings, capped, told = json.loads(done.stdout)
    assert watts == pytest.approx(600, rel=0.1)
    assert (reasons, findings) == (["hardware thermal slowdown", "software power cap"], [])
    assert capped > 0
    board = {"mig": False, "power_limit_watts": 700.0, "persistence": True, "compute_mode": "default"}
    assert told == {"driver": "580.95.05", "boards": {name: [value, value] for name, value in board.items()}}


@pytest.mark.parametrize(
    ("chosen", "reason"),
    [
        ("gpu", "the driver shows Stub H100, but torch cannot use it"),
        ("gpu and not slow", "the driver shows Stub H100, but torch cannot use it"),
        ("not slow", "no NVIDIA device is here, or without -m gpu"),
    ],
)
def test_the_tests_themselves_see_a_gpu_only_where_they_are_for_it(
    tmp_path: Path, library: Path, chosen: str, reason: str
) -> None:
    """They trained on whatever was there, and expected what a CPU does."""
    own = ["-m", "pytest", "-p", "no:cacheprovider", str(REPOSITORY / "tests" / "test_gpu.py"), "-m", chosen]
    done = beside(tmp_path, library, facts(build=None), {}, *own)
    assert done.returncode == 0, done.stdout
    assert reason in done.stdout
