"""From a store's entries and records to a baseline: one environment a configuration, the last final run a seed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

from harness.baselines.model import (
    COLLAPSED,
    DIGITS,
    MISSING,
    OLDER,
    Baseline,
    Configuration,
    EnvironmentFacts,
    GridName,
    LeftOut,
    SeedRun,
)
from harness.grid.cell import LATER, Cell
from harness.grid.looks import SeedPlan
from harness.record.entry import Entry
from harness.record.model import FINAL, SCORED, Asked, Observed, Provenance, Record

LONGEST: Final = 300
"""Characters of an error text that a baseline keeps."""

Place = tuple[str, str | None]
"""(environment_id, content_id): what has been run, and on what."""


def build_baseline(
    grid: GridName,
    cells: Sequence[Cell],
    entries: Iterable[Entry],
    record: Callable[[Entry], Record],
    *,
    date: str,
    provenance: Provenance,
    plan: SeedPlan | None = None,
    note: str = "",
) -> Baseline:
    """Gather the results of `cells`; `record` reads what is behind an entry, asked once for each run that is kept.

    Where a configuration has runs in several environments, or on several contents, those of its latest run are
    taken, and the others left out as `older`. With a seed `plan`, seeds beyond the look that a configuration has
    reached are not missing.
    """
    by_cell: dict[str, list[Entry]] = {}
    for entry in entries:
        by_cell.setdefault(entry.cell_id, []).append(entry)
    planned: dict[str, list[Cell]] = {}
    for cell in cells:
        planned.setdefault(cell.configuration_id, []).append(cell)
    configurations: list[Configuration] = []
    environments: dict[str, EnvironmentFacts] = {}
    left_out: list[LeftOut] = []
    for own in planned.values():
        found = {cell.seed: by_cell.get(cell.cell_id, []) for cell in _due(own, by_cell, plan)}
        place = _latest_place(found)
        kept, problems = _sorted_out(found, place)
        label, identity = own[0].configuration_label, own[0].configuration_id
        left_out += [LeftOut(configuration=label, configuration_id=identity, **one) for one in problems]
        if not kept or place is None:
            continue
        records = {seed: record(entry) for seed, entry in sorted(kept.items())}
        runs = {str(seed): _run(one) for seed, one in records.items()}
        first = next(iter(records.values()))
        environments.setdefault(place[0], _facts(first.observed))
        configurations.append(
            Configuration(
                label=label,
                configuration_id=identity,
                environment_id=place[0],
                content_id=place[1],
                asked=asked_briefly(first.asked),
                collapsed=sum(run.status in COLLAPSED for run in runs.values()),
                seeds=runs,
            )
        )
    return Baseline(
        harness=provenance.harness,
        date=date,
        command=provenance.command or "",
        git_sha=provenance.git_sha,
        git_dirty=provenance.git_dirty,
        note=note,
        grid=grid,
        environments=environments,
        configurations=configurations,
        left_out=left_out,
    )


def asked_briefly(asked: Asked) -> dict[str, Any]:
    """What a configuration's runs were asked for, without seed, places in the matrix, and options left alone."""
    plain = asked.model_dump(mode="json", exclude={"seed", "axes", "repeat"} if asked.repeat == 1 else {"seed", "axes"})
    plain["checkpoint"] = {name: value for name, value in plain["checkpoint"].items() if value not in (None, {})}
    return {name: value for name, value in plain.items() if value is not None and LATER.get(name, _NEVER) != value}


_NEVER: Final = object()


def _due(own: Sequence[Cell], by_cell: Mapping[str, Sequence[Entry]], plan: SeedPlan | None) -> list[Cell]:
    """The cells of the look that the configuration has reached: the first that holds every seed with a record."""
    if plan is None:
        return list(own)
    order = {seed: number for number, seed in enumerate(plan.seeds)}
    reached = max((order.get(cell.seed, 0) + 1 for cell in own if by_cell.get(cell.cell_id)), default=0)
    look = next((look for look in plan.looks if look >= reached), plan.looks[-1])
    return [cell for cell in own if order.get(cell.seed, 0) < look]


def _latest_place(found: Mapping[int, Sequence[Entry]]) -> Place | None:
    final = [entry for entries in found.values() for entry in entries if entry.status in FINAL]
    if not final:
        return None
    latest = max(final, key=lambda entry: entry.started)
    return latest.environment_id, latest.content_id


def _sorted_out(
    found: Mapping[int, Sequence[Entry]], place: Place | None
) -> tuple[dict[int, Entry], list[dict[str, Any]]]:
    """The runs to keep, by seed; and what is left out, the reasons by seed first, older environments last."""
    kept: dict[int, Entry] = {}
    problems: list[dict[str, Any]] = []
    older: dict[Place, int] = {}
    for seed, entries in found.items():
        here = [entry for entry in entries if entry.status not in FINAL or _place(entry) == place]
        final = [entry for entry in here if entry.status in FINAL]
        last = (final or here)[-1] if here else None
        for entry in entries:
            if entry.status in FINAL and _place(entry) != place:
                older[_place(entry)] = older.get(_place(entry), 0) + 1
        if last is None:
            problems.append({"seed": seed, "status": MISSING, "why": "no record"})
        elif last.status == "nonfinite" or (last.status in SCORED and _score(last.metrics.get("accuracy")) is not None):
            kept[seed] = last
        else:
            why = last.error or ("no accuracy" if last.status in SCORED else "no error text")
            problems.append({"seed": seed, "status": last.status, "why": _brief(why)})
    for (environment, content), count in older.items():
        runs = f"{count} earlier run{'' if count == 1 else 's'}"
        why = f"{runs} in environment {environment} on content {content or 'unknown'}"
        problems.append({"seed": None, "status": OLDER, "why": why})
    return kept, problems


def _place(entry: Entry) -> Place:
    return entry.environment_id, entry.content_id


def _run(record: Record) -> SeedRun:
    metrics = record.measured.metrics if record.measured else {}
    scored = record.status in SCORED
    observed = record.observed
    prints = observed.fingerprint if observed else None
    weights = observed.weights if observed else None
    return SeedRun.model_validate(
        {
            "status": record.status,
            "accuracy": _score(metrics.get("accuracy")) if scored else None,
            "f1": _score(metrics.get("f1")) if scored else None,
            "init_sha256": _cut(prints.init_sha256 if prints else weights.init_sha256 if weights else None),
            "data_order_sha256": _cut(prints.data_order_sha256 if prints else None),
            "loss_sha256": _cut(prints.loss_sha256 if prints else None),
            "trajectory_sha256": _cut(prints.trajectory_sha256 if prints else None),
            "final_sha256": _cut(weights.final_sha256 if weights else None),
            "optimizer": prints.optimizer if prints else None,
            "attention": prints.attention if prints else None,
            "precision": prints.precision.name if prints and prints.precision else None,
        }
    )


def _facts(observed: Observed | None) -> EnvironmentFacts:
    if observed is None:
        return EnvironmentFacts(python="unknown", packages={}, machine={})
    return EnvironmentFacts(
        python=observed.python, packages=dict(observed.packages), machine=dict(_plain(observed.machine))
    )


def _plain(facts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """JSON has no infinities; a machine's fact that is one says nothing."""
    for name, value in facts.items():
        yield name, None if isinstance(value, float) and not math.isfinite(value) else value


def _score(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) else None


def _cut(digest: str | None) -> str | None:
    return digest[:DIGITS] if digest else None


def _brief(text: str) -> str:
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
