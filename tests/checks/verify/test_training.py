"""Fidelity of progress: steps, rates, the logged loss, the first update, and the examples that were seen."""

from __future__ import annotations

import math
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from harness.checks.verdict import Fact
from harness.checks.verify.fidelity import fidelity
from harness.checks.verify.findings import Findings
from harness.checks.verify.training import overflow
from harness.record.parts.fingerprint import LossScale
from harness.record.run import Run
from tests.checks.verify.findings import failed, found, several

MakeRun = Callable[..., Run]


@pytest.mark.parametrize("shift", ["before", "after"])
def test_a_rate_shifted_by_one_step_is_called_so(plain_run: Run, planted: Callable[..., Run], shift: str) -> None:
    rates = plain_run.series["learning_rate"]
    moved = np.r_[rates[0], rates[:-1]] if shift == "before" else np.r_[rates[1:], 0.0]
    verdict = fidelity(planted(plain_run, learning_rate=moved))
    finding, *also = verdict.failures
    assert [one.item for one in also] == ([] if shift == "before" else ["first update"])
    assert (finding.item, finding.step) == ("learning rate", 1 if shift == "before" else 0)
    assert finding.fact.values["shift"] == shift


def test_a_wrong_rate_on_one_step_of_a_resumed_run_names_the_runs_own_step(
    make_run: MakeRun, planted: Callable[..., Run]
) -> None:
    run = make_run(steps=12, first=5)
    rates = run.series["learning_rate"].copy()
    rates[3] *= 2
    (finding,) = fidelity(planted(run, learning_rate=rates)).failures
    assert (finding.item, finding.step, finding.ratio) == ("learning rate", 8, pytest.approx(2.0))
    values = finding.fact.values
    assert (values["differing"], values["steps"], values["shift"]) == (1, 7, None)


def test_a_loss_that_accumulation_multiplies_is_found_with_its_ratio_and_its_issue(make_run: MakeRun) -> None:
    (finding,) = fidelity(make_run(batch=2, accumulation=4, excess=4.0)).failures
    assert (finding.item, finding.fact.code) == ("logged loss", "logged_loss.wrong")
    assert (finding.step, finding.ratio) == (0, pytest.approx(4.0))
    assert finding.upstream == finding.cause == "huggingface/transformers#47688"


@pytest.mark.parametrize(
    "options", [{"excess": 3.0}, {"excess": 4.0, "accepts": False}, {"excess": 4.0, "engine": "loop"}]
)
def test_a_ratio_that_the_known_issue_does_not_explain_is_not_laid_to_it(
    make_run: MakeRun, options: dict[str, Any]
) -> None:
    (finding,) = fidelity(make_run(batch=2, accumulation=4, **options)).failures
    assert (finding.item, finding.upstream, finding.cause) == ("logged loss", None, "logged_loss")


def test_one_odd_logged_loss_is_found(plain_run: Run, planted: Callable[..., Run]) -> None:
    loss = plain_run.series["loss"].copy()
    loss[7] *= np.float32(1.001)
    (finding,) = fidelity(planted(plain_run, loss=loss)).failures
    assert (finding.item, finding.step) == ("logged loss", 7)
    assert finding.fact.values["where"] == Fact.of("where", step=7, steady=False, differing=1, steps=12)


@pytest.mark.parametrize(
    ("epoch", "fact"),
    [
        ({"seen": 796, "distinct": 796}, Fact.of("epoch.rows", epoch=1, rows=796, due=800)),
        (
            {"seen": 800, "distinct": 798, "repeated": [3, 9], "repeated_count": 2},
            Fact.of("epoch.examples", epoch=1, distinct=798, of=800, count=2, repeated=[3, 9]),
        ),
        ({"seen": 800, "distinct": 800, "complete": False}, Fact.of("seen.cut", epoch=1, examples=800, there=800)),
    ],
    ids=["rows", "examples", "cut"],
)
def test_examples_left_out_or_repeated_are_named(
    make_run: MakeRun, planted: Callable[..., Run], epoch: dict[str, Any], fact: Fact
) -> None:
    run = make_run(epochs=1.0)
    fields = {"repeated": [], "repeated_count": 0, "complete": True, **epoch}
    changes = {"observed.fingerprint.seen.epochs": [fields]}
    changes["measured.train_samples"] = epoch["seen"]
    changes["measured.train_samples_per_second"] = epoch["seen"] / 2.0
    (finding,) = fidelity(planted(run, changes)).failures
    assert (finding.item, several(finding)) == ("examples seen", [fact])


def test_repetitions_that_padding_does_not_explain(make_run: MakeRun, planted: Callable[..., Run]) -> None:
    run = make_run(steps=12)
    changes = {"observed.fingerprint.seen.epochs.0.distinct": 90, "observed.fingerprint.seen.epochs.0.repeated": [1]}
    (finding,) = fidelity(planted(run, changes)).failures
    (fact,) = several(finding)
    assert (finding.item, fact.code, fact.values["extra"]) == ("examples seen", "epoch.repeats", 6)


OVERFLOWED: dict[str, Any] = {
    "asked.precision": "fp16",
    "observed.requested.fp16": True,
    "observed.arguments.fp16": True,
    "observed.fingerprint.precision.name": "fp16",
    "observed.fingerprint.loss_scale": {
        "initial": 65536.0, "minimum": 16384.0, "final": 16384.0, "skipped_steps": 2, "nonfinite_steps": 2,
    },
}  # fmt: skip
"""An fp16 run whose first two steps overflowed."""
WAITING = np.array([0, 0, 0, *range(1, 10)])
"""Whose rate each of its steps has, where the schedule waits."""
UNFUSED = {
    "observed.arguments.optim": "adamw_torch",
    "observed.optimizer.groups.0.fused": None,
    "observed.optimizer.groups.1.fused": None,
}


def overflowed_norms(run: Run) -> Any:
    norms = run.series["grad_norm"].copy()
    norms[:2] = np.inf
    return norms


def test_fp16_may_leave_out_steps_and_the_schedule_waits_for_them(plain_run: Run, planted: Callable[..., Run]) -> None:
    norms, changes = overflowed_norms(plain_run), {**OVERFLOWED, **UNFUSED, "observed.fingerprint.optimizer_steps": 10}
    rates = plain_run.series["learning_rate"][WAITING]
    assert fidelity(planted(plain_run, changes, grad_norm=norms, learning_rate=rates)).outcome == "PASS"
    fewer = {**changes, "observed.fingerprint.optimizer_steps": 9}
    assert failed(fidelity(planted(plain_run, fewer, grad_norm=norms, learning_rate=rates))) == ["optimizer steps"]
    assert failed(fidelity(planted(plain_run, changes, grad_norm=norms))) == ["learning rate"]


def test_with_a_fused_optimizer_the_schedule_does_not_wait(plain_run: Run, planted: Callable[..., Run]) -> None:
    norms = overflowed_norms(plain_run)
    assert fidelity(planted(plain_run, OVERFLOWED, grad_norm=norms)).outcome == "PASS"
    rates = plain_run.series["learning_rate"][WAITING]
    waited = fidelity(planted(plain_run, OVERFLOWED, grad_norm=norms, learning_rate=rates))
    assert failed(waited) == ["learning rate"]


def test_more_overflows_than_finding_a_scale_takes_are_named(make_run: MakeRun, planted: Callable[..., Run]) -> None:
    run = make_run(steps=12)
    scale = OVERFLOWED["observed.fingerprint.loss_scale"]

    def judged(skipped: int) -> Any:
        many = {**OVERFLOWED, "observed.fingerprint.loss_scale": {**scale, "skipped_steps": skipped}}
        return found(fidelity(planted(run, many)), "overflow")

    assert judged(10).outcome == "PASS"
    failure = judged(11)
    assert (failure.outcome, failure.cause) == ("FAIL", "overflow")
    assert failure.fact.values["most"] == 10
    assert failure.fact.values["seen"] == Fact.of("overflow.seen", skipped=11, steps=12, initial=65536.0, final=16384.0)
    assert [one.item for one in fidelity(run).findings if one.item == "overflow"] == []


@pytest.mark.parametrize(("skipped", "outcome"), [(13, "PASS"), (14, "FAIL")])
def test_of_many_steps_a_hundredth_may_overflow(skipped: int, outcome: str) -> None:
    scale = LossScale(**{**OVERFLOWED["observed.fingerprint.loss_scale"], "skipped_steps": skipped})
    findings, run = Findings(), SimpleNamespace(series={"loss": np.ones(1377)})
    overflow(findings, run, SimpleNamespace(loss_scale=scale))  # type: ignore[arg-type]
    assert [one.outcome for one in findings.made] == [outcome]


def test_of_a_resumed_fp16_run_no_schedule_is_known_that_may_have_waited_before(
    make_run: MakeRun, planted: Callable[..., Run]
) -> None:
    run = make_run(steps=12, first=4)
    scale = {"initial": 16384.0, "minimum": 16384.0, "final": 16384.0, "skipped_steps": 0, "nonfinite_steps": 0}
    changes = {**OVERFLOWED, "observed.fingerprint.loss_scale": scale}
    assert found(fidelity(planted(run, changes)), "learning rate").outcome == "PASS"
    waiting = fidelity(planted(run, {**changes, **UNFUSED}))
    assert Fact.of("missing", item="learning rate", why=Fact.of("schedule.overflowed")) in waiting.not_available


def test_an_update_that_is_not_what_its_settings_say_is_found_with_its_ratio(
    plain_run: Run, planted: Callable[..., Run]
) -> None:
    before, gradient = (plain_run.series[f"update_{name}"].astype(np.float64) for name in ("before", "gradient"))
    mean, root = 0.1 * gradient, np.sqrt(0.001 * gradient**2)  # without the correction of their bias
    after = before - plain_run.series["learning_rate"][0] * mean / (root + 1e-8)
    finding = found(fidelity(planted(plain_run, update_after=after.astype(np.float32))), "first update")
    assert (finding.outcome, finding.step) == ("FAIL", 0)
    assert finding.ratio == pytest.approx(0.1 / math.sqrt(0.001), rel=1e-2)
    assert finding.fact.values["tensor"] == "classifier.weight"


def test_an_update_of_sgd_and_of_a_warm_ups_second_step(plain_run: Run, planted: Callable[..., Run]) -> None:
    before, gradient = plain_run.series["update_before"], plain_run.series["update_gradient"]
    rates = plain_run.series["learning_rate"]
    sgd = {"observed.arguments.optim": "sgd"}
    after = before - np.float32(rates[0]) * gradient
    assert found(fidelity(planted(plain_run, sgd, update_after=after)), "first update").outcome == "PASS"
    both = np.stack([gradient[0], -2 * gradient[0]]).astype(np.float64)
    warm = np.r_[0.0, rates[1:]]
    mean = (0.9 * 0.1 * both[0] + 0.1 * both[1]) / (1 - 0.9**2)
    square = (0.999 * 0.001 * both[0] ** 2 + 0.001 * both[1] ** 2) / (1 - 0.999**2)
    moved = before[0] - warm[1] * mean / (np.sqrt(square) + 1e-8)
    series = {"update_before": np.r_[before, before], "update_gradient": both, "update_after": [before[0], moved]}
    run = planted(plain_run, learning_rate=warm, **{name: np.float32(array) for name, array in series.items()})
    assert found(fidelity(run), "first update").outcome == "PASS"


def test_rows_that_no_optimizer_step_took_are_told(make_run: MakeRun, planted: Callable[..., Run]) -> None:
    run = make_run(epochs=1.0)
    ids = run.series["example_ids"]
    finding = found(fidelity(planted(run, example_ids=ids[:-8])), "examples seen")
    assert finding.outcome == "FAIL"
    assert several(finding) == [Fact.of("seen.left_out", rows=800, left_out=8)]
    passed = found(fidelity(run), "examples seen").fact.values
    assert (passed["examples"], passed["there"]) == (800, 800)
