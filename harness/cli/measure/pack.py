"""`harness pack`: how many cells at once give the most cells an hour on this machine?"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.options import RESULTS, AllowBusy, GridName, Json, ResultsFolder, Select
from harness.execution.packing import APART, Measurement, Row, keep, measurements
from harness.execution.run import RunOptions
from harness.execution.session import Wishes, check_requirements, open_session
from harness.pipelines.named.grids import part_named
from harness.pipelines.pack import cell_to_measure, measure
from harness.report.format.width import listing


def pack(
    grid: GridName,
    select: Select = [],  # noqa: B006 - typer wants a list; it is never changed
    results: ResultsFolder = RESULTS,
    most: Annotated[
        int | None,
        typer.Option(
            "--most",
            min=1,
            help="Cells at once, at most (default: a core more; on a GPU 8 a device).",
            show_default=False,
        ),
    ] = None,
    steps: Annotated[
        int | None,
        typer.Option("--steps", min=1, help="Optimizer steps of a cell (default: a few seconds).", show_default=False),
    ] = None,
    rounds: Annotated[int, typer.Option("--rounds", min=1, help="Rounds of each number of cells at once.")] = 4,
    allow_busy: AllowBusy = False,
    as_json: Json = False,
) -> None:
    """Measure how many cells at once give the most cells an hour, with unchanged losses; later runs go by it.

    Short cells of one configuration run 1, 2, ... at a time, round by round.

    Example: harness pack quickstart --select precision=bf16
    """
    part = part_named(grid, results, select)
    measurements(part.results)  # what cannot be added to is said before the minutes, not after
    session = open_session(part.file, part.results, Wishes(part.select))
    check_requirements(session)
    to = sys.stderr if as_json else sys.stdout
    found = measure(
        session,
        cell_to_measure(session),
        RunOptions(allow_busy=allow_busy),
        lambda text: print(text, file=to, flush=True),
        steps=steps,
        most=most,
        repeats=rounds,
    )
    spoilt = found.busy and not allow_busy
    kept = keep(found, part.results) if found.sound and not spoilt else None
    print(found.model_dump_json(indent=1) if as_json else packing_text(found, kept))
    if not found.sound:
        raise typer.Exit(1 if found.repeatable else 3)
    if spoilt:
        raise typer.Exit(3)


def packing_text(found: Measurement, kept: Path | None) -> str:
    """The measurement for people: a row a number of cells at once, then what follows from it."""
    rows = []
    for row in found.rows:
        slowest, fastest = row.range
        hour = f"{row.cells_per_hour:.0f} ({slowest:.0f} to {fastest:.0f})"
        rows.append([row.at_once, row.threads, hour, f"{found.relative(row):.2f}", _losses(found, row)])
    headers = ["cells at once", "threads each", "cells/hour (range)", "x one at a time", "losses and weights"]
    batch = f", batch {found.batch_size}" if found.batch_size else ""
    place = [str(found.machine["cpu"]), f"{found.machine['cores']} cores", *found.machine["accelerators"]]
    lines = [
        f"\n{found.label} on {found.task}{batch}, {found.steps} steps a cell; {', '.join(place)}\n",
        listing(headers, rows),
        "",
    ]
    differences = found.differences()
    if not found.sound:
        word = "FAIL: losses or weights changed" if found.repeatable else "INCONCLUSIVE: not even alone are cells equal"
        return "\n".join([*lines, f"{word}; nothing is kept:", *(f"  {text}" for text in differences)])
    if differences:
        alone, packed = found.rows[0].apart, max(row.apart for row in found.rows)
        lines.append(
            f"not even alone are cells equal to the last bit (full_determinism = true makes them so): losses are up to "
            f"{alone:.1e} apart alone, {packed:.1e} at once, where up to {APART:g} times as far is taken to be the same"
        )
    else:
        lines.append(
            "losses unchanged: cells of as many threads ended with the same losses and weights, to the last bit"
        )
    if found.busy:
        lines.append(f"other processes kept {found.others_cores:.2f} cores busy meanwhile")
    if kept is None:
        word = "INCONCLUSIVE: nothing is kept; measure again when the machine is idle (--allow-busy keeps it)"
        return "\n".join([*lines, word])
    best = found.best
    lines.append(f"from now on {best.at_once * found.devices} at a time ({kept}); --slots wins")
    lines += _advice(found)
    return "\n".join(lines)


def _losses(found: Measurement, row: Row) -> str:
    if not found.repeatable:
        return f"up to {row.apart:.1e} apart"
    if row.hashes == found.rows[0].hashes:
        return "unchanged"
    return "other last bits" if all(len(digests) == 1 for digests in row.hashes.values()) else "CHANGED"


def _advice(found: Measurement) -> list[str]:
    """Whether another number of threads would be faster; it is for the user to say so, in the grid."""
    fastest = max(found.rows, key=lambda row: row.cells_per_hour)
    gain = fastest.cells_per_hour / found.best.cells_per_hour - 1
    if fastest.threads == found.threads or gain < 0.05:
        return [f"threads = {found.threads} is right: no other number that was tried gives 5 % more cells an hour"]
    return [
        f"{fastest.at_once} at a time with {fastest.threads} threads each give {gain:.0%} more cells an hour: "
        f"[execution] threads = {fastest.threads} asks for that (such cells are others: they all run anew)"
    ]
