"""Numbers as people read them in a report; what is not known is a dash, never `nan`."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from harness.stats.decision import Decision  # it needs numpy, and every command says numbers

from harness.stats.descriptive import Summary

NONE: Final = "—"


def points(value: float | None) -> str:
    """A score in points, two decimals; a score that is not a number is said so."""
    if value is None:
        return NONE
    return f"{value:.2f}" if math.isfinite(value) else "not a number"


def pm(summary: Summary) -> str:
    """`81.05 ± 0.72`; the mean alone where one value has no deviation."""
    if summary.mean is None:
        return NONE
    return points(summary.mean) + (f" ± {summary.sd:.2f}" if summary.sd is not None else "")


def span(summary: Summary) -> str:
    """`80.15 to 81.86`; nothing where there is one value or none."""
    if summary.min is None or summary.max is None or summary.n < 2:
        return NONE
    return f"{summary.min:.2f} to {summary.max:.2f}"


def count(value: int) -> str:
    """With thousands separators."""
    return f"{value:,}"


def steps_text(steps: Sequence[int]) -> str:
    """`1,377`, or the range where runs differ."""
    if not steps:
        return NONE
    return count(steps[0]) if len(steps) == 1 else f"{count(min(steps))} to {count(max(steps))}"


def amount(value: float | None) -> str:
    """A rate or size with three significant digits: `0.123`, `12.3`, `1,230`."""
    if value is None or not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    digits = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{round(value, digits):,.{min(digits, 6)}f}"


def duration(seconds: float | None) -> str:
    """`0.42 s`, `12.3 s`, `8 min 05 s`, `2 h 10 min`."""
    if seconds is None or not math.isfinite(seconds):
        return NONE
    if seconds < 0.995:
        return f"{seconds:.2f} s"
    if seconds < 99.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 3600:
        return f"{whole // 60} min {whole % 60:02d} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60:,} h {minutes % 60:02d} min"


def signed(value: float | None, places: int = 2) -> str:
    """`+0.40`, `-1.90`, never `-0.00`."""
    if value is None:
        return NONE
    if not math.isfinite(value):
        return "not a number"
    text = f"{value:+.{places}f}"
    return text.replace("-", "+") if float(text) == 0 else text


def bounds(interval: tuple[float, float] | None, places: int = 2) -> str:
    """`-1.90 to +0.40`."""
    return NONE if interval is None else f"{signed(interval[0], places)} to {signed(interval[1], places)}"


def trimmed(value: float) -> str:
    """`2.5`, `2.505`: as many decimals as it has, at most 4."""
    return f"{value:.4f}".rstrip("0").rstrip(".")


def chance(p: float | None, alpha: float = 0.05) -> str:
    """A p value: 4 decimals, more where rounding would show it as alpha itself; `< 0.0001`."""
    if p is None or math.isnan(p):
        return NONE
    if p < 0.0001:
        return "< 0.0001"
    return f"{p:.4f}" if round(p, 4) != round(alpha, 4) or p == alpha else f"{p:.6f}"


def p_is(p: float) -> str:
    """`p = 0.0123`, `p < 0.0001`."""
    return f"p = {chance(p)}".replace("= <", "<")


def degrees(df: float | None) -> str:
    """Degrees of freedom: `4`, `11.3`."""
    return NONE if df is None else f"{df:.0f}" if float(df).is_integer() else f"{df:.1f}"


def level_text(decision: Decision) -> str:
    """`90 %`: of the interval that a PASS goes by, 1 - 2 alpha; the one interval that is shown."""
    return f"{100 * (1 - 2 * decision.alpha):.3g} %"


def levels_text(decisions: Sequence[Decision]) -> str:
    """`90 %`, `90 % or 95.5 %`: of each once."""
    return " or ".join(dict.fromkeys(map(level_text, decisions)))


def interval(decision: Decision) -> str:
    """`-1.90 to +0.40`: the interval that decides; a dash where there is none."""
    return bounds(decision.ci_pass, digits(decision))


def digits(decision: Decision) -> int:
    """Decimals: 2, or up to 4 where rounding would show a bound or the difference on the margin's wrong side."""
    values = [abs(v) for v in (*(decision.ci_pass or ()), decision.difference)]
    delta = decision.delta
    for places in (2, 3):
        if all((v < delta) == (round(v, places) < round(delta, 4)) for v in values if math.isfinite(v)):
            return places
    return 4
