"""`harness doctor`: can this machine run that grid?"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from harness.cli.options import RESULTS, Json, ResultsFolder
from harness.errors import RequirementError
from harness.execution.environment import CURRENT, Environment, probe_environment
from harness.execution.require import device_count, no_cuda_reason, read_requirement, unusable_device
from harness.execution.session import REQUIRE_VARIABLE, Session, check_requirements, open_session
from harness.protocol import SUBJECT

GridOption = Annotated[Path | None, typer.Argument(help="The grid: a TOML file.", show_default=False)]
NEEDED_GIB = 2.0


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(doctor)


def doctor(grid: GridOption = None, results: ResultsFolder = RESULTS, as_json: Json = False) -> None:
    """Say what this machine can run, and what stands in the way of a grid (exit 4).

    Example: harness doctor benchmarks/mrpc.toml
    """
    environment = probe_environment(CURRENT)
    facts = machine_facts(environment, results)
    problems = list(facts["problems"])
    session = None
    if grid is not None:
        session = open_session(grid, results)
        facts["grid"] = grid_facts(session)
        problems += facts["grid"]["problems"]
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        print(_text(facts))
        if session is not None:
            print(grid_problems(session))
    if problems:
        raise typer.Exit(RequirementError.exit_code)


def machine_facts(environment: Environment, results: Path) -> dict[str, Any]:
    """What the machine is and has; `problems` are those that no grid could live with."""
    torch = environment.torch
    cuda = environment.accelerator == "cuda"
    existing = next(folder for folder in [results.absolute(), *results.absolute().parents] if folder.exists())
    free = shutil.disk_usage(existing).free / 2**30
    problems = [problem] if (problem := unusable_device(environment)) else []
    problems += read_requirement(os.environ.get(REQUIRE_VARIABLE, "")).unmet(environment)
    if free < NEEDED_GIB:
        problems.append(f"{free:.1f} GiB free for results at {existing} (wants {NEEDED_GIB:g})")
    if not os.access(existing, os.W_OK):
        problems.append(f"{existing} cannot be written; choose another place with --results")
    return {
        "python": environment.facts["python"],
        "packages": {name: environment.packages.get(name) for name in SUBJECT},
        "machine": environment.facts.get("machine"),
        "accelerator": environment.accelerator if cuda else f"none: {no_cuda_reason(environment)}",
        "devices": [
            {"uuid": d.uuid, "name": d.name, "memory_mib": d.memory_mib, "busy": d.busy} for d in environment.devices
        ],
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


def grid_facts(session: Session) -> dict[str, Any]:
    """What stands between a grid and this machine."""
    problems = []
    try:
        check_requirements(session)
    except RequirementError as error:
        problems += str(error).splitlines()
    blocked = {planned.reason or "" for planned in session.plan.of("blocked")}
    skipped: dict[str, int] = {}
    for planned in session.plan.of("skip"):
        skipped[planned.reason or ""] = skipped.get(planned.reason or "", 0) + 1
    return {
        "file": str(session.grid.path),
        "materials": {
            name: place for found in session.plan.materials.values() for name, place in found.found().items()
        },
        "can_run": len(session.plan.of("to do")) + len(session.plan.of("done")),
        "skipped": skipped,
        "problems": [*problems, *sorted(blocked)],
    }


def grid_problems(session: Session) -> str:
    """The doctor's text about one grid."""
    facts = grid_facts(session)
    lines = [f"{facts['file']}: {facts['can_run']} of {len(session.cells)} cells can run here"]
    lines += [f"  {name}: {place}" for name, place in facts["materials"].items()]
    lines += [f"  skipped, {count} cells: {reason}" for reason, count in facts["skipped"].items()]
    lines += [f"  problem: {problem}" for problem in facts["problems"]]
    return "\n".join(lines)


def _text(facts: Mapping[str, Any]) -> str:
    machine = facts["machine"]
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    able = ", ".join(name for name, can in facts["precisions"].items() if can)
    unable = ", ".join(name for name, can in facts["precisions"].items() if not can)
    lines = [
        f"Python {facts['python']}; {packages}",
        f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; {machine['system']}",
        f"accelerator: {facts['accelerator']}",
        *(
            f"  {d['name']} {d['uuid']}, {d['memory_mib']} MiB" + (f", busy: {d['busy']}" if d["busy"] else "")
            for d in facts["devices"]
        ),
        f"precisions: {able}" + (f" (not here: {unable})" if unable else ""),
        f"disk: {facts['disk_free_gib']} GiB free for results",
        *(f"problem: {problem}" for problem in facts["problems"]),
    ]
    return "\n".join(lines)
