"""Timing processes as the comparison of speeds sees them: rate, session, machine, and which of them make a pair."""

from __future__ import annotations

import json
import math
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final

from harness.grid.cell import configuration_label
from harness.ids import canonical_json
from harness.record.model import Record
from harness.text import show

HARDWARE: Final = ("cpu", "architecture", "cores", "memory_gib")
"""Facts that two processes of one session must share; accelerators by their models."""
UNSTEADY: Final = 1.08
"""How much larger than the steadiest process' a process' spread may be; quiet ones differ by some percents."""
FACTS: Final = (*HARDWARE, "accelerators", "cuda", "driver")
"""Facts of the machine that must be equal between sessions, beside the number of threads."""


@dataclass(frozen=True)
class Replicate:
    """One timing process, from its record.

    `rate` is its median of samples a second, `reasons` why the machine was not quiet, `machine` the key of what must
    be equal to be compared (`machine_key`), `spread` the median step over the 5th percentile. Peaks of memory in MiB,
    `memory_mib` the device's where there is one.
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


def replicate_of(record: Record) -> Replicate | None:
    """The replicate that a record holds; None where it is no timing cell's, not ok, or without a rate above 0."""
    timing = record.measured.timing if record.measured else None
    if record.status != "ok" or timing is None or record.observed is None or record.measured is None:
        return None
    rate = timing.median_samples_per_second
    if not (math.isfinite(rate) and rate > 0):
        return None
    asked, peaks = record.asked, record.measured.peak_memory_mib
    settings = asked.model_dump(mode="json", exclude={"axes", "repeat"})
    settings["checkpoint"].pop("name")
    return Replicate(
        configuration_id=record.configuration_id,
        label=configuration_label(asked.checkpoint.name, asked.axes),
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
    )


def watched(replicates: Iterable[Replicate]) -> list[Replicate]:
    """The replicates, with a reason more for those whose own speed moved while they were timed.

    All replicates of a configuration train the same batches, so that the shape of their steps is the same; a machine
    that is slower for part of a window, unseen by the kernel's counters, shows in it. What each is held against is the
    steadiest of its own configuration and session: a slow-down that all have is no reason.
    """
    every = list(replicates)
    steadiest: dict[tuple[str, str], float] = {}
    for one in every:
        if one.spread is not None:
            key = (one.configuration_id, one.session)
            steadiest[key] = min(one.spread, steadiest.get(key, one.spread))
    return [_watched(one, steadiest.get((one.configuration_id, one.session))) for one in every]


def _watched(one: Replicate, steadiest: float | None) -> Replicate:
    if one.spread is None or steadiest is None or one.spread <= UNSTEADY * steadiest:
        return one
    reason = (
        f"its speed moved meanwhile: the median step took {one.spread:.2f} times as long as the fast ones "
        f"({steadiest:.2f} in the steadiest process)"
    )
    return one if reason in one.reasons else replace(one, reasons=(*one.reasons, reason))


def machine_key(machine: Mapping[str, Any], threads: int) -> str:
    """The facts of a machine without which speeds are not to be compared, as canonical JSON; memory to the GiB."""
    facts = {name: machine[name] for name in FACTS if machine.get(name) is not None}
    if isinstance(memory := facts.get("memory_gib"), (int, float)):
        facts["memory_gib"] = round(memory)
    return canonical_json({**facts, "threads": threads})


def machine_changes(a: str, b: str) -> list[str]:
    """What differs between two keys, a fact a text: `cores 2 -> 4`."""
    return _changes(_facts(a), _facts(b))


def hardware_changes(a: Replicate, b: Replicate) -> list[str]:
    """What differs in hardware; within a session more may: accelerators in sight, the build of CUDA."""
    return _changes(_hardware(a), _hardware(b))


def newest_pairs(a: Iterable[Replicate], b: Iterable[Replicate]) -> list[tuple[Replicate, Replicate]]:
    """Pairs (same session, same repeat) of the newest session that has any, by repeat.

    A session runs round by round (A B B A ...), so the two of a pair are neighbours. A process is no pair with itself.
    """
    left, right = ({(one.session, one.repeat): one for one in oldest_first(side)} for side in (a, b))
    shared = [
        key for key in left.keys() & right.keys() if left[key].configuration_id != right[key].configuration_id
    ]  # fmt: skip
    if not shared:
        return []
    newest, _ = max(shared, key=lambda key: max(left[key].started, right[key].started))
    return [(left[key], right[key]) for key in sorted(shared) if key[0] == newest]


def oldest_first(replicates: Iterable[Replicate]) -> list[Replicate]:
    """By the time at which they began."""
    return sorted(replicates, key=lambda one: one.started)


def sessions(replicates: Iterable[Replicate]) -> list[list[Replicate]]:
    """Sessions, the newest last; of a process that was tried again the last attempt."""
    found: dict[str, dict[int, Replicate]] = {}
    for one in oldest_first(replicates):
        found.setdefault(one.session, {})[one.repeat] = one
    every = [list(session.values()) for session in found.values()]
    return sorted(every, key=lambda session: max(one.started for one in session))


def rate_of(session: Iterable[Replicate]) -> float:
    """One rate for a session: the median of its processes."""
    return statistics.median(one.rate for one in session)


def _facts(key: str) -> dict[str, Any]:
    try:
        facts = json.loads(key)
    except ValueError:
        facts = None
    return facts if isinstance(facts, dict) else {"machine": key}


def _hardware(one: Replicate) -> dict[str, Any]:
    facts = _facts(one.machine)
    models = sorted(set(facts.get("accelerators") or ()))
    return {name: facts[name] for name in (*HARDWARE, "machine") if name in facts} | {"accelerators": models}


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> list[str]:
    return [
        f"{name} {_said(a.get(name))} -> {_said(b.get(name))}"
        for name in dict.fromkeys([*a, *b])
        if a.get(name) != b.get(name)
    ]


def _said(value: Any) -> str:
    return "(none)" if value is None else value if isinstance(value, str) else show(value)
