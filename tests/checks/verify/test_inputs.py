"""What the model received in two runs, column by column."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from harness.checks.verify.diff.compare import compare
from harness.checks.verify.inputs import ColumnDifference, column_differences
from harness.record.run import Run

MakeRun = Callable[..., Run]
Planted = Callable[..., Run]


def test_equal_runs_have_none_whatever_their_batches(make_run: MakeRun) -> None:
    assert column_differences(make_run(), make_run()) == []
    assert column_differences(make_run(), make_run(batch=2, accumulation=4)) == []
    assert column_differences(make_run(), make_run(first=5)) == []


def test_a_column_is_named_with_step_example_and_count(plain_run: Run, planted: Planted) -> None:
    rows = plain_run.series["inputs.input_ids"].copy()
    rows[[20, 90]] ^= np.uint32(1)
    (one,) = column_differences(plain_run, planted(plain_run, **{"inputs.input_ids": rows})) or []
    assert (one.part, one.column, one.step, one.differing, one.rows) == ("training", "input_ids", 2, 2, 96)
    assert one.example == plain_run.series["example_ids"][20]


def test_rows_are_paired_by_example_where_the_order_differs(make_run: MakeRun, planted: Planted) -> None:
    run = make_run(epochs=1.0)
    turned = {name: run.series[name][::-1] for name in run.series if name.startswith(("inputs.", "example_ids"))}
    assert column_differences(run, planted(run, **turned)) == []
    turned["inputs.labels"] = turned["inputs.labels"].copy()
    turned["inputs.labels"][-4] += np.uint32(1)
    (one,) = column_differences(run, planted(run, **turned)) or []
    assert (one.column, one.step, one.example) == ("labels", 0, run.series["example_ids"][3])


def test_a_column_that_one_run_was_not_given(plain_run: Run, planted: Planted) -> None:
    assert plain_run.fingerprint is not None
    inputs = {k: v for k, v in (plain_run.fingerprint.inputs or {}).items() if k != "token_type_ids"}
    without = planted(plain_run, {"observed.fingerprint.inputs": inputs})
    (one,) = column_differences(plain_run, without) or []
    assert (one.column, one.only, one.step, one.differing) == ("token_type_ids", "a", 0, 96)
    (one,) = column_differences(without, plain_run) or []
    assert one.only == "b"


def test_rows_that_were_not_kept_are_told_by_their_hash(plain_run: Run, planted: Planted) -> None:
    later = planted(plain_run, {"observed.fingerprint.inputs.labels": "0" * 64})
    (one,) = column_differences(plain_run, later) or []
    assert (one.column, one.step, one.example, one.differing) == ("labels", None, None, 0)


def test_an_evaluations_inputs_come_after_trainings(plain_run: Run, planted: Planted) -> None:
    rows = {name: plain_run.series[name].copy() for name in ("evaluation_inputs.labels", "inputs.labels")}
    for one in rows.values():
        one[7] ^= np.uint32(1)
    found = column_differences(plain_run, planted(plain_run, **rows)) or []
    assert [(one.part, one.column) for one in found] == [("training", "labels"), ("evaluation", "labels")]
    assert (found[1].step, found[1].example) == (None, 7)


def test_records_of_before_say_not_available(plain_run: Run, planted: Planted) -> None:
    old = planted(plain_run, {"observed.fingerprint.inputs": None})
    assert column_differences(old, plain_run) is None
    assert "inputs" in compare(old, plain_run).not_available


def test_diff_names_the_column_first_and_the_loss_follows(plain_run: Run, planted: Planted) -> None:
    rows = plain_run.series["inputs.token_type_ids"] ^ np.uint32(1)
    loss = plain_run.series["loss"] * np.float32(1.01)
    found = compare(plain_run, planted(plain_run, loss=loss, **{"inputs.token_type_ids": rows}))
    assert [(one.field, one.step) for one in found.differences] == [("inputs.token_type_ids", 0)]
    assert [one.field for one in found.consequences] == ["loss"]


def test_a_tokenizers_files_are_not_the_weights(plain_run: Run, planted: Planted) -> None:
    changes = {"observed.weights.tokenizer_sha256": "0" * 64, "observed.weights.checkpoint_sha256": "1" * 64}
    assert [one.field for one in compare(plain_run, planted(plain_run, changes)).differences] == ["tokenizer"]
    old = dict.fromkeys(("weights_sha256", "tokenizer_sha256", "config_sha256"))
    before = planted(plain_run, {f"observed.weights.{name}": None for name in old})
    other = planted(before, {"observed.weights.checkpoint_sha256": "1" * 64})
    assert [one.field for one in compare(plain_run, other).differences] == ["checkpoint"]


def test_the_difference_is_a_fact_that_names_its_column() -> None:
    one = ColumnDifference("training", "input_ids", 3, 17, 2, 96)
    assert (one.fact.code, one.fact.values["item"], one.fact.values["example"]) == ("inputs.differ", "input_ids", 17)


def test_another_order_of_evaluation_alone_is_no_other_input(plain_run: Run, planted: Planted) -> None:
    names = [name for name in plain_run.series if name.startswith("evaluation_inputs.")]
    base = planted(plain_run, evaluated_ids=np.arange(240))
    turned = {name: plain_run.series[name][::-1] for name in names}
    hashes = {"observed.fingerprint.evaluation_inputs": {name.partition(".")[2]: "f" * 64 for name in names}}
    other = planted(base, hashes, evaluated_ids=np.arange(240)[::-1], **turned)
    assert column_differences(base, other) == []
    assert [one.column for one in column_differences(base, planted(base, hashes)) or []] != []
