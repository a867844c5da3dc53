"""Speed of one configuration against its counterpart, from timing processes (docs/statistics.md).

The process is the unit. Processes that other load disturbed are left out before anything is compared: by what the
kernel said of the machine meanwhile, never by how fast they came out. Too few quiet ones decide nothing.

A verdict's findings are "processes" (`speed.pairs` side by side, else `speed.sessions`: what was compared, what was
left out and why; PASS where that is enough), then the peaks "device memory" and "process memory" where both sides
have one. Only the device's is judged.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, Literal

from harness.checks.speed.process import (
    Process,
    apart,
    hardware_changes,
    machine_changes,
    newest_pairs,
    noise_of,
    oldest_first,
    rate_of,
    sessions,
)
from harness.checks.verdict import Fact, Finding, Outcome, Side, Verdict
from harness.stats.throughput import (
    MEMORY,
    PAIRS,
    ROBUST_PAIRS,
    SESSIONS,
    Speed,
    compare_pairs,
    compare_sessions,
    median_ratio,
    replicates_needed,
    same_memory,
)

Unit = Literal["pair", "session"]

ITEM: Final = "speed"
PROCESSES: Final = "processes"
DEVICE_MEMORY: Final = "device memory"
PROCESS_MEMORY: Final = "process memory"
QUIETER: Final = Fact.of("speed.quieter")
AGAIN: Final = Fact.of("speed.time_again", side="B")
MORE_SESSIONS: Final = Fact.of("speed.side_by_side_or_sessions", pairs=PAIRS, sessions=SESSIONS)


def compare_processes(a: Sequence[Process], b: Sequence[Process], margin: float) -> Verdict:
    """Compare the processes of one configuration of B with those of its counterpart of A.

    Side by side where a session has both, else B's newest session with A's sessions. The peak of device memory
    decides too: more than 1 % of growth is a FAIL, unless the machine was not quiet.

    Raises
    ------
    ValueError
        Where a side has no process, or the margin is not between 0 and 1.
    """
    return with_memory(by_speed(a, b, margin))


def by_speed(a: Sequence[Process], b: Sequence[Process], margin: float) -> Verdict:
    """The same before memory may fail it: a family is corrected first (`with_memory`)."""
    if not a or not b:
        raise ValueError(f"processes: {len(a)} and {len(b)} (allowed: at least 1 of each)")
    pairs = newest_pairs(a, b)
    if not pairs:
        return _by_sessions(a, b, margin)
    verdict = _side_by_side(pairs, margin)
    if oldest_first(b)[-1].session == pairs[0][1].session:
        return verdict
    return replace(verdict, notes=(*verdict.notes, Fact.of("speed.newer_session")))


def with_memory(verdict: Verdict) -> Verdict:
    """Let the growth of device memory fail what was compared on a quiet machine; else it is a note."""
    memory = finding(verdict, DEVICE_MEMORY)
    if memory is None:
        return verdict
    if memory.outcome != "FAIL":
        return replace(verdict, notes=(*verdict.notes, memory.fact))
    grown = Fact.of("speed.memory_grew", memory=memory.fact, most=MEMORY, outcome=verdict.outcome, why=verdict.reason)
    return replace(verdict, outcome="FAIL", reason=grown)


def finding(verdict: Verdict, item: str) -> Finding | None:
    """What was found of one item; None where it was not looked at."""
    return next((found for found in verdict.findings if found.item == item), None)


def unit_of(verdict: Verdict) -> Unit | None:
    """What was compared: pairs of processes side by side, or sessions; None where nothing could be."""
    processes = finding(verdict, PROCESSES)
    if processes is None:
        return None
    return "pair" if processes.fact.code == "speed.pairs" else "session"


def side_of(processes: Sequence[Process]) -> Side:
    """The configuration of these processes, the newest last."""
    last = processes[-1]
    return Side(
        last.label,
        last.configuration_id,
        last.source.environment_id if last.source else "",
        last.source.content_id if last.source else None,
        cell_ids=tuple(dict.fromkeys(process.cell_id for process in processes)),
    )


def _side_by_side(pairs: Sequence[tuple[Process, Process]], margin: float) -> Verdict:
    a, b = [x for x, _ in pairs], [y for _, y in pairs]
    if different := hardware_changes(a[-1], b[-1]):
        return _refused(a, b, different)
    pairs = [(apart([x], [y])[0], apart([y], [x])[0]) for x, y in pairs]
    quiet = [(x.rate, y.rate) for x, y in pairs if x.quiet and y.quiet]
    rates = [x for x, _ in quiet], [y for _, y in quiet]
    noise = noise_of(process for pair in pairs for process in pair)
    counted, left_out, total = len(quiet), len(pairs) - len(quiet), len(pairs)
    speed = compare_pairs(*rates, margin) if quiet else None
    notes = []
    if speed is None or (left_out and counted < PAIRS):
        reason = Fact.of("speed.not_quiet", left_out=left_out, total=total, needed=PAIRS, noise=noise)
        verdict = _undecided(a, b, reason, QUIETER)
        # An estimate is worth telling whatever disturbed it: nothing goes by it.
        if speed is None or counted < 2:
            speed = compare_pairs([x.rate for x in a], [y.rate for y in b], margin)
        speed, (low, high) = replace(speed, outcome="INCONCLUSIVE"), speed.ci90 or (None, None)
        disturbed = speed.n > counted
        notes.append(
            Fact.of("speed.estimate", ratio=speed.ratio, low=low, high=high, pairs=speed.n, disturbed=disturbed)
        )
    else:
        verdict = _judged(a, b, speed, "pair")
        if left_out:
            notes.append(Fact.of("speed.pairs_left_out", left_out=left_out, total=total, noise=noise))
        if counted >= ROBUST_PAIRS:
            median, (low, high) = median_ratio(*rates)
            notes.append(Fact.of("speed.robust", median=median, low=low, high=high))
    if verdict.outcome == "INCONCLUSIVE":
        every = tuple((x.rate, y.rate, x.quiet and y.quiet) for x, y in pairs)
        notes.append(Fact.of("speed.each", pairs=every))
    fact = Fact.of("speed.pairs", counted=counted, left_out=left_out, total=total, noise=noise)
    return _with(verdict, speed, Finding(PROCESSES, "PASS" if counted >= PAIRS else "INCONCLUSIVE", fact), notes, a, b)


def _by_sessions(a: Sequence[Process], b: Sequence[Process], margin: float) -> Verdict:
    """B's newest session against A's, one rate a session: the median of its quiet processes.

    A session with fewer quiet processes than half of the largest session's does not count: its median says less.
    """
    new, known = sessions(b)[-1], sessions(a)
    if any(session[0].session == new[0].session for session in known):
        return _undecided(a, new, Fact.of("speed.no_other_session"), AGAIN)
    history = [session for session in known if session[0].machine == new[0].machine]
    if not history:
        return _refused(a, new, machine_changes(known[-1][0].machine, new[0].machine))
    needed = math.ceil(max(map(len, (*history, new))) / 2)
    history = [apart(session, new) for session in history]
    counted = [quiet for session in history if len(quiet := _quiet(session)) >= needed]
    every = [process for session in (*history, new) for process in session]
    noise, noisy, lost = noise_of(every), len(every) - len(_quiet(every)), len(history) - len(counted)
    ours = _quiet(new)
    speed = None
    if counted and len(ours) >= needed:
        speed = compare_sessions([rate_of(session) for session in counted], rate_of(ours), margin)
    enough = speed is not None and len(counted) >= SESSIONS
    if speed is not None and enough:
        verdict = _judged(a, new, speed, "session")
    elif len(ours) < needed:
        reason = Fact.of("speed.few_processes", quiet=len(ours), needed=needed, noise=noise_of(new))
        verdict = _undecided(a, new, reason, QUIETER if len(ours) < len(new) else AGAIN)
    else:
        reason = Fact.of("speed.few_sessions", sessions=len(counted), needed=SESSIONS, left_out=lost, processes=needed)
        verdict = _undecided(a, new, reason, MORE_SESSIONS, *([QUIETER] if noisy and lost else []))
    notes = []
    if len(known) > len(history):
        notes.append(Fact.of("speed.other_machines", sessions=len(known) - len(history)))
    if noisy:
        notes.append(Fact.of("speed.processes_left_out", left_out=noisy, total=len(every), noise=noise))
    fact = Fact.of("speed.sessions", counted=len(counted), left_out=noisy, total=len(every), noise=noise)
    return _with(
        verdict, speed, Finding(PROCESSES, "PASS" if enough else "INCONCLUSIVE", fact), notes, history[-1], new
    )


def _quiet(processes: Iterable[Process]) -> list[Process]:
    return [process for process in processes if process.quiet]


def _undecided(a: Sequence[Process], b: Sequence[Process], reason: Fact, *todo: Fact) -> Verdict:
    return Verdict("speed", "INCONCLUSIVE", side_of(b), reason, side_of(a), ITEM, todo=todo)


def _refused(a: Sequence[Process], b: Sequence[Process], different: Sequence[Fact]) -> Verdict:
    reason, todo = Fact.of("speed.other_machine", changes=different), Fact.of("speed.one_machine", pairs=PAIRS)
    return Verdict("speed", "SKIP", side_of(b), reason, side_of(a), ITEM, todo=(todo,))


def _judged(a: Sequence[Process], b: Sequence[Process], speed: Speed, unit: Unit) -> Verdict:
    needed, todo = _needed(speed, unit) if speed.outcome == "INCONCLUSIVE" else (None, ())
    return Verdict(
        "speed",
        speed.outcome,
        side_of(b),
        _reason(speed),
        side_of(a),
        ITEM,
        todo=todo,
        more_seeds=needed - speed.n if needed is not None and needed > speed.n else None,
    )


def _reason(speed: Speed) -> Fact:
    if speed.reason == "few":
        return Fact.of("speed.few_pairs", pairs=speed.n, needed=PAIRS)
    if speed.ci90 is None or speed.detectable is None:
        return Fact.of("speed.no_spread")
    low, high = speed.ci90
    interval = Fact.of(
        "speed.interval", ratio=speed.ratio, low=low, high=high, margin=speed.margin, detectable=speed.detectable
    )
    return Fact.of("speed.margin_below_mde", interval=interval) if speed.reason == "margin_below_mde" else interval


def _needed(speed: Speed, unit: Unit) -> tuple[int | None, tuple[Fact, ...]]:
    """Pairs or sessions that bring the MDE down to the margin where that is known, and what to do."""
    if speed.sd is None or speed.detectable is None:
        if speed.n >= PAIRS:
            return None, ()
        return PAIRS, (Fact.of("speed.at_least", needed=PAIRS, unit=unit),)
    needed = replicates_needed(speed.sd, speed.margin, unit == "session")
    if needed is None:
        return None, (Fact.of("speed.never_enough", sd=speed.sd, unit=unit),)
    if needed > speed.n:
        return needed, (Fact.of("speed.enough", needed=needed, margin=speed.margin, unit=unit),)
    return needed, (Fact.of("speed.more", unit=unit),)


def _with(
    verdict: Verdict,
    speed: Speed | None,
    processes: Finding,
    notes: Sequence[Fact],
    a: Sequence[Process],
    b: Sequence[Process],
) -> Verdict:
    """With what was compared and both sides' peaks of memory as findings; a process' peak that moved is noted first.

    A device's peaks are deterministic, so 1 % is the whole tolerance; but what asks for a quieter machine fails by
    nothing.
    """
    findings = [processes]
    x, y = (_peak(process.memory_mib for process in side) for side in (a, b))
    if x is not None and y is not None:
        grew = y > x and not same_memory(x, y)
        outcome: Outcome = "PASS" if not grew else "INCONCLUSIVE" if QUIETER in verdict.todo else "FAIL"
        findings.append(Finding(DEVICE_MEMORY, outcome, Fact.of("speed.device_memory", a=x, b=y), ratio=y / x))
        if _waits(a[-1]) != _waits(b[-1]):
            notes = [*notes, Fact.of("speed.nan_filter")]
    x, y = (_peak(process.process_mib for process in side) for side in (a, b))
    if x is not None and y is not None:
        fact = Fact.of("speed.process_memory", a=x, b=y)
        findings.append(Finding(PROCESS_MEMORY, "SKIP", fact, ratio=y / x))
        notes = notes if same_memory(x, y) else [fact, *notes]
    return replace(verdict, numbers=speed, findings=tuple(findings), notes=tuple(notes))


def _waits(process: Process) -> bool:
    """Whether its loop waits for a device at each micro-batch, to see whether the loss is finite; plain ones do not."""
    recipe = process.asked.get("recipe") or {}
    return process.engine == "trainer" and bool(recipe.get("logging_nan_inf_filter", True))


def _peak(peaks: Iterable[float | None]) -> float | None:
    return max((peak for peak in peaks if peak is not None and peak > 0), default=None)
