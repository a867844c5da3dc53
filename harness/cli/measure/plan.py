"""`harness plan`: what would run, what is done, what cannot run here and why, and how long it takes."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import asdict
from typing import Annotated, Any

import typer
from tabulate import tabulate

from harness.cli.console import duration
from harness.cli.measure.run import wishes_of
from harness.cli.options import (
    RESULTS,
    Fresh,
    GridFile,
    Json,
    KeepErrored,
    MaxAge,
    ResultsFolder,
    Select,
    Slots,
)
from harness.execution.plan import PlannedCell
from harness.execution.session import Session, open_session, unmet_requirements

MOST_ROWS = 60


def plan(
    grid: GridFile,
    select: Select = [],  # noqa: B006 - typer wants a list; it is never changed
    results: ResultsFolder = RESULTS,
    slots: Slots = None,
    fresh: Fresh = False,
    max_age: MaxAge = None,
    keep_errored: KeepErrored = False,
    every: Annotated[bool, typer.Option("--all", help="List every configuration, however many.")] = False,
    as_json: Json = False,
) -> None:
    """Show the cells to do, done and skipped (with reasons) and the expected time. Needs no torch.

    Example: harness plan benchmarks/mrpc.toml --select precision=fp16 --select seed=1,2
    """
    session = open_session(grid, results, wishes_of(select, slots, fresh, max_age, 1, keep_errored))
    if as_json:
        print(json.dumps(plan_facts(session), indent=1))
    else:
        print(plan_text(session, None if every else MOST_ROWS))


def plan_facts(session: Session) -> dict[str, Any]:
    """The plan as plain data."""
    plan = session.plan
    return {
        "grid": session.grid.name,
        "file": str(session.grid.path),
        "environments": {
            label: {"environment_id": e.environment_id, "accelerator": e.accelerator}
            for label, e in plan.environments.items()
        },
        "slots": plan.slots,
        "packing": None if plan.packing is None else asdict(plan.packing),
        "expected_seconds": plan.expected_s,
        "counts": dict(Counter(planned.state for planned in plan.cells)),
        "cells": [
            {
                "cell_id": p.cell.cell_id,
                "configuration_id": p.cell.configuration_id,
                "label": p.cell.label,
                "state": p.state,
                "reason": p.reason,
                "expected_seconds": p.expected_s,
            }
            for p in plan.cells
        ],
    }


def plan_text(session: Session, most_rows: int | None) -> str:
    """The plan for people: a row a configuration, then the totals."""
    plan = session.plan
    groups: dict[str, list[PlannedCell]] = {}
    for planned in plan.cells:
        groups.setdefault(planned.cell.configuration_id, []).append(planned)
    rows = []
    for cells in list(groups.values())[:most_rows]:
        states: Counter[str] = Counter(planned.state for planned in cells)
        label = cells[0].cell.configuration_label
        known = [p.expected_s for p in cells if p.expected_s is not None]
        each = duration(sum(known) / len(known)) if known else "unknown" if states["to do"] else ""
        rows.append([label, *(states[s] or "" for s in ("to do", "done", "skip", "blocked")), each])
    headers = ["configuration", "to do", "done", "skip", "blocked", "a cell takes"]
    lines = [tabulate(rows, headers=headers, tablefmt="simple", disable_numparse=True)]
    if most_rows is not None and len(groups) > most_rows:
        lines.append(f"... and {len(groups) - most_rows} more configurations (--all lists them)")
    reasons = Counter((planned.state, planned.reason) for planned in plan.cells if planned.reason)
    if reasons:
        lines += ["", *(f"{state}, {number} cells: {reason}" for (state, reason), number in reasons.items())]
    unmet = unmet_requirements(session)
    if unmet:
        lines += ["", *(f"`harness run` would end with exit 4: {line}" for line in unmet)]
    counts: Counter[str] = Counter(planned.state for planned in plan.cells)
    total = ", ".join(f"{counts[s]} {w}" for s, w in (("to do", "to do"), ("done", "done"), ("skip", "skipped")))
    total += f", {counts['blocked']} blocked" if counts["blocked"] else ""
    expected = f"expected time {duration(plan.expected_s)}" if counts["to do"] else "nothing to do"
    where = f"{plan.slots} at a time{plan.packing.why if plan.packing else ''}"
    lines.append(f"\n{len(plan.cells)} cells: {total}. Runs {where}; {expected}.")
    for label, one in plan.environments.items():
        if one.missing:
            lines.append(f"environment {label}: what it can run is unknown: {one.missing}")
    return "\n".join(lines)
