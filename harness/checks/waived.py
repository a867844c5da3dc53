"""Waivers held against verdicts: the one search for what covers a FAIL, and what became of each waiver."""

from __future__ import annotations

import datetime
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from harness.checks.verdict import Finding, Verdict
from harness.checks.verify.upstream import KNOWN
from harness.fact import Fact
from harness.grid.cell import Cell
from harness.grid.waivers import COLLAPSES, OF_RUNS, Waiver
from harness.stats.decision import Decision

State = Literal["used", "exceeded", "expired"]
ROUNDING: Final = 1e-9
"""How far beyond its bound an effect is still at it, relative."""


@dataclass(frozen=True)
class _Held:
    """A waiver that is about a failure, held against it: what it comes to, and the effect found (None: no number)."""

    waiver: Waiver
    state: State
    effect: float | None

    def fact(self) -> Fact:
        """Who lets it pass, until when, why, and how much; or why not."""
        one, state = self.waiver, self.state
        return Fact.of(
            "waiver" if state == "used" else "waiver.expired" if state == "expired" else "waiver.exceeded",
            author=one.author,
            expires=one.expires.isoformat(),
            reason=one.reason,
            issue=one.issue,
            unit=one.unit,
            bound=one.bound,
            effect=self.effect,
        )


def waived(
    verdict: Verdict, waivers: Sequence[Waiver], today: datetime.date, plain_label: str | None = None
) -> Verdict:
    """Cover a FAIL by the first waiver that holds; what has expired, or is exceeded, does not hold and is said.

    A FAIL of `verify` is covered where each of its failures is. `plain_label` is the configuration's label without
    environment and content, where these had to be added.
    """
    if verdict.outcome != "FAIL" or not waivers:
        return verdict
    parts = [(part, _search(verdict, part, waivers, today, plain_label)) for part in _parts(verdict)]
    every = [held for _, found in parts for held in found]
    holding, void = (_worst(one for one in every if (one.state == "used") is used) for used in (True, False))
    left = [part for part, found in parts if not any(one.state == "used" for one in found)]
    notes = [*void, *([] if left else holding[1:])]
    if holding and left:
        notes.append(Fact.of("waiver.partly", items=tuple(part.item for part in left if part is not None)))
    return replace(verdict, waiver=None if left else holding[0], notes=(*verdict.notes, *notes))


def ledger(
    waivers: Sequence[Waiver],
    verdicts: Sequence[Verdict],
    today: datetime.date,
    plain_labels: Mapping[str, str] = {},
) -> tuple[Fact, ...]:
    """What became of every waiver, in order: used, exceeded, unused, expired, or unfit where it is about nothing.

    A failure counts for the waiver that covers it, and where none does for each that is void or exceeded.
    `plain_labels` by `configuration_id` are those of `waived`.
    """
    counts: dict[tuple[int, State], set[int]] = {}
    concerned: set[int] = set()
    for number, verdict in enumerate(verdicts):
        plain = plain_labels.get(verdict.subject.configuration_id)
        if verdict.outcome not in ("SKIP", "ERROR"):
            concerned.update(id(one) for one in waivers if _concerns(one, verdict, plain))
        for part in _parts(verdict) if verdict.outcome == "FAIL" else ():
            found = _search(verdict, part, waivers, today, plain)
            holds = any(held.state == "used" for held in found)
            for held in found:
                if held.state == "used" or not holds:
                    counts.setdefault((id(held.waiver), held.state), set()).add(number)
    return tuple(_use(one, counts, today, id(one) in concerned) for one in waivers)


def standing(waivers: Iterable[Waiver], cells: Iterable[Cell], today: datetime.date) -> tuple[Fact, ...]:
    """What can be said of waivers before anything runs: those that have expired, and those that fit nothing."""
    every = list(cells)
    names = {name for cell in every for name in (cell.configuration_label, cell.configuration_id)}
    found = []
    for one in waivers:
        known = KNOWN if one.check in OF_RUNS else sorted(names)
        if one.void(today):
            found.append(_fact(one, "expired", None))
        elif one.issue_id not in KNOWN and one.item is None if one.check in OF_RUNS else one.configuration not in names:
            found.append(_fact(one, "unfit", None, tuple(known)))
    return tuple(found)


def _use(one: Waiver, counts: Mapping[tuple[int, State], set[int]], today: datetime.date, concerned: bool) -> Fact:
    if one.void(today):
        return _fact(one, "expired", len(counts.get((id(one), "expired"), ())))
    states: tuple[State, ...] = ("exceeded", "used")
    for state in states:
        if failures := counts.get((id(one), state)):
            return _fact(one, state, len(failures))
    return _fact(one, "unused" if concerned else "unfit", 0)


def _fact(one: Waiver, use: str, failures: int | None, known: tuple[str, ...] = ()) -> Fact:
    return Fact.of("waiver.use", use=use, failures=failures, waiver=one.model_dump(mode="json"), known=known)


def _parts(verdict: Verdict) -> Sequence[Finding | None]:
    """What of a FAIL must be covered: of a check of runs each of its failures, else the verdict."""
    return (verdict.failures if verdict.check in OF_RUNS else ()) or (None,)


def _search(
    verdict: Verdict, part: Finding | None, waivers: Sequence[Waiver], today: datetime.date, plain_label: str | None
) -> list[_Held]:
    """Every waiver of this failure up to and with the first that holds."""
    found: list[_Held] = []
    effect = _effect(verdict, part)
    for one in waivers:
        if not _concerns(one, verdict, plain_label) or not _fits(one, verdict, part):
            continue
        state: State = "expired" if one.void(today) else "used" if _within(effect, one.bound) else "exceeded"
        found.append(_Held(one, state, effect))
        if state == "used":
            break
    return found


def _concerns(waiver: Waiver, verdict: Verdict, plain_label: str | None) -> bool:
    """Whether it is about this check, of this configuration and item."""
    side, name = verdict.subject, waiver.configuration
    if waiver.check != verdict.check:
        return False
    begins = name is not None and waiver.check in OF_RUNS and f"{side.label} · ".startswith(f"{name} · ")
    if not (name is None or begins or name in (side.label, side.configuration_id, plain_label)):
        return False
    items = (verdict.item, *(one.item for one in verdict.findings))
    return waiver.item is None or waiver.item == COLLAPSES or waiver.item in items


def _fits(waiver: Waiver, verdict: Verdict, part: Finding | None) -> bool:
    """Whether it is about this failure: by its name, or because the harness knows it as the waiver's issue."""
    if part is None:
        # A FAIL by collapses says nothing of the difference of the other runs, and has its own unit.
        return (waiver.unit == "fraction") == (_collapses(verdict) is not None)
    return part.upstream == waiver.issue_id if waiver.item is None else waiver.item in (verdict.item, part.item)


def _within(effect: float | None, bound: float | None) -> bool:
    """Whether an effect may pass; what has no number has no bound either, and the other way round."""
    if effect is None or bound is None:
        return effect is None and bound is None
    return effect <= bound * (1 + ROUNDING)


def _effect(verdict: Verdict, part: Finding | None) -> float | None:
    """How bad it is, in the unit of the check's bound; None where it has no number."""
    if part is not None:
        ratio = part.ratio
        if ratio is None:
            return None
        return max(ratio, 1 / ratio) if math.isfinite(ratio) and ratio > 0 else math.inf
    if (share := _collapses(verdict)) is not None:
        return share
    if isinstance(verdict.numbers, Decision):
        return abs(verdict.numbers.difference)
    if verdict.numbers is None or verdict.reason.code == "speed.memory_grew":  # which says nothing of the speed
        return None
    return 100 * (1 - verdict.numbers.ratio)


def _collapses(verdict: Verdict) -> float | None:
    """The fraction of runs that collapsed where a verdict rests on it; else None."""
    if verdict.check == "stability":
        return verdict.subject.collapsed / (verdict.subject.ended or 1)
    because = verdict.reason.values.get("because")
    if isinstance(because, Fact) and because.code == "collapses.risen":
        return float(because.values["k2"] / because.values["n2"])
    return None


def _worst(every: Iterable[_Held]) -> list[Fact]:
    """Each waiver's fact once: of several failures the worst."""
    found: dict[int, _Held] = {}
    for one in every:
        before = found.get(id(one.waiver))
        if before is None or (one.effect or 0.0) > (before.effect or 0.0):
            found[id(one.waiver)] = one
    return [one.fact() for one in found.values()]
