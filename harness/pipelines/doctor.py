"""What `harness doctor` knows: what a machine is, and what stands between it and a grid."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from pathlib import Path
from typing import Any, Final

from harness.execution.environment import Environment
from harness.execution.environments.held import held
from harness.execution.require import device_count, no_cuda_reason, read_requirement, unusable_device
from harness.execution.session import REQUIRE_VARIABLE, Session, disk_problem, unmet_requirements
from harness.protocol import SUBJECT
from harness.report.phrases.recipe import many


def machine_facts(environment: Environment, results: Path) -> dict[str, Any]:
    """What the machine is and has; `problems` are those that no grid could live with."""
    torch = environment.torch
    cuda = environment.accelerator == "cuda"
    existing = next(folder for folder in [results.absolute(), *results.absolute().parents] if folder.exists())
    free = shutil.disk_usage(existing).free / 2**30
    problems = [problem] if (problem := unusable_device(environment)) else []
    problems += read_requirement(os.environ.get(REQUIRE_VARIABLE, "")).unmet(environment)
    problems += [problem] if (problem := disk_problem(results)) else []
    problems += [environment.missing] if environment.missing else []
    return {
        "python": environment.facts["python"],
        "packages": {name: environment.packages.get(name) for name in SUBJECT},
        "machine": environment.facts.get("machine"),
        "accelerator": environment.accelerator if cuda else f"none: {no_cuda_reason(environment)}",
        "devices": [
            {"uuid": d.uuid, "name": d.name, "memory_mib": d.memory_mib, "busy": d.busy} for d in environment.devices
        ],
        "left_out": list(environment.driver.left_out),
        "device_count": device_count(environment),
        "precisions": {
            "fp32": True,
            "tf32": cuda and all(d["capability"][0] >= 8 for d in torch.get("devices", [])),
            "fp16": cuda,
            "bf16": bool(torch.get("cuda_bf16") if cuda else torch.get("cpu_bf16")),
        },
        "disk_free_gib": round(free, 1),
        "environment_id": environment.environment_id,
        "problems": problems,
    }


KEPT: Final = "kept"
"""Where an environment is that was built and that neither this interpreter nor a grid has."""


def environments_known(own: Environment, session: Session | None) -> list[dict[str, Any]]:
    """Each environment that is known here: this interpreter, those of a grid, those that were built and are kept.

    `packages` are of the subject, without those that are not there; `failure` is why one could not be built.
    """
    meant = {} if session is None else session.plan.environments
    found = [
        _known(own, "this interpreter"),
        *(_known(one, "the grid's") for one in meant.values() if one.label != own.label),
    ]
    for one in held():
        packages = {name: one.lock[name] for name in SUBJECT if name in one.lock}
        label = ", ".join(one.packages)
        if not any(other["label"] == label for other in found):
            found.append({"label": label, "where": KEPT, "python": None, "packages": packages, "failure": None})
    return found


def _known(one: Environment, where: str) -> dict[str, Any]:
    packages = {name: one.packages[name] for name in SUBJECT if one.packages.get(name)} if one.failure is None else {}
    python = one.facts["python"] if one.failure is None else None
    return {"label": one.label, "where": where, "python": python, "packages": packages, "failure": one.failure}


def grid_facts(session: Session) -> dict[str, Any]:
    """What stands between a grid and this machine."""
    blocked = {planned.reason or "" for planned in session.plan.of("blocked")}
    return {
        "file": str(session.grid.path),
        "materials": {
            name: place for found in session.plan.materials.values() for name, place in found.found().items()
        },
        "can_run": len(session.plan.of("to do")) + len(session.plan.of("done")),
        "skipped": dict(Counter(planned.reason or "" for planned in session.plan.of("skip"))),
        "problems": [*unmet_requirements(session), *sorted(blocked)],
    }


def grid_problems(session: Session) -> str:
    """What the doctor says of one grid."""
    facts = grid_facts(session)
    lines = [f"{facts['file']}: {facts['can_run']} of {many(len(session.cells), 'cell')} can run here"]
    lines += [f"  {name}: {place}" for name, place in facts["materials"].items()]
    lines += [f"  skipped, {many(count, 'cell')}: {reason}" for reason, count in facts["skipped"].items()]
    lines += [f"  problem: {problem}" for problem in facts["problems"]]
    return "\n".join(lines)
