"""A judgement in words and figures, as everything that shows judgements says it. Points = 100 x fraction."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from harness.checks.scores.judgement import Judgement, SeedScore
from harness.checks.verdict import ORDER
from harness.report.format.numbers import NONE, points
from harness.stats.decision import Decision, Interval
from harness.stats.t import quantile, tail

Inconclusive = Literal["fail", "pass"]
"""Whether an INCONCLUSIVE is red: the policy flag `--inconclusive`."""

HOW: Final = (
    "Scores are points (100 × fraction), over the runs that did not collapse. PASS: p_tost is below alpha, which is to "
    "say that the interval of level 1 − 2 alpha (90 % at alpha 0.05) lies inside the margin. FAIL: no PASS, p_diff "
    "below alpha before and after Holm's correction, and the difference beyond the margin. Otherwise INCONCLUSIVE. An "
    "interval is the difference ± t × se with the df shown: the first se goes with the 90 % interval and p_tost, the "
    "second with the 95 % interval and p_diff; “pivot” in its place: from the law of a median or a best of k runs. "
    "Detectable: the true difference that so many runs find with 80 % power."
)

_CHECKS: Final = ("quality", "baseline", "parity", "stability")
_SAID: Final = re.compile(r":?\s*difference [-+]\S+ points, 90 % CI \[[^\]]*\], margin [\d.]+")
_SEPARATOR: Final = " · "


def ordered(judgements: Iterable[Judgement]) -> list[Judgement]:
    """The worst outcome first, a waived FAIL after what is red; within it quality, baseline, parity, stability."""
    return sorted(judgements, key=lambda j: (_rank(j), _CHECKS.index(j.check)))


def waived(judgement: Judgement) -> bool:
    """Whether a waiver keeps a FAIL from failing the gate."""
    return judgement.outcome == "FAIL" and judgement.waiver is not None


def is_red(judgement: Judgement, inconclusive: Inconclusive) -> bool:
    """Whether it alone keeps the exit code from 0."""
    if judgement.outcome == "INCONCLUSIVE":
        return inconclusive == "fail"
    return judgement.outcome == "ERROR" or (judgement.outcome == "FAIL" and not waived(judgement))


def word(judgement: Judgement) -> str:
    """`PASS`; a waived FAIL says so."""
    return "FAIL (waived)" if waived(judgement) else judgement.outcome


def counts_text(judgements: Sequence[Judgement]) -> str:
    """`8 judgements: 2 FAIL, 1 INCONCLUSIVE, 5 PASS`."""
    counts = Counter(word(judgement) for judgement in ordered(judgements))
    total = f"{len(judgements):,} judgement{'s' * (len(judgements) != 1)}"
    return f"{total}: {', '.join(f'{n:,} {said}' for said, n in counts.items())}" if counts else "No judgement."


def compared(judgement: Judgement) -> bool:
    """Whether there is a difference of scores to show; stability compares none."""
    return judgement.check != "stability" and judgement.decision is not None


def grouped(judgements: Iterable[Judgement]) -> list[tuple[str, str, str, list[str]]]:
    """(verdict, check, reason, subjects) of what compares no scores, or could not: one reason, one entry."""
    groups: dict[tuple[str, str, str], list[str]] = {}
    for j in judgements:
        if not compared(j):
            p = f" p {chance(j.adjusted_p)} after Holm." if j.adjusted_p is not None else ""
            groups.setdefault((word(j), j.check, full_stop(j.why) + p), []).append(subject(j))
    return [(*key, subjects) for key, subjects in groups.items()]


def subject(judgement: Judgement) -> str:
    """`minilm · fp16 against REFERENCE`; what two configurations share is said once: `minilm: fp16 against fp32`."""
    ours, theirs = judgement.configuration, judgement.against
    if not theirs:
        return ours
    if judgement.check == "parity":
        parts, others = ours.split(_SEPARATOR), theirs.split(_SEPARATOR)
        shared = [part for part in parts if part in others]
        mine, other = ([p for p in each if p not in shared] for each in (parts, others))
        if shared and (mine or other):
            said = [_SEPARATOR.join(each) or "the same" for each in (mine, other)]
            return f"{_SEPARATOR.join(shared)}: {said[0]} against {said[1]}"
    return f"{ours} against {theirs}"


def metric_name(judgement: Judgement) -> str:
    """`accuracy`, `F1`, as it stands within a sentence."""
    return "F1" if judgement.metric == "f1" else judgement.metric


def sentence(judgement: Judgement) -> str:
    """`0.74 points below the reference, 90 % interval -1.90 to +0.40, margin 2.5 (2.4 sd of the 25 published runs)`.

    The reason alone where there is no difference to show.
    """
    d = judgement.decision
    if d is None or not compared(judgement):
        return judgement.why
    interval = f"90 % interval {span(d.ci90, digits(d))}" if d.ci90 else "no interval"
    source = f" ({judgement.margin_from})" if judgement.margin_from else ""
    return f"{_place(judgement, d)}, {interval}, margin {margin(d.delta)}{source}"


def reason(judgement: Judgement) -> str:
    """What `why` says beyond the sentence; empty where it only repeats difference, interval and margin."""
    if not compared(judgement):
        return ""
    left = _SAID.sub("", judgement.why, count=1).strip(" ;:")
    return "" if left in sentence(judgement) else left


def outlook(judgement: Judgement) -> str:
    """`4 more seeds give an 80 % chance of a verdict`; empty where there is a verdict."""
    if judgement.outlook:
        return judgement.outlook
    if judgement.outcome != "INCONCLUSIVE" or judgement.more_seeds is None:
        return ""
    one = judgement.more_seeds == 1
    return f"{judgement.more_seeds} more seed{'' if one else 's'} give{'s' if one else ''} an 80 % chance of a verdict"


def level_text(judgement: Judgement) -> str:
    """The interval that a PASS goes by, where the level is not 0.05 (planned looks); else empty."""
    d = judgement.decision
    if d is None or d.alpha == 0.05 or d.ci_pass is None or not compared(judgement):
        return ""
    level = f"{100 * (1 - 2 * d.alpha):.1f} %"
    return f"at alpha {d.alpha:g} a PASS goes by the {level} interval, {span(d.ci_pass, digits(d))}"


def remainder(judgement: Judgement) -> str:
    """Why the difference is not mean - target, where it is not (a median or best of k; seeds not shared)."""
    d = judgement.decision
    if d is None or judgement.mean is None or judgement.target is None or not compared(judgement):
        return ""
    plain = judgement.mean - judgement.target
    rest = d.difference - plain
    if not math.isfinite(rest) or abs(rest) < 0.005:
        return ""
    cause = (
        "it is taken over the seeds that both have"
        if judgement.check != "quality"
        else "the published value is the median or the best of several runs, and no mean"
    )
    return f"the difference is mean − target ({signed(plain)}) and {signed(rest)}: {cause}"


def standard_errors(decision: Decision) -> tuple[float | None, float | None]:
    """(se of the equivalence test, se of the difference test) in points, from the intervals and the df.

    The second is None where p_diff does not follow from it by Student's t: against a median or best of k.
    """
    d = decision
    if d.df is None or d.ci90 is None or d.ci95 is None or not d.df > 0:
        return None, None
    eq, diff = (
        (high - low) / 2 / quantile(p, d.df) for (low, high), p in ((d.ci90, 0.95), (d.ci95, 0.975))
    )  # fmt: skip
    if not diff or d.p_diff is None:
        return eq, diff
    t = d.difference / diff
    p = tail(-t, d.df) if d.direction == "lower" else 2 * tail(abs(t), d.df)
    return eq, diff if math.isclose(p, d.p_diff, rel_tol=1e-6, abs_tol=1e-9) else None


def figures(judgement: Judgement) -> dict[str, str]:
    """Every number that the verdict follows from, as it is shown; nothing without a decision."""
    j, d = judgement, judgement.decision
    if d is None:
        return {}
    places = digits(d)
    eq, diff = standard_errors(d)
    return {
        "n": str(d.n),
        "collapsed": f"{j.collapsed} of {j.judged}",
        "mean": points(j.mean),
        "target": points(j.target),
        "difference": signed(d.difference, places),
        "sd": points(d.sd.value if d.sd else None),
        "df": degrees(d.df),
        "source": d.sd.source if d.sd else NONE,
        "ci90": span(d.ci90, places),
        "ci95": span(d.ci95, places),
        "se": NONE if eq is None else f"{eq:.3f}, {'pivot' if diff is None else f'{diff:.3f}'}",
        "p_diff": chance(d.p_diff, d.alpha),
        "p_tost": chance(d.p_tost, d.alpha),
        "holm": chance(j.adjusted_p),
        "alpha": f"{d.alpha:g}",
        "margin": margin(d.delta),
        "detectable": points(j.detectable),
        "more": more(j),
    }


def score_of(score: SeedScore, metric: str) -> float | None:
    """The run's score in points, in the judgement's metric."""
    value = score.f1 if metric == "f1" else score.accuracy
    return None if value is None else 100 * value


def by_seed(judgement: Judgement) -> list[tuple[int, SeedScore | None, SeedScore | None]]:
    """Seed, our run, the other configuration's run; in the order of our seeds, then those that only the other has."""
    ours = {score.seed: score for score in judgement.seeds}
    theirs = {score.seed: score for score in judgement.others}
    return [(seed, ours.get(seed), theirs.get(seed)) for seed in dict.fromkeys([*ours, *theirs])]


def apart(ours: SeedScore | None, theirs: SeedScore | None, metric: str) -> float | None:
    """Points by which one run is above the other; None unless both are ok."""
    if ours is None or theirs is None or not ours.status == theirs.status == "ok":
        return None
    a, b = score_of(ours, metric), score_of(theirs, metric)
    return None if a is None or b is None else a - b


def digits(decision: Decision) -> int:
    """Decimals: 2, or up to 4 where rounding would show a bound or the difference on the margin's wrong side."""
    values = [abs(v) for v in (*(decision.ci90 or ()), *(decision.ci_pass or ()), decision.difference)]
    delta = decision.delta
    for places in (2, 3):
        if all((v < delta) == (round(v, places) < round(delta, 4)) for v in values if math.isfinite(v)):
            return places
    return 4


def signed(value: float | None, places: int = 2) -> str:
    """`+0.40`, `-1.90`, never `-0.00`."""
    if value is None:
        return NONE
    if not math.isfinite(value):
        return "not a number"
    text = f"{value:+.{places}f}"
    return text.replace("-", "+") if float(text) == 0 else text


def span(interval: Interval | None, places: int = 2) -> str:
    """`-1.90 to +0.40`."""
    return NONE if interval is None else f"{signed(interval[0], places)} to {signed(interval[1], places)}"


def margin(delta: float) -> str:
    """`2.5`, `2.505`: as many decimals as it has, at most 4."""
    return f"{delta:.4f}".rstrip("0").rstrip(".")


def chance(p: float | None, alpha: float = 0.05) -> str:
    """A p value: 4 decimals, more where rounding would show it as alpha itself; `< 0.0001`."""
    if p is None or math.isnan(p):
        return NONE
    if p < 0.0001:
        return "< 0.0001"
    return f"{p:.4f}" if round(p, 4) != round(alpha, 4) or p == alpha else f"{p:.6f}"


def degrees(df: float | None) -> str:
    """`4`, `11.3`."""
    return NONE if df is None else f"{df:.0f}" if float(df).is_integer() else f"{df:.1f}"


def more(judgement: Judgement) -> str:
    """Seeds still needed, for a table: `4`, `none` where there is a verdict, a dash where no number is known."""
    if judgement.outcome in ("PASS", "FAIL"):
        return "none"
    return NONE if judgement.more_seeds is None else str(judgement.more_seeds)


def full_stop(text: str) -> str:
    """`text` as a sentence: it ends with one stop, and begins with a capital where it begins with a word."""
    stopped = text if text.endswith((".", "!", "?")) else f"{text}."
    return stopped[:1].upper() + stopped[1:] if re.match(r"[a-z]+[ ,:]", stopped) else stopped


def _rank(judgement: Judgement) -> int:
    return ORDER.index("SKIP" if waived(judgement) else judgement.outcome) * 2 - waived(judgement)


def _place(judgement: Judgement, d: Decision) -> str:
    other = "the reference"
    if judgement.check != "quality":
        mine = judgement.configuration.split(_SEPARATOR)
        own = [part for part in judgement.against.split(_SEPARATOR) if part not in mine]
        other = _SEPARATOR.join(own) or "the other"
    places = digits(d)
    if not math.isfinite(d.difference):
        return "No difference that is a number"
    size = f"{abs(d.difference):.{places}f}"
    if float(size) == 0:
        return f"No difference from {other} to {places} decimals" if d.difference else f"Equal to {other}"
    return f"{size} points {'below' if d.difference < 0 else 'above'} {other}"
