from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from harness.checks.verdict import Fact, Finding, Verdict
from harness.checks.verify.invariants import KINDS, NOISY, invariant
from harness.checks.verify.upstream import BACKWARD_SCALE, LOSS_SCALE, Scaling, known_issue
from harness.record.run import Run
from tests.checks.conftest import COLUMNS, EXAMPLES, received

MakeRun = Callable[..., Run]
Planted = Callable[..., Run]
ISSUE = "huggingface/transformers#47688"

PAIRS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "accumulation": ({}, {"batch": 2, "accumulation": 4}),
    "devices": ({}, {"batch": 4, "devices": 2}),
    "work_around": ({}, {"batch": 1, "accumulation": 4, "devices": 2, "accepts": False}),
    "engine": ({}, {"engine": "loop"}),
    "resume": ({}, {"first": 5}),
    "observation": ({"dropout": 0.1}, {"dropout": 0.1}),
    "checkpointing": ({"dropout": 0.1}, {"dropout": 0.1}),
    "threads": ({}, {}),
    "epoch_end": ({}, {"batch": 2, "accumulation": 4}),
    "eval_batch": ({}, {"eval_batch": 60}),
    "padding": ({"batch": 48, "epochs": 1.0}, {"batch": 24, "devices": 2, "epochs": 1.0}),
}
STEPWISE = ("accumulation", "devices", "work_around", "engine", "threads", "epoch_end")


def received_in_order(ids: np.ndarray) -> dict[str, np.ndarray]:
    """What the model received of these examples, in their order."""
    return {f"inputs.{name}": received(name, EXAMPLES)[ids] for name in COLUMNS}


def failed(verdict: Verdict) -> list[str]:
    return [finding.item for finding in verdict.failures]


def pair(make_run: MakeRun, kind: str, **twin: Any) -> tuple[Run, Run]:
    base, other = PAIRS[kind]
    return make_run(**base), make_run(**{**other, **twin})


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


@pytest.mark.parametrize("name", ["loss", "grad_norm", "learning_rate", "logits"])
def test_a_resumed_run_must_be_equal_to_the_last_bit(make_run: MakeRun, planted: Planted, name: str) -> None:
    base, twin = pair(make_run, "resume")
    array = twin.series[name].copy()
    array[2] = np.nextafter(array[2], np.inf)
    verdict = invariant("resume", base, planted(twin, **{name: array}))
    assert len(verdict.failures) == 1
    assert verdict.failures[0].step == (None if name == "logits" else 7)


def test_a_resumed_run_that_sees_other_examples_is_said_so_first(make_run: MakeRun, planted: Planted) -> None:
    base, twin = pair(make_run, "resume")
    ids = twin.series["example_ids"].copy()
    ids[0] = 999
    loss = twin.series["loss"] * np.float32(1.1)
    changes = {"observed.weights.final_sha256": "0" * 64}
    verdict = invariant("resume", base, planted(twin, changes, example_ids=ids, loss=loss))
    assert failed(verdict) == ["data order"]
    assert verdict.failures[0].step == 5


def test_a_pair_that_was_never_resumed_is_no_pair(make_run: MakeRun) -> None:
    assert invariant("resume", make_run(), make_run()).outcome == "INCONCLUSIVE"


def test_final_weights_of_a_resumed_run_count(make_run: MakeRun, planted: Planted) -> None:
    base, twin = pair(make_run, "resume")
    verdict = invariant("resume", base, planted(twin, {"observed.weights.final_sha256": "0" * 64}))
    assert failed(verdict) == ["final weights"]


def test_evaluation_must_not_depend_on_its_batch_size(make_run: MakeRun, planted: Planted) -> None:
    base, twin = pair(make_run, "eval_batch")
    logits = twin.series["logits"]
    assert invariant("eval_batch", base, planted(twin, logits=logits * np.float32(1 + 2e-6))).outcome == "PASS"
    other = logits.copy()
    other[17] += 0.01
    verdict = invariant("eval_batch", base, planted(twin, logits=other))
    assert failed(verdict) == ["logits"]
    values = verdict.failures[0].fact.values
    assert (values["differing"], values["examples"], values["example"]) == (1, 240, 17)
    assert verdict.failures[0].cause == "eval_batch"
    assert failed(invariant("eval_batch", base, planted(twin, logits=logits[:-1]))) == ["logits"]


def test_evaluation_in_another_order_is_paired_by_example(make_run: MakeRun, planted: Planted) -> None:
    base, twin = pair(make_run, "eval_batch")
    ids, order = np.arange(240), np.random.default_rng(5).permutation(240)
    rows = {name: twin.series[name][order] for name in ("logits", "labels")}
    base, twin = planted(base, evaluated_ids=ids), planted(twin, evaluated_ids=ids[order], **rows)
    verdict = invariant("eval_batch", base, twin)
    assert (verdict.outcome, "evaluation order" in [one.item for one in verdict.findings]) == ("PASS", True)
    wrong = rows["logits"].copy()
    wrong[3] += 0.01
    values = invariant("eval_batch", base, planted(twin, logits=wrong)).failures[0].fact.values
    assert (values["differing"], values["example"]) == (1, int(order[3]))
    blind = planted(make_run(eval_batch=60), **rows)
    assert invariant("eval_batch", make_run(), blind).outcome == "INCONCLUSIVE"


def test_training_must_not_depend_on_the_evaluations_batch_size(make_run: MakeRun, planted: Planted) -> None:
    base, twin = pair(make_run, "eval_batch")
    changes = {"observed.weights.final_sha256": "0" * 64}
    assert failed(invariant("eval_batch", base, planted(twin, changes))) == ["final weights"]
    assert invariant("eval_batch", base, make_run()).outcome == "INCONCLUSIVE"


def test_padding_names_the_repeated_examples_and_never_fails(make_run: MakeRun, planted: Planted) -> None:
    base, twin = pair(make_run, "padding", excess=2.0)
    verdict = invariant("padding", base, twin)
    assert verdict.outcome == "PASS"
    repeats = verdict.findings[0].fact
    assert (repeats.code, repeats.values["count"], repeats.values["examples"], repeats.values["ranks"]) == (
        "padding.repeats",
        16,
        800,
        2,
    )
    assert verdict.reason == repeats
    assert verdict.findings[1].fact == Fact.of("padding.same_examples", steps=16)
    ids, micro = twin.series["example_ids"].copy(), twin.series["micro_loss"].copy()
    ids[0] = 999
    micro[3] *= 2
    for other in (planted(twin, example_ids=ids), planted(twin, micro_loss=micro)):
        assert invariant("padding", base, other).outcome == "INCONCLUSIVE"


def test_padding_needs_a_whole_epoch_with_a_tail(make_run: MakeRun) -> None:
    short = invariant("padding", make_run(steps=3), make_run(steps=3, batch=4, devices=2))
    even = invariant("padding", make_run(epochs=1.0), make_run(epochs=1.0, batch=4, devices=2))
    assert short.findings[0].fact == Fact.of("padding.no_whole_epoch")
    assert even.findings[0].fact == Fact.of("padding.none", examples=800, ranks=2)
    assert {short.outcome, even.outcome} == {"INCONCLUSIVE"}


@pytest.mark.parametrize(
    ("kind", "ratio", "run", "against", "fits"),
    [
        ("accumulation", 4.0, Scaling(4, 1, "5.23.0", True), Scaling(1, 1, "5.23.0", True), True),
        ("accumulation", 4.001, Scaling(4, 1, "5.23.0", True), Scaling(1, 1, "5.23.0", True), True),
        ("accumulation", 4.0, Scaling(4, 1, "4.45.2", True), Scaling(1, 1, "4.45.2", True), False),
        ("accumulation", 4.0, Scaling(4, 1, "5.23.0", False), Scaling(1, 1, "5.23.0", True), False),
        ("accumulation", 4.0, Scaling(4, 1, None, True), Scaling(1, 1, None, True), False),
        ("accumulation", 3.0, Scaling(4, 1, "5.23.0", True), Scaling(1, 1, "5.23.0", True), False),
        ("accumulation", 1.0, Scaling(1, 1, "5.23.0", True), Scaling(1, 1, "5.23.0", True), False),
        ("devices", 2.0, Scaling(4, 2, "5.23.0", True), Scaling(4, 1, "5.23.0", True), True),
        ("work_around", 0.125, Scaling(1, 1, "5.23.0", False), Scaling(4, 2, "5.23.0", True), True),
        ("engine", 0.25, Scaling(4, 1, "5.23.0", None, "loop"), Scaling(4, 1, "5.23.0", True), True),
        ("evaluation loss", 2.0, Scaling(4, 2, "5.23.0", True), None, True),
        ("evaluation loss", 8.0, Scaling(4, 2, "5.23.0", True), None, False),
        ("resume", 4.0, Scaling(4, 1, "5.23.0", True), None, False),
        ("accumulation", None, Scaling(4, 1, "5.23.0", True), None, False),
    ],
)
def test_the_known_issue_is_named_only_where_it_fits(
    kind: str, ratio: float | None, run: Scaling, against: Scaling | None, fits: bool
) -> None:
    assert known_issue(kind, ratio, run, against) == (LOSS_SCALE if fits else None)


@pytest.mark.parametrize(
    ("version", "ratio", "fits"),
    [
        ("4.46.3", 4.0, True),
        ("4.47.1", 4.0, True),
        ("4.48.0", 4.0, False),
        ("4.45.2", 4.0, False),
        ("4.46.3", 2.0, False),
    ],
)
def test_gradients_that_were_added_up_undivided(version: str, ratio: float, fits: bool) -> None:
    run, single = Scaling(4, 1, version, False), Scaling(1, 1, version, False)
    assert known_issue("accumulation", ratio, run, single) == (BACKWARD_SCALE if fits else None)


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


def test_an_uneven_end_of_an_epoch_ends_the_comparison_and_is_named(make_run: MakeRun, planted: Planted) -> None:
    """304 of 800 examples a step: of the third 192 are left, which ranks fill up and micro-batches cut unevenly."""
    base = make_run(steps=8, batch=304)
    for kind, twin, rows in (
        ("devices", make_run(steps=8, batch=152, devices=2), 304),
        ("accumulation", make_run(steps=8, batch=76, accumulation=4), 192),
    ):
        loss = twin.series["micro_loss"].copy()
        loss[2:] *= np.float32(1.1)  # as 76, 76 and 40 examples of equal weight have another mean
        verdict = invariant(kind, base, planted(twin, micro_loss=loss, loss=loss))
        assert verdict.outcome == "PASS", verdict.reason
        (told,) = [finding for finding in verdict.findings if finding.item == "end of an epoch"]
        assert (told.outcome, told.fact) == ("SKIP", Fact.of("epoch.end", step=2, base=192, twin=rows, due=304))
        loss[1] *= np.float32(1.1)
        assert invariant(kind, base, planted(twin, micro_loss=loss, loss=loss)).outcome == "FAIL"


def test_a_rest_of_whole_micro_batches_is_compared(make_run: MakeRun, planted: Planted) -> None:
    """800 = 12 x 64 + 32: the last group is two micro-batches of 16 instead of four."""
    base, twin = make_run(steps=14, batch=64), make_run(steps=14, batch=16, accumulation=4)
    assert invariant("epoch_end", base, twin).outcome == "PASS"
    norm = twin.series["grad_norm"].copy()
    norm[12] *= 2
    (finding,) = invariant("epoch_end", base, planted(twin, grad_norm=norm)).failures
    assert (finding.item, finding.step, finding.ratio) == ("gradient norm", 12, pytest.approx(2.0))


def test_another_column_is_named_and_not_what_follows_of_it(make_run: MakeRun, planted: Planted) -> None:
    base, twin = pair(make_run, "engine")
    rows = twin.series["inputs.token_type_ids"].copy()
    rows[17:] += np.uint32(1)
    loss = twin.series["micro_loss"] * np.float32(1.1)
    changed = planted(twin, micro_loss=loss, **{"inputs.token_type_ids": rows})
    (finding,) = invariant("engine", base, changed).failures
    assert (finding.item, finding.step, finding.cause) == ("inputs", 2, "inputs")
    assert finding.fact.values["item"] == "token_type_ids"
    assert finding.fact.values["example"] == base.series["example_ids"][17]


@pytest.mark.parametrize("kind", ["resume", "observation"])
def test_another_random_state_is_named_and_the_rest_follows(make_run: MakeRun, planted: Planted, kind: str) -> None:
    first = 5 if kind == "resume" else 0
    base, twin = make_run(dropout=0.1), make_run(dropout=0.1, first=first)
    loss, state = twin.series["micro_loss"].copy(), twin.series["random_state"].copy()
    loss[6 - first :] *= np.float32(1.01)
    state[6 - first :] += np.uint32(1)
    epoch = {"epoch": 1.0, "step": 6}
    weights = twin.fingerprint.init_sha256 if twin.fingerprint else ""
    changes = {
        "observed.fingerprint.evaluation_draws": 1,
        "observed.fingerprint.saved_sha256": weights if first else None,
        "measured.epochs": [epoch],
    }
    verdict = invariant(kind, base, planted(twin, changes, micro_loss=loss, random_state=state))
    (finding,) = verdict.failures
    assert (finding.item, finding.step, finding.cause) == ("random state", 6, "evaluation draws")
    expected = {"step": 6, "ordered": True, "weights": True if first else None, "draws": 1, "evaluated": True}
    assert finding.fact == Fact("random.other", expected)


def test_runs_that_differ_from_one_random_state_are_not_laid_to_it(make_run: MakeRun, planted: Planted) -> None:
    base, twin = make_run(dropout=0.1), make_run(dropout=0.1)
    loss = twin.series["micro_loss"].copy()
    loss[6:] *= np.float32(1.01)
    assert failed(invariant("observation", base, planted(twin, micro_loss=loss))) == ["the model's own loss"]
