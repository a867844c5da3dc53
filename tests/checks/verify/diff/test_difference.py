"""`diff` on planted faults: which state it finds, where it shows first, and what changes nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from harness.checks.verdict import Fact, exit_code
from harness.checks.verify.diff.difference import difference
from harness.checks.verify.series import Tolerance
from harness.record.run import Run
from tests.checks.verify.diff.made_up import NOISE, cause, first, scaled, told

MakeRun = Callable[..., Run]
Planted = Callable[..., Run]


class TestThreeStates:
    def test_identical(self, plain_run: Run, make_run: MakeRun) -> None:
        verdict = told(plain_run, make_run())
        items = ["losses", "gradient norms", "weights", "logits", "scores"]
        assert (verdict.outcome, verdict.reason.code) == ("PASS", "diff.identical")
        assert verdict.reason.values == {"steps": 12, "items": items, "idle": []}
        assert exit_code([verdict]) == 0

    def test_equal_within_rounding_with_size_and_where_it_begins(self, plain_run: Run, planted: Planted) -> None:
        norms = plain_run.series["grad_norm"].astype(np.float64)
        norms[5:] *= 1 + 3e-6
        other = planted(plain_run, {"observed.weights.final_sha256": "0" * 64}, grad_norm=norms)
        verdict = told(plain_run, other)
        values = verdict.reason.values
        assert (verdict.outcome, verdict.reason.code, exit_code([verdict])) == ("PASS", "diff.equal", 0)
        assert values["bits"] == ["gradient norm", "final weights"]
        assert (values["largest"]["item"], values["first_step"], values["beyond"]) == ("gradient norm", 5, None)
        assert values["largest"]["relative"] == pytest.approx(3e-6, rel=0.1)
        assert (values["relative"], values["causes"]) == (1e-5, [])
        assert exit_code([difference(plain_run, other)]) == 1  # --exact

    def test_other_final_weights_alone_are_other_bits(self, plain_run: Run, planted: Planted) -> None:
        verdict = told(plain_run, planted(plain_run, {"observed.weights.final_sha256": "0" * 64}))
        values = verdict.reason.values
        assert (verdict.reason.code, values["bits"], values["largest"]) == ("diff.equal", ["final weights"], None)

    def test_runs_resumed_from_weights_that_rounding_made_are_equal(self, make_run: MakeRun, planted: Planted) -> None:
        """What they resumed from are the final weights of what was trained before, as rounding leaves them."""
        run, other = make_run(steps=12, first=5), {"observed.fingerprint.init_sha256": "1" * 64}
        rounded = run.series["grad_norm"] * (1 + np.float32(3e-6))
        verdict = told(run, planted(run, other, grad_norm=rounded))
        assert (verdict.outcome, verdict.reason.code) == ("PASS", "diff.equal")
        assert told(run, planted(run, other, grad_norm=1.1 * rounded)).outcome == "FAIL"
        assert exit_code([difference(run, planted(run, other))]) == 1  # --exact

    def test_rounding_that_grows_beyond_the_first_steps_is_equal_and_says_so(
        self, make_run: MakeRun, planted: Planted
    ) -> None:
        run = make_run(steps=60)
        loss = run.series["loss"] * np.logspace(-7, -2, 60).astype(np.float32) + run.series["loss"]
        verdict = told(run, planted(run, loss=loss), Tolerance(1e-5, 1))
        assert (verdict.outcome, verdict.reason.code) == ("PASS", "diff.equal")
        assert verdict.reason.values["beyond"] == 24
        assert verdict.reason.values["first_step"] == 0

    def test_nothing_to_compare_is_not_equal(self, plain_run: Run, planted: Planted) -> None:
        blind = planted(plain_run, {"observed.fingerprint": None, "observed.weights": None})
        blind = planted(blind, {"measured.metrics": {}, "measured.confusion": None})
        verdict = told(Run(blind.record), Run(blind.record))
        assert (verdict.outcome, verdict.reason, exit_code([verdict])) == ("INCONCLUSIVE", Fact.of("diff.unknown"), 3)

    def test_a_side_without_a_result_is_missing(self, plain_run: Run, planted: Planted) -> None:
        verdict = told(plain_run, planted(plain_run, {"status": "failed", "observed": None, "measured": None}))
        assert (verdict.outcome, exit_code([verdict])) == ("ERROR", 4)

    def test_losses_that_are_no_numbers_in_one_run_only_are_a_difference_at_any_step(
        self, make_run: MakeRun, planted: Planted
    ) -> None:
        run = make_run(steps=40)
        loss = run.series["loss"].copy()
        loss[30:] = np.nan
        verdict = told(run, planted(run, {"status": "nonfinite"}, loss=loss))
        assert first(verdict)[:2] == ("logged loss", 30)


class TestJumps:
    @pytest.mark.parametrize("by", [6e-4, 2.0])
    def test_equal_bits_that_end_in_a_jump_are_no_rounding(
        self, make_run: MakeRun, planted: Planted, by: float
    ) -> None:
        run = make_run(steps=60)
        verdict = told(run, planted(run, **scaled(run, 24, 1 + by, "micro_loss", "loss")))
        item, step, ratio, code = first(verdict)
        assert (item, step, ratio, code) == ("the model's own loss", 24, round(1 + by, 3), "jump")
        where = verdict.findings[0].fact.values["where"]
        assert (where.code, where.values["before"]) == ("where.jump", 0.0)
        assert exit_code([verdict]) == 1

    def test_a_factor_is_a_difference_though_rounding_came_before(self, make_run: MakeRun, planted: Planted) -> None:
        run = make_run(steps=60)
        norms = run.series["grad_norm"] * np.float32(NOISE)
        norms[33:] *= np.float32(3)
        verdict = told(run, planted(run, grad_norm=norms), Tolerance(1e-5, 1))
        assert first(verdict) == ("gradient norm", 33, 3.0, "jump")
        assert 0 < verdict.findings[0].fact.values["where"].values["before"] < 1e-6

    def test_the_short_end_of_an_epoch_is_named(self, make_run: MakeRun, planted: Planted) -> None:
        run = make_run(epochs=2.0, batch=8, accumulation=3)
        verdict = told(run, planted(run, **scaled(run, 33, 3.0, "loss", "grad_norm")))
        assert first(verdict) == ("gradient norm", 33, 3.0, "jump.epoch_end")

    def test_what_was_done_between_epochs_is_named(self, make_run: MakeRun, planted: Planted) -> None:
        run = make_run(epochs=2.0)
        verdict = told(run, planted(run, **scaled(run, 100, 1.01, "micro_loss", "loss")))
        assert first(verdict) == ("the model's own loss", 100, 1.01, "jump.epoch_begin")

    def test_watching_that_was_asked_for_explains_it(self, make_run: MakeRun, planted: Planted) -> None:
        run = make_run(epochs=2.0)
        other = planted(
            run,
            {"asked.recipe.eval_strategy": "no", "observed.arguments.eval_strategy": "no"},
            **scaled(run, 100, 1.01, "micro_loss", "loss"),
        )
        verdict = told(run, other)
        assert first(verdict) == ("the model's own loss", 100, 1.01, "watching")
        assert cause(verdict) == "recipe.eval_strategy"

    def test_answers_held_against_other_labels_are_the_evaluations_though_no_score_tells(
        self, plain_run: Run, planted: Planted
    ) -> None:
        labels = plain_run.series["labels"]
        verdict = told(plain_run, planted(plain_run, {}, labels=np.roll(labels, 1)))
        assert first(verdict) == ("labels", None, None, "evaluation")
        where = verdict.findings[0].fact.values["where"]
        assert where.values["differing"] == int((np.roll(labels, 1) != labels).sum())

    def test_answers_that_jump_after_equal_training_are_the_evaluations(self, plain_run: Run, planted: Planted) -> None:
        logits = plain_run.series["logits"] * np.float32(1.1)
        verdict = told(plain_run, planted(plain_run, logits=logits))
        assert first(verdict)[::3] == ("logits", "evaluation")
        other = planted(plain_run, {"asked.precision": "bf16"}, logits=logits)
        assert cause(told(plain_run, other)) == "precision"
        scores = told(plain_run, planted(plain_run, {"measured.metrics.accuracy": 0.1}))
        assert first(scores)[::3] == ("scores.accuracy", "evaluation")


def test_another_version_that_changes_nothing_is_said(plain_run: Run, planted: Planted) -> None:
    other = planted(plain_run, {"observed.packages.transformers": "5.22.2", "environment_id": "old"})
    verdict = told(other, plain_run)
    idle = [Fact.of("cause.place", field="packages.transformers", a="5.22.2", b="5.23.0")]
    assert (verdict.reason.code, verdict.reason.values["idle"]) == ("diff.identical", idle)


def test_tables_within_arguments_differ_by_path(plain_run: Run, planted: Planted) -> None:
    def run(**settings: Any) -> Run:
        return planted(plain_run, {"observed.arguments.accelerator_config": settings})

    a, b = run(split_batches=False, even_batches=True), run(split_batches=True, even_batches=True)
    (found,) = told(a, b).findings
    assert (found.item, found.fact.code) == ("arguments.accelerator_config.split_batches", "idle")


def test_a_setting_without_effect_is_told_and_not_held_against_it(plain_run: Run, planted: Planted) -> None:
    verdict = told(plain_run, planted(plain_run, {"observed.arguments.average_tokens_across_devices": True}))
    assert verdict.reason.code == "diff.identical"
    other = planted(plain_run, {"observed.fingerprint.clipping": 5.0})
    (finding,) = told(plain_run, other).findings
    assert (finding.item, finding.outcome, finding.fact.code) == ("clipping", "SKIP", "idle")
    changed = planted(plain_run, {"observed.data.train.sha256": "1" * 64})
    assert (told(plain_run, changed).outcome, cause(told(plain_run, changed))) == ("FAIL", "training data")


def test_an_argument_made_of_one_that_was_asked_for_is_no_difference_of_its_own(
    plain_run: Run, planted: Planted
) -> None:
    changes = {
        "asked.recipe.logging_steps": 5,
        "observed.arguments.logging_steps": 5,
        "observed.arguments.eval_steps": 5,
    }
    base = planted(plain_run, {"observed.arguments.logging_steps": 9, "observed.arguments.eval_steps": 9})
    other = planted(plain_run, changes, grad_norm=plain_run.series["grad_norm"] * np.float32(NOISE))
    verdict = told(base, other)
    assert verdict.reason.code == "diff.equal"
    assert [one.item for one in verdict.findings if one.fact.code == "consequence"] == ["arguments.eval_steps"]


def test_an_axis_that_changes_nothing_is_said(plain_run: Run, planted: Planted) -> None:
    a = planted(plain_run, {"asked.recipe.data_seed": 1, "observed.arguments.data_seed": 1})
    b = planted(plain_run, {"asked.recipe.data_seed": 2, "observed.arguments.data_seed": 2})
    verdict = told(a, b)
    idle = [Fact.of("cause.asked", field="recipe.data_seed", a=1, b=2, through=[])]
    assert (verdict.reason.code, verdict.reason.values["idle"]) == ("diff.identical", idle)
    assert [(one.item, one.fact.code) for one in verdict.findings] == [("recipe.data_seed", "idle")]


def test_rows_are_paired_by_example_and_another_order_is_a_fact_of_its_own(plain_run: Run, planted: Planted) -> None:
    order = np.random.default_rng(3).permutation(240)
    ids = np.arange(240)
    a = planted(plain_run, {"observed.fingerprint.evaluation_inputs": None}, evaluated_ids=ids)
    rows = {name: plain_run.series[name][order] for name in ("logits", "labels")}
    verdict = told(a, planted(a, evaluated_ids=ids[order], **rows))
    assert verdict.reason.code == "diff.identical"
    assert [(one.item, one.outcome) for one in verdict.findings] == [("evaluation order", "SKIP")]
    logits = rows["logits"].copy()
    logits[7] *= np.float32(-1)
    verdict = told(a, planted(a, evaluated_ids=ids[order], labels=rows["labels"], logits=logits))
    where = verdict.findings[0].fact.values["where"].values
    assert (where["example"], where["differing"], where["examples"]) == (int(order[7]), 1, 240)
    without = told(plain_run, planted(plain_run, **rows))
    assert Fact.of("missing", item="logits by example", why=None) in without.not_available


def test_the_table_of_effect_has_both_sides_where_they_part_and_at_the_end(plain_run: Run, planted: Planted) -> None:
    verdict = told(plain_run, planted(plain_run, **scaled(plain_run, 5, 2.0, "grad_norm")))
    rows = {(fact.values["item"], fact.values["step"]): fact.values["ratio"] for fact in verdict.notes}
    assert rows[("gradient norm", 5)] == rows[("gradient norm", 11)] == pytest.approx(2.0)
    assert rows[("logged loss", 5)] == rows[("logged loss", 11)] == 1.0
    assert rows[("scores.accuracy", None)] == 1.0
    assert {fact.code for fact in verdict.notes} == {"effect"}
    same = told(plain_run, plain_run)
    assert {fact.values["step"] for fact in same.notes} == {11, None}
