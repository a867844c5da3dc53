"""Speed of one configuration against its counterpart, from timing processes (statistics.md, section 4).

The process is the unit. Processes that other load disturbed are left out before anything is compared: by what the
kernel said of the machine meanwhile, never by how fast they came out. Too few quiet ones decide nothing.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from harness.checks.speed.process import (
    Replicate as Replicate,
)
from harness.checks.speed.process import hardware_changes, machine_changes, oldest_first, rate_of, sessions
from harness.checks.speed.process import newest_pairs as newest_pairs
from harness.checks.speed.process import replicate_of as replicate_of
from harness.checks.speed.process import watched as watched
from harness.checks.verdict import Outcome
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

Design = Literal["side by side", "sessions"]

REASONS_SHOWN: Final = 3

QUIETER: Final = (
    "close other programs and time again (`harness run GRID --time-again`); more processes ([throughput] processes) "
    "leave more quiet ones; on Linux keep some cores for the harness alone (isolcpus or a cpuset, then `taskset -c`), "
    "as `python -m pyperf system tune` advises"
)
TIME_AGAIN: Final = "time it again: `harness run GRID --time-again`"
SIDE_BY_SIDE: Final = (
    "run both side by side: one grid with both values of an axis (environment, say) and at least "
    f"{PAIRS} processes, then `harness compare RESULTS:environment=OLD RESULTS:environment=NEW`"
)


@dataclass(frozen=True)
class Memory:
    """Peaks of memory on both sides, MiB. A device's are deterministic, so 1 % is the whole tolerance."""

    a: float
    b: float

    @property
    def grew(self) -> bool:
        """Whether B needs more, beyond the tolerance."""
        return self.b > self.a and not same_memory(self.a, self.b)

    @property
    def text(self) -> str:
        """`1200.0 -> 1300.0 MiB (+8.33 %)`."""
        return f"{self.a:.1f} -> {self.b:.1f} MiB ({100 * (self.b / self.a - 1):+.2f} %)"


@dataclass(frozen=True)
class Comparison:
    """One configuration of B against its counterpart of A.

    Attributes
    ----------
    a, b
        The labels; empty where a side has none.
    speed
        None where nothing could be compared.
    pairs, noisy
        Quiet pairs that were compared (of `sessions`: sessions of A), and pairs (processes) that were left out.
    quiet
        False where too few quiet ones are left to say anything.
    memory, process_memory
        Peaks on both sides: the device's, which decides, and the process', which never does.
    adjusted_p
        `speed.p_slower` after Holm over the configurations compared at once; None where it is no part of that family.
    confirmed
        What `--confirm` found.
    notes
        Further facts that decide nothing.
    """

    a: str
    b: str
    verdict: Outcome
    why: str
    speed: Speed | None
    pairs: int
    noisy: int
    design: Design
    advice: str = ""
    quiet: bool = True
    memory: Memory | None = None
    process_memory: Memory | None = None
    adjusted_p: float | None = None
    confirmed: str = ""
    notes: tuple[str, ...] = ()
    configuration_ids: tuple[str, ...] = ()


def compare_replicates(a: Sequence[Replicate], b: Sequence[Replicate], margin: float) -> Comparison:
    """Compare the processes of one configuration of B with those of its counterpart of A.

    Side by side where a session has both, else B's newest session with A's sessions. The peak of device memory
    decides too: more than 1 % of growth is a FAIL, unless the machine was not quiet.

    Raises
    ------
    ValueError
        Where a side has no process, or the margin is not between 0 and 1.
    """
    return with_memory(drafted(a, b, margin))


def drafted(a: Sequence[Replicate], b: Sequence[Replicate], margin: float) -> Comparison:
    """The same without memory's word in the verdict: a family is heard before it (`with_memory`)."""
    if not a or not b:
        raise ValueError(f"processes: {len(a)} and {len(b)} (allowed: at least 1 of each)")
    pairs = newest_pairs(a, b)
    found = _side_by_side(pairs, margin) if pairs else _by_sessions(a, b, margin)
    ids = tuple(dict.fromkeys((a[-1].configuration_id, b[-1].configuration_id)))
    later = bool(pairs) and oldest_first(b)[-1].session != pairs[0][1].session
    notes = (*found.notes, *["B has a newer session, without A: it is not compared"] * later)
    return replace(found, configuration_ids=ids, notes=notes)


def with_memory(comparison: Comparison) -> Comparison:
    """Let the growth of device memory fail what was compared on a quiet machine; else it is only told."""
    memory = comparison.memory
    if memory is None or comparison.verdict == "SKIP":
        return comparison
    if memory.grew and comparison.quiet:
        said = (
            f"device memory {memory.text}, more than {100 * MEMORY:g} %; speed: {comparison.verdict}, {comparison.why}"
        )
        return replace(comparison, verdict="FAIL", why=said)
    return replace(comparison, notes=(*comparison.notes, f"device memory {memory.text}"))


def _side_by_side(pairs: Sequence[tuple[Replicate, Replicate]], margin: float) -> Comparison:
    draft = _draft(pairs[-1][0], pairs[-1][1], "side by side")
    changes = hardware_changes(*pairs[-1])
    if changes:
        return _refused(draft, changes)
    quiet = [pair for pair in pairs if not (pair[0].reasons or pair[1].reasons)]
    noisy = len(pairs) - len(quiet)
    reasons = _commonest([one for pair in pairs for one in pair])
    speed = compare_pairs([x.rate for x, _ in quiet], [y.rate for _, y in quiet], margin) if quiet else None
    draft = _with_peaks(draft, [x for x, _ in pairs], [y for _, y in pairs])
    draft = replace(draft, speed=speed, pairs=len(quiet), noisy=noisy)
    if noisy and len(quiet) < PAIRS:
        why = f"the machine was not quiet in {noisy} of {len(pairs)} pairs, {PAIRS} quiet ones are needed: {reasons}"
        return replace(draft, why=why, advice=QUIETER, quiet=False)
    assert speed is not None
    if noisy:
        left = f"{noisy} of {len(pairs)} pairs left out, for the machine was not quiet: {reasons}"
        draft = replace(draft, notes=(*draft.notes, left))
    if len(quiet) >= ROBUST_PAIRS:
        median, (low, high) = median_ratio([x.rate for x, _ in quiet], [y.rate for _, y in quiet])
        robust = f"median over pairs {median:.3f}, 90 % bootstrap [{low:.3f}, {high:.3f}], which no verdict goes by"
        draft = replace(draft, notes=(*draft.notes, robust))
    return _judged(draft, speed)


def _by_sessions(a: Sequence[Replicate], b: Sequence[Replicate], margin: float) -> Comparison:
    """B's newest session against A's, one rate a session: the median of its quiet processes.

    A session with fewer quiet processes than half of the largest session's does not count: its median says less.
    """
    new = sessions(b)[-1]
    draft = _draft(a[-1], new[-1], "sessions")
    known = sessions(a)
    if any(session[0].session == new[0].session for session in known):
        return replace(draft, why="B has no session that A does not have", advice=f"for B, {TIME_AGAIN}")
    history = [session for session in known if session[0].machine == new[0].machine]
    if not history:
        return _refused(draft, machine_changes(known[-1][0].machine, new[0].machine))
    needed = math.ceil(max(map(len, (*history, new))) / 2)
    quiet = [[one for one in session if not one.reasons] for session in history]
    counted = [session for session in quiet if len(session) >= needed]
    ours = [one for one in new if not one.reasons]
    every = [one for session in (*history, new) for one in session]
    noisy = sum(bool(one.reasons) for one in every)
    draft = _with_peaks(draft, history[-1], new)
    notes = draft.notes
    if len(known) > len(history):
        notes = (*notes, f"sessions of A left out, from another machine: {len(known) - len(history)}")
    if noisy:
        notes = (
            *notes,
            f"{noisy} of {len(every)} processes left out, for the machine was not quiet: {_commonest(every)}",
        )
    draft = replace(draft, pairs=len(counted), noisy=noisy, notes=notes)
    if len(ours) < needed:
        why = f"{len(ours)} of at least {needed} processes of B's newest session are there and quiet"
        if len(ours) == len(new):
            return replace(draft, why=why, advice=f"for B, {TIME_AGAIN}")
        return replace(draft, why=f"{why}: {_commonest(new)}", advice=QUIETER, quiet=False)
    if counted:
        speed = compare_sessions([rate_of(session) for session in counted], rate_of(ours), margin)
        draft = replace(draft, speed=speed)
    if len(counted) < SESSIONS:
        left = len(history) - len(counted)
        also = f" ({left} more without {needed} quiet processes)" if left else ""
        why = f"A has {len(counted)} of at least {SESSIONS} sessions{also}: nothing is known of the spread between them"
        advice = f"{SIDE_BY_SIDE}; or for A, {TIME_AGAIN}, until it has {SESSIONS} sessions"
        quieter = noisy > 0 and left > 0
        return replace(draft, why=why, advice=f"{advice}; {QUIETER}" if quieter else advice, quiet=not quieter)
    assert draft.speed is not None
    return _judged(draft, draft.speed)


def _draft(a: Replicate, b: Replicate, design: Design) -> Comparison:
    return Comparison(a.label, b.label, "INCONCLUSIVE", "", None, 0, 0, design)


def _refused(draft: Comparison, changes: Sequence[str]) -> Comparison:
    return replace(
        draft, verdict="SKIP", why=f"another machine, speeds are not comparable: {', '.join(changes)}",
        advice=f"on one machine {SIDE_BY_SIDE}",
    )  # fmt: skip


def _judged(draft: Comparison, speed: Speed) -> Comparison:
    advice = _more(draft.design, speed) if speed.outcome == "INCONCLUSIVE" else ""
    return replace(draft, verdict=speed.outcome, why=speed.why, advice=advice)


def _more(design: Design, speed: Speed) -> str:
    """What would let it be decided: as many processes or sessions as bring the MDE down to the margin."""
    sessions = design == "sessions"
    what = f"sessions of A ({TIME_AGAIN})" if sessions else "processes ([throughput] processes in the grid)"
    if speed.sd is None or speed.detectable is None:
        return "" if speed.n >= PAIRS else f"at least {PAIRS} {what}"
    needed = replicates_needed(speed.sd, speed.margin, sessions)
    if needed is None:
        return f"no number of {what} is enough at this spread of {100 * speed.sd:.1f} %: {QUIETER}"
    if needed > speed.n:
        return f"{needed} {what} would find {100 * speed.margin:g} % with 80 % power at this spread"
    return f"more {what} narrow the interval"


def _with_peaks(draft: Comparison, a: Sequence[Replicate], b: Sequence[Replicate]) -> Comparison:
    """With both sides' peaks of memory; a process' is noted where it has moved."""
    process = _peaks([one.process_mib for one in a], [one.process_mib for one in b])
    moved = process is not None and not same_memory(process.a, process.b)
    notes = [f"process memory {process.text}, which no verdict goes by"] if process and moved else []
    device = _peaks([one.memory_mib for one in a], [one.memory_mib for one in b])
    return replace(draft, memory=device, process_memory=process, notes=(*draft.notes, *notes))


def _peaks(a: Iterable[float | None], b: Iterable[float | None]) -> Memory | None:
    known = [[peak for peak in side if peak is not None and peak > 0] for side in (a, b)]
    return Memory(max(known[0]), max(known[1])) if all(known) else None


def _commonest(replicates: Iterable[Replicate]) -> str:
    """`3 × other processes kept 0.53 cores busy (at most 0.1)`: reasons that differ in a number only are one."""
    reasons = [reason for one in replicates for reason in one.reasons]
    example = {re.sub(r"[-+]?\d+(\.\d+)?", "#", reason): reason for reason in reversed(reasons)}
    counts = Counter(re.sub(r"[-+]?\d+(\.\d+)?", "#", reason) for reason in reasons)
    said = [f"{count} × {example[kind]}" for kind, count in counts.most_common(REASONS_SHOWN)]
    return ", ".join([*said, *["..."] * (len(counts) > REASONS_SHOWN)])
