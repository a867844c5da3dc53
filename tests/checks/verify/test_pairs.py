"""How pairs are compared: bit for bit after a resumption, answers, tails of an epoch, columns, random states."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from harness.checks.verdict import Fact
from harness.checks.verify.invariants import invariant
from harness.record.run import Run
from tests.checks.verify.findings import failed
from tests.checks.verify.made_up import pair

MakeRun = Callable[..., Run]
Planted = Callable[..., Run]


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


def test_a_run_resumed_with_other_weights_than_were_saved_is_not_laid_to_a_random_state(
    make_run: MakeRun, planted: Planted
) -> None:
    base, twin = make_run(dropout=0.1), make_run(dropout=0.1, first=5)
    loss, state = twin.series["micro_loss"].copy(), twin.series["random_state"].copy()
    loss[1:] *= np.float32(1.01)
    state[1:] += np.uint32(1)
    changes = {"observed.fingerprint.saved_sha256": "0" * 64}
    verdict = invariant("resume", base, planted(twin, changes, micro_loss=loss, random_state=state))
    assert "random state" not in failed(verdict)
    assert "the model's own loss" in failed(verdict)


def test_runs_that_differ_from_one_random_state_are_not_laid_to_it(make_run: MakeRun, planted: Planted) -> None:
    base, twin = make_run(dropout=0.1), make_run(dropout=0.1)
    loss = twin.series["micro_loss"].copy()
    loss[6:] *= np.float32(1.01)
    assert failed(invariant("observation", base, planted(twin, micro_loss=loss))) == ["the model's own loss"]
