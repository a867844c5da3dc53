"""The throughput part of a report as Markdown: figures with what they are made of, comparisons with their intervals."""

from __future__ import annotations

import math
from collections.abc import Callable

from harness.report.format.escape import inline
from harness.report.format.labels import listed
from harness.report.format.numbers import NONE, amount
from harness.report.format.table import table
from harness.report.speed.model import BREAKDOWN, STAGES, Interval, ThroughputPart, TimedRow
from harness.report.speed.ratios_markdown import MOST_ROWS, more, percent, scaling, side_by_side, some


def throughput_markdown(part: ThroughputPart, images: Callable[[str], list[str]]) -> list[str]:
    """The part, block by block; `images(kind)` gives the blocks of a plot."""
    lines = ["## Throughput", _about(part)]
    if part.rows:
        lines += _speed(part)
        lines += _where_time_goes(part) + images("stages")
        lines += _limits(part)
        lines += side_by_side(part)
        lines += scaling(part)
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
    return f"{some(len(part.rows), 'configuration')} timed in {some(processes, 'process')} on {when}"


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
        f"{some(plan.processes, 'process')} a configuration, each with {some(plan.measured_steps, 'step')} measured "
        f"after at least {some(plan.warmup_steps, 'step')} of warm-up"
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
        older = f" of {some(part.older_sessions, 'older session')}" if part.older_sessions else ""
        text += f" {some(part.older_processes, 'older process')}{older} are in the store and in no table here."
    return text


def _speed(part: ThroughputPart) -> list[str]:
    rows = part.rows
    several = len(part.sessions) > 1
    tokens = any(row.real_tokens_per_second is not None for row in rows)
    energy = any(row.joules_per_1000_samples is not None for row in rows)
    started = {one.session: _when(one.started) for one in part.sessions}
    headers = ["Configuration", *["Session"] * several, "Quiet processes", "Samples/s", "90 % interval"]
    headers += ["Real tokens/s", "Padding efficiency"] * tokens + ["Step p50, ms", "p95", "Peak memory, MiB"]
    headers += ["J per 1,000 samples"] * energy
    body = []
    for row in rows[:MOST_ROWS]:
        cells = [inline(row.label), *[started[row.session]] * several, _processes(row)]
        cells += [amount(row.rate.median), _rate_interval(row)]
        if tokens:
            cells += [amount(row.real_tokens_per_second), percent(row.padding_efficiency)]
        cells += [amount(row.step_ms.get("p50")), amount(row.step_ms.get("p95")), _memory(row)]
        cells += [amount(row.joules_per_1000_samples)] * energy
        body.append(cells)
    align = "l" + "l" * several + "rrc" + "rr" * tokens + "rrr" + "r" * energy
    lines = [table(headers, body, align), *more(len(rows), "configurations")]
    if any(row.rate.kind == "range" for row in rows):
        lines.append("Of two processes the interval is their range.")
    if any(row.quiet == 0 for row in rows):
        lines.append("**None quiet**: the figures of that configuration are over disturbed processes; see below.")
    return lines


def _processes(row: TimedRow) -> str:
    return f"{row.quiet} of {row.processes}" if row.quiet else f"**none quiet** of {row.processes}"


def _rate_interval(row: TimedRow) -> str:
    return NONE if row.rate.interval is None else _span(row.rate.interval)


def _memory(row: TimedRow) -> str:
    return NONE if row.memory_mib is None else f"{amount(row.memory_mib)} ({row.memory_of})"


def _where_time_goes(part: ThroughputPart) -> list[str]:
    headers = ["Configuration", "Step, ms", *(f"{name}, %" for name in STAGES)]
    body = []
    for row in part.rows[:MOST_ROWS]:
        whole = math.fsum(row.stages_ms.values())
        body.append([inline(row.label), amount(whole), *(_share(row.stages_ms[name] / whole) for name in STAGES)])
    lines = [
        "### Where the time goes",
        "Shares of the measured window on rank 0: waiting for data; the forward call; backward, which on several ranks "
        "holds the exchange of gradients; clipping, optimizer and schedule; what lies between.",
        table(headers, body, "l" + "r" * (len(headers) - 1)),
        *more(len(part.rows), "configurations"),
    ]
    profiled = [row for row in part.rows if row.breakdown is not None]
    if profiled:
        headers = ["Configuration", *(f"{name}, %" for name in BREAKDOWN)]
        body = [
            [inline(row.label), *(_share((row.breakdown or {}).get(name)) for name in BREAKDOWN)]
            for row in profiled[:MOST_ROWS]
        ]
        lines += [
            "Under torch's profiler, in a few further steps of one process: time inside operators (kernels), inside "
            "collectives (communication), waiting for data, and the rest (framework: Python, dispatch, the profiler "
            "itself).",
            table(headers, body, "l" + "r" * len(BREAKDOWN)),
        ]
    return lines


def _limits(part: ThroughputPart) -> list[str]:
    rows = [row for row in part.rows if row.limit is not None]
    if not rows:
        return []
    body = []
    for row in rows[:MOST_ROWS]:
        limit = row.limit
        assert limit is not None
        body.append(
            [
                inline(row.label),
                inline(limit.dtype),
                amount(limit.flops_per_second / 1e9),
                amount(None if row.model_flops_per_second is None else row.model_flops_per_second / 1e9),
                percent(row.mfu),
                f"{100 * limit.drift:+.1f} %",
            ]
        )
    headers = ["Configuration", "dtype", "Limit, GFLOP/s", "Model, GFLOP/s", "MFU", "Drift"]
    return [
        "### Against the machine's limit",
        "The limit is the best of many products of square matrices in the same process and dtype, on all ranks at "
        "once, summed; drift is how far it moved over the measured window (the farthest of the processes).",
        table(headers, body, "llrrrr"),
        *more(len(rows), "configurations"),
    ]


def _noise(part: ThroughputPart) -> list[str]:
    if not part.noisy:
        return []
    body = [
        [inline(one.label), str(one.process), inline("; ".join(one.reasons), 400)] for one in part.noisy[:MOST_ROWS]
    ]
    shown = sum(row.processes for row in part.rows)
    return [
        "### Not quiet",
        f"{len(part.noisy)} of {some(shown, 'process')} did not have the machine for themselves. They are in no "
        "comparison, and in the figures of a configuration only where none of its processes was quiet.",
        table(["Configuration", "Process", "Why"], body, "lrl"),
        *more(len(part.noisy), "processes"),
    ]


def _unmeasured(part: ThroughputPart) -> list[str]:
    if not part.unmeasured:
        return []
    body = [[inline(one.label), inline(one.why, 300)] for one in part.unmeasured[:MOST_ROWS]]
    lines = [table(["Not measured", "What became of it"], body, "ll"), *more(len(part.unmeasured), "configurations")]
    return ["### Not measured", *lines] if part.rows else lines


def _when(started: str) -> str:
    """`2026-11-22 19:30` of an ISO time."""
    return started[:16].replace("T", " ")


def _span(interval: Interval) -> str:
    return f"{amount(interval[0])} to {amount(interval[1])}"


def _share(fraction: float | None) -> str:
    return NONE if fraction is None or not math.isfinite(fraction) else f"{100 * fraction:.1f}"
