"""Facts about the running environment: software, machine, determinism, optimizer, memory. Reads; never sets.

As a program it says what an environment is and what its devices can do: one JSON object. A throw-away process asks,
because it may initialise CUDA, which the long-lived host must never do.
"""

from __future__ import annotations

import json
import os
import platform
import resource
import sys
import time
from collections import Counter
from collections.abc import Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.protocol import NO_GPU, OPTIONAL, PACKAGES, SUBJECT


def software(more: Sequence[str] = ()) -> dict[str, Any]:
    """Python's version and the versions of the subject's packages, and of `more` that a run used."""
    packages = {}
    for name in (*PACKAGES, *more):
        try:
            packages[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return {"python": platform.python_version(), "packages": packages}


def machine() -> dict[str, Any]:
    """What the run ran on: operating system, processor, memory, accelerators. No host name, no user."""
    found: dict[str, Any] = {
        "system": f"{platform.system()} {platform.release()}",
        "architecture": platform.machine(),
        "cpu": _cpu_model(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1),
    }
    import torch

    if torch.cuda.is_available():
        found["accelerators"] = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
        found["cuda"] = torch.version.cuda
    return found


def determinism() -> dict[str, Any]:
    """The switches that decide whether a run can be repeated to the last bit."""
    import torch

    return {
        "deterministic_algorithms": torch.are_deterministic_algorithms_enabled(),
        "cudnn_deterministic": torch.backends.cudnn.deterministic,
        "cudnn_benchmark": torch.backends.cudnn.benchmark,
        "matmul_precision": matmul_precision(),
        "cublas_workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    }


def matmul_precision() -> str:
    """In what float32 products may run on CUDA: "ieee" or "tf32"; "none" where nothing was ever said, which is ieee.

    Never by the old getters where there is a new one: after transformers has used that they raise.
    """
    import torch

    matmul = torch.backends.cuda.matmul
    try:
        return str(matmul.fp32_precision)  # since torch 2.9
    except AttributeError:
        return "tf32" if matmul.allow_tf32 else "ieee"


def optimizer(trainer: Any) -> dict[str, Any]:
    """Class and settings of the optimizer and schedule that really ran (the accelerator's wrapper removed)."""
    inner = getattr(trainer.optimizer, "optimizer", trainer.optimizer)
    groups = []
    for group in inner.param_groups:
        settings = {
            key: value
            for key, value in group.items()
            if key not in ("params", "lr", "initial_lr", "params_names") and _is_plain(value)
        }
        groups.append({"tensors": len(group["params"]), **settings})
    schedule = getattr(trainer.lr_scheduler, "scheduler", trainer.lr_scheduler)
    states = (value for state in inner.state.values() for value in state.values() if getattr(value, "ndim", 0))
    return {
        "class": type(inner).__name__,
        "groups": groups,
        "schedule": type(schedule).__name__,
        "state_dtypes": sorted({str(value.dtype).removeprefix("torch.") for value in states}),
    }


def dropouts(model: Any) -> dict[str, int]:
    """How many of a model's dropouts have which probability; its configuration says what they should have."""
    from torch.nn.modules.dropout import _DropoutNd

    found = Counter(f"{module.p:g}" for module in model.modules() if isinstance(module, _DropoutNd))
    return dict(sorted(found.items()))


def peak_memory_mib() -> dict[str, float]:
    """Peak resident memory of this process; where there is a device what tensors had there, and what was kept; MiB."""
    import torch

    peaks = {"process": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        peaks["device"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
        peaks["reserved"] = round(torch.cuda.max_memory_reserved() / 2**20, 1)  # from all others
    return peaks


def process_age() -> float:
    """Seconds since this process began; 0 where the system does not say."""
    try:
        start = int(Path("/proc/self/stat").read_text(encoding="ascii").rpartition(")")[2].split()[19])
        return time.clock_gettime(time.CLOCK_BOOTTIME) - start / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, AttributeError):
        return 0.0


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(item) for item in value)
    return value is None or isinstance(value, (bool, int, float, str))


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return platform.processor() or platform.machine()


def resolved_packages() -> dict[str, str]:
    """Versions of the subject's packages and of everything they require here, by normalised name.

    Only this closure: a linter installed beside them must not make a new environment.
    """
    try:
        from packaging.requirements import Requirement
        from packaging.utils import canonicalize_name
    except ImportError:  # transformers requires it: without it there is no subject to describe
        return {}
    found: dict[str, str] = {}
    queue = [*PACKAGES, *OPTIONAL]
    while queue:
        name = canonicalize_name(queue.pop())
        if name in found:
            continue
        try:
            distribution = metadata.distribution(name)
        except metadata.PackageNotFoundError:
            continue  # optional, or for another platform
        found[name] = distribution.version
        for text in distribution.requires or []:
            requirement = Requirement(text)
            if requirement.marker is None or requirement.marker.evaluate({"extra": ""}):
                queue.append(requirement.name)
    return dict(sorted(found.items()))


def environment() -> dict[str, Any]:
    """Python, packages, torch's devices and the precisions they carry."""
    facts: dict[str, Any] = {
        "python": platform.python_version(),
        "implementation": platform.python_implementation(),
        "packages": resolved_packages(),
    }
    facts["missing"] = [name for name in SUBJECT if name not in facts["packages"]]
    if "torch" in facts["packages"]:
        facts["torch"] = _torch_facts()
        facts["machine"] = machine()
    return facts


def _torch_facts() -> dict[str, Any]:
    import torch

    devices, error = _cuda_devices()
    return {
        "version": torch.__version__,
        "cuda_build": torch.version.cuda,
        "cuda_available": bool(devices),
        "cuda_error": error,
        "cuda_architectures": torch.cuda.get_arch_list() if devices else [],
        "other": _other_accelerator(),
        "devices": devices,
        # A cell may get any of them, and before 8.0 there is emulation only.
        "cuda_bf16": bool(devices) and all(device["capability"][0] >= 8 for device in devices),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cpu_bf16": _cpu_has_bf16(),
    }


def _cuda_devices() -> tuple[list[dict[str, Any]], str | None]:
    """The devices that torch can use, or in its own words why there is none; neither in a build without CUDA."""
    import torch

    devices = []
    try:
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            devices.append(
                {
                    "name": properties.name,
                    "memory_mib": properties.total_memory // 2**20,
                    "capability": [properties.major, properties.minor],
                }
            )
        if torch.version.cuda and not devices:
            torch.cuda.init()
    except Exception as error:  # noqa: BLE001 - whatever keeps it from them is what the user wants to read
        return [], (str(error).strip().splitlines() or [type(error).__name__])[0]
    return devices, None


def _other_accelerator() -> str | None:
    """An accelerator that torch would use and the harness does not know; None too where the user wants the CPU."""
    import torch

    if os.environ.get("CUDA_VISIBLE_DEVICES") in NO_GPU:
        return None
    if torch.version.hip and torch.cuda.is_available():
        return "an AMD GPU (ROCm)"
    if torch.backends.mps.is_available():
        return "an Apple GPU (MPS)"
    if hasattr(torch, "xpu") and torch.xpu.is_available():
        return "an Intel GPU (XPU)"
    return None


def _cpu_has_bf16() -> bool:
    """Whether the processor multiplies bf16 in hardware; without it bf16 runs as slow emulation."""
    import torch

    for name in ("_is_avx512_bf16_supported", "_is_amx_tile_supported", "_is_arm_bf16_supported"):
        check = getattr(torch.cpu, name, None)
        if check is not None and check():
            return True
    try:
        with open("/proc/cpuinfo", encoding="utf-8") as file:
            flags = file.read()
    except OSError:
        return False
    return any(flag in flags for flag in ("avx512_bf16", "amx_bf16", " bf16"))


def main() -> None:
    """Print the facts; any import error is printed as the reason."""
    try:
        print(json.dumps(environment()))
    except Exception as error:  # noqa: BLE001 - the parent shows the reason; a traceback would not reach it
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
        sys.exit(1)


if __name__ == "__main__":
    main()
