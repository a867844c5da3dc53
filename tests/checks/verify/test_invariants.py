"""Invariants: twins pass, what parts them is named, and what makes no pair is said."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from harness.checks.verdict import Fact, Finding
from harness.checks.verify.invariants import KINDS, NOISY, invariant
from harness.record.run import Run
from tests.checks.conftest import COLUMNS, EXAMPLES, received
from tests.checks.verify.findings import failed
from tests.checks.verify.made_up import PAIRS, pair

MakeRun = Callable[..., Run]
Planted = Callable[..., Run]
ISSUE = "huggingface/transformers#47688"
STEPWISE = ("accumulation", "devices", "work_around", "engine", "threads", "epoch_end")


def received_in_order(ids: np.ndarray) -> dict[str, np.ndarray]:
    """What the model received of these examples, in their order."""
    return {f"inputs.{name}": received(name, EXAMPLES)[ids] for name in COLUMNS}


def test_each_kind_has_a_pair_here() -> None:
    assert set(PAIRS) == set(KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_twins_that_came_to_the_same_pass(make_run: MakeRun, kind: str) -> None:
    base, twin = pair(make_run, kind)
    verdict = invariant(kind, base, twin)
    assert verdict.against is not None
    sides = ((base.record.cell_id,), (twin.record.cell_id,))
    assert (verdict.against.cell_ids, verdict.subject.cell_ids) == sides
    assert (verdict.outcome, verdict.failures, verdict.not_available) == ("PASS", (), ())
    assert (verdict.check, verdict.item) == ("invariants", kind)


@pytest.mark.parametrize(("kind", "n"), [("accumulation", 4.0), ("devices", 2.0)])
def test_the_scaled_gradient_is_found_with_its_ratio_and_its_issue(make_run: MakeRun, kind: str, n: float) -> None:
    base, twin = pair(make_run, kind, excess=n)
    verdict = invariant(kind, base, twin)
    assert failed(verdict) == ["logged loss", "gradient norm"]
    for finding in verdict.failures:
        assert (finding.step, finding.ratio, finding.upstream) == (0, pytest.approx(n), ISSUE)
        assert finding.cause == ISSUE
    fact, norm = verdict.failures[1].fact, base.series["grad_norm"][0]
    assert (fact.code, fact.values["kind"], fact.values["item"]) == ("series.left", kind, "gradient norm")
    assert (fact.values["twin"], fact.values["base"]) == (pytest.approx(n * norm), pytest.approx(norm))
    assert fact.values["where"] == Fact.of("where", step=0, steady=True, differing=12, steps=12)
    found = [finding.fact for finding in verdict.failures]
    assert verdict.reason == Fact.of("pair.differs", found=found, issues=[ISSUE])


def test_a_ratio_that_the_issue_does_not_predict_is_not_laid_to_it(make_run: MakeRun) -> None:
    base, twin = pair(make_run, "accumulation", excess=3.0)
    verdict = invariant("accumulation", base, twin)
    assert [(finding.upstream, finding.cause) for finding in verdict.failures] == [(None, "loss"), (None, "grad_norm")]
    assert verdict.failures[1].ratio == pytest.approx(3.0)


@pytest.mark.parametrize("kind", STEPWISE)
@pytest.mark.parametrize(
    ("name", "item"),
    [
        ("micro_loss", "the model's own loss"),
        ("loss", "logged loss"),
        ("grad_norm", "gradient norm"),
        ("learning_rate", "learning rate"),
    ],
)
def test_each_series_that_parts_is_found_by_name_and_nothing_else(
    make_run: MakeRun, planted: Planted, kind: str, name: str, item: str
) -> None:
    base, twin = pair(make_run, kind)
    array = twin.series[name].copy()
    array[4:] *= np.float32(1.0001)
    verdict = invariant(kind, base, planted(twin, **{name: array}))
    assert failed(verdict) == [item]
    assert (verdict.failures[0].step, verdict.failures[0].ratio) == (4, pytest.approx(1.0001, abs=1e-6))


def test_losses_that_part_after_the_gradient_did_are_its_consequence(make_run: MakeRun, planted: Planted) -> None:
    base, twin = pair(make_run, "accumulation", excess=4.0)
    micro = twin.series["micro_loss"].copy()
    micro[2:] *= np.float32(1.001)
    assert failed(invariant("accumulation", base, planted(twin, micro_loss=micro))) == ["logged loss", "gradient norm"]
    micro[0] *= np.float32(1.001)
    found = failed(invariant("accumulation", base, planted(twin, micro_loss=micro)))
    assert found == ["the model's own loss", "logged loss", "gradient norm"]


def test_rounding_within_the_tolerance_passes_also_where_the_gradient_nearly_vanishes(
    make_run: MakeRun, planted: Planted
) -> None:
    base, twin = pair(make_run, "accumulation")
    norm = base.series["grad_norm"].copy()
    norm[5] = 0.0015
    base = planted(base, grad_norm=norm)
    rounded = (norm * np.float32(1 + 4e-6)).astype(np.float32)
    rounded[5] = norm[5] + 2e-7  # 1.3e-4 of itself, but 4e-7 of the largest: what summing in another order does
    assert invariant("accumulation", base, planted(twin, grad_norm=rounded)).outcome == "PASS"
    twice = rounded.copy()
    twice[5] *= 2
    verdict = invariant("accumulation", base, planted(twin, grad_norm=twice))
    assert (failed(verdict), verdict.failures[0].step) == (["gradient norm"], 5)


def test_only_the_first_20_steps_are_judged(make_run: MakeRun, planted: Planted) -> None:
    base, twin = make_run(steps=40), make_run(steps=40, batch=2, accumulation=4)
    late, early = twin.series["micro_loss"].copy(), twin.series["micro_loss"].copy()
    late[20:] *= np.float32(1.01)
    early[19:] *= np.float32(1.01)
    assert invariant("accumulation", base, planted(twin, micro_loss=late)).outcome == "PASS"
    assert invariant("accumulation", base, planted(twin, micro_loss=early)).outcome == "FAIL"


@pytest.mark.parametrize("kind", STEPWISE)
def test_other_initial_weights_are_named_and_not_what_follows(make_run: MakeRun, planted: Planted, kind: str) -> None:
    base, twin = pair(make_run, kind, excess=7.0)
    other = planted(twin, {"observed.fingerprint.init_sha256": "0" * 64})
    assert failed(invariant(kind, base, other)) == ["initial weights"]


@pytest.mark.parametrize("kind", STEPWISE)
def test_other_examples_are_named_and_not_what_follows(make_run: MakeRun, planted: Planted, kind: str) -> None:
    base, twin = pair(make_run, kind, excess=7.0)
    ids = twin.series["example_ids"].copy()
    ids[twin.series["example_offsets"][3]] = 999
    verdict = invariant(kind, base, planted(twin, example_ids=ids))
    assert failed(verdict) == ["examples of each step"]
    assert verdict.failures[0].step == 3
    fact = verdict.failures[0].fact
    assert (fact.code, fact.values["only_twin"], fact.values["differing"]) == ("examples.other", [999], 1)


def test_the_order_within_a_step_does_not_matter(make_run: MakeRun, planted: Planted) -> None:
    base, twin = pair(make_run, "devices")
    ids, offsets = twin.series["example_ids"].copy(), twin.series["example_offsets"]
    for start, end in pairwise(offsets):
        ids[start:end] = ids[start:end][::-1].copy()
    changed = planted(twin, example_ids=ids, **received_in_order(ids))
    assert invariant("devices", base, changed).outcome == "PASS"


def test_without_recorded_examples_nothing_is_claimed(make_run: MakeRun) -> None:
    base, twin = pair(make_run, "devices")
    blind = Run(twin.record, {name: array for name, array in twin.series.items() if not name.startswith("example")})
    assert invariant("devices", base, blind).outcome == "INCONCLUSIVE"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("changes", "fact"),
    [
        ({"observed.fingerprint.dropout": True}, Fact.of("unfit.dropout", run="twin", dropout=True)),
        ({"observed.fingerprint.dropout": None}, Fact.of("unfit.dropout", run="twin", dropout=None)),
        ({"observed.fingerprint.precision.name": "bf16"}, Fact.of("unfit.precision", run="twin", precision="bf16")),
        ({"observed.fingerprint.precision": None}, Fact.of("unfit.precision", run="twin", precision=None)),
        (
            {"asked.seed": 7},
            Fact.of("unfit.asked", differences=[Fact.of("unfit.field", field="seed", base=42, twin=7)]),
        ),
        ({"environment_id": "other"}, Fact.of("unfit.place")),
        ({"observed.machine.cpu": "other"}, Fact.of("unfit.place")),
    ],
    ids=["dropout", "unseen dropout", "bf16", "unseen precision", "seed", "environment", "machine"],
)
def test_a_pair_that_cannot_be_judged_says_why(
    make_run: MakeRun, planted: Planted, kind: str, changes: dict[str, Any], fact: Fact
) -> None:
    base, twin = pair(make_run, kind)
    verdict = invariant(kind, base, planted(twin, changes))
    if kind in NOISY and fact.code == "unfit.dropout":
        assert verdict.findings[0].item != "conditions"  # they are compared bit for bit, with dropout on
        return
    assert (verdict.outcome, verdict.findings) == ("INCONCLUSIVE", (Finding("conditions", "INCONCLUSIVE", fact),))


def test_another_global_batch_makes_no_pair(make_run: MakeRun) -> None:
    verdict = invariant("accumulation", make_run(batch=8), make_run(batch=4, accumulation=4))
    assert (verdict.outcome, verdict.findings[0].fact) == (
        "INCONCLUSIVE",
        Fact.of("unfit.global_batch", base=8, twin=16),
    )


@pytest.mark.parametrize("kind", KINDS)
def test_a_twin_that_was_skipped_or_failed_is_said_so(make_run: MakeRun, planted: Planted, kind: str) -> None:
    base, twin = pair(make_run, kind)
    failure = {"type": "Requirement", "message": "2 devices are missing", "details": ""}
    skipped = invariant(kind, base, planted(twin, {"status": "skipped", "observed": None, "failure": failure}))
    why = Fact.of("run.failure", type="Requirement", message="2 devices are missing")
    assert (skipped.outcome, skipped.item, skipped.reason.values["why"]) == ("SKIP", kind, why)
    oom = invariant(kind, planted(base, {"status": "oom", "failure": failure}), twin)
    assert (oom.outcome, oom.findings[0].fact) == ("ERROR", Fact.of("run.errored", status="oom", why=why))


def test_an_unknown_kind_is_refused(plain_run: Run) -> None:
    with pytest.raises(ValueError, match=r"kind: got 'other'; allowed accumulation, devices"):
        invariant("other", plain_run, plain_run)


def test_a_recipe_that_the_plain_loop_does_not_know_is_no_error(make_run: MakeRun, planted: Planted) -> None:
    failure = {"type": "SpecError", "message": "label_smoothing_factor: got 0.1; allowed 0.0 with engine loop"}
    trainer = make_run(steps=3)
    loop = planted(trainer, {"asked": {**trainer.record.asked.model_dump(), "engine": "loop"}})
    loop = planted(loop, {"status": "failed", "observed": None, "failure": failure})
    verdict = invariant("engine", loop, trainer)
    why = Fact.of("run.failure", type="SpecError", message=failure["message"])
    assert (verdict.outcome, verdict.findings[0].fact) == ("SKIP", why)
    other = planted(loop, {"failure": {**failure, "type": "RuntimeError"}})
    assert invariant("engine", other, trainer).outcome == "ERROR"
