"""Facts about the running environment: software, machine, determinism, optimizer, memory. Reads; never sets."""

from __future__ import annotations

import os
import platform
import resource
import time
from importlib import metadata
from pathlib import Path
from typing import Any

from harness.protocol import PACKAGES


def software() -> dict[str, Any]:
    """Python's version and the subject's package versions."""
    packages = {}
    for name in PACKAGES:
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
        "matmul_precision": torch.get_float32_matmul_precision(),
        "cublas_workspace": os.environ.get("CUBLAS_WORKSPACE_CONFIG"),
    }


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
    return {"class": type(inner).__name__, "groups": groups, "schedule": type(schedule).__name__}


def peak_memory_mib() -> dict[str, float]:
    """Peak resident memory of this process, and the device allocator's peak where there is one; MiB."""
    import torch

    peaks = {"process": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)}
    if torch.cuda.is_available() and torch.cuda.is_initialized():
        peaks["device"] = round(torch.cuda.max_memory_allocated() / 2**20, 1)
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
