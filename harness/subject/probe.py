"""A throw-away process that says what an environment is and what its devices can do; prints one JSON object.

Its own process because it may initialise CUDA, which the long-lived host must never do.
"""

from __future__ import annotations

import json
import platform
import sys
from importlib import metadata
from typing import Any

from harness.protocol import PACKAGES, SUBJECT
from harness.subject.facts import machine


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
    queue = list(PACKAGES)
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


def probe() -> dict[str, Any]:
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

    devices = []
    if torch.cuda.is_available():
        for index in range(torch.cuda.device_count()):
            properties = torch.cuda.get_device_properties(index)
            devices.append(
                {
                    "name": properties.name,
                    "memory_mib": properties.total_memory // 2**20,
                    "capability": [properties.major, properties.minor],
                }
            )
    return {
        "version": torch.__version__,
        "cuda_build": torch.version.cuda,
        "cuda_available": torch.cuda.is_available(),
        "devices": devices,
        "cuda_bf16": torch.cuda.is_available() and torch.cuda.is_bf16_supported(including_emulation=False),
        "cpu_capability": torch.backends.cpu.get_cpu_capability(),
        "cpu_bf16": _cpu_has_bf16(),
    }


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
        print(json.dumps(probe()))
    except Exception as error:  # noqa: BLE001 - the parent shows the reason; a traceback would not reach it
        print(json.dumps({"error": f"{type(error).__name__}: {error}"}))
        sys.exit(1)


if __name__ == "__main__":
    main()
