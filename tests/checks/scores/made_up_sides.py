"""Sides of a comparison with what was accepted: runs by seed, and what is told of them."""

from __future__ import annotations

import datetime
import hashlib
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from harness.checks.scores.baseline.compare import compare
from harness.checks.scores.baseline.file import Baseline
from harness.checks.scores.baseline.pair import BaselineSide
from harness.checks.verdict import Fact, Inconclusive, Verdict, exit_code

TODAY = datetime.date(2026, 11, 22)
SCORES = (0.80, 0.81, 0.79, 0.805, 0.815)
LAYERS = ("init_sha256", "data_order_sha256", "loss_sha256", "trajectory_sha256", "final_sha256")
Run = dict[str, Any]


def sha(*parts: Any) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:20]


def run(seed: int, accuracy: float | None, version: str = "old", since: str = "loss_sha256", **changes: Any) -> Run:
    """A run that is not "old" parts from it at the layer `since`."""
    at = LAYERS.index(since)
    hashes = {name: sha(name, seed, version if number >= at else "old") for number, name in enumerate(LAYERS)}
    scores = {"accuracy": accuracy, "f1": None if accuracy is None else min(1.0, accuracy + 0.05)}
    facts = {"optimizer": "AdamW", "attention": "sdpa", "precision": "fp32"}
    return {"status": "ok", **scores, **hashes, **facts, **changes}


def runs(accuracies: Sequence[float | None], version: str = "old", first: int = 1, **changes: Any) -> dict[int, Run]:
    """Seeds 1, 2, ...; a score of 2/3 or less is a collapse, None a run that lost its loss."""
    found = {}
    for seed, accuracy in enumerate(accuracies, first):
        status = "nonfinite" if accuracy is None else "collapsed" if accuracy <= 2 / 3 else "ok"
        found[seed] = run(seed, accuracy, version, status=status, **changes)
    return found


def side(
    name: str,
    configurations: Mapping[str, Mapping[int, Run]],
    left_out: Sequence[tuple[str, int | None, str]] = (),
    environment: Mapping[str, Any] | None = None,
    **changes: Any,
) -> BaselineSide:
    facts = {
        "python": "3.11.7", "packages": {"transformers": "5.22.0", "torch": "2.13.0"},
        "machine": {"cpu": "A", "cores": 2}, **(environment or {}),
    }  # fmt: skip
    data = {
        "schema": 1, "harness": "0.1.0", "date": "2026-11-22T10:00:00.000Z", "command": "x",
        "grid": {"name": "demo", "file": "demo.toml", "task": "x"}, "environments": {"env": facts},
        "configurations": [
            {
                "label": label, "configuration_id": f"id-{label}", "environment_id": "env", "content_id": "content",
                "asked": {"threads": 1}, "collapsed": sum(one["status"] != "ok" for one in found.values()),
                "seeds": {str(seed): one for seed, one in found.items()}, **changes,
            }
            for label, found in configurations.items()
        ],
        "left_out": [
            {"configuration": x, "configuration_id": f"id-{x}", "seed": seed, "status": status, "why": "because"}
            for x, seed, status in left_out
        ],
    }  # fmt: skip
    return BaselineSide(name, Baseline.model_validate(data))


class Comparison(NamedTuple):
    verdicts: Sequence[Verdict]
    facts: Sequence[Fact]

    def exit_code(self, inconclusive: Inconclusive = "fail") -> int:
        return exit_code(self.verdicts, inconclusive=inconclusive)


def against(a: BaselineSide, b: BaselineSide, **options: Any) -> Comparison:
    return Comparison(*compare(a, b, today=TODAY, **options))


def only(comparison: Comparison) -> Verdict:
    (verdict,) = comparison.verdicts
    return verdict


def judged(verdict: Verdict) -> dict[str, Fact]:
    """What a reason is made of."""
    assert verdict.reason.code == "judged"
    return {name: value for name, value in verdict.reason.values.items() if value}


OLD = side("base.json", {"x": runs(SCORES)})


SAME = Fact.of("runs.identical_at", seeds=5, planned=5)
