"""An environment: an interpreter with its packages and devices, known without importing torch here."""

from __future__ import annotations

import contextlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import harness
from harness.errors import RequirementError
from harness.execution import cache
from harness.execution.devices import Device, Driver, nvidia_driver
from harness.program import ask
from harness.record.meant import Machine
from harness.record.parts.built import BuiltFrom
from harness.text import one_line, short_hash

HARNESS: Final = Path(harness.__file__).parent
START: Final = str(HARNESS / "subject" / "process" / "start.py")
CURRENT: Final = "current"
MACHINE_IDS: Final = (Path("/etc/machine-id"), Path("/var/lib/dbus/machine-id"))
PROBE: Final = ("subject/facts.py", "protocol.py")
"""What decides how a probe answers."""
PROBE_S: Final = 300.0
"""How long an interpreter may take to say what it is: importing torch takes minutes on a cold network disk."""
MOST_REASON: Final = 500
"""Characters of an interpreter's last words."""


@dataclass(frozen=True)
class Environment:
    """One environment, probed. `environment_id` = hash of packages, Python, accelerator model, driver major.

    `built` is what it was built of, where it was; `failure` why it could not be, and then nothing else is known of it.
    `offered` are the cores that it may use where it is a cluster's node.
    """

    label: str
    python: str
    environment_id: str
    facts: Mapping[str, Any]
    driver: Driver
    built: BuiltFrom | None = None
    failure: str | None = None
    offered: int | None = None

    @property
    def devices(self) -> tuple[Device, ...]:
        """The devices that the driver shows."""
        return self.driver.devices

    @property
    def accelerator(self) -> str:
        """What cells run on here: "cuda" or "cpu"; never "cuda" for what another maker's torch calls so."""
        return "cuda" if self.torch.get("cuda_available") and not self.torch.get("other") else "cpu"

    @property
    def torch(self) -> Mapping[str, Any]:
        """What torch said about its build and devices; empty where torch is missing."""
        found = self.facts.get("torch") or {}
        assert isinstance(found, Mapping)
        return found

    @property
    def missing(self) -> str | None:
        """Which packages of the subject are not installed, with the remedy; None where nothing is missing."""
        if not self.facts["missing"]:
            return None
        return (
            f"{', '.join(self.facts['missing'])} not installed in {self.python}; "
            f"install with: pip install {' '.join(self.facts['missing'])}"
        )

    @property
    def packages(self) -> Mapping[str, str]:
        """Resolved packages of the subject, by name."""
        found = self.facts["packages"]
        assert isinstance(found, Mapping)
        return found

    @property
    def cores(self) -> int:
        """Processor cores that cells may use: this process's, or what a cluster's node offers of its own."""
        if self.offered is not None:
            return self.offered
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)


def probe_environment(label: str, python: str | None = None) -> Environment:
    """Ask an interpreter what it is; the answer is cached until its packages or devices change.

    Raises
    ------
    RequirementError
        Where the interpreter cannot be run, or the driver does not answer. One that lacks a package of the subject
        can still be planned for: see :attr:`Environment.missing`.
    """
    python = python or sys.executable
    if not Path(python).is_file():
        raise RequirementError(f"environment {label}: no interpreter at {python}")
    driver = nvidia_driver()
    stamps = [_packages_stamp(python), _machine_stamp(), driver.version, [device.uuid for device in driver.devices]]
    key = short_hash([python, *stamps, os.environ.get("CUDA_VISIBLE_DEVICES")])
    facts = cache.remembered(f"probe-{key}")
    if not _is_answer(facts):
        facts = _ask(label, python)
        # What keeps torch from devices that the driver shows may be mended without any trace in the key.
        if bool(driver.devices) == bool((facts.get("torch") or {}).get("cuda_available")):
            cache.remember(f"probe-{key}", facts)
    identity = {
        "packages": facts["packages"],
        "python": facts["python"],
        "accelerator": _accelerator_models(facts),
        "driver": (driver.version or "").partition(".")[0] or None,
    }
    # A board that shares the machine's memory tells it to torch alone.
    memory = {device["name"]: device.get("memory_mib", 0) for device in (facts.get("torch") or {}).get("devices", [])}
    devices = tuple(replace(one, memory_mib=one.memory_mib or memory.get(one.name, 0)) for one in driver.devices)
    return Environment(label, python, short_hash(identity), facts, replace(driver, devices=devices))


def unbuilt(label: str, packages: Sequence[str], reason: str) -> Environment:
    """An environment that is not there: its id is that of what was asked for, so that its records find each other."""
    facts: dict[str, Any] = {"packages": {}, "python": "", "missing": [], "torch": None, "machine": {}}
    identity = short_hash({"unbuilt": list(packages)})
    built = BuiltFrom(packages=list(packages))
    return Environment(label, sys.executable, identity, facts, Driver(), built=built, failure=reason)


def machine_here() -> Machine:
    """The machine that this is: its operating system's id with its name, and the name for people."""
    name, own = platform.node(), ""
    for path in MACHINE_IDS:
        with contextlib.suppress(OSError):
            own = own or path.read_text(encoding="utf-8", errors="replace").strip()
    return Machine(id=short_hash([own, name]), name=name)


def _ask(label: str, python: str) -> Mapping[str, Any]:
    try:
        # The driver's order, which NVML and nvidia-smi use: an index must mean the same device to all of us.
        variables = {**os.environ, "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        done = ask([python, START, "facts"], PROBE_S, variables=variables)
    except (OSError, subprocess.SubprocessError) as error:
        raise RequirementError(f"environment {label}: {python} cannot be run: {error}") from error
    said = done.stdout.strip().splitlines()
    facts: dict[str, Any] = {"error": (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]}
    with contextlib.suppress(IndexError, ValueError, RecursionError):
        answer = json.loads(said[-1])
        if _is_answer(answer) or (isinstance(answer, dict) and "error" in answer):
            facts = answer
    if "error" in facts:
        reason = one_line(str(facts["error"]), MOST_REASON)
        raise RequirementError(f"environment {label} ({python}): its probe failed: {reason}")
    return facts


def _is_answer(facts: Any) -> bool:
    """Whether an answer has the form of `harness.subject.facts.environment`'s: it came from another interpreter."""
    try:
        torch, machine = facts.get("torch") or {}, facts.get("machine") or {}
        texts = [
            facts["python"],
            *facts["packages"],
            *facts["packages"].values(),
            *facts["missing"],
            *(device["name"] for device in torch.get("devices", [])),
        ]
        return all(isinstance(text, str) for text in texts) and isinstance(machine, dict)
    except (AttributeError, LookupError, TypeError):
        return False


def _accelerator_models(facts: Mapping[str, Any]) -> list[str]:
    models = sorted({device["name"] for device in (facts.get("torch") or {}).get("devices", [])})
    if models:
        return models
    machine = facts.get("machine") or {}
    # On a CPU the kernels chosen, and so the last bits, depend on the processor.
    return [f"{machine.get('cpu')} ({(facts.get('torch') or {}).get('cpu_capability')})"]


def _packages_stamp(python: str) -> str:
    """A cheap stamp that changes whenever a package is installed or removed: names and times of dist-infos.

    Looks wherever the interpreter may find packages: its own prefix, the one it was made from (a venv with
    system packages), `PYTHONPATH`. A folder too many costs a needless probe; one too few a wrong environment id.
    """
    real = Path(python).resolve()
    found = [str(real)]
    prefixes = {Path(python).absolute().parent.parent, real.parent.parent}
    folders = {
        folder
        for prefix in prefixes
        for place in ("lib", "lib64", "local/lib")
        for kind in ("site-packages", "dist-packages")
        for folder in prefix.glob(f"{place}/python3*/{kind}")
    }
    folders |= {Path(entry) for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry}
    if python == sys.executable:
        folders |= {Path(entry) for entry in sys.path if entry.endswith(("site-packages", "dist-packages"))}
    for folder in sorted(folders):
        if folder.is_dir():
            with os.scandir(folder) as entries:
                found += sorted(
                    f"{e.name}@{e.stat().st_mtime_ns}" for e in entries if e.name.endswith((".dist-info", ".pth"))
                )
    return short_hash(found)


def _machine_stamp() -> list[str]:
    """What else an answer depends on: a home folder may be shared by machines, and outlive a version of the probe."""
    try:
        cpu = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        cpu = [platform.processor()]
    said = ("model name", "flags", "features", "cpu part")
    described = sorted({line for line in cpu if line.lower().startswith(said)})
    programs = [(HARNESS / name).read_text(encoding="utf-8") for name in PROBE]
    return [platform.release(), platform.machine(), str(os.cpu_count()), *described, short_hash(programs)]
