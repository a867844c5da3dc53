"""What older measurements say of what is red, in words; and where it was measured."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from harness.protocol import LOG
from harness.report.format.numbers import points
from harness.report.phrases.head import minute
from harness.report.phrases.recipe import many
from harness.report.phrases.verify import near
from harness.text import listed

SHOWN: Final = 3
"""So many changes are named; of more their number."""


def _well(since: str | None, tonight: bool, well: str, mean: float | None, undecided: bool) -> str:
    bad = "" if since is None else "since tonight; " if tonight else f"since {minute(since)}; "
    last = "never good, last undecided" if undecided else "last good"
    return f"{bad}{last} {minute(well)}{'' if mean is None else f' ({points(mean)})'}"


def _changed(changes: Sequence[str], same: Sequence[str]) -> str:
    names = [*changes[:SHOWN], *([f"{len(changes) - SHOWN} more"] if len(changes) > SHOWN else [])]
    text = f"changed since: {', '.join(names) or 'nothing that is recorded'}"
    return f"{text}; {listed(same)}: same" if same else text


def _difference(
    state: str, seed: int, item: str | None, step: int | None, ratio: float | None, upstream: str | None
) -> str:
    if state == "identical":
        return f"seed {seed} is identical to the last bit to when it was good"
    if state == "equal":
        return f"seed {seed} is equal within rounding to when it was good"
    if state != "different" or item is None:
        return f"what seed {seed} recorded does not say where it parts from when it was good"
    much = "" if ratio is None else f" x {ratio:.3f}" if not near(ratio) else f", {ratio - 1:+.1e} off"
    place = "" if step is None else f"step {step}, "
    known = f" (known: {upstream})" if upstream else ""
    return f"first difference to last good: {place}{item}{much}{known}"


def again_options(select: Sequence[str], fresh: bool, grid: str = "") -> str:
    """What `harness run GRID` is given to run a configuration again, or what is missing of it."""
    return " ".join([*(["--fresh"] if fresh else []), *(f"-s {shlex.quote(one)}" for one in select)])


def _where(accelerator: str, device: str | None, packages: Mapping[str, str]) -> str:
    parts = [*([device] if device else []), *(f"{name} {version}" for name, version in packages.items())]
    return f"{accelerator}{f' ({listed(parts)})' if parts else ''}"


PAST: Final[Mapping[str, str | Callable[..., str]]] = {
    "past.well": _well,
    "past.never": lambda since, measurements: (
        f"never good in {many(measurements, 'measurement')}, the first of {minute(since)}"
    ),
    "past.none": lambda since: f"measured {minute(since)}; nothing older in this store to compare with",
    "past.changed": _changed,  # changes: facts "changed"
    "past.unreadable": "no comparison with last good: {error}",
    "past.difference": _difference,
    "past.again": lambda select, fresh, grid="GRID": (
        f"again: `{f'harness run {grid} {again_options(select, fresh)}'.strip()}`"
    ),
    "past.runs": lambda folder, runs: (
        "logs: " + "; ".join(f"seed {one['seed']} {folder}/{one['path']}/{LOG}" for one in runs)
    ),
    "measured.at": _where,
}
