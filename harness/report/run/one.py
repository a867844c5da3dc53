"""One run for people: what was asked, where it ran, what came of it, its scores by epoch and its values by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Final

from tabulate import tabulate

from harness.protocol import SUBJECT
from harness.report.format.escape import clean
from harness.report.format.labels import plain
from harness.report.format.numbers import duration
from harness.report.phrases.head import minute
from harness.report.run.steps import BY_STEP, steps_rows

if TYPE_CHECKING:
    from harness.record.model import Record
    from harness.record.run import Run

ENDS: Final = 5
"""Steps shown at the beginning and at the end of a long run."""
LIMIT: Final = 400


def run_text(run_id: str, label: str, folder: str, run: Run) -> str:
    """The run as text, its steps abbreviated."""
    record = run.record
    measured = record.measured
    parts = [[f"{run_id}  {clean(label)}: {record.status}", *_facts(record, folder)]]
    if measured is not None and measured.epochs:
        names = list(dict.fromkeys(name for one in measured.epochs for name in one.metrics))
        rows = [
            [_short(one.epoch), str(one.step), *(_short(one.metrics.get(name)) for name in names)]
            for one in measured.epochs
        ]
        parts.append(_table(["epoch", "step", *names], rows))
    names, steps = steps_rows(run)
    if steps:
        gap = len(steps) > 2 * ENDS + 1
        rows = [[one[0], *map(_short, one[1:])] for one in (steps[:ENDS] + steps[-ENDS:] if gap else steps)]
        if gap:
            rows.insert(ENDS, ["…", *[""] * (len(names) - 1)])
        parts.append(_table(["step", *(BY_STEP[name] for name in names[1:])], rows))
    else:
        parts.append(["no values by step"])
    return "\n\n".join("\n".join(lines) for lines in parts)


def run_json(run_id: str, folder: str, run: Run) -> dict[str, Any]:
    """The record as it is, with its id, its folder, and its values by step, a list a series."""
    names, rows = steps_rows(run)
    series = dict(zip(names, zip(*rows, strict=True), strict=True)) if rows else {}
    numbers = {name: [None if v == "" else _number(v) for v in values] for name, values in series.items()}
    return {
        "id": run_id,
        "folder": folder,
        "record": run.record.model_dump(mode="json", by_alias=True),
        "steps": numbers,
    }


def _facts(record: Record, folder: str) -> Iterator[str]:
    asked, observed, measured = record.asked, record.observed, record.measured
    wanted: Mapping[str, Any] = {
        "checkpoint": asked.checkpoint.name, "task": asked.task, "seed": asked.seed, "precision": asked.precision,
        "devices": asked.devices, "engine": asked.engine, **asked.recipe,
    }  # fmt: skip
    yield _line("asked", ", ".join(f"{key} {plain(value)}" for key, value in wanted.items()))
    if observed is not None:
        packages = ", ".join(f"{name} {observed.packages[name]}" for name in SUBJECT if name in observed.packages)
        machine = observed.machine.get("cpu") or observed.machine.get("accelerator") or ""
        yield _line("ran on", f"Python {observed.python}, {packages}; {plain(machine)}; {record.environment_id[:8]}")
        if observed.optimizer_steps is not None:
            yield _line("steps", str(observed.optimizer_steps))
    took = measured.seconds.get("total") if measured is not None else None
    yield _line("begun", f"{minute(record.started)} UTC{f', took {duration(took)}' if took is not None else ''}")
    if record.failure is not None:
        yield _line("failure", f"{record.failure.type}: {record.failure.message}")
    if measured is not None and measured.metrics:
        yield _line("scores", ", ".join(f"{name} {value:.4f}" for name, value in measured.metrics.items()))
    yield _line("folder", folder)


def _line(name: str, text: str) -> str:
    return f"{name:<9}{clean(text, LIMIT)}"


def _table(heads: list[str], rows: list[list[str]]) -> list[str]:
    return tabulate(rows, headers=heads, tablefmt="simple", disable_numparse=True).splitlines()


def _short(value: object) -> str:
    return "" if value is None or value == "" else f"{float(str(value)):.6g}"


def _number(text: str) -> int | float | str:
    value = float(text)
    if value != value or value in (float("inf"), float("-inf")):
        return text  # JSON has no such number
    return int(text) if text.lstrip("-").isdigit() else value
