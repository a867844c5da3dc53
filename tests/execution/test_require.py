from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import SpecError
from harness.execution.devices import Device, Driver
from harness.execution.environment import Environment
from harness.execution.require import (
    Requirement,
    as_meant,
    device_count,
    device_memory_gib,
    no_cuda_reason,
    read_requirement,
    skip_reason,
    unmet_as_meant,
    unmet_by_record,
    unusable_device,
)

Make = Callable[..., Any]
H100, A100, T4 = (9, 0), (8, 0), (7, 5)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("", Requirement()),
        ("  ", Requirement()),
        ("cuda", Requirement("cuda")),
        ("cpu", Requirement("cpu")),
        ("cuda,devices>=2", Requirement("cuda", 2)),
        (" devices >= 8 , cuda ,", Requirement("cuda", 8)),
        ("devices>=2,devices>=4,devices>=3", Requirement(None, 4)),
        ("cuda,cuda", Requirement("cuda")),
    ],
)
def test_reading(text: str, wanted: Requirement) -> None:
    assert read_requirement(text) == wanted


@pytest.mark.parametrize(
    "text",
    [
        "cude", "CUDA", "gpu", "cuda devices>=2", "cuda;devices>=2", "devices", "devices>2", "devices>=",
        "devices>=two", "devices>=-1", "devices>=1.5", "devices<=2", "cuda>=1", "cuda=1", "cuda,cpu",
        "memory>=80", "devices>=²", "1", "devices>=" + "9" * 5000,
    ],
)  # fmt: skip
def test_a_typing_error_is_an_error(text: str) -> None:
    with pytest.raises(SpecError, match=r"HARNESS_REQUIRE: got .*; allowed") as caught:
        read_requirement(text)
    assert caught.value.exit_code == 2


@given(st.text(max_size=30))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        found = read_requirement(text)
    except SpecError:
        return
    # What is accepted consists of the documented items alone.
    items = [item.strip() for item in text.split(",") if item.strip()]
    assert all(re.fullmatch(r"cuda|cpu|devices\s*>?=\s*[0-9]+", item) for item in items)
    assert (found.accelerator is not None) == any(item in ("cuda", "cpu") for item in items)


def test_met_requirements(environment_of: Make) -> None:
    assert Requirement("cuda", 2, 40).unmet(environment_of(H100, H100)) == []
    assert Requirement("cpu", 1, 8).unmet(environment_of()) == []
    assert Requirement().unmet(environment_of()) == []


def test_unmet_requirements_say_what_is_there(environment_of: Make) -> None:
    assert Requirement("cuda", 2, 40).unmet(environment_of()) == [
        "requires CUDA: torch 2.13.0 is built without CUDA; install the build for this machine's driver",
        "requires 2 devices: 0 here",
        "requires 40 GiB on each device: 16.0 GiB here",
    ]
    (reason,) = Requirement("cpu").unmet(environment_of(A100))
    assert "CUDA_VISIBLE_DEVICES=" in reason


def test_the_smallest_device_counts(environment_of: Make) -> None:
    environment = environment_of(H100, H100)
    environment.facts["torch"]["devices"][1]["memory_mib"] = 24 * 1024
    assert device_count(environment) == 2
    assert device_memory_gib(environment) == 24
    assert Requirement(memory_gib=40).unmet(environment) == ["requires 40 GiB on each device: 24.0 GiB here"]


CPU, CPU_BF16 = ((), False), ((), True)
ONE = {name: ((capability,), False) for name, capability in (("T4", T4), ("A100", A100), ("H100", H100))}
MACHINES: dict[str, Any] = {"cpu": CPU, "cpu with bf16": CPU_BF16, **ONE, "A100 and T4": ((A100, T4), False)}
ABLE = {
    "cpu": {"fp32"},
    "cpu with bf16": {"fp32", "bf16"},
    "T4": {"fp32", "fp16"},
    "A100": {"fp32", "fp16", "tf32", "bf16"},
    "H100": {"fp32", "fp16", "tf32", "bf16"},
    "A100 and T4": {"fp32", "fp16"},  # a cell may get either
}


@pytest.mark.parametrize("devices", [1, 2, 3])
@pytest.mark.parametrize("precision", ["fp32", "tf32", "fp16", "bf16"])
@pytest.mark.parametrize("machine", MACHINES)
def test_skip_reasons(
    cell_of: Make, environment_of: Make, monkeypatch: pytest.MonkeyPatch, machine: str, precision: str, devices: int
) -> None:
    monkeypatch.setattr(Environment, "cores", 2)
    capabilities, cpu_bf16 = MACHINES[machine]
    environment = environment_of(*capabilities, cpu_bf16=cpu_bf16)
    reason = skip_reason(cell_of(precision=precision, devices=devices), environment)
    if devices > (len(capabilities) or 2):
        assert reason is not None
        assert reason.startswith(f"{devices} devices asked for")
        assert ("ranks" in reason) == machine.startswith("cpu")
    elif precision in ABLE[machine]:
        assert reason is None
    else:
        assert reason is not None
        assert reason.startswith(precision)
        assert "CUDA device" in reason or "instructions" in reason


def test_adapters_without_their_package_are_skipped_with_the_remedy(cell_of: Make, environment_of: Make) -> None:
    cell, environment = cell_of(recipe={"peft": {"method": "lora"}}), environment_of()
    reason = str(skip_reason(cell, environment))
    assert reason.startswith("[recipe.peft] needs the package peft, which is not installed in ")
    assert reason.endswith("; install it with: pip install peft")
    packages = {**environment.facts["packages"], "peft": "0.21.2"}
    assert skip_reason(cell, replace(environment, facts={**environment.facts, "packages": packages})) is None
    assert skip_reason(cell_of(), environment) is None


def test_fp16_on_a_cpu_says_why_transformers_is_not_believed(cell_of: Make, environment_of: Make) -> None:
    assert "trains in fp32" in str(skip_reason(cell_of(precision="fp16"), environment_of()))


def test_an_nvidia_device_that_torch_cannot_use(environment_of: Make) -> None:
    assert unusable_device(environment_of()) is None
    assert unusable_device(environment_of(A100)) is None
    problem = unusable_device(environment_of(driver=1))
    assert problem is not None
    assert problem.startswith(
        "the driver shows GPU number 0, but torch cannot use it: torch 2.13.0 is built without CUDA"
    )


ON_THE_CPU = "; or set CUDA_VISIBLE_DEVICES= to run on the CPU"


def test_why_there_is_no_cuda(environment_of: Make) -> None:
    environment = environment_of(driver=1)
    torch = environment.facts["torch"]
    assert no_cuda_reason(environment).endswith("build for this machine's driver (driver 570.86.15 supports CUDA 12.8)")
    torch.update(cuda_build="12.9", cuda_error="CUDA error: system not yet initialized")
    assert no_cuda_reason(environment) == "torch 2.13.0 (CUDA 12.9) says: CUDA error: system not yet initialized"
    torch.update(version="2.13.0+cu130", cuda_build="13.0")
    assert no_cuda_reason(environment) == (
        "driver 570.86.15 supports CUDA 12.8, torch 2.13.0+cu130 is built for CUDA 13.0: "
        "install a newer driver, or torch==2.13.0 built for CUDA 12.x"
    )
    nothing = environment_of()
    nothing.facts["torch"]["cuda_build"] = "12.8"
    assert "CUDA_VISIBLE_DEVICES hides it" in no_cuda_reason(nothing)


def test_torch_sees_what_the_driver_does_not_show(environment_of: Make) -> None:
    """A container without the capability `utility`: no NVML. Cells were waited for a minute and then refused."""
    environment = replace(environment_of(A100), driver=Driver())
    assert unusable_device(environment) == (
        "torch sees GPU 8.0, but the driver's library (libnvidia-ml.so.1) shows no device; in a container, "
        f"NVIDIA_DRIVER_CAPABILITIES=compute,utility brings it in{ON_THE_CPU}"
    )


@pytest.mark.parametrize("other", ["an AMD GPU (ROCm)", "an Apple GPU (MPS)", "an Intel GPU (XPU)"])
def test_another_accelerator_is_named_and_never_a_quiet_cpu(environment_of: Make, other: str) -> None:
    environment = environment_of()
    environment.facts["torch"].update(other=other, cuda_available="ROCm" in other)
    assert environment.accelerator == "cpu"
    assert unusable_device(environment) == (
        f"torch 2.13.0 sees {other}, which is not supported: the harness knows CUDA and CPUs{ON_THE_CPU}"
    )
    assert Requirement("cuda").unmet(environment)[0] == f"requires CUDA: torch 2.13.0 sees {other}"


def test_a_machine_whose_only_board_is_lost_is_no_cpu(environment_of: Make) -> None:
    environment = replace(environment_of(), driver=Driver("570.1", left_out=("NVIDIA device 0 does not answer",)))
    assert unusable_device(environment) == f"NVIDIA device 0 does not answer{ON_THE_CPU}"


WHEEL = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]
"""Of torch 2.13.0's default wheel (CUDA 13.0)."""


@pytest.mark.parametrize(
    ("built", "capability", "runs"),
    [
        (WHEEL, (7, 0), False),  # V100
        (WHEEL, (6, 0), False),  # P100
        (WHEEL, T4, True),
        (WHEEL, (8, 9), True),  # L4: code for 8.6 runs on a later minor version
        (WHEEL, (10, 3), True),
        (WHEEL, (11, 0), False),
        ([*WHEEL, "compute_120"], (13, 0), True),  # PTX
        (["sm_90a"], H100, True),
        (["sm_90a"], (9, 1), False),
        ([], (7, 0), True),  # not told
    ],
)
def test_devices_that_the_build_has_no_code_for(
    environment_of: Make, built: list[str], capability: tuple[int, int], runs: bool
) -> None:
    environment = environment_of(H100 if built == WHEEL else capability, capability)
    environment.facts["torch"]["cuda_architectures"] = built
    problem = unusable_device(environment)
    assert (problem is None) is runs
    major, minor = capability
    assert runs or str(problem).startswith(
        f"torch 2.13.0 is built for {', '.join(built)} and has no code for GPU {major}.{minor} ({major}.{minor})"
    )


def test_a_sliced_board_is_as_many_devices_as_slices_for_cells_of_one(environment_of: Make, cell_of: Make) -> None:
    """CUDA shows a process one slice, so torch sees one."""
    slices = tuple(Device(f"MIG-{n}", "H100 MIG 1g.10gb", 9856, 0, 0) for n in range(7))
    environment = replace(environment_of(H100), driver=Driver("570.1", (12, 8), slices))
    assert device_count(environment) == 7
    assert skip_reason(cell_of(), environment) is None
    assert skip_reason(cell_of(devices=2), environment) == "2 devices asked for: CUDA gives a process one MIG slice"


# What records were made on.


@pytest.mark.parametrize(
    ("machine", "wanted", "said"),
    [
        ({}, [], []),
        ({}, [Requirement("cpu")], []),
        ({}, [Requirement("cuda"), Requirement("cuda", 2)], ["requires cuda: measured on cpu"]),
        ({"accelerators": []}, [Requirement("cuda")], ["requires cuda: measured on cpu"]),
        ({"accelerators": ["NVIDIA H100"]}, [Requirement("cuda", 8)], []),  # a record knows its cell's devices alone
        ({"accelerators": ["NVIDIA H100"]}, [Requirement("cpu")], ["requires cpu: measured on cuda"]),
        (None, [Requirement("cuda")], []),  # it saw nothing: it crashed, and has no score either
    ],
)
def test_a_demand_on_a_record(machine: Any, wanted: list[Requirement], said: list[str]) -> None:
    record: Any = SimpleNamespace(observed=None if machine is None else SimpleNamespace(machine=machine))
    assert unmet_by_record(wanted, record) == said


def test_a_demand_on_what_a_run_meant(environment_of: Make) -> None:
    two = as_meant(environment_of(H100, A100, memory_mib=40 * 1024))
    assert (two.accelerator, two.devices, two.memory_gib) == ("cuda", 2, 40.0)
    wanted = [Requirement("cuda", 4, 80.0), Requirement("cuda", 4)]
    assert unmet_as_meant(wanted, two) == [
        "requires 4 devices: measured where there were 2",
        "requires 80 GiB on each device: measured where there were 40.0 GiB",
    ]
    assert unmet_as_meant([Requirement("cuda", 2, 40.0)], two) == []
