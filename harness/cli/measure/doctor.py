"""`harness doctor`: can this machine run that grid?"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from harness.cli.options import NAMING, RESULTS, Json, ResultsFolder
from harness.errors import RequirementError
from harness.execution.environment import CURRENT, probe_environment
from harness.execution.session import open_session
from harness.pipelines.doctor import KEPT, environments_known, grid_facts, grid_problems, machine_facts
from harness.pipelines.named.grids import whole_named
from harness.protocol import SUBJECT
from harness.report.format.width import folded, listing
from harness.report.phrases.recipe import many

MOST_KEPT = 5

GridOption = Annotated[str | None, typer.Argument(help=f"The grid: {NAMING}.", metavar="GRID", show_default=False)]


def doctor(grid: GridOption = None, results: ResultsFolder = RESULTS, as_json: Json = False) -> None:
    """Say what this machine can run, and what stands in the way of a grid.

    Example: harness doctor mrpc
    """
    environment = probe_environment(CURRENT)
    facts = machine_facts(environment, results)
    problems = list(facts["problems"])
    session = None
    if grid is not None:
        part = whole_named(grid, results)
        session = open_session(part.file, part.results)
        facts["grid"] = grid_facts(session)
        problems += facts["grid"]["problems"]
    facts["environments"] = environments_known(environment, session)
    if as_json:
        print(json.dumps(facts, indent=2))
    else:
        print(folded(_text(facts)))
        if session is not None:
            print(folded(grid_problems(session)))
        if len(facts["environments"]) > 1:
            print(f"\n{_environments(facts['environments'])}")
    if problems:
        raise typer.Exit(RequirementError.exit_code)


def _environments(known: Sequence[Mapping[str, Any]]) -> str:
    """A row an environment, of those that are kept the last used; why one could not be built stands below."""
    kept = [one for one in known if one["where"] == KEPT]
    left = len(kept[MOST_KEPT:])
    known = [one for one in known if one not in kept[MOST_KEPT:]]
    named = [name for name in SUBJECT if any(name in one["packages"] for one in known)]
    rows = [
        [one["label"], one["where"], one["python"] or "", *(one["packages"].get(name, "") for name in named)]
        for one in known
    ]
    failed = [f"{one['label']}: {one['failure']}" for one in known if one["failure"]]
    more = [f"and {many(left, 'kept environment')} more: harness environments list"] if left else []
    return "\n".join([listing(["environment", "where", "Python", *named], rows), *map(folded, [*more, *failed])])


def _text(facts: Mapping[str, Any]) -> str:
    machine, processor = facts["machine"], "processor and memory unknown: torch is missing"
    if machine:
        processor = f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_gib']} GiB; {machine['system']}"
    packages = ", ".join(f"{name} {version}" for name, version in facts["packages"].items())
    able = ", ".join(name for name, can in facts["precisions"].items() if can)
    unable = ", ".join(name for name, can in facts["precisions"].items() if not can)
    lines = [
        f"Python {facts['python']}; {packages}",
        processor,
        f"accelerator: {facts['accelerator']}",
        *(
            f"  {d['name']} {d['uuid']}, {d['memory_mib'] or 'unknown'} MiB"
            + (f", busy: {d['busy']}" if d["busy"] else "")
            for d in facts["devices"]
        ),
        *(f"  {left_out}" for left_out in facts["left_out"]),
        f"precisions: {able}" + (f" (not here: {unable})" if unable else ""),
        f"disk: {facts['disk_free_gib']} GiB free for results",
        *(f"problem: {problem}" for problem in facts["problems"]),
    ]
    return "\n".join(lines)
