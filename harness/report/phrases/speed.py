"""The facts of comparisons of speed, in words. Margins, sd and MDE are fractions, memory is in MiB."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from harness.report.format.numbers import p_is
from harness.text import listed

EACH_SHOWN: Final = 10
NOISE_SHOWN: Final = 3
"""Kinds of disturbance that a sentence names; the JSON has all."""

_RUN_AGAIN: Final = "`harness run GRID --fresh --select timed=true`"
_QUIETER: Final = (
    f"close other programs and time again ({_RUN_AGAIN}); more processes ([throughput] processes) leave more quiet "
    "ones; on Linux keep some cores for the harness alone (isolcpus or a cpuset, then `taskset -c`), as "
    "`python -m pyperf system tune` advises"
)
_TIME_AGAIN: Final = f"time it again: {_RUN_AGAIN}"
_BESIDE: Final = (
    "run both side by side: one grid with both values of an axis (environment, say) and at least {pairs} processes, "
    "then `harness compare RESULTS:environment=OLD RESULTS:environment=NEW`"
)
_UNITS: Final = {
    "pair": "processes ([throughput] processes in the grid)",
    "session": f"sessions of A ({_TIME_AGAIN})",
}


def _counted(unit: str) -> Callable[..., str]:
    return lambda counted, **_: f"{counted} {unit}{'' if counted == 1 else 's'}"


def _interval(ratio: float, low: float, high: float, margin: float, detectable: float) -> str:
    shown = f"ratio {ratio:.3f}, 90 % CI [{low:.3f}, {high:.3f}]"
    return f"{shown}, margin {100 * margin:g} %, MDE {100 * detectable:.1f} %"


def _expected(speed: float, least: float, mean: float, sessions: int, suspicious: bool, again: bool) -> str:
    known = f"{least:.4g} samples/s or more that {sessions} sessions let expect (mean {mean:.4g})"
    if not suspicious:
        return f"{speed:.4g}, of {known}"
    return f"{'slower again' if again else 'suspicious'}: {speed:.4g}, below the {known}"


def _estimate(ratio: float, low: float | None, high: float | None, pairs: int, disturbed: bool) -> str:
    interval = "" if low is None else f", 90 % CI [{low:.3f}, {high:.3f}]"
    which = f"all {pairs} pairs, disturbed ones too" if disturbed else f"the {pairs} quiet pairs"
    return f"undecided; an estimate over {which}: ratio {ratio:.3f}{interval}"


def _each(pairs: Sequence[Sequence[float]]) -> str:
    shown = [f"{a:.4g} -> {b:.4g} ({b / a:.3f}{'' if quiet else ', disturbed'})" for a, b, quiet in pairs[:EACH_SHOWN]]
    more = f"; and {len(pairs) - EACH_SHOWN} more" if len(pairs) > EACH_SHOWN else ""
    return f"each pair, samples/s: {'; '.join(shown)}{more}"


def _noise(noise: Sequence[str]) -> str:
    return ", ".join([*noise[:NOISE_SHOWN], *(["..."] if len(noise) > NOISE_SHOWN else [])])


def _not_quiet(left_out: int, total: int, needed: int, noise: Sequence[str]) -> str:
    quiet = f"{needed} quiet ones are needed"
    return f"the machine was not quiet in {left_out} of {total} pairs, {quiet}: {_noise(noise)}"


def _left_out(unit: str) -> Callable[..., str]:
    def said(left_out: int, total: int, noise: Sequence[str]) -> str:
        return f"{left_out} of {total} {unit} left out, for the machine was not quiet: {_noise(noise)}"

    return said


def _few_processes(quiet: int, needed: int, noise: Sequence[str]) -> str:
    why = f": {_noise(noise)}" if noise else ""
    return f"{quiet} of at least {needed} processes of B's newest session are there and quiet{why}"


def _few_sessions(sessions: int, needed: int, left_out: int, processes: int) -> str:
    also = f" ({left_out} more without {processes} quiet processes)" if left_out else ""
    return f"A has {sessions} of at least {needed} sessions{also}: nothing is known of the spread between them"


def _memory(kind: str, rest: str = "") -> Callable[..., str]:
    return lambda a, b: f"{kind} memory {a:.1f} -> {b:.1f} MiB ({100 * (b / a - 1):+.2f} %){rest}"


def _memory_grew(memory: str, most: float, outcome: str, why: str) -> str:
    return f"{memory}, more than {100 * most:g} %; speed: {outcome}, {why}"


SPEED: Final[Mapping[str, str | Callable[..., str]]] = {
    "speed.unreadable": "a record that may be a timing's cannot be read, and counts for nothing: {error}",
    "speed.margin": lambda margin: f"margin {100 * margin:g} %, one-sided: only slower can fail",
    # What was compared.
    "speed.expected": _expected,
    "speed.measure_again": "measure again before it is believed: `harness bench GRID --fresh`",
    "speed.pairs": _counted("pair"),
    "speed.sessions": _counted("session"),
    "speed.noise": "{count} × {example}",
    "speed.end": lambda status, message: f"{status}: {message}" if message else status,
    # Reasons.
    "speed.interval": _interval,
    "speed.margin_below_mde": "{interval}: margin below the MDE",
    "speed.no_spread": "sd = 0: all equal",
    "speed.few_pairs": "{pairs} of at least {needed} pairs of processes",
    "speed.after_holm": lambda why, p, family: f"{why}; {p_is(p)} after Holm over {family}",
    "speed.memory_grew": _memory_grew,
    "speed.not_quiet": _not_quiet,
    "speed.few_processes": _few_processes,
    "speed.few_sessions": _few_sessions,
    "speed.no_other_session": "B has no session that A does not have",
    "speed.other_machine": lambda changes: f"another machine, speeds are not comparable: {', '.join(changes)}",
    "speed.missing": "missing: {side} has no timing of it",
    "speed.lost": "not timed in {side}: {end}",
    "speed.asks_otherwise": lambda side, changes: (
        f"missing: what {side} calls so asks for something else: {listed(changes, 8)}"
    ),
    "speed.new": "new: {side} has no timing of it",
    "speed.new_and_lost": "new in {side}, and not timed: {end}",
    "speed.confirmed": "confirmed: {why}; at first {first}: {before}",
    "speed.not_confirmed": "not confirmed: {why}; at first {first}: {before}",
    "speed.only_fresh": "not confirmed: only the fresh session fails: {why}; at first {first}: {before}",
    "speed.not_timed_again": "no process was timed again",
    # Notes.
    "speed.newer_session": "B has a newer session, without A: it is not compared",
    "speed.other_machines": "sessions of A left out, from another machine: {sessions}",
    "speed.pairs_left_out": _left_out("pairs"),
    "speed.processes_left_out": _left_out("processes"),
    "speed.robust": (
        "median over pairs {median:.3f}, 90 % bootstrap [{low:.3f}, {high:.3f}], which no verdict goes by"
    ),
    "speed.estimate": _estimate,
    "speed.each": _each,  # pairs: (rate of A, rate of B, whether both were quiet)
    "speed.nan_filter": (
        "one side waits for the device at each micro-batch, the other does not: the Trainer looks whether the loss is "
        "finite (logging_nan_inf_filter = false leaves it)"
    ),
    "speed.device_memory": _memory("device"),
    "speed.process_memory": _memory("process", ", which no verdict goes by"),
    # What to do.
    "speed.quieter": _QUIETER,
    "speed.time_again": f"for {{side}}, {_TIME_AGAIN}",
    "speed.time_it": "time it: `harness run GRID`",
    "speed.side_by_side": _BESIDE,
    "speed.one_machine": f"on one machine {_BESIDE}",
    "speed.side_by_side_or_sessions": f"{_BESIDE}; or for A, {_TIME_AGAIN}, until it has {{sessions}} sessions",
    "speed.at_least": lambda needed, unit: f"at least {needed} {_UNITS[unit]}",
    "speed.enough": lambda needed, margin, unit: (
        f"{needed} {_UNITS[unit]} would find {100 * margin:g} % with 80 % power at this spread"
    ),
    "speed.never_enough": lambda sd, unit: (
        f"no number of {_UNITS[unit]} is enough at this spread of {100 * sd:.1f} %: {_QUIETER}"
    ),
    "speed.more": lambda unit: f"more {_UNITS[unit]} narrow the interval",
    "speed.confirm": "measure again: `--confirm GRID`",
    "speed.confirm_again": "compare again with --confirm",
    "speed.run_again": "run it again",
}
