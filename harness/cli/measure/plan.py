"""`harness plan`: what would run, what is done, what cannot run here and why, and how long it takes."""

from __future__ import annotations

import json
import shlex
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from harness.cli.console import duration, kinds_text
from harness.cli.measure.run import wishes_of
from harness.cli.options import (
    RESULTS,
    Fresh,
    GridName,
    Json,
    KeepErrored,
    MaxAge,
    On,
    ResultsFolder,
    Select,
    Slots,
)
from harness.execution.executors.reach import reached
from harness.execution.plan import Plan, PlannedCell
from harness.execution.session import Session, expected_exit_code, open_session, unmet_requirements
from harness.fact import Fact
from harness.grid.labels import Namer, place_of
from harness.pipelines.edited import foreign, why_to_do
from harness.pipelines.named.grids import part_named
from harness.protocol import LOG
from harness.record.entry import Entry
from harness.report.format.width import folded, listing
from harness.report.phrases.head import minute
from harness.report.phrases.recipe import many
from harness.report.phrases.say import say, told
from harness.text import one_line

MOST_ROWS: Final = 60
MOST_ERRORS: Final = 5
MOST_FORESEEN: Final = 5_000
"""Cells of a grid of which `plan` looks ahead, for it is to be quick; `validate` does so of any."""
COLUMNS: Final = ("to do", "done", "errored before", "errored", "skip", "blocked")
TOTALS: Final = {
    "to do": "to do", "done": "done", "errored before": "errored before", "errored": "errored and kept",
    "skip": "skipped", "blocked": "blocked",
}  # fmt: skip


def plan(
    grid: GridName,
    select: Select = [],  # noqa: B006 - typer wants a list; it is never changed
    results: ResultsFolder = RESULTS,
    slots: Slots = None,
    fresh: Fresh = False,
    max_age: MaxAge = None,
    keep_errored: KeepErrored = False,
    on: On = None,
    every: Annotated[bool, typer.Option("--all", help="List every configuration, however many.")] = False,
    as_json: Json = False,
) -> None:
    """Show the cells to do, done and skipped (with reasons) and the expected time. Needs no torch.

    Example: harness plan mrpc --select precision=fp16 --select seed=1,2
    """
    part = part_named(grid, results, select)
    wishes = wishes_of(part.select, slots, fresh, max_age, 1, keep_errored)
    with reached(on) as cluster:
        session = open_session(part.file, part.results, replace(wishes, on=cluster))
    if as_json:
        print(json.dumps(plan_facts(session), indent=1))
    else:
        print(folded(plan_text(session, None if every else MOST_ROWS)))
    raise typer.Exit(expected_exit_code(session))


def plan_facts(session: Session) -> dict[str, Any]:
    """The plan as plain data.

    Of a cell that is skipped or blocked `reason` says why, of one to do `why`; `attempt` is what it is done by, or how
    it errored.
    """
    plan, folder = session.plan, session.store.folder
    why = {cell_id: told(fact) for cell_id, fact in _why(session).items()}
    return {
        "grid": session.grid.name,
        "file": str(session.grid.path),
        "environments": {
            label: {
                "environment_id": e.environment_id,
                "accelerator": e.accelerator,
                "missing": e.missing,
                "left_out": list(e.driver.left_out),
            }
            for label, e in plan.environments.items()
        },
        "slots": plan.slots,
        "packing": None if plan.packing is None else asdict(plan.packing),
        "expected_seconds": plan.expected_s,
        "counts": dict(Counter(planned.state for planned in plan.cells)),
        "kinds": dict(Counter(planned.cell.kind for planned in plan.cells)),
        "unmet": unmet_requirements(session),
        "warnings": [told(fact) for fact in warnings(session)],
        "cells": [
            {
                "cell_id": p.cell.cell_id,
                "configuration_id": p.cell.configuration_id,
                "label": p.cell.label,
                "kind": p.cell.kind,
                "state": p.state,
                "reason": p.reason,
                "why": why.get(p.cell.cell_id),
                "attempt": None if p.entry is None else _attempt(p.entry, folder),
                "expected_seconds": p.expected_s,
            }
            for p in plan.cells
        ],
    }


def plan_text(session: Session, most_rows: int | None) -> str:
    """The plan for people: a row a configuration, then the totals."""
    plan, namer = session.plan, session.grid.namer
    groups: dict[str, list[PlannedCell]] = {}
    for planned in plan.cells:
        groups.setdefault(planned.cell.configuration_id, []).append(planned)
    rows = []
    for cells in list(groups.values())[:most_rows]:
        states = _states(cells)
        label = one_line(namer.label(place_of(cells[0].cell)))
        known = [p.expected_s for p in cells if p.expected_s is not None]
        each = duration(sum(known) / len(known)) if known else "unknown" if states["to do"] else ""
        rows.append([label, *(states[name] or "" for name in COLUMNS), each])
    # A column of nothing tells nothing, but for the two that everybody looks for.
    every = _states(plan.cells)
    kept = [name for name in COLUMNS if every[name] or name in COLUMNS[:2]]
    table = [[row[0], *(row[1 + COLUMNS.index(name)] for name in kept), row[-1]] for row in rows]
    headers = ["configuration", *kept, "a cell takes"]
    lines = [listing(headers, table)]
    if most_rows is not None and len(groups) > most_rows:
        lines.append(f"... and {len(groups) - most_rows} more configurations (--all lists them)")
    why = _why(session)
    edits = any(fact.code == "todo.edited" for fact in why.values())
    said = [*_to_do(plan, why), *_reasons(session, namer)]
    said += [say(fact) for fact in warnings(session) if not (edits and fact.code == "store.foreign")]
    lines += ["", *said] if said else []
    unmet = unmet_requirements(session)
    if unmet:
        lines += ["", *(f"`harness run` would end with exit 4: {line}" for line in unmet)]
    total = ", ".join(f"{every[name]} {TOTALS[name]}" for name in COLUMNS if every[name] or name in COLUMNS[:2])
    expected = f"expected time {duration(plan.expected_s)}" if plan.of("to do") else "nothing to do"
    where = f"{plan.slots} at a time{plan.packing.why if plan.packing else ''}"
    lines.append(f"\n{many(len(plan.cells), 'cell')}{kinds_text(plan.cells)}: {total}. Runs {where}; {expected}.")
    for label, one in plan.environments.items():
        if one.missing:
            lines.append(f"environment {label}: what it can run is unknown: {one.missing}")
    lines += dict.fromkeys(left_out for one in plan.environments.values() for left_out in one.driver.left_out)
    return "\n".join(lines)


def warnings(session: Session) -> list[Fact]:
    """What no night of the grid could decide, and that its store has results of other cells."""
    from harness.pipelines.foreseen import foreseen  # statistics are slow, and no other part needs them

    grid, others = session.grid, foreign(session.grid, session.results)
    many = len(grid.cells()) > MOST_FORESEEN
    doubts = [Fact.of("foreseen.unseen", grid=shlex.quote(str(grid.path)))] if many else foreseen(grid).doubts
    return [*([others] if others else []), *doubts]


def _states(cells: Sequence[PlannedCell]) -> Counter[str]:
    """Cells by state; those that errored before and run again are to do, and counted once more."""
    states: Counter[str] = Counter(planned.state for planned in cells)
    states["errored before"] = sum(planned.state == "to do" and planned.errored for planned in cells)
    return states


def _reasons(session: Session, namer: Namer) -> Iterator[str]:
    """Why cells are skipped, blocked, or tried again, a line each reason; with dates and the log of what errored."""
    plan, folder = session.plan, session.store.folder
    reasons = Counter((planned.state, planned.reason) for planned in plan.cells if planned.state in ("skip", "blocked"))
    for (state, reason), number in reasons.items():
        yield f"{TOTALS[state]}, {many(number, 'cell')}: {reason}"
    errored = [(p, p.entry) for p in plan.cells if p.errored and p.entry is not None]
    for planned, entry in errored[:MOST_ERRORS]:
        then = "is tried again" if planned.state == "to do" else "is kept as it is"
        said = one_line(f"{entry.status} ({entry.message})")
        when, log = minute(entry.started), folder / entry.path / LOG
        yield f"errored {when} (UTC), {one_line(namer.run(planned.cell))}: {said}; {then}; log: {log}"
    if len(errored) > MOST_ERRORS:
        yield f"errored: {many(len(errored) - MOST_ERRORS, 'more cell')}"


def _why(session: Session) -> dict[str, Fact]:
    return why_to_do(session.grid, session.plan, session.results, session.wishes.renewal)


def _to_do(plan: Plan, why: Mapping[str, Fact]) -> Iterator[str]:
    """Why cells are to do, a line each reason; those that errored have lines of their own."""
    facts = [why[one.cell.cell_id] for one in plan.of("to do") if not one.errored]
    for text, cells in Counter(map(say, facts)).items():
        yield f"to do, {many(cells, 'cell')}: {text}"


def _attempt(entry: Entry, folder: Path) -> dict[str, Any]:
    return {
        "status": entry.status,
        "message": entry.message or None,
        "started": entry.started,
        "folder": str(folder / entry.path),
    }
