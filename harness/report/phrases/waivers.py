"""Waivers in words: what lets a failure pass, what no longer does, and what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from harness.fact import Fact
from harness.report.phrases.recipe import many
from harness.text import suggestion

USE: Final = "waiver.use"
STATES: Final[Mapping[str, str]] = {
    "used": "used", "exceeded": "exceeded", "unused": "unused", "expired": "expired", "unfit": "fits nothing",
}  # fmt: skip
"""What may have become of a waiver, as a ledger counts it."""


def ledger_text(uses: Iterable[Fact]) -> str:
    """`waivers: 1 used, 1 unused, 1 expired`; empty where there are none."""
    counts = Counter(str(fact.values.get("use")) for fact in uses if fact.code == USE)
    shown = ", ".join(f"{counts[state]} {name}" for state, name in STATES.items() if counts[state])
    return f"waivers: {shown}" if shown else ""


def amount(unit: str, value: float) -> str:
    """`4.68 points`, `4.000 x`: an effect or a bound."""
    if unit == "points":
        return f"{value:.4g} points"
    if unit == "fraction":
        return f"{100 * value:.3g} % of the runs"
    return f"{value:.3g} %" if unit == "percent" else f"{value:.3f} x"


def _waived(
    author: str, expires: str, reason: str, issue: str, unit: str, bound: float | None, effect: float | None
) -> str:
    much = "" if bound is None or effect is None else f"; {amount(unit, effect)}, bound {amount(unit, bound)}"
    return f"waived by {author} until {expires}: {reason} ({issue}){much}"


def _expired(author: str, expires: str, reason: str, issue: str, **_: Any) -> str:
    return f"the waiver by {author} ({reason}, {issue}) expired on {expires}: void"


def _exceeded(
    author: str, expires: str, reason: str, issue: str, unit: str, bound: float | None, effect: float | None
) -> str:
    if effect is None:
        what = "has no number to hold against the bound"
    elif bound is None:
        what = f"is {amount(unit, effect)}, and there is no bound"
    else:
        what = f"is {amount(unit, effect)}, beyond the bound of {amount(unit, bound)}"
    return f"not waived by {author} until {expires} ({reason}, {issue}): it {what}"


def _partly(items: Sequence[str]) -> str:
    return f"no waiver covers: {', '.join(items)}"


def _use(use: str, failures: int | None, waiver: Mapping[str, Any], known: Sequence[str] = ()) -> str:
    """`failures` None: said before anything was judged; `known` is what it could have named."""
    names = [waiver[key] for key in ("configuration", "check", "item") if waiver[key]]
    whom = f"waiver of {', '.join(names)} ({waiver['issue']}, {waiver['author']}: {waiver['reason']})"
    number = many(failures or 0, "failure")
    if use == "expired":
        void = f"expired on {waiver['expires']}"
        return f"{whom}: {void}" if failures is None else f"{whom}: {void}, {number} no longer waived"
    if use == "unfit":
        close = suggestion(waiver["configuration"] or waiver["issue"], known)
        return f"{whom}: fits nothing {'of the grid' if failures is None else 'that was judged'}{close}"
    if use == "unused":
        return f"{whom}: unused, nothing that it fits fails"
    verb = "waived until" if use == "used" else "worse than its bound, not waived until"
    return f"{whom}: {number} {verb} {waiver['expires']}"


WAIVERS: Final[Mapping[str, str | Callable[..., str]]] = {
    "waiver": _waived,
    "waiver.expired": _expired,
    "waiver.exceeded": _exceeded,
    "waiver.partly": _partly,
    USE: _use,  # use: a key of STATES; waiver: the waiver's fields
}
