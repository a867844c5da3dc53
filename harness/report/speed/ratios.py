"""Configurations side by side: ratios of speed along one axis, all other axes equal, over pairs of processes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from harness.checks.speed.compare import Replicate, newest_pairs
from harness.ids import canonical_json
from harness.report.format.labels import Namer, plain
from harness.report.speed.model import Contrast, Scaling, TimingPlan
from harness.stats.throughput import compare_pairs

NOT_COMPARED: Final = frozenset({"checkpoint", "seed", "repeat"})
"""Axes along which no ratio is meant: other models are other work, and replicates are no axis."""

BASES: Final[Mapping[str, str]] = {"precision": "fp32", "engine": "loop"}
"""What others are compared with where it was measured; on any other axis it is the grid's first value."""

_OWN_WORDS: Final = frozenset({"precision", "engine", "environment"})


def contrasts(plan: TimingPlan, replicates: Mapping[str, Sequence[Replicate]]) -> tuple[Contrast, ...]:
    """Every ratio along every axis, in the grid's order; `replicates` are by configuration_id, of all sessions."""
    measured = {key: place for key, place in plan.places.items() if replicates.get(key)}
    namer = Namer(plan.places.values())
    found: list[Contrast] = []
    for axis in namer.axes:
        if axis in NOT_COMPARED:
            continue
        for group in _alike(measured, axis):
            base, *others = group
            where = namer.label({name: value for name, value in plan.places[base].items() if name != axis})
            for key in others:
                draft = Contrast(
                    axis=axis,
                    what=_what(axis, plan.places[key], plan.places[base]),
                    where=where,
                    value=plan.places[key].get(axis),
                    over=plan.places[base].get(axis),
                )
                found.append(_compared(draft, newest_pairs(replicates[base], replicates[key]), plan.margin))
    return tuple(found)


def scalings(found: Sequence[Contrast]) -> tuple[Scaling, ...]:
    """The ratios over device counts, with the efficiency: the speed-up over the growth in devices."""
    rows = []
    for one in found:
        if one.axis != "devices":
            continue
        share = one.over / one.value
        rows.append(
            Scaling(
                contrast=one,
                devices=one.value,
                base=one.over,
                efficiency=None if one.ratio is None else one.ratio * share,
                ci90=None if one.ci90 is None else (one.ci90[0] * share, one.ci90[1] * share),
            )
        )
    return tuple(rows)


def _alike(places: Mapping[str, Mapping[str, Any]], axis: str) -> list[list[str]]:
    """Groups of at least two configurations that agree in everything but `axis`, each with its base first."""
    groups: dict[str, list[str]] = {}
    for key, place in places.items():
        rest = canonical_json({name: value for name, value in place.items() if name != axis})
        groups.setdefault(rest, []).append(key)

    def first(key: str) -> Any:
        value = places[key].get(axis)
        return value if axis == "devices" else value != BASES.get(axis)

    return [sorted(group, key=first) for group in groups.values() if len(group) > 1]


def _what(axis: str, place: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """`bf16 over fp32`, `torch_compile=true over false`."""
    value, over = (plain(one[axis]) if axis in one else "default" for one in (place, base))
    return f"{value} over {over}" if axis in _OWN_WORDS else f"{axis}={value} over {over}"


def _compared(draft: Contrast, pairs: Sequence[tuple[Replicate, Replicate]], margin: float) -> Contrast:
    """The ratio over those pairs whose processes were both quiet."""
    if not pairs:
        return replace(draft, why="no session has both of them")
    quiet = [(a.rate, b.rate) for a, b in pairs if not (a.reasons or b.reasons)]
    draft = replace(draft, session=pairs[0][0].session, pairs=len(quiet), left_out=len(pairs) - len(quiet))
    if not quiet:
        return replace(draft, why="in every pair a process was not quiet")
    speed = compare_pairs([a for a, _ in quiet], [b for _, b in quiet], margin)
    return replace(draft, ratio=speed.ratio, ci90=speed.ci90, detectable=speed.detectable)
