"""Timing processes: a rate, its session and machine, what disturbed it, and which two of them make a pair."""

from __future__ import annotations

import json
import math
import re
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from harness.checks.changes import changes
from harness.checks.verdict import Fact
from harness.grid.cell import Cell, configuration_label
from harness.record.model import Asked, Record
from harness.record.parts.timing import MOST_HELD, Timing
from harness.text import canonical_json

HARDWARE: Final = ("cpu", "architecture", "cores", "memory_gib")
"""Facts that two processes of one session must share; accelerators by their models."""
FACTS: Final = (*HARDWARE, "accelerators", "cuda", "driver", "boards")
"""Facts of the machine that must be equal between sessions, beside the number of threads."""
UNSTEADY: Final = 1.08
"""How much larger than the steadiest process' a process' spread may be; quiet ones differ by some percents."""
CAPPED_ALONE: Final = "its device was held at its power limit, what it is compared with was not"
CAPPED_BESIDE: Final = "its device was not held at its power limit, what it is compared with was"
OWN: Final = ("precision", "devices", "environment", "engine")
"""Axes that every configuration has, whether its grid writes them or not."""

_NUMBER: Final = re.compile(r"[-+]?\d+(\.\d+)?")


@dataclass(frozen=True)
class Process:
    """One timing process that ended well, from its record or from a speed baseline, which keeps no record.

    `rate` is its median of samples a second. `reasons` says why the machine was not quiet, in the record's own
    sentences. `machine` is the key of what must be equal to be compared (`machine_key`), `spread` the median step over
    the 5th percentile, `power_capped` the fraction of the window at the device's power limit (None: unknown). Peaks of
    memory in MiB, `memory_mib` the device's where there is one.
    """

    configuration_id: str
    label: str
    axes: Mapping[str, Any]
    precision: str
    devices: int
    engine: str
    environment: str
    session: str
    repeat: int
    started: str
    rate: float
    reasons: tuple[str, ...]
    machine: str
    memory_mib: float | None
    process_mib: float | None = None
    asked: Mapping[str, Any] = field(default_factory=dict)
    spread: float | None = None
    power_capped: float | None = None
    source: Record | None = field(default=None, compare=False, repr=False)

    @property
    def quiet(self) -> bool:
        """Whether nothing else disturbed it; only then may it decide anything."""
        return not self.reasons

    @property
    def cell_id(self) -> str:
        """The cell that was timed; in a baseline, which keeps no such id, configuration and repeat stand for it."""
        return self.source.cell_id if self.source else f"{self.configuration_id}#{self.repeat}"

    @property
    def record(self) -> Record:
        """The record that it came from.

        Raises
        ------
        ValueError
            For a process of a speed baseline.
        """
        if self.source is None:
            raise ValueError(
                f"{self.label}, repeat {self.repeat}: got a baseline's process; allowed one with its record"
            )
        return self.source

    @property
    def timing(self) -> Timing:
        """What its record holds of the window; raises as `record` does."""
        measured = self.record.measured
        assert measured is not None
        assert measured.timing is not None  # `process_of` takes no other
        return measured.timing


def place_of(asked: Cell | Asked | Process) -> dict[str, Any]:
    """A configuration's place in the matrix: the grid's axes but the seed, then those that it does not write."""
    axes = {axis: value for axis, value in asked.axes.items() if axis != "seed"}
    return axes | {name: getattr(asked, name) for name in OWN if name not in axes}


def process_of(record: Record) -> Process | None:
    """The process that a record holds; None where it is no timing cell's, not ok, or without a rate above 0."""
    timing = record.measured.timing if record.measured else None
    if record.status != "ok" or timing is None or record.observed is None or record.measured is None:
        return None
    rate = timing.median_samples_per_second
    if not (math.isfinite(rate) and rate > 0):
        return None
    asked, peaks = record.asked, record.measured.peak_memory_mib
    settings = asked.model_dump(mode="json", exclude={"axes", "repeat"})
    settings["checkpoint"].pop("name")
    return Process(
        configuration_id=record.configuration_id,
        label=configuration_label(asked),
        axes={axis: value for axis, value in asked.axes.items() if axis != "seed"},
        precision=asked.precision,
        devices=asked.devices,
        engine=asked.engine,
        environment=asked.environment,
        session=timing.session,
        repeat=asked.repeat,
        started=record.started,
        rate=rate,
        reasons=tuple(timing.noise.reasons),
        machine=machine_key(record.observed.machine, record.observed.threads),
        memory_mib=peaks.get("device"),
        process_mib=peaks.get("process"),
        asked=settings,
        spread=timing.step_ms["p50"] / timing.step_ms["p5"] if timing.step_ms.get("p5") else None,
        power_capped=timing.power_capped,
        source=record,
    )


def processes_of(records: Iterable[Record]) -> list[Process]:
    """Those records that are timing processes that ended well, in the order of their starts, each `watched`."""
    ordered = sorted(records, key=lambda record: (record.started, record.cell_id))
    return watched(process for record in ordered if (process := process_of(record)) is not None)


def watched(processes: Iterable[Process]) -> list[Process]:
    """The processes, with a reason more for those whose own speed moved while they were timed.

    All processes of a configuration train the same batches, so that the shape of their steps is the same; a machine
    that is slower for part of a window, unseen by the kernel's counters, shows in it. What each is held against is the
    steadiest of its own configuration and session: a slow-down that all have is no reason.
    """
    every = list(processes)
    steadiest: dict[tuple[str, str], float] = {}
    for process in every:
        if process.spread is not None:
            key = (process.configuration_id, process.session)
            steadiest[key] = min(process.spread, steadiest.get(key, process.spread))
    return [_watched(process, steadiest.get((process.configuration_id, process.session))) for process in every]


def _watched(process: Process, steadiest: float | None) -> Process:
    if process.spread is None or steadiest is None or process.spread <= UNSTEADY * steadiest:
        return process
    # A sentence, as the record's own reasons are: a speed baseline keeps it among them.
    reason = (
        f"its speed moved meanwhile: the median step took {process.spread:.2f} times as long as the fast ones "
        f"({steadiest:.2f} in the steadiest process)"
    )
    return process if reason in process.reasons else replace(process, reasons=(*process.reasons, reason))


def apart(processes: Sequence[Process], beside: Iterable[Process]) -> list[Process]:
    """The processes, with a reason more for each whose device was held at its power limit while those beside it
    mostly were not, or the other way round: then it is the power supply or the cooling that is compared.
    """
    known = [one.power_capped > MOST_HELD for one in beside if one.power_capped is not None]
    usual = 2 * sum(known) > len(known)
    return [
        replace(one, reasons=(*one.reasons, CAPPED_ALONE if one.power_capped > MOST_HELD else CAPPED_BESIDE))
        if known and one.power_capped is not None and (one.power_capped > MOST_HELD) != usual
        else one
        for one in processes
    ]


def noise_kind(reason: str) -> str:
    """What kind of disturbance a process' reason tells: its sentence without the numbers.

    Records and speed baselines, whose format stands, keep the reasons as sentences that differ in their numbers.
    """
    return _NUMBER.sub("#", reason)


def noise_of(processes: Iterable[Process]) -> tuple[Fact, ...]:
    """Every kind of disturbance with how often it came and its first reason, the commonest kind first."""
    reasons = [reason for process in processes for reason in process.reasons]
    first: dict[str, str] = {}
    for reason in reasons:
        first.setdefault(noise_kind(reason), reason)
    counts = Counter(map(noise_kind, reasons)).most_common()
    return tuple(Fact.of("speed.noise", count=count, example=first[kind]) for kind, count in counts)


def counted(processes: Sequence[Process]) -> list[Process]:
    """The processes that figures are made of: the quiet ones, or all where none was."""
    return [process for process in processes if process.quiet] or list(processes)


def machine_key(machine: Mapping[str, Any], threads: int) -> str:
    """The facts of a machine without which speeds are not to be compared, as canonical JSON; memory to the GiB."""
    facts = {name: machine[name] for name in FACTS if machine.get(name) is not None}
    if isinstance(memory := facts.get("memory_gib"), (int, float)):
        facts["memory_gib"] = round(memory)
    return canonical_json({**facts, "threads": threads})


def machine_changes(a: str, b: str) -> tuple[Fact, ...]:
    """What differs between two keys."""
    return changes(_facts(a), _facts(b))


def hardware_changes(a: Process, b: Process) -> tuple[Fact, ...]:
    """What differs in hardware; within a session more may: accelerators in sight, the build of CUDA."""
    return changes(_hardware(a), _hardware(b))


def newest_pairs(a: Iterable[Process], b: Iterable[Process]) -> list[tuple[Process, Process]]:
    """Pairs (same session, same repeat) of the newest session that has any, by repeat.

    A session runs round by round (A B B A ...), so the two of a pair are neighbours. A process is no pair with itself.
    """
    left, right = ({(each.session, each.repeat): each for each in oldest_first(side)} for side in (a, b))
    shared = [key for key in left.keys() & right.keys() if left[key].configuration_id != right[key].configuration_id]
    if not shared:
        return []
    newest, _ = max(shared, key=lambda key: max(left[key].started, right[key].started))
    return [(left[key], right[key]) for key in sorted(shared) if key[0] == newest]


def oldest_first(processes: Iterable[Process]) -> list[Process]:
    """By the time at which they began."""
    return sorted(processes, key=lambda process: process.started)


def sessions(processes: Iterable[Process]) -> list[list[Process]]:
    """Sessions, the newest last; of a process that was tried again the last attempt."""
    found: dict[str, dict[int, Process]] = {}
    for process in oldest_first(processes):
        found.setdefault(process.session, {})[process.repeat] = process
    every = [list(session.values()) for session in found.values()]
    return sorted(every, key=lambda session: max(process.started for process in session))


def session_starts(processes: Iterable[Process]) -> dict[str, str]:
    """Each session's first start, the newest session first: the one with the latest process."""
    spans: dict[str, list[str]] = {}
    for process in processes:
        spans.setdefault(process.session, []).append(process.started)
    ordered = sorted(spans, key=lambda session: (max(spans[session]), session), reverse=True)
    return {session: min(spans[session]) for session in ordered}


def rate_of(session: Iterable[Process]) -> float:
    """One rate for a session: the median of its processes."""
    return statistics.median(process.rate for process in session)


def _facts(key: str) -> dict[str, Any]:
    try:
        facts = json.loads(key)
    except ValueError:
        facts = None
    return facts if isinstance(facts, dict) else {"machine": key}


def _hardware(process: Process) -> dict[str, Any]:
    facts = _facts(process.machine)
    models = sorted(set(facts.get("accelerators") or ()))
    return {name: facts[name] for name in (*HARDWARE, "machine") if name in facts} | {"accelerators": models}
