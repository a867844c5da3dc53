"""Two results' speeds: counterparts found, each compared, Holm over the family, missing and new listed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from harness.baselines.words import asked_changes
from harness.checks.speed.compare import SIDE_BY_SIDE, Comparison, Replicate, drafted, with_memory
from harness.checks.speed.process import oldest_first
from harness.checks.verdict import Verdict
from harness.checks.verdict import exit_code as verdict_code
from harness.errors import SpecError
from harness.ids import canonical_json
from harness.stats.family import apply_holm
from harness.stats.throughput import PAIRS, SESSIONS
from harness.text import listed

ALPHA: Final = 0.05
OWN: Final = ("precision", "devices", "environment", "engine")
"""Axes that every configuration has, whether its grid writes them or not."""
FOLLOWS: Final[Mapping[str, tuple[str, ...]]] = {
    "devices": ("recipe.per_device_train_batch_size",),
    "checkpoint": ("checkpoint", "recipe"),
}
"""Settings that follow from an axis: strong scaling divides the batch, a checkpoint brings its own recipe."""


@dataclass(frozen=True)
class Lost:
    """A timing cell whose last attempt left no rate, and how it ended."""

    label: str
    place: Mapping[str, Any]
    status: str


@dataclass(frozen=True)
class SpeedSide:
    """One side: its name for people, its timing processes, what left none, and the axes that its selector names."""

    name: str
    replicates: tuple[Replicate, ...]
    lost: tuple[Lost, ...] = ()
    named: frozenset[str] = field(default_factory=frozenset)


def place_of(one: Replicate) -> dict[str, Any]:
    """The configuration's place in the matrix, with the axes that its grid does not write."""
    return {**{name: getattr(one, name) for name in OWN}, **one.axes}


def compare_sides(a: SpeedSide, b: SpeedSide, margin: float) -> list[Comparison]:
    """Compare every configuration of B with its counterpart of A, in A's order; then list what only B has.

    A counterpart has the same place in the matrix but for the axes that a selector names, and was asked for the same
    otherwise. Of what could block, a FAIL by speed stands only where its p, adjusted by Holm over all of them, is below
    .05 (section 5); a PASS needs no correction.

    Raises
    ------
    SpecError
        Where several configurations of a side are counterparts of the same one.
    """
    named = a.named | b.named
    old, new = _by_key(a, named), _by_key(b, named)
    drafts: list[Comparison] = []
    for key, every in old.items():
        if key not in new:
            drafts.append(_missing(every[-1], key, b, named))
            continue
        before, after = _versions(every, new[key])
        changes = _settings_changed(before[-1], after[-1], named)
        if changes:
            drafts.append(_otherwise(before[-1], after[-1], changes, b))
        else:
            drafts.append(drafted(before, after, margin))
    drafts += [_news(every[-1], a) for key, every in new.items() if key not in old]
    known = {*old, *new}
    drafts += [
        Comparison("", one.label, "SKIP", f"new in {b.name}, and not timed: {one.status}", None, 0, 0, "side by side")
        for one in b.lost
        if _key(one.place, named) not in known
    ]
    return [with_memory(one) for one in after_holm(drafts)]


def after_holm(drafts: Sequence[Comparison]) -> list[Comparison]:
    """Let FAILs by speed stand where Holm lets them; the family is every comparison with enough processes."""
    adjusted = apply_holm([_p(one) if _could_block(one) else None for one in drafts])
    size = sum(p is not None for p in adjusted)
    found = []
    for one, p in zip(drafts, adjusted, strict=True):
        one = replace(one, adjusted_p=p)
        if one.verdict == "FAIL" and p is not None and p >= ALPHA:
            why = f"{one.why}; p = {p:.4f} after Holm over {size}"
            one = replace(one, verdict="INCONCLUSIVE", why=why, advice="measure again: `--confirm GRID`")
        found.append(one)
    return found


def suspicious(one: Comparison, margin: float) -> bool:
    """Whether it is worth measuring again before it alarms: it fails, or is slower than the margin and undecided."""
    if one.verdict == "FAIL":
        return True
    return one.verdict == "INCONCLUSIVE" and one.speed is not None and one.speed.ratio < 1 - margin


def confirmed(first: Comparison, fresh: Comparison | None) -> Comparison:
    """The verdict after a fresh session: the fresh session's own, but a FAIL only where both fail."""
    before = f"at first {first.verdict}: {first.why}"
    if fresh is None or fresh.speed is None:
        said = "no process was timed again" if fresh is None else fresh.why
        advice = fresh.advice if fresh is not None else "run it again"
        base = first if fresh is None else fresh
        why = f"not confirmed: {said}; {before}"
        return replace(base, verdict="INCONCLUSIVE", why=why, advice=advice, confirmed="not confirmed")
    if fresh.verdict != "FAIL":
        why = f"not confirmed: {fresh.why}; {before}"
        return replace(fresh, why=why, confirmed="not confirmed")
    if first.verdict == "FAIL":
        return replace(fresh, why=f"confirmed: {fresh.why}; {before}", confirmed="confirmed")
    why = f"not confirmed: only the fresh session fails: {fresh.why}; {before}"
    return replace(
        fresh, verdict="INCONCLUSIVE", why=why, advice="compare again with --confirm", confirmed="not confirmed"
    )


def exit_code(comparisons: Iterable[Comparison], *, inconclusive: str = "fail") -> int:
    """The house's exit code: 1 a FAIL, 4 missing, 5 nothing compared, 3 INCONCLUSIVE (0 where that is allowed)."""
    code = verdict_code(Verdict("speed", one.b or one.a, one.verdict, one.why) for one in comparisons)
    return 0 if code == 3 and inconclusive == "pass" else code


def _could_block(one: Comparison) -> bool:
    least = PAIRS if one.design == "side by side" else SESSIONS
    return one.verdict in ("PASS", "FAIL", "INCONCLUSIVE") and _p(one) is not None and one.pairs >= least and one.quiet


def _p(one: Comparison) -> float | None:
    return one.speed.p_slower if one.speed else None


def _by_key(side: SpeedSide, named: frozenset[str]) -> dict[str, list[Replicate]]:
    """Processes by counterpart, in the order in which configurations were first timed; oldest first in each."""
    found: dict[str, list[Replicate]] = {}
    for one in oldest_first(side.replicates):
        found.setdefault(_key(place_of(one), named), []).append(one)
    for every in found.values():
        places = {canonical_json(place_of(one)): one.label for one in every}
        if len(places) > 1:
            axes = sorted(axis for axis in named if len({canonical_json(place_of(one).get(axis)) for one in every}) > 1)
            raise SpecError(
                f"{side.name}: several configurations are counterparts of the same one: {listed(places.values(), 6)}; "
                f"allowed one value of {listed(axes)}, as in {side.name}:{axes[0]}=VALUE"
            )
    return found


def _key(place: Mapping[str, Any], named: frozenset[str]) -> str:
    return canonical_json({axis: value for axis, value in place.items() if axis not in named})


def _versions(a: Sequence[Replicate], b: Sequence[Replicate]) -> tuple[list[Replicate], list[Replicate]]:
    """Of a place whose settings have changed over time: B's newest, and A's like it, else A's newest."""
    new = b[-1].configuration_id
    old = new if any(one.configuration_id == new for one in a) else a[-1].configuration_id
    return [one for one in a if one.configuration_id == old], [one for one in b if one.configuration_id == new]


def _settings_changed(a: Replicate, b: Replicate, named: frozenset[str]) -> list[str]:
    return asked_changes(_settings(a.asked, named), _settings(b.asked, named)) if a.asked and b.asked else []


def _settings(asked: Mapping[str, Any], named: frozenset[str]) -> dict[str, Any]:
    """What was asked for, without the axes that a selector names and what follows from them."""
    recipe = asked.get("recipe")
    kept = {**asked, "recipe": dict(recipe) if isinstance(recipe, Mapping) else {}}
    for axis in named:
        for name in (axis, *FOLLOWS.get(axis, ())):
            kept.pop(name, None)
            if isinstance(kept.get("recipe"), dict):
                kept["recipe"].pop(name.removeprefix("recipe."), None)
    return kept


def _missing(old: Replicate, key: str, b: SpeedSide, named: frozenset[str]) -> Comparison:
    lost = next((one for one in b.lost if _key(one.place, named) == key), None)
    skipped = lost is not None and lost.status.startswith("skipped")
    why = f"not timed in {b.name}: {lost.status}" if lost else f"missing: {b.name} has no timing of it"
    return Comparison(
        old.label, lost.label if lost else "", "SKIP" if skipped else "ERROR", why, None, 0, 0, "side by side",
        advice="" if skipped else "time it: `harness run GRID`", configuration_ids=(old.configuration_id,),
    )  # fmt: skip


def _otherwise(old: Replicate, new: Replicate, changes: Sequence[str], b: SpeedSide) -> Comparison:
    why = f"missing: what {b.name} calls so asks for something else: {listed(changes, 8)}"
    ids = (old.configuration_id, new.configuration_id)
    return Comparison(old.label, new.label, "ERROR", why, None, 0, 0, "side by side", configuration_ids=ids)


def _news(new: Replicate, a: SpeedSide) -> Comparison:
    why = f"new: {a.name} has no timing of it"
    ids = (new.configuration_id,)
    return Comparison("", new.label, "SKIP", why, None, 0, 0, "side by side", SIDE_BY_SIDE, configuration_ids=ids)
