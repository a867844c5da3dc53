"""Requirements and abilities: what a grid insists on, and why a cell cannot run here. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from harness.errors import SpecError
from harness.execution.environment import Environment
from harness.grid.cell import Cell
from harness.record.meant import MeantEnvironment
from harness.record.model import Record
from harness.text import suggestion

_ITEM: Final = re.compile(r"(?P<name>[a-z_]+)\s*(?:(?P<operator>>=|=)\s*(?P<value>[0-9]{1,9}))?")


@dataclass(frozen=True)
class Requirement:
    """What must be there, else exit 4: an accelerator ("cuda" or "cpu"), so many devices, GiB of memory on each."""

    accelerator: str | None = None
    devices: int = 0
    memory_gib: float = 0.0

    def unmet(self, environment: Environment) -> list[str]:
        """A sentence for each part that the machine lacks."""
        reasons = []
        if environment.accelerator == "cuda":
            count = device_count(environment)
        else:  # there a device is a rank, and a core carries one
            count = 0 if self.accelerator == "cuda" else environment.cores
        if self.accelerator == "cuda" and environment.accelerator != "cuda":
            reasons.append(f"requires CUDA: {no_cuda_reason(environment)}")
        elif self.accelerator == "cpu" and environment.accelerator != "cpu":
            reasons.append("requires a machine without accelerator: set CUDA_VISIBLE_DEVICES= to hide it")
        if count < self.devices:
            reasons.append(f"requires {self.devices} devices: {count} here")
        memory = device_memory_gib(environment)
        if memory < self.memory_gib:
            reasons.append(f"requires {self.memory_gib:g} GiB on each device: {memory:.1f} GiB here")
        return reasons


def unmet_by_record(wanted: Iterable[Requirement], record: Record) -> list[str]:
    """A sentence where the machine that a record was made on is not the one demanded.

    A record knows the devices of its own cell alone: how many there were is the store's to say (`unmet_as_meant`).
    """
    if record.observed is None:
        return []
    found = "cuda" if record.observed.machine.get("accelerators") else "cpu"
    asked = dict.fromkeys(one.accelerator for one in wanted if one.accelerator not in (None, found))
    return [f"requires {accelerator}: measured on {found}" for accelerator in asked]


def unmet_as_meant(wanted: Iterable[Requirement], meant: MeantEnvironment) -> list[str]:
    """A sentence for each part that the machine lacked on which a run meant this environment."""
    reasons = []
    for one in wanted:
        if meant.devices < one.devices:
            reasons.append(f"requires {one.devices} devices: measured where there were {meant.devices}")
        if meant.memory_gib < one.memory_gib:
            reasons.append(
                f"requires {one.memory_gib:g} GiB on each device: measured where there were {meant.memory_gib:.1f} GiB"
            )
    return list(dict.fromkeys(reasons))


def read_requirement(text: str) -> Requirement:
    """Read `HARNESS_REQUIRE`, for example `cuda,devices>=2`.

    Raises
    ------
    SpecError
        Naming the item that is not understood: a typing error must not switch a requirement off, nor may one
        item another (`cuda,cpu`).
    """
    accelerator: str | None = None
    devices = 0
    for item in filter(None, (part.strip() for part in text.split(","))):
        match = _ITEM.fullmatch(item)
        if match and match["name"] in ("cuda", "cpu") and not match["operator"]:
            if accelerator not in (None, match["name"]):
                raise SpecError(f"HARNESS_REQUIRE: got both cuda and cpu in {text!r}; allowed one of them")
            accelerator = match["name"]
        elif match and match["name"] == "devices" and match["operator"]:
            devices = max(devices, int(match["value"]))
        else:
            allowed = f"cuda, cpu, devices>=N, separated by commas{suggestion(item, ('cuda', 'cpu'))}"
            raise SpecError(f"HARNESS_REQUIRE: got {item!r}; allowed: {allowed}")
    return Requirement(accelerator, devices)


def as_meant(environment: Environment) -> MeantEnvironment:
    """What a store keeps of an environment, for whoever reads its results later."""
    cuda = environment.accelerator == "cuda"
    return MeantEnvironment(
        environment_id=environment.environment_id,
        python=str(environment.facts["python"]),
        packages=dict(environment.packages),
        accelerator=environment.accelerator,
        devices=device_count(environment) if cuda else environment.cores,
        memory_gib=device_memory_gib(environment),
    )


def device_count(environment: Environment) -> int:
    """Devices that cells can be given: accelerators, or the one processor."""
    return len(environment.torch.get("devices", [])) or 1


def device_memory_gib(environment: Environment) -> float:
    """Memory of the smallest accelerator, or of the machine where there is none; GiB."""
    accelerators = [device["memory_mib"] / 1024 for device in environment.torch.get("devices", [])]
    machine = environment.facts.get("machine") or {}
    return min(accelerators, default=float(machine.get("memory_gib", 0.0)))


def unusable_device(environment: Environment) -> str | None:
    """Say why an NVIDIA device that the driver shows cannot be used by torch; None where all is well.

    Falling back to the CPU here would be a quiet lie: the runner has a GPU, and someone pays for it.
    """
    if not environment.devices or environment.accelerator == "cuda":
        return None
    names = ", ".join(device.name for device in environment.devices)
    return f"the driver shows {names}, but torch cannot use it: {no_cuda_reason(environment)}"


def no_cuda_reason(environment: Environment) -> str:
    """Why torch has no CUDA device, with what to do about it."""
    torch = environment.torch
    if not torch.get("cuda_build"):
        return f"torch {torch.get('version')} is built without CUDA; install the build for this machine's driver"
    if not environment.devices:
        return "there is no NVIDIA device or driver (or CUDA_VISIBLE_DEVICES hides it)"
    return f"torch {torch.get('version')} (CUDA {torch.get('cuda_build')}) finds no usable device; update the driver"


def skip_reason(cell: Cell, environment: Environment) -> str | None:
    """Why a cell cannot run as asked on this machine, or None. Never another precision under its name."""
    torch: Mapping[str, object] = environment.torch
    if not torch:
        return None  # nothing is known without torch; running is refused elsewhere
    cuda = environment.accelerator == "cuda"
    capability = _capability(environment)
    if cuda and cell.devices > device_count(environment):
        return f"{cell.devices} devices asked for, {device_count(environment)} here"
    cores = environment.cores
    if not cuda and cell.devices > cores:
        return f"{cell.devices} devices asked for: on a CPU these are ranks, one a core at most, and {cores} are here"
    if cell.precision == "fp16" and not cuda:
        return "fp16 needs a CUDA device (on a CPU transformers accepts fp16=True and trains in fp32)"
    if cell.precision == "tf32" and (not cuda or capability < (8, 0)):
        return "tf32 needs a CUDA device of compute capability 8.0 or newer"
    if cell.precision == "bf16" and cuda and not torch.get("cuda_bf16"):
        return "bf16 needs a CUDA device of compute capability 8.0 or newer"
    if cell.precision == "bf16" and not cuda and not torch.get("cpu_bf16"):
        return "bf16 on a CPU needs AVX512-BF16, AMX or Arm BF16 instructions"
    return None


def _capability(environment: Environment) -> tuple[int, int]:
    capabilities = [tuple(device["capability"]) for device in environment.torch.get("devices", [])]
    return min(capabilities, default=(0, 0))
