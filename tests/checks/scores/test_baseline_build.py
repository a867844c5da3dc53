"""Baselines built from records: which run counts, what is left out, what is told of it."""

from __future__ import annotations

from pathlib import Path

from harness.checks.scores.baseline.file import Baseline, read_baseline, write_baseline
from harness.grid.looks import SeedPlan
from tests.checks.scores.made_up_records import FINAL_HASH, MadeUp, Make


def left_out(baseline: Baseline) -> list[tuple[int | None, str, str]]:
    return [(one.seed, one.status, one.why) for one in baseline.left_out]


def test_runs_and_what_was_left_out(baseline: Baseline, results: MadeUp) -> None:
    first, second = baseline.configurations
    assert [list(first.runs), list(second.runs)] == [[2, 10], [2]]
    assert (first.runs[10].scores, first.collapsed) == ({"accuracy": 0.81, "f1": 0.9}, 0)
    assert (second.runs[2].status, second.runs[2].scores["accuracy"], second.collapsed) == ("collapsed", 0.68, 1)
    assert first.runs[2].data_order_sha256 == "02" * 10
    assert first.runs[2].final_sha256 == FINAL_HASH[:20]
    assert (first.runs[2].optimizer, first.runs[2].attention, first.runs[2].precision) == ("AdamW", "sdpa", "fp32")
    assert first.asked == {
        "task": "embedded/paraphrase",
        "checkpoint": {"name": "embedded/tiny-bert", "source": "embedded/tiny-bert"},
        "precision": "fp32", "devices": 1, "environment": "current", "engine": "trainer", "head_seeding": "seeded",
        "threads": 1, "recipe": {"max_steps": 4},
    }  # fmt: skip
    assert left_out(baseline) == [(10, "failed", "ValueError: no way")]
    assert baseline.environments["env0"].packages["transformers"] == "5.22.0"
    assert (first.runs[10].cell_id, first.runs[10].started) == (results.entries[0].cell_id, results.entries[0].started)
    # One record a kept run, and not one for those left out.
    assert len(results.read) == 3


def test_missing_runs_are_told(results: MadeUp) -> None:
    results.add(2)
    found = results.build()
    assert left_out(found) == [(10, "missing", "no record")] + [(seed, "missing", "no record") for seed in (10, 2)]
    assert len(found.configurations) == 1


def test_nothing_scored_leaves_no_configuration(results: MadeUp) -> None:
    results.add(2, None, status="skipped", error="Unavailable: fp16")
    results.add(10, float("nan"))
    found = results.build()
    assert found.configurations == []
    assert left_out(found)[:2] == [(10, "ok", "no accuracy"), (2, "skipped", "Unavailable: fp16")]


def test_a_run_that_lost_its_loss_is_kept_and_counted(results: MadeUp) -> None:
    results.add(2, float("nan"), status="nonfinite")
    (one,) = results.build().configurations
    assert (one.runs[2].status, one.runs[2].scores["accuracy"], one.collapsed) == ("nonfinite", None, 1)


def test_the_latest_final_run_counts(results: MadeUp) -> None:
    results.add(2, 0.7)
    results.add(2, 0.75, attempt=2)
    results.add(2, None, status="killed", attempt=3)
    (one,) = results.build().configurations
    assert one.runs[2].scores["accuracy"] == 0.75


def test_a_collapse_that_was_tried_again_counts(results: MadeUp, tmp_path: Path) -> None:
    results.add(2, float("nan"), status="nonfinite")
    results.add(2, 0.75, attempt=2)
    found = results.build()
    (one,) = found.configurations
    assert (one.runs[2].scores["accuracy"], one.lost, one.collapsed, one.counted) == (0.75, {"2": "nonfinite"}, 1, 2)
    write_baseline(tmp_path / "x.json", found)
    assert read_baseline(tmp_path / "x.json") == found


def test_the_latest_environment_counts(results: MadeUp) -> None:
    results.add(2, 0.7)
    results.add(10, 0.7)
    results.add(2, 0.75, environment_id="env1", started="2026-11-23T10:00:00.000Z")
    found = results.build()
    (one,) = found.configurations
    assert (one.environment_id, list(one.runs)) == ("env1", [2])
    assert left_out(found)[0] == (10, "missing", "no record")


def test_seeds_beyond_the_look_that_was_reached_are_not_missing(cell_of: Make, entry_of: Make) -> None:
    results = MadeUp(entry_of, {("fp32", seed): cell_of(seed=seed) for seed in range(7)})
    plan = SeedPlan(looks=(3, 5, 7), seeds=tuple(range(7)))
    for seed in range(3):
        results.add(seed)
    assert left_out(results.build(plan=plan)) == []
    results.add(3)  # one run of the next look, which nobody has to finish
    found = results.build(plan=plan)
    assert (left_out(found), list(found.configurations[0].runs)) == ([], [0, 1, 2, 3])
    results.entries = results.entries[1:]
    assert left_out(results.build(plan=plan)) == [(0, "missing", "no record")]
