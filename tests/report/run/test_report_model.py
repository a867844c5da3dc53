"""What the report reckons: figures by hand, which record counts, what is never pooled."""

from __future__ import annotations

import json
import math
import random
import re
from typing import Any

import numpy as np
import pytest

from harness.checks.verify.data import MRPC
from harness.grid.labels import Namer
from harness.record.parts.measured import Measured
from harness.report.format.labels import seeds_text
from harness.report.run.curves import POINTS, curve_of
from harness.report.run.model import GridFacts
from harness.report.run.render import render
from harness.report.run.settings import settings


def by_label(model: Any) -> dict[str, Any]:
    return {row.label: row for row in model.rows}


def test_scores_by_hand(make_entry: Any, make_report: Any) -> None:
    hits = (340, 350, 360)
    entries = [
        make_entry(seed=s, metrics={"accuracy": h / 400, "f1": 0.9}) for s, h in zip((3, 1, 2), hits, strict=True)
    ]
    (row,) = make_report(entries).rows
    accuracy = row.ok["accuracy"]
    assert (accuracy.n, accuracy.min, accuracy.max) == (3, pytest.approx(85.0), pytest.approx(90.0))
    assert (accuracy.mean, accuracy.sd) == (pytest.approx(87.5), pytest.approx(2.5))
    assert [score.seed for score in row.scores] == [1, 2, 3]
    assert row.seconds["train"] == 100.0
    assert row.total_seconds == 330.0
    assert row.steps == (1377,)
    text = render(make_report(entries), plots=False)["report.md"]
    assert "| 87.50\xa0±\xa02.50 |" in text
    assert "Samples/s" not in text, "runs that shared the machine say nothing of speed"


def test_collapsed_runs_are_counted_apart_and_kept(make_entry: Any, make_report: Any) -> None:
    entries = [make_entry(seed=s, metrics={"accuracy": 0.8, "f1": 0.9}) for s in (1, 2, 3, 4)]
    entries.append(make_entry(seed=5, status="collapsed", metrics={"accuracy": 0.6, "f1": 0.8}))
    model = make_report(entries)
    (row,) = model.rows
    assert (row.collapsed.k, row.collapsed.n) == (1, 5)
    assert (row.collapsed.low, row.collapsed.high) == (
        pytest.approx(0.00505, abs=1e-5),
        pytest.approx(0.71642, abs=1e-5),
    )
    assert row.ok["accuracy"].mean == pytest.approx(80.0)
    assert row.all["accuracy"].mean == pytest.approx(76.0)
    assert len(row.scores) == 5
    text = render(model, plots=False)["report.md"]
    assert "1 of 5" in text
    assert "1 of 5 (0.5\xa0to\xa071.6\xa0%)" in text
    assert "are over the runs that did not collapse; 1 of 5 collapsed" in text


def test_the_latest_final_record_counts(make_entry: Any, make_report: Any) -> None:
    entries = [
        make_entry(attempt=1, metrics={"accuracy": 0.1, "f1": 0.1}),
        make_entry(attempt=3, metrics={"accuracy": 0.8, "f1": 0.9}),
        make_entry(attempt=2, status="failed", metrics={}, content_id=None, error="X: y"),
        make_entry(attempt=4, status="killed", metrics={}),
        make_entry(attempt=5, status="interrupted", metrics={}),
        make_entry(attempt=6, status="skipped", metrics={}, error="Unavailable: no"),
        make_entry(seed=2, status="killed", metrics={}),
    ]
    for _ in range(5):
        random.Random(_).shuffle(entries)
        model = make_report(entries)
        (row,) = model.rows
        assert [score.scores["accuracy"] for score in row.scores] == [80.0]
        assert not model.failed
        assert not model.skipped
        tries = model.attempts
        assert (tries.total, tries.killed, tries.interrupted, tries.replaced, tries.unfinished) == (6, 2, 1, 2, 1)


def test_a_collapse_that_was_tried_again_counts_and_a_lost_loss_too(make_entry: Any, make_report: Any) -> None:
    entries = [
        make_entry(seed=1, status="nonfinite", metrics={"accuracy": math.nan}, error="NonFiniteLoss: at step 3"),
        make_entry(seed=1, attempt=2),
        make_entry(seed=2, status="collapsed", metrics={"accuracy": 0.6, "f1": 0.75}),
        make_entry(seed=2, attempt=2, status="killed", metrics={}),
        make_entry(seed=2, attempt=3, metrics={"accuracy": 0.82, "f1": 0.9}),
        make_entry(seed=3, status="nonfinite", metrics={}, error="NonFiniteLoss: at step 5"),
        make_entry(seed=3, status="nonfinite", metrics={}, error="NonFiniteLoss: at step 5", attempt=2),
        make_entry(seed=4, status="oom", metrics={}, error="MemoryError: x"),
        make_entry(seed=4, attempt=2),
    ]
    model = make_report(entries)
    (row,) = model.rows
    assert (row.collapsed.k, row.collapsed.n, row.errored) == (3, 6, 0)
    assert [(score.seed, score.attempt, score.status) for score in row.scores] == [
        (1, 1, "nonfinite"), (1, 2, "ok"), (2, 1, "collapsed"), (2, 3, "ok"), (3, 2, "nonfinite"), (4, 2, "ok"),
    ]  # fmt: skip
    assert (row.ok["accuracy"].n, row.ok["accuracy"].mean) == (3, pytest.approx(80 + 2 / 3))
    assert (row.all["accuracy"].n, row.all["accuracy"].nonfinite) == (4, 0)
    counts, tries = model.counts, model.attempts
    assert (counts.scored, counts.ok, counts.collapsed, counts.errored, counts.missing) == (3, 3, 3, 0, 0)
    # What is replaced is in no table: seed 3's first attempt, and the one that ran out of memory.
    assert (tries.total, tries.killed, tries.replaced) == (9, 1, 2)
    text = render(model, plots=False)["report.md"]
    assert "3 of 6 runs collapsed or lost their loss" in text
    assert re.search(r"\| +3 of 6 \(11\.8.to.88\.2.%\) +\| 1.to.3 +\|", text)
    assert "A run that lost its loss (nonfinite) counts with them" in text
    assert "tried again and then went well: both attempts count" in text


def test_only_lost_losses_are_a_row_too(make_entry: Any, make_report: Any) -> None:
    model = make_report([make_entry(seed=s, status="nonfinite", metrics={}, error="NonFiniteLoss: x") for s in (1, 2)])
    (row,) = model.rows
    assert (row.collapsed.k, row.collapsed.n, row.ok["accuracy"].n) == (2, 2, 0)
    files = render(model)
    assert "2 of 2 runs collapsed or lost their loss" in files["report.md"]
    assert [(group.status, group.seeds) for group in model.failed] == [("nonfinite", (1, 2))]


def test_what_is_missing_is_missing_where_it_ran_last(make_entry: Any, make_report: Any) -> None:
    entries = [make_entry(seed=s, environment_id="old") for s in (1, 2, 3)]
    later = {"environment_id": "new", "started": "2026-11-23T10:00:00Z"}
    entries += [make_entry(seed=1, **later), make_entry(seed=2, status="killed", metrics={}, **later)]
    model = make_report(entries)
    assert [len(row.scores) for row in model.rows] == [3, 1]
    assert (model.counts.planned, model.counts.scored, model.counts.missing) == (3, 4, 2)
    assert model.attempts.unfinished == 1


def test_environments_and_contents_are_never_pooled(make_entry: Any, make_report: Any) -> None:
    entries = [make_entry(seed=s, environment_id=e) for s in (1, 2) for e in ("aaaa", "bbbb")]
    entries += [
        make_entry(seed=s, environment_id="bbbb", content_id="dddddddddd", started="2026-12-01T00:00:00.000Z")
        for s in (1, 2)
    ]
    curve = {entries[0].configuration_id: [np.full(5, float(number)) for number in range(6)]}
    model = make_report(entries, curves=curve)
    assert [row.label for row in model.rows] == [
        "minilm · environment aaaa",
        "minilm · environment bbbb · content c0ffee00",
        "minilm · environment bbbb · content dddddddd",
    ]
    assert [len(row.scores) for row in model.rows] == [2, 2, 2]
    # The losses of the entries 0 and 2, 1 and 3, 4 and 5.
    assert [(curve.label, curve.seeds, curve.mean[0]) for curve in model.curves] == [
        (row.label, 2, mean) for row, mean in zip(model.rows, (1.0, 2.0, 4.5), strict=True)
    ]


def test_labels_name_what_varies_in_the_grids_order(make_entry: Any, make_report: Any) -> None:
    def entry(checkpoint: str, rate: float, precision: str) -> Any:
        axes = {"checkpoint": checkpoint, "seed": 1, "learning_rate": rate, "precision": precision}
        return make_entry(checkpoint, precision=precision, axes=axes)

    entries = [entry(c, r, p) for p in ("bf16", "fp32") for r in (2e-5, 1e-5) for c in ("b", "a")]
    labels = [row.label for row in make_report(entries).rows]
    assert labels[:2] == ["b · learning_rate=2e-05 · bf16", "a · learning_rate=2e-05 · bf16"]


def test_cells_that_left_the_grid_are_left_out_and_said(make_entry: Any, make_cell: Any, make_report: Any) -> None:
    kept, gone, never = (make_entry(seed=seed) for seed in (1, 2, 3))
    model = make_report([kept, gone], cells=[make_cell(kept), make_cell(never)])
    assert (model.counts.scored, model.counts.foreign, model.counts.missing) == (1, 1, 1)
    assert "1 record of cells that the grid no longer has left out." in render(model, plots=False)["report.md"]


@pytest.mark.parametrize("metrics", [{}, {"accuracy": math.nan, "f1": math.nan}, {"accuracy": math.inf}])
def test_metrics_that_are_no_numbers(make_entry: Any, make_report: Any, metrics: Any) -> None:
    model = make_report([make_entry(seed=1, metrics=metrics), make_entry(seed=2)])
    (row,) = model.rows
    assert (row.ok["accuracy"].n, row.ok["accuracy"].nonfinite, row.ok["accuracy"].mean) == (1, 1, 80.0)
    files = render(model)
    assert "Accuracy is missing or not a number in 1 of 2 runs" in files["report.md"]
    assert " nan" not in files["report.md"]
    json.loads(files["report.json"])
    alone = render(make_report([make_entry(metrics=metrics)]))["report.md"]
    assert " nan" not in alone
    assert "\xa0± " not in alone.split("## Results")[1].split("|:")[1]


def test_everything_skipped_or_failed(make_entry: Any, make_report: Any) -> None:
    skipped = make_report(
        [make_entry(seed=s, status="skipped", metrics={}, error="Unavailable: no GPU") for s in (1, 2)]
    )
    assert [(group.reason, group.cells) for group in skipped.skipped] == [("Unavailable: no GPU", 2)]
    assert set(render(skipped)) == {"report.md", "report.json"}
    failed = make_report(
        [make_entry(seed=s, status="oom", metrics={}, seconds={}, error="MemoryError: x") for s in (1, 2, 3)]
    )
    assert [(group.status, group.seeds) for group in failed.failed] == [("oom", (1, 2, 3))]
    assert "| minilm          | 1\xa0to\xa03  | oom   | MemoryError: x |" in render(failed)["report.md"]


def test_facts_come_from_the_records(demo: Any) -> None:
    (environment,) = demo.environments
    assert ("cpu", "a CPU, 2 cores") in environment.facts
    assert environment.packages[0] == ("torch", "2.13.0")
    assert [(one.name, one.parameters) for one in demo.checkpoints] == [("minilm", 22_713_986), ("small", 22_713_986)]
    found = {one.name: (one.asked, one.resolved) for one in demo.settings}
    assert found["num_train_epochs"] == (("3",), ("3",))
    assert found["learning_rate"] == ((), ("5e-05",))
    assert "seed" not in found


def test_a_setting_of_several_values_says_whose_each_is(make_entry: Any, make_record: Any, make_report: Any) -> None:
    places = [{"precision": p, "devices": d} for p in ("fp32", "bf16") for d in (1, 2, 4)]
    entries = [make_entry("minilm", 1, place["precision"], axes={"checkpoint": "minilm", **place}) for place in places]

    def recorded(entry: Any) -> Any:
        precision, devices = entry.axes["precision"], entry.axes["devices"]
        record = make_record(
            entry,
            arguments={
                "per_device_train_batch_size": 16 // devices,
                "weight_decay": 0.1 if (precision, devices) == ("bf16", 4) else 0.0,
                "optim": "adamw_torch_fused",
            },
        )
        return record.model_copy(update={"asked": record.asked.model_copy(update={"recipe": {"optim": precision}})})

    model = make_report(entries, records={entry.configuration_id: recorded(entry) for entry in entries})
    found = {one.name: one for one in model.settings}
    batch = found["per_device_train_batch_size"]
    assert (batch.resolved, batch.resolved_by) == (("16", "4", "8"), ("devices=1", "devices=4", "devices=2"))
    # No axis by itself tells these apart, and beyond three configurations they are counted.
    decay = found["weight_decay"]
    few = "bf16 · devices=1, bf16 · devices=2, fp32 · devices=1 and 2 more"
    assert (decay.resolved, decay.resolved_by) == (("0.0", "0.1"), (few, "bf16 · devices=4"))
    assert (found["optim"].asked_by, found["optim"].resolved_by) == (("bf16", "fp32"), ())
    page = render(model)["report.md"]
    assert "16 (devices=1), 4 (devices=4), 8 (devices=2)" in page


def test_where_max_steps_decides_the_epochs_are_those_that_it_came_to(make_entry: Any, make_record: Any) -> None:
    record = make_record(make_entry(), arguments={"num_train_epochs": 3.0, "max_steps": 40})
    for rows, steps, told in ((24_464, 40, ("6.67, by max_steps",)), (None, 40, ()), (24_464, -1, ("3.0",))):
        assert record.observed is not None
        arguments = {"num_train_epochs": 3.0, "max_steps": steps}
        one = record.model_copy(
            update={
                "measured": Measured(train_samples=rows),
                "observed": record.observed.model_copy(update={"arguments": arguments}),
            }
        )
        (epochs,) = (each for each in settings([one], Namer()) if each.name == "num_train_epochs")
        assert epochs.resolved == told


def test_steps_are_whole_numbers_whatever_the_type_that_transformers_gives_them(
    make_entry: Any, make_record: Any
) -> None:
    record = make_record(make_entry(), arguments={"warmup_steps": 4.0, "weight_decay": 0.0})
    found = {one.name: one.resolved for one in settings([record], Namer())}
    assert (found["warmup_steps"], found["weight_decay"]) == (("4",), ("0.0",))
    share = make_record(make_entry(), arguments={"warmup_steps": 0.1})
    assert {one.name: one.resolved for one in settings([share], Namer())}["warmup_steps"] == ("0.1",)


@pytest.mark.parametrize(
    ("task", "source", "revision", "known", "shown", "task_shown"),
    [
        ("glue/mrpc", "glue/mrpc", "a" * 40, False, f"glue/mrpc @ {'a' * 40}", "glue/mrpc"),
        ("glue/mrpc", "glue/mrpc", None, False, "a local copy of GLUE MRPC", "glue/mrpc"),
        ("../mine", "../mine", None, True, "a local copy of GLUE MRPC", "glue/mrpc"),
        ("../mine", "../mine", None, False, "../mine", "../mine"),
        ("embedded/paraphrase", "embedded/paraphrase", None, False, "embedded/paraphrase", "embedded/paraphrase"),
    ],
)
def test_data_read_from_a_folder_are_named_by_what_they_are(
    make_entry: Any, make_record: Any, make_report: Any,
    task: str, source: str, revision: str | None, known: bool, shown: str, task_shown: str,
) -> None:  # fmt: skip
    entry = make_entry("minilm", 42, "fp32")
    data = {"source": source, "revision": revision}
    for name, split in (("train", MRPC.train), ("validation", MRPC.validation)):
        data[name] = split.model_dump() | ({} if known else {"sha256": "ab" * 32})
    records = {entry.configuration_id: make_record(entry, data=data)}
    model = make_report([entry], records=records, grid=GridFacts("demo", task))
    assert (model.title, model.task, model.data[0][0]) == (f"minilm on {task_shown}", task_shown, shown)
    assert model.data[0][1].startswith(f"train 3,668 pairs, 2,474 positive, sha256 {data['train']['sha256'][:12]}; ")


def test_loss_curve_by_hand() -> None:
    curve = curve_of("x", "c", "e", [np.array([3.0, 2.0, 1.0]), np.array([5.0, 2.0, 3.0])])
    assert curve is not None
    assert (curve.window, curve.steps) == (1, (1, 2, 3))
    assert (curve.mean, curve.low, curve.high) == ((4.0, 2.0, 2.0), (3.0, 2.0, 1.0), (5.0, 2.0, 3.0))
    assert curve_of("x", "c", "e", []) is None
    assert curve_of("x", "c", "e", [np.array([])]) is None


def test_long_loss_curves_keep_a_straight_line_straight() -> None:
    line = np.linspace(1.0, 0.0, 1377)
    curve = curve_of("x", "c", "e", [line])
    assert curve is not None
    assert len(curve.steps) == POINTS
    assert (curve.steps[0], curve.steps[-1], curve.length) == (1, 1377, 1377)
    inner = slice(3, -3)
    assert np.allclose(curve.mean[inner], line[np.array(curve.steps[inner]) - 1], atol=1e-5)


def test_losses_that_are_not_finite_make_gaps_and_are_counted() -> None:
    curve = curve_of("x", "c", "e", [np.array([1.0, math.nan, math.inf, 4.0]), np.array([2.0, 3.0])])
    assert curve is not None
    assert curve.nonfinite == 2
    assert curve.mean[:2] == (1.5, 3.0)
    assert math.isnan(curve.mean[2])
    assert curve.mean[3] == 4.0


def test_seeds_text() -> None:
    assert seeds_text([42, 3, 1, 2, 4]) == "1 to 4, 42"
    assert seeds_text([1, 2]) == "1, 2"
    assert seeds_text(range(0, 60, 3), 2) == "0, 3 and 18 more"
