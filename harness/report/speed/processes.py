"""Timing processes out of records: which session is the newest, which of its processes may count."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from harness.checks.speed.compare import Replicate, replicate_of, watched
from harness.record.model import Record
from harness.record.timing import Timing


@dataclass(frozen=True)
class Process:
    """One timing process that ended well."""

    record: Record
    timing: Timing
    replicate: Replicate

    @property
    def quiet(self) -> bool:
        """Whether nothing else disturbed it."""
        return not self.replicate.reasons

    @property
    def session(self) -> str:
        """The harness run that it was part of."""
        return self.timing.session


def processes_of(records: Iterable[Record]) -> list[Process]:
    """Those records that are timing processes that ended well, in the order of their starts."""
    timed = []
    for record in sorted(records, key=lambda one: (one.started, one.cell_id)):
        timing = record.measured.timing if record.measured else None
        replicate = replicate_of(record)
        if timing is not None and replicate is not None:
            timed.append((record, timing, replicate))
    replicates = watched(replicate for _, _, replicate in timed)
    return [Process(record, timing, one) for (record, timing, _), one in zip(timed, replicates, strict=True)]


def session_starts(processes: Iterable[Process]) -> dict[str, str]:
    """Each session's first start, the newest session first: the one with the latest process."""
    spans: dict[str, list[str]] = {}
    for one in processes:
        spans.setdefault(one.session, []).append(one.record.started)
    ordered = sorted(spans, key=lambda session: (max(spans[session]), session), reverse=True)
    return {session: min(spans[session]) for session in ordered}


def counted(processes: Sequence[Process]) -> list[Process]:
    """The processes that figures are made of: the quiet ones, or all where none was."""
    return [one for one in processes if one.quiet] or list(processes)
