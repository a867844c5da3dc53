"""Ratios of speed: configurations side by side along one axis, over pairs of processes; published speed-ups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from harness.checks.speed.process import Process, newest_pairs
from harness.grid.labels import SPEAKING, Namer
from harness.references import Reference, find
from harness.report.speed.model import Contrast, PublishedSpeedUp, Scaling, TimingPlan
from harness.stats.throughput import compare_pairs
from harness.text import canonical_json

NOT_COMPARED: Final = frozenset({"checkpoint", "seed", "repeat"})
"""Axes along which no ratio is meant: other models are other work, and replicates are no axis."""

BASES: Final[Mapping[str, str]] = {"precision": "fp32", "engine": "loop"}
"""What others are compared with where it was measured; on any other axis it is the grid's first value."""

PUBLISHED: Final = (
    ("hf-readme-cased-fp32", "hf-readme-cased-fp16"),
    ("hf-readme-tf2-titanv-fp32", "hf-readme-tf2-titanv-amp"),
    ("hf-readme-tf2-v100-fp32", "hf-readme-tf2-v100-amp"),
    ("nvidia-pt-tf32", "nvidia-pt-amp"),
    ("nvidia-tf-best-tf32", "nvidia-tf-best-fp16"),
)
"""References to MRPC trainings that differ in precision alone: (base, faster precision)."""

PRINTED: Final[tuple[tuple[Any, str, str], ...]] = (
    ("train_seconds", " s", "time of the training"),
    ("second_epoch_seconds", " s", "time of the second epoch"),
    ("train_samples_per_second", " samples/s", "rate"),
)
"""What a speed-up is made of, the first that both have: (metric, unit, what it is)."""


def contrasts(plan: TimingPlan, processes: Mapping[str, Sequence[Process]], namer: Namer) -> tuple[Contrast, ...]:
    """Every ratio along every axis, in the grid's order; `processes` are by configuration_id, of all sessions."""
    measured = {key: place for key, place in plan.places.items() if processes.get(key)}
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
                    what=_what(namer, axis, plan.places[key], plan.places[base]),
                    where=where,
                    value=plan.places[key].get(axis),
                    over=plan.places[base].get(axis),
                )
                found.append(_compared(draft, newest_pairs(processes[base], processes[key]), plan.margin))
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


def _what(namer: Namer, axis: str, place: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """`fp32 -> bf16`, `torch_compile: false -> true`; the ratio is the second's speed over the first's."""
    over, value = (namer.value(axis, one[axis]) if axis in one else "default" for one in (base, place))
    named = axis in SPEAKING or namer.own(axis, place.get(axis))
    return f"{over} -> {value}" if named else f"{axis}: {over} -> {value}"


def _compared(draft: Contrast, pairs: Sequence[tuple[Process, Process]], margin: float) -> Contrast:
    """The ratio over those pairs whose processes were both quiet."""
    if not pairs:
        return replace(draft, why="no session has both of them")
    quiet = [(a.rate, b.rate) for a, b in pairs if a.quiet and b.quiet]
    draft = replace(draft, session=pairs[0][0].session, pairs=len(quiet), left_out=len(pairs) - len(quiet))
    if not quiet:
        return replace(draft, why="in every pair a process was not quiet")
    speed = compare_pairs([a for a, _ in quiet], [b for _, b in quiet], margin)
    return replace(draft, ratio=speed.ratio, ci90=speed.ci90, detectable=speed.detectable)


def published_speed_ups() -> tuple[PublishedSpeedUp, ...]:
    """Published speed-ups of one precision over another, worked out from the registry's printed values."""
    return tuple(_speed_up(find(base), find(other)) for base, other in PUBLISHED)


def _speed_up(base: Reference, other: Reference) -> PublishedSpeedUp:
    printed = {str(name): value.value for name, value in base.metrics.items()}
    others = {str(name): value.value for name, value in other.metrics.items()}
    for metric, unit, what in PRINTED:
        a, b = printed.get(metric), others.get(metric)
        if a is not None and b is not None:
            ratio = b / a if metric == "train_samples_per_second" else a / b
            sic = " (so printed: slower)" if ratio < 1 else ""
            return PublishedSpeedUp(
                precision=str(other.precision),
                over=str(base.precision),
                ratio=ratio,
                checkpoint=base.checkpoint,
                hardware=str(base.hardware),
                printed=f"{what}: {a:g}{unit} and {b:g}{unit}{sic}",
                source=base.source,
            )
    raise AssertionError(f"{base.id}, {other.id}: no figure that both have")
