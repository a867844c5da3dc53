"""A verdict's numbers as tables show them: of scores, of speed, and run by run."""

from __future__ import annotations

import math
from typing import Final

from harness.checks.verdict import Fact, Side, Verdict
from harness.record.configuration import GOOD, SeedScore
from harness.report.format.escape import clean
from harness.report.format.numbers import (
    NONE,
    chance,
    degrees,
    digits,
    interval,
    level_text,
    pm,
    points,
    signed,
    trimmed,
)
from harness.report.phrases.say import say
from harness.report.verdicts.words import ONE_RESULT, decision_of, identity, identity_in_short
from harness.stats.decision import Decision
from harness.stats.descriptive import describe
from harness.stats.throughput import Speed

_UNITS: Final = {"speed.pairs": "pair", "speed.sessions": "session"}
"""What was compared, by the code of what was found of the processes."""
ROUNDING: Final = 1e-9
"""Points by which two ways to the same mean may differ."""


def score_figures(verdict: Verdict) -> dict[str, str]:
    """Every number that a verdict on scores follows from; nothing without a decision."""
    d, side, against = decision_of(verdict), verdict.subject, verdict.against
    if d is None:
        return {}
    places = digits(d)
    return {
        "n": str(d.n),
        "collapsed": f"{side.collapsed} of {side.ended}",
        "mean": points(side.mean),
        "target": points(against.mean if against else None),
        "difference": signed(d.difference, places),
        "sd": points(d.sd.value if d.sd else None),
        "df": degrees(d.df),
        "source": d.sd.source if d.sd else NONE,
        "interval": interval(d),
        "level": level_text(d),
        "se": _standard_errors(d),
        "p_diff": chance(d.p_diff, d.alpha),
        "p_tost": chance(d.p_tost, d.alpha),
        "holm": chance(verdict.adjusted_p, d.alpha),
        "alpha": f"{d.alpha:g}",
        "margin": trimmed(d.delta),
        "detectable": points(verdict.detectable),
        "more": more(verdict),
        "kept": kept_by(verdict),
    }


def kept_by(verdict: Verdict) -> str:
    """What keeps a row from the verdict that its numbers would give it; empty where they give it.

    The printed rule with this column gives the printed verdict, and nothing else does (tested by reading the table).
    """
    d, reason = decision_of(verdict), verdict.reason
    if d is None or (verdict.outcome == "PASS" and not identity(verdict) and not _word(verdict)):
        return ""
    if same := identity_in_short(verdict):
        return same
    why = reason.values if reason.code == "judged" else {}
    after, because = why.get("after"), why.get("because")
    words = {
        f"{d.n} of {d.n_min} runs": d.n < d.n_min,
        "no spread": d.barred and d.n >= d.n_min and not (why.get("withheld") or why.get("differs")),
        "collapses": why.get("withheld") is not None,
        "more collapses": isinstance(because, Fact) and because.code == "collapses.risen",
        "another recipe": bool(why.get("differs")) and verdict.outcome == "INCONCLUSIVE",
        "a planned look": isinstance(after, Fact) and after.code.startswith("look."),
        "chosen seeds": reason.code == "part.seeds",
        "other data": reason.code == "content.changed",
        "missing runs": verdict.outcome == "ERROR",
        **({f"the word {word}": True} if (word := _word(verdict)) else {}),
    }
    return ", ".join(name for name, holds in words.items() if holds)


def _word(verdict: Verdict) -> str:
    """The word that made the verdict, where the grid expects that one is better; else empty."""
    because = verdict.reason.values.get("because") if verdict.reason.code == "judged" else None
    return str(because.values["word"]) if isinstance(because, Fact) and because.code == "compare.word" else ""


def speed_figures(verdict: Verdict) -> list[str]:
    """What was compared, ratio, interval, change and MDE; dashes for what is not known."""
    s, compared = verdict.numbers, _compared(verdict)
    if not isinstance(s, Speed):
        return [compared, NONE, NONE, NONE, NONE]
    known = f"{s.ci90[0]:.3f} to {s.ci90[1]:.3f}" if s.ci90 else NONE
    mde = NONE if s.detectable is None else f"{100 * s.detectable:.1f} %"
    return [compared, f"{s.ratio:.3f}", known, f"{signed(100 * (s.ratio - 1), 1)} %", mde]


def more(verdict: Verdict) -> str:
    """Seeds still needed: `4`, `none` where there is a verdict, a dash where no number is known."""
    if verdict.outcome in ("PASS", "FAIL"):
        return "none"
    return NONE if verdict.more_seeds is None else str(verdict.more_seeds)


def measured(side: Side, item: str) -> str:
    """`80.64 ± 1.11 (5)`: mean, standard deviation and number of the runs that are in the mean."""
    own = describe(value for run in side.runs if run.status in GOOD and (value := score_of(run, item)) is not None)
    # The first look has fewer runs than there are by now: then its mean stands alone.
    same = own.mean is not None and side.mean is not None and abs(own.mean - side.mean) < ROUNDING
    return f"{pm(own)} ({own.n})" if same else points(side.mean)


def held_against(verdict: Verdict) -> str:
    """The other side: what was measured of it, or what is published, with its spread, its runs and its name."""
    other = verdict.against
    if other is None:
        return NONE
    name = other.name if verdict.check in ONE_RESULT else ""
    target = _published(verdict.reason)
    return " ".join(filter(None, [measured(other, verdict.item) if target is None else say(target), name]))


def score_text(score: SeedScore | None, metric: str) -> str:
    """`82.35`, `collapsed 68.38`, `oom`; a dash for a seed that was not run."""
    if score is None:
        return NONE
    value = score_of(score, metric)
    status = "" if score.status == "ok" else clean(score.status, 80)
    return " ".join(filter(None, [status, "" if value is None else points(value)])) or "no score"


def shown_metric(score: SeedScore, item: str) -> str:
    """The metric that is shown of a run: the verdict's, or where that is none ("collapses") the task's first."""
    return item if item in score.scores else next(iter(score.scores), item)


def score_of(score: SeedScore, metric: str) -> float | None:
    """The run's score in points, in the verdict's metric."""
    value = score.score(shown_metric(score, metric))
    return None if value is None else 100 * value


def by_seed(verdict: Verdict) -> list[tuple[int, SeedScore | None, SeedScore | None]]:
    """Seed, our run, the other side's; in the order of our seeds, then those that only the other has."""
    ours = {score.seed: score for score in verdict.subject.runs}
    theirs = {score.seed: score for score in verdict.against.runs} if verdict.against else {}
    return [(seed, ours.get(seed), theirs.get(seed)) for seed in dict.fromkeys([*ours, *theirs])]


def judged_difference(verdict: Verdict, d: Decision, level: str = "") -> str:
    """`-0.74 (-1.90 to +0.40)`: in points with the interval that decides, before which `level` stands."""
    if same := identity_in_short(verdict):
        return f"0 ({same})"
    return f"{signed(d.difference, digits(d))} ({level}{interval(d) if d.ci_pass else 'no interval'})"


def difference(ours: SeedScore | None, theirs: SeedScore | None, metric: str) -> float | None:
    """Points by which one run is above the other; None unless both are ok."""
    if ours is None or theirs is None or not ours.status == theirs.status == "ok":
        return None
    a, b = score_of(ours, metric), score_of(theirs, metric)
    return None if a is None or b is None else a - b


def _standard_errors(d: Decision) -> str:
    """Of the equivalence test and of the difference test."""
    if d.se_eq is None or d.df is None:
        return NONE
    return f"{d.se_eq:.3f}, {'pivot' if d.se_diff is None else f'{d.se_diff:.3f}'}"


def _compared(verdict: Verdict) -> str:
    """`5 pairs`, `3 sessions`; a dash where none was."""
    facts = [finding.fact for finding in verdict.findings if finding.fact.code in _UNITS]
    count = facts[0].values.get("counted", 0) if facts else 0
    return f"{count} {_UNITS[facts[0].code]}{'' if count == 1 else 's'}" if count else NONE


def remainder(verdict: Verdict) -> str:
    """Why the difference is not mean - target, where it is not (a median or best of k; seeds not shared)."""
    d, target = decision_of(verdict), verdict.against.mean if verdict.against else None
    if d is None or verdict.subject.mean is None or target is None:
        return ""
    plain = verdict.subject.mean - target
    rest = d.difference - plain
    if not math.isfinite(rest) or abs(rest) < 0.005:
        return ""
    cause = (
        "it is taken over the seeds that both have"
        if verdict.check != "quality"
        else "the published value is the median or the best of several runs, and no mean"
    )
    return f"the difference is mean − target ({signed(plain)}) and {signed(rest)}: {cause}"


def _published(reason: Fact) -> Fact | None:
    """The published value that a reason rests on, wherever in it."""
    if reason.code == "target":
        return reason
    inner = (one for one in reason.values.values() if isinstance(one, Fact))
    return next((found for one in inner if (found := _published(one)) is not None), None)
