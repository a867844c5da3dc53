"""Requirements and abilities: what a grid insists on, and why a cell cannot run here. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from harness.errors import SpecError
from harness.execution.environment import Environment
from harness.execution.health import RUN_ON_CPU
from harness.grid.cell import Cell
from harness.record.meant import MeantEnvironment
from harness.record.model import Record
from harness.text import suggestion

_ARCHITECTURE: Final = re.compile(r"(?P<kind>sm|compute)_(?P<major>[0-9]+)(?P<minor>[0-9])(?P<only>[af]?)")
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
    """Devices that cells can be given, or the one processor; torch alone would count one slice of a sliced board."""
    return len(environment.devices) if environment.accelerator == "cuda" and environment.devices else 1


def device_memory_gib(environment: Environment) -> float:
    """Memory of the smallest accelerator, or of the machine where there is none; GiB."""
    accelerators = [device["memory_mib"] / 1024 for device in environment.torch.get("devices", [])]
    machine = environment.facts.get("machine") or {}
    return min(accelerators, default=float(machine.get("memory_gib", 0.0)))


def unusable_device(environment: Environment) -> str | None:
    """Say why an accelerator of this machine cannot be used; None where all is well, or where there is none.

    Falling back to the CPU here would be a quiet lie: the runner has a GPU, and someone pays for it.
    """
    problem = _unusable(environment)
    return f"{problem}; or {RUN_ON_CPU}" if problem else None


def _unusable(environment: Environment) -> str | None:
    torch, driver = environment.torch, environment.driver
    if not torch:
        return None
    if other := torch.get("other"):
        return f"torch {torch.get('version')} sees {other}, which is not supported: the harness knows CUDA and CPUs"
    if environment.accelerator == "cuda":
        if not driver.devices:
            names = ", ".join(device["name"] for device in torch["devices"])
            fix = "in a container, NVIDIA_DRIVER_CAPABILITIES=compute,utility brings it in"
            return f"torch sees {names}, but the driver's library (libnvidia-ml.so.1) shows no device; {fix}"
        return _without_kernels(torch)
    if driver.devices:
        names = ", ".join(device.name for device in driver.devices)
        return f"the driver shows {names}, but torch cannot use it: {no_cuda_reason(environment)}"
    return "; ".join(driver.left_out) or None


def _without_kernels(torch: Mapping[str, Any]) -> str | None:
    """Name the devices that this build of torch has no code for: the first kernel would fail on them."""
    built = [match for name in torch.get("cuda_architectures", []) if (match := _ARCHITECTURE.fullmatch(name))]
    lacking = [
        f"{device['name']} ({major}.{minor})"
        for device in torch["devices"]
        for major, minor in [device["capability"]]
        if built and not any(_runs_on(one, major, minor) for one in built)
    ]
    if not lacking:
        return None
    names = ", ".join(one[0] for one in built)
    which = f"torch {torch.get('version')} is built for {names} and has no code for {', '.join(lacking)}"
    return f"{which}; install an older build, or choose other devices with CUDA_VISIBLE_DEVICES"


def _runs_on(built: re.Match[str], major: int, minor: int) -> bool:
    """Whether code runs on a device: a binary within its major version, PTX on later ones too."""
    of = (int(built["major"]), int(built["minor"]))
    if built["kind"] == "compute":
        return of <= (major, minor)
    return of == (major, minor) or (not built["only"] and of[0] == major and of[1] <= minor)


def no_cuda_reason(environment: Environment) -> str:
    """Why torch has no CUDA device, with what to do about it."""
    torch, driver = environment.torch, environment.driver
    if other := torch.get("other"):
        return f"torch {torch.get('version')} sees {other}"
    build = torch.get("cuda_build")
    carried = driver.cuda and f"driver {driver.version} supports CUDA {driver.cuda[0]}.{driver.cuda[1]}"
    if not build:
        fitting = "install the build for this machine's driver" + (f" ({carried})" if carried else "")
        return f"torch {torch.get('version')} is built without CUDA; {fitting}"
    if not driver.devices:
        hidden = "there is no NVIDIA device or driver (or CUDA_VISIBLE_DEVICES hides it)"
        return "; ".join(driver.left_out) or hidden
    if driver.cuda and int(build.partition(".")[0]) > driver.cuda[0]:
        plain = str(torch.get("version")).partition("+")[0]
        fix = f"install a newer driver, or torch=={plain} built for CUDA {driver.cuda[0]}.x"
        return f"{carried}, torch {torch.get('version')} is built for CUDA {build}: {fix}"
    said = torch.get("cuda_error") or "it finds no usable device"
    return f"torch {torch.get('version')} (CUDA {build}) says: {said}"


def skip_reason(cell: Cell, environment: Environment) -> str | None:
    """Why a cell cannot run as asked on this machine, or None. Never another precision under its name."""
    torch: Mapping[str, object] = environment.torch
    if not torch:
        return None  # nothing is known without torch; running is refused elsewhere
    if "peft" in cell.recipe and "peft" not in environment.packages:
        fix = "install it with: pip install peft"
        return f"[recipe.peft] needs the package peft, which is not installed in {environment.python}; {fix}"
    cuda = environment.accelerator == "cuda"
    capability = _capability(environment)
    if cuda and cell.devices > device_count(environment):
        return f"{cell.devices} devices asked for, {device_count(environment)} here"
    if cuda and cell.devices > 1 and any(device.uuid.startswith("MIG-") for device in environment.devices):
        return f"{cell.devices} devices asked for: CUDA gives a process one MIG slice"
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
