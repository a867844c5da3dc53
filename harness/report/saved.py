"""What `harness baseline save` wrote, as plain lines: counts, and what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from harness.checks.scores.baseline.file import Baseline, LeftOut
from harness.report.format.escape import clean

MOST: Final = 20


def saved_text(baseline: Baseline, path: Path) -> str:
    """Counts, then every run that was left out and why."""
    runs = sum(len(one.seeds) for one in baseline.configurations)
    collapsed = sum(one.collapsed for one in baseline.configurations)
    counts = f"{_many(len(baseline.configurations), 'configuration')}, {_many(runs, 'run')}"
    lines = [f"wrote {clean(path)}: {counts}" + (f", {collapsed} collapsed" if collapsed else "")]
    return "\n".join([*lines, *left_out_lines(baseline.left_out)])


def made_text(name: str, baseline: Baseline) -> str:
    """`before.json, 2026-11-22, harness 0.1.0, commit 3f2a9c01 (before the upgrade)`: one side of a comparison."""
    changes = " with changes" if baseline.git_dirty else ""
    commit = f", commit {clean(baseline.git_sha[:8])}{changes}" if baseline.git_sha else ""
    note = f" ({clean(baseline.note)})" if baseline.note else ""
    return f"{clean(name)}, {clean(baseline.date)}, harness {clean(baseline.harness)}{commit}{note}"


def left_out_lines(left_out: Sequence[LeftOut]) -> list[str]:
    """A line for each run that is not in a baseline; beyond 20 the rest is counted by status."""
    lines = [
        f"left out: {clean(one.configuration)}{'' if one.seed is None else f' · seed {one.seed}'}: "
        f"{one.status}, {clean(one.why)}"
        for one in left_out[:MOST]
    ]
    rest = Counter(one.status for one in left_out[MOST:])
    if rest:
        lines.append(f"left out too: {', '.join(f'{count} {status}' for status, count in rest.items())}")
    return lines


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
