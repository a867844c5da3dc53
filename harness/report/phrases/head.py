"""What stands above all verdicts, in words: whose runs they are, how old, and what is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from harness.record.freshness import Freshness
from harness.report.phrases.recipe import many

MOST: Final = 6
"""So many names stand in a sentence; of more their number."""


def freshness_text(found: Freshness) -> str:
    """`2 of 5 cells measured now, 3 reused; oldest 2026-11-27 02:17, youngest 2026-11-28 02:19 (UTC)`."""
    if not found.cells:
        return "no cell counts"
    share = f"{found.measured} of {many(found.cells, 'cell')} measured now, {found.reused} reused"
    if found.run is None:
        share = f"{many(found.cells, 'cell')}; when they were last run is not known"
    oldest, youngest = _minute(found.oldest), _minute(found.youngest)
    ages = f"all of {oldest}" if oldest == youngest else f"oldest {oldest}, youngest {youngest}"
    return f"{share}; {ages} (UTC)"


def _minute(instant: str) -> str:
    try:
        return datetime.fromisoformat(instant).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return instant


def _part(cells: int, planned: int, seeds: Sequence[int], configurations: Sequence[str]) -> str:
    left = [f"seed{'' if len(seeds) == 1 else 's'} {_names(seeds)}"] if seeds else []
    left += [_names(configurations)] if configurations else []
    return f"Part of the grid: {cells} of {many(planned, 'cell')}; left out: {'; '.join(left)}"


def _names(values: Sequence[Any]) -> str:
    shown = ", ".join(str(value) for value in values[:MOST])
    return shown if len(values) <= MOST else f"{shown} and {len(values) - MOST} more"


def _changed(environment: str, changed: Sequence[Mapping[str, str | None]]) -> str:
    names = [f"{one['package']} {one['a'] or 'not installed'} -> {one['b'] or 'not installed'}" for one in changed]
    what = _names(names) or "its Python, accelerator or driver"
    return f"environment {environment} has changed since the last run: {what}; older runs do not count"


def _repeated(equal: int, cells: int, date: str, other: Mapping[str, int]) -> str:
    lost = f"; not: {_names([f'{label} ({number})' for label, number in other.items()])}" if other else ""
    return f"{equal} of {many(cells, 'cell')} bit for bit as on {date}{lost}"


def _accepted(
    path: str, date: str, harness: str, git_sha: str | None = None, git_dirty: bool | None = None, note: str = ""
) -> str:
    commit = f", commit {git_sha[:8]}{' with changes' if git_dirty else ''}" if git_sha else ""
    return f"accepted file: {path}, {_minute(date)} (UTC), harness {harness}{commit}{f' ({note})' if note else ''}"


HEAD: Final[Mapping[str, str | Callable[..., str]]] = {
    "part": _part,
    "part.seeds": "no verdict over chosen seeds: who chooses them chooses the verdict",
    "whose.chosen": "runs of the environment that was asked for: {choice}",
    "whose.unknown": "which environment was meant is not recorded: the newest counts",
    "whose.elsewhere": "measured on another machine, {machine}: its packages were not compared with those here",
    "whose.changed": _changed,
    "whose.material": "environment {environment}: {problem}",
    "repeated": _repeated,
    "accepted.file": _accepted,
    "accept.seeds": "not all of its seeds are chosen: who chooses them chooses what is expected",
    "accept.unreadable": "{error}",
    "accept.left_out": lambda label, reasons, since: (
        f"left out: {label}: {'; '.join(reasons)}"
        + (f"; what was accepted {_minute(since)} (UTC) stays" if since else "; never accepted")
    ),
    "accept.gone": "dropped: {label}: the grid has it no more",
    "require.unmet": lambda problems: "; ".join(problems),
    "measurement.old": lambda began, oldest, runs: (
        f"measured {_minute(began)}, too old: older than {_minute(oldest)} (UTC); {many(runs, 'run')}"
    ),
}
