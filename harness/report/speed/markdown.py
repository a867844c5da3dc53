"""The throughput part of a report as Markdown: figures with what they are made of, comparisons with their intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Final

from harness.report.format.escape import inline
from harness.report.format.labels import listed
from harness.report.format.numbers import NONE, amount, count
from harness.report.format.table import table
from harness.report.speed.model import BREAKDOWN, STAGES, Contrast, Interval, ThroughputPart, TimedRow

MOST_ROWS: Final = 100
"""Rows of any table here; the JSON has them all."""

HEADINGS: Final = {
    "precision": "Precision",
    "engine": "What `Trainer` costs: the engine",
    "environment": "Environment",
}
"""Headings of comparisons along an axis; another axis is named as it is."""

SCALING: Final = {
    "strong": "Strong scaling: the global batch stays as it is, each device takes its share.",
    "weak": "Weak scaling: each device keeps its batch, the global batch grows with the devices.",
}

Column = tuple[str, str, Callable[[TimedRow], str]]
"""Heading, side ("l", "r" or "c"), and what a row has there."""


def throughput_markdown(part: ThroughputPart, images: Callable[[str], list[str]]) -> list[str]:
    """The part, block by block; `images(kind)` gives the blocks of a plot."""
    lines = ["## Throughput", _about(part)]
    if part.rows:
        lines += _speed(part)
        lines += _where_time_goes(part) + images("stages")
        lines += _limits(part)
        lines += _side_by_side(part)
        lines += _scaling(part)
        lines += images("ratios")
        lines += _noise(part)
    lines += _unmeasured(part)
    return lines


def timed_text(part: ThroughputPart) -> str:
    """`3 configurations timed in 15 processes on 2026-11-22`, for summaries; "nothing timed yet" where that is so."""
    if not part.rows:
        return "nothing timed yet"
    processes = sum(row.processes for row in part.rows)
    days = sorted({session.started[:10] for session in part.sessions})
    when = days[0] if len(days) == 1 else f"{days[0]} to {days[-1]}"
    return f"{_some(len(part.rows), 'configuration')} timed in {_some(processes, 'process')} on {when}"


def reading_notes(part: ThroughputPart) -> list[str]:
    """What the figures of speed are, and what they are not."""
    if not part.rows:
        return []
    return [
        "Speed: the unit is the process, a fresh interpreter alone on its devices; steps within one are no replicates. "
        "Samples/s is the median over a process' measured steps, and of those the median over processes. Its "
        "interval, from three processes on, is the 90 % t interval of their mean on the log scale.",
        "Comparisons take pairs of processes of one session and round, which ran within minutes of each other: the "
        "ratio is the geometric mean over pairs, the interval a 90 % t interval of log ratios. MDE is the smallest "
        "slow-down that so many pairs find with 80 % power. An interval that holds 1 is no evidence of equal speed.",
        "Real tokens/s leaves padding out and is over the whole window; MFU is the model's own FLOPs, forward and "
        "backward, over time and over what the same process reached in products of square matrices.",
    ]


def _about(part: ThroughputPart) -> str:
    plan = part.plan
    asked = (
        f"{_some(plan.processes, 'process')} a configuration, each with {_some(plan.measured_steps, 'step')} measured "
        f"after at least {_some(plan.warmup_steps, 'step')} of warm-up"
    )
    if not part.rows:
        return f"Not measured yet: no timing of this grid has come to an end. Asked for: {asked}."
    newest = part.sessions[0]
    clocks = {row.clock for row in part.rows}
    text = f"Session of {inline(_when(newest.started))} UTC. Asked for: {asked}; configurations take turns, A B B A."
    if clocks == {"device"}:
        text += " Times are the device's."
    if len(part.sessions) > 1:
        rest = listed([_when(one.started) for one in part.sessions[1:]], 4)
        text += (
            f" What that session did not measure is from the newest one that did ({inline(rest)}): the column Session "
            "says which, and sessions are not compared with each other here."
        )
    if part.older_processes:
        older = f" of {_some(part.older_sessions, 'older session')}" if part.older_sessions else ""
        text += f" {_some(part.older_processes, 'older process')}{older} are in the store and in no table here."
    return text


def _speed(part: ThroughputPart) -> list[str]:
    rows = part.rows
    started = {one.session: _when(one.started) for one in part.sessions}
    columns: list[Column] = [("Configuration", "l", lambda row: inline(row.label))]
    if len(part.sessions) > 1:
        columns.append(("Session", "l", lambda row: started[row.session]))
    columns += [
        ("Quiet processes", "r", _processes),
        ("Samples/s (90 % interval)", "r", lambda row: _within(amount(row.rate.median), row.rate.interval)),
        ("Mean step, ms", "r", lambda row: amount(_step(row))),
        ("Step p50 (p95), ms", "r", lambda row: f"{amount(row.step_ms.get('p50'))} ({amount(row.step_ms.get('p95'))})"),
    ]
    lines = _by_row(columns, rows)
    if any(row.rate.kind == "range" for row in rows):
        lines.append("Of two processes the interval is their range.")
    if any(row.quiet == 0 for row in rows):
        lines.append("**None quiet**: the figures of that configuration are over disturbed processes; see below.")
    return [*lines, *_takes(rows)]


def _takes(rows: Sequence[TimedRow]) -> list[str]:
    """What else a configuration takes, or makes of its time."""
    columns: list[Column] = [("Configuration", "l", lambda row: inline(row.label))]
    if any(row.real_tokens_per_second is not None for row in rows):
        columns += [
            ("Real tokens/s", "r", lambda row: amount(row.real_tokens_per_second)),
            ("Padding efficiency", "r", lambda row: _percent(row.padding_efficiency)),
        ]
    if any(row.memory_mib is not None for row in rows):
        columns.append(("Peak memory, MiB", "r", _memory))
    if any(row.joules_per_1000_samples is not None for row in rows):
        columns.append(("J per 1,000 samples", "r", lambda row: amount(row.joules_per_1000_samples)))
    return _by_row(columns, rows) if len(columns) > 1 else []


def _processes(row: TimedRow) -> str:
    return f"{row.quiet} of {row.processes}" if row.quiet else f"**none quiet** of {row.processes}"


def _memory(row: TimedRow) -> str:
    return NONE if row.memory_mib is None else f"{amount(row.memory_mib)} ({row.memory_of})"


def _where_time_goes(part: ThroughputPart) -> list[str]:
    body = []
    for row in part.rows:
        body.append([inline(row.label), *(_share(row.stages_ms[name] / _step(row)) for name in STAGES)])
    lines = [
        "### Where the time goes",
        "Shares of the mean step on rank 0: waiting for data; the forward call; backward, which on several ranks holds "
        "the exchange of gradients; clipping, optimizer and schedule; what lies between.",
        *_table(["Configuration", *(f"{name}, %" for name in STAGES)], body, "l" + "r" * len(STAGES)),
    ]
    profiled = [(row.label, row.breakdown) for row in part.rows if row.breakdown is not None]
    if profiled:
        body = [[inline(label), *(_share(shares.get(name)) for name in BREAKDOWN)] for label, shares in profiled]
        lines += [
            "Under torch's profiler, in a few further steps of one process: time inside operators (kernels), inside "
            "collectives (communication), waiting for data, and the rest (framework: Python, dispatch, the profiler "
            "itself).",
            *_table(["Configuration", *(f"{name}, %" for name in BREAKDOWN)], body, "l" + "r" * len(BREAKDOWN)),
        ]
    return lines


def _limits(part: ThroughputPart) -> list[str]:
    body = [
        [
            inline(row.label),
            inline(row.limit.dtype),
            amount(row.limit.flops_per_second / 1e9),
            amount(None if row.model_flops_per_second is None else row.model_flops_per_second / 1e9),
            _percent(row.mfu),
            f"{100 * row.limit.drift:+.1f} %",
        ]
        for row in part.rows
        if row.limit is not None
    ]
    if not body:
        return []
    headers = ["Configuration", "dtype", "Limit, GFLOP/s", "Model, GFLOP/s", "MFU", "Drift"]
    return [
        "### Against the machine's limit",
        "The limit is the best of many products of square matrices in the same process and dtype, on all ranks at "
        "once, summed; drift is how far it moved over the measured window (the farthest of the processes).",
        *_table(headers, body, "llrrrr"),
    ]


def _side_by_side(part: ThroughputPart) -> list[str]:
    """Ratios along every axis but devices, the published ones beside those of precisions."""
    lines: list[str] = []
    for axis in dict.fromkeys(one.axis for one in part.contrasts):
        found = [one for one in part.contrasts if one.axis == axis]
        body = [[inline(one.what), inline(one.where), *_ratio_cells(one)] for one in found]
        headers = ["Comparison", "Among", "Ratio of samples/s (90 % interval)", "Pairs", "MDE"]
        lines += [f"#### {HEADINGS.get(axis) or inline(axis)}", *_table(headers, body, "llrrr", "comparisons")]
        lines += _left_out(found)
        if axis == "precision":
            lines += _published(part)
    if not lines:
        return []
    return ["### Side by side", "Above 1 is faster. Everything else is equal in both.", *lines]


def _ratio_cells(one: Contrast) -> list[str]:
    pairs = count(one.pairs) + (f" of {one.pairs + one.left_out}" if one.left_out else "")
    if one.ratio is None:
        return [f"{NONE} ({inline(one.why)})", pairs, NONE]
    return [_within(_ratio(one.ratio), one.ci90, _ratio), pairs, _percent(one.detectable)]


def _left_out(found: Sequence[Contrast]) -> list[str]:
    left = sum(one.left_out for one in found)
    if not left:
        return []
    return [f"{_some(left, 'pair')} left out: a process of theirs was not quiet (see below)."]


def _published(part: ThroughputPart) -> list[str]:
    if not part.published:
        return []
    body = [
        [
            inline(f"{one.over} -> {one.precision}"),
            _ratio(one.ratio),
            inline(one.hardware),
            inline(one.checkpoint),
            inline(one.printed),
            f"[{inline('/'.join(one.source.split('/')[3:5]))}]({one.source})",
        ]
        for one in part.published
    ]
    headers = ["Published", "Ratio", "Hardware", "Checkpoint", "Printed", "Source"]
    return [
        "For orientation, what has been published for trainings on MRPC. **These are of other hardware**, other "
        "software and mostly single runs, so nothing here is held against them; ratios are worked out from the printed "
        "figures.",
        table(headers, body, "lrllll"),
    ]


def _scaling(part: ThroughputPart) -> list[str]:
    """Speed-up and efficiency over device counts."""
    if not part.scaling:
        return []
    body = []
    for one in part.scaling:
        ratio, pairs, _ = _ratio_cells(one.contrast)
        efficiency = _within(_share(one.efficiency), one.ci90, _hundredfold)
        body.append([inline(one.contrast.where), f"{one.base} -> {one.devices}", ratio, efficiency, pairs])
    headers = ["Configuration", "Devices", "Speed-up (90 % interval)", "Efficiency, % (90 % interval)", "Pairs"]
    return [
        "### Scaling",
        f"{SCALING[part.plan.scaling]} Speed-up is the ratio of samples/s over all ranks; efficiency is that over the "
        "growth in devices. On a CPU a device is a rank with threads of its own.",
        *_table(headers, body, "lrrrr", "rows"),
        *_left_out([one.contrast for one in part.scaling]),
    ]


def _noise(part: ThroughputPart) -> list[str]:
    if not part.noisy:
        return []
    body = [[inline(one.label), str(one.process), inline("; ".join(one.reasons), 400)] for one in part.noisy]
    return [
        "### Not quiet",
        f"{len(part.noisy)} of {_some(sum(row.processes for row in part.rows), 'process')} did not have the machine "
        "for themselves. They are in no comparison, and in the figures of a configuration only where none of its "
        "processes was quiet.",
        *_table(["Configuration", "Process", "Why"], body, "lrl", "processes"),
    ]


def _unmeasured(part: ThroughputPart) -> list[str]:
    if not part.unmeasured:
        return []
    body = [[inline(one.label), inline(one.why, 300)] for one in part.unmeasured]
    lines = _table(["Not measured", "What became of it"], body, "ll")
    return ["### Not measured", *lines] if part.rows else lines


def _by_row(columns: Sequence[Column], rows: Sequence[TimedRow]) -> list[str]:
    body = [[cell(row) for _, _, cell in columns] for row in rows]
    return _table([name for name, _, _ in columns], body, "".join(side for _, side, _ in columns))


def _table(
    headers: Sequence[str], body: Sequence[Sequence[str]], align: str, what: str = "configurations"
) -> list[str]:
    """The table's first rows, and how many there are where these are not all."""
    lines = [table(headers, body[:MOST_ROWS], align)]
    if len(body) > MOST_ROWS:
        lines.append(f"These are the first {MOST_ROWS} of {len(body):,} {what}; the JSON form of this report has all.")
    return lines


def _some(number: int, what: str) -> str:
    """`1 process`, `2 processes`."""
    plural = f"{what}es" if what.endswith("s") else f"{what}s"
    return f"{number:,} {what if number == 1 else plural}"


def _when(started: str) -> str:
    """`2026-11-22 19:30` of an ISO time."""
    return started[:16].replace("T", " ")


def _within(value: str, interval: Interval | None, shown: Callable[[float], str] = amount) -> str:
    """`17.5 (17.2 to 17.7)`; the value alone where it has no interval."""
    return f"{value} ({shown(interval[0])} to {shown(interval[1])})" if interval else value


def _step(row: TimedRow) -> float:
    """The mean step of rank 0, in milliseconds."""
    return math.fsum(row.stages_ms.values())


def _hundredfold(fraction: float) -> str:
    return amount(100 * fraction)


def _ratio(value: float) -> str:
    return f"{value:.3f}" if value < 9.9995 else amount(value)


def _share(fraction: float | None) -> str:
    return NONE if fraction is None or not math.isfinite(fraction) else f"{100 * fraction:.1f}"


def _percent(fraction: float | None) -> str:
    share = _share(fraction)
    return share if share == NONE else f"{share} %"
