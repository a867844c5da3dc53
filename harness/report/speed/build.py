"""Timing records -> the throughput part of a report. Pure; pairs are found where the gate finds them."""

from __future__ import annotations

import math
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from harness.checks.speed.process import Process, counted, place_of, processes_of, session_starts
from harness.grid.cell import Cell
from harness.grid.grid import Grid
from harness.grid.labels import Namer
from harness.record.model import Record
from harness.report.format.labels import listed
from harness.report.speed.model import (
    STAGES,
    LimitFacts,
    NoisyProcess,
    Rate,
    SessionFacts,
    ThroughputPart,
    TimedRow,
    TimingPlan,
    Unmeasured,
)
from harness.report.speed.ratios import contrasts, published_speed_ups, scalings
from harness.stats.descriptive import describe
from harness.stats.t import quantile

FEWEST: Final = 3
"""Processes from which a t interval says something; below, the range does."""


def timing_plan(grid: Grid, cells: Sequence[Cell]) -> TimingPlan | None:
    """What `grid` asks to be timed, as far as its timing cells `cells` go; None where that is nothing."""
    asked = grid.throughput
    if asked is None or not cells:
        return None
    return TimingPlan(
        places={cell.configuration_id: _place(cell) for cell in cells},
        processes=asked.processes,
        warmup_steps=asked.warmup_steps,
        measured_steps=asked.measured_steps,
        margin=asked.margin / 100,
        scaling=str(grid.matrix.get("scaling", "strong")),
    )


def build_throughput(plan: TimingPlan, records: Sequence[Record], namer: Namer | None = None) -> ThroughputPart:
    """Build the part from every timing record there is; those of configurations not planned are passed over.

    Each configuration is shown in the newest session that measured it, comparisons in the newest that has both. `namer`
    has the grid's words; without it configurations are called by what varies among the plan's.
    """
    records = [record for record in records if record.configuration_id in plan.places]
    processes = processes_of(records)
    starts = session_starts(processes)
    known = {key: [one for one in processes if one.configuration_id == key] for key in plan.places}
    known = {key: group for key, group in known.items() if group}
    shown = {key: _newest(group, list(starts)) for key, group in known.items()}
    namer = namer or Namer(plan.places.values())
    labels = {key: namer.label(place) for key, place in plan.places.items()}
    compared = contrasts(plan, known, namer)
    used = Counter(process.session for group in shown.values() for process in group)
    return ThroughputPart(
        plan=plan,
        sessions=tuple(SessionFacts(name, start, used[name]) for name, start in starts.items() if name in used),
        older_sessions=len(starts.keys() - used.keys()),
        older_processes=len(processes) - used.total(),
        rows=tuple(_row(labels[key], plan.places[key], group, known[key]) for key, group in shown.items()),
        contrasts=tuple(one for one in compared if one.axis != "devices"),
        scaling=scalings(compared),
        published=published_speed_ups() if any(one.axis == "precision" for one in compared) else (),
        noisy=tuple(
            NoisyProcess(labels[key], process.repeat, process.reasons)
            for key, group in shown.items()
            for process in group
            if not process.quiet
        ),
        unmeasured=tuple(
            Unmeasured(labels[key], _fate([record for record in records if record.configuration_id == key]))
            for key in plan.places
            if key not in shown
        ),
    )


def _newest(group: Sequence[Process], newest_first: Sequence[str]) -> list[Process]:
    """Those of the newest session that has any of them."""
    session = min((process.session for process in group), key=newest_first.index)
    return [process for process in group if process.session == session]


def _place(cell: Cell) -> dict[str, Any]:
    place = place_of(cell)
    return place if "checkpoint" in place else {"checkpoint": cell.checkpoint.name, **place}


def _fate(records: Sequence[Record]) -> str:
    """What became of a configuration that was never timed to the end: the distinct ends of its attempts."""
    ends = {f"{r.status}: {r.failure.message}" if r.failure else str(r.status): None for r in records}
    return listed(list(ends), 3) if ends else "not run yet"


def _row(label: str, axes: Mapping[str, Any], group: Sequence[Process], known: Sequence[Process]) -> TimedRow:
    chosen = counted(group)
    last = group[-1]
    memory_of, memory = _memory(chosen)
    flops = _flops(last.record.content_id, group, known)
    breakdown = next((one.timing.breakdown for one in group if one.timing.breakdown), None)
    steps = sum(one.timing.steps for one in chosen)
    return TimedRow(
        label=label,
        axes=axes,
        configuration_id=last.configuration_id,
        environment_id=last.record.environment_id,
        session=last.session,
        clock=last.timing.clock,
        processes=len(group),
        quiet=sum(one.quiet for one in group),
        counted=len(chosen),
        rate=spread([one.rate for one in chosen]),
        real_tokens_per_second=_median(chosen, lambda one: _over(one.timing.real_tokens, one.timing.seconds)),
        padding_efficiency=_median(chosen, lambda one: one.timing.padding_efficiency),
        step_ms={
            name: statistics.median([float(one.timing.step_ms[name]) for one in chosen])
            for name in ("p5", "p50", "p95")
            if all(name in one.timing.step_ms for one in chosen)
        },
        memory_mib=memory,
        memory_of=memory_of,
        joules_per_1000_samples=_median(chosen, lambda one: _over(one.timing.energy_joules, one.timing.samples / 1000)),
        stages_ms={
            name: 1000 * math.fsum(getattr(one.timing.stages, name) for one in chosen) / steps for name in STAGES
        },
        breakdown=None if breakdown is None else breakdown.model_dump(exclude={"steps"}),
        limit=_limit(chosen),
        model_flops_per_second=_median(chosen, lambda one: _over(flops, one.timing.seconds)),
        mfu=_median(chosen, lambda one: _over(_over(flops, one.timing.seconds), _limit_of(one))),
    )


def spread(rates: Sequence[float]) -> Rate:
    """The median of processes' rates, with the 90 % t interval of their mean log where there are at least three."""
    median = statistics.median(rates)
    if len(rates) < 2:
        return Rate(median, None, None)
    if len(rates) < FEWEST:
        return Rate(median, (min(rates), max(rates)), "range")
    logs = describe(math.log(rate) for rate in rates)
    assert logs.mean is not None
    half = quantile(0.95, len(rates) - 1) * (logs.sd or 0.0) / math.sqrt(len(rates))
    return Rate(median, (math.exp(logs.mean - half), math.exp(logs.mean + half)), "t")


def _flops(content_id: str | None, group: Sequence[Process], known: Sequence[Process]) -> float | None:
    """The FLOPs of a window: one process of a configuration counts them, for all that train the same batches."""
    alike = [one for one in reversed(known) if one.record.content_id == content_id]
    return next((one.timing.flops for one in [*group, *alike] if one.timing.flops is not None), None)


def _memory(group: Sequence[Process]) -> tuple[str | None, float | None]:
    """The highest peak, of the device where every process has that one."""
    for kind, peaks in (("device", [one.memory_mib for one in group]), ("process", [one.process_mib for one in group])):
        known = [peak for peak in peaks if peak is not None]
        if known and len(known) == len(group):
            return kind, max(known)
    return None, None


def _limit(group: Sequence[Process]) -> LimitFacts | None:
    limits = [one.timing.limit for one in group if one.timing.limit is not None]
    if not limits:
        return None
    return LimitFacts(
        dtype=limits[-1].dtype,
        size=limits[-1].size,
        flops_per_second=statistics.median(one.flops_per_second for one in limits),
        drift=max((one.drift for one in limits), key=abs),
    )


def _limit_of(one: Process) -> float | None:
    return None if one.timing.limit is None else one.timing.limit.flops_per_second


def _over(amount: float | None, by: float | None) -> float | None:
    return None if amount is None or not by else amount / by


def _median(group: Sequence[Process], value: Callable[[Process], float | None]) -> float | None:
    """The median over those processes that have the value."""
    values = [found for one in group if (found := value(one)) is not None and math.isfinite(found)]
    return statistics.median(values) if values else None
