"""The study behind reports/statistics-validation.md, on fewer draws; the report is what the script writes."""

from __future__ import annotations

import json
import math
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from benchmarks import (
    statistics_arms,
    statistics_comparisons,
    statistics_scores,
    statistics_special,
    statistics_study,
)
from benchmarks.statistics_draws import Size, learned, ours, unguarded
from benchmarks.statistics_families import MAIN, Families, gates_table, percent
from benchmarks.statistics_gate import LOOKS, NAIVE, Variant, study
from benchmarks.statistics_grid import Shape, draw, measured, published, references
from benchmarks.statistics_kept import Made, as_text, comparisons_again, comparisons_kept
from benchmarks.statistics_rows import Row, mean_row, rate_row, rows_table
from benchmarks.statistics_study import COMMAND, COMPARISONS
from harness.checks.scores.gate import Policy, judge_all
from harness.stats.variance import Sd, moderated, own
from reports.index import read_line

REPORT = Path(__file__).resolve().parents[2] / "reports" / "statistics-validation.md"
FEW = Size(arrays=4_000, decisions=300, slow=60, gates=20)


def by_key(rows: list[Row]) -> dict[tuple[str, str, str], Row]:
    return {(row.method, row.n, row.what): row for row in rows}


@pytest.mark.parametrize(("hits", "draws", "stated", "agrees"), [
    (500, 10_000, "5", True), (535, 10_000, "5", True), (640, 10_000, "5", False), (0, 20, "3", True),
    (0, 4000, "3", False), (950, 10_000, "8-11", True), (1500, 10_000, "8-11", False), (500, 10_000, "", None),
    (9_940, 10_000, "99.5", True), (9_880, 10_000, "99.5", False), (41, 10_000, ".4", True), (100, 10_000, ".4", False),
])  # fmt: skip
def test_agreement_is_three_errors_and_the_rounding(hits: int, draws: int, stated: str, agrees: bool | None) -> None:
    row = rate_row("m", 5, "FAIL", np.arange(draws) < hits, stated)
    assert row.found == pytest.approx(100 * hits / draws)
    assert row.agrees is agrees


def test_errors() -> None:
    assert rate_row("m", 5, "w", [True, False] * 200).error == pytest.approx(2.5, abs=0.01)
    assert rate_row("m", 5, "w", [False] * 100).error > 0, "none of a hundred is not none of all"
    row = mean_row("m", 5, "runs", [3.0, 5.0] * 50, "4.1")
    assert (row.found, row.error) == (4.0, pytest.approx(0.1005, abs=1e-4))
    assert row.agrees
    shown = rows_table([row]).splitlines()[-1].split("|")[4:7]
    assert [cell.strip() for cell in shown] == ["4.1", "4.0\xa0±\xa00.10", "yes"]


def test_without_the_guard_the_sd_is_limma_s() -> None:
    mine, history = own([84.0, 85.0, 87.0]), Sd(1.2, 16, "pooled", 4)
    assert unguarded(mine, history) == moderated(mine, history)
    wild = own([80.0, 85.0, 90.0])
    assert moderated(wild, history).df == 2
    assert unguarded(wild, history).df == 18
    cells = [[84.0, 85.0, 86.0], [85.0, 85.5, 86.5]]
    value = math.sqrt((own(cells[0]).value ** 2 + own(cells[1]).value ** 2) / 2)
    assert learned(cells).value == pytest.approx(value)
    assert (learned(cells).df, learned(cells).cells) == (4, 2)
    assert ours([84.0, 85.0, 87.0], cells).sd == moderated(mine, learned(cells))


# What the gate is asked.


def test_made_up_runs_are_confusion_counts() -> None:
    runs = draw(np.random.default_rng(1), np.random.default_rng(2).standard_normal((50, 20)), 1.2)
    errors = 408 - runs.correct
    tp = runs.f1 * errors / (2 * (1 - runs.f1))
    assert np.abs(tp - np.rint(tp)).max() < 1e-6, "accuracy and F1 are of one table"
    assert (tp <= 279).all()
    assert (279 - tp <= errors).all()
    assert np.corrcoef(runs.points.ravel(), runs.f1.ravel())[0, 1] > 0.95, "as in the published runs"
    low = runs.shifted(3, -4.0)
    assert (low.correct[3] - runs.correct[3] == -16).all()
    assert (np.delete(low.correct, 3, axis=0) == np.delete(runs.correct, 3, axis=0)).all()
    assert (low.luck == runs.luck).all()


def test_a_made_up_grid_is_judged_like_any_other() -> None:
    shape = Shape()
    assert str(shape) == "6 checkpoints × 2 precisions × 2 numbers of devices"
    rng = np.random.default_rng(3)
    runs = draw(rng, rng.standard_normal((24, 5)), 1.05)
    runs.lost[7, 2] = True
    found = measured(shape, runs, [5] * 23 + [3]).configurations
    assert len(found) == shape.size == 24
    assert [score.status for score in found[7].scores] == ["ok", "ok", "collapsed", "ok", "ok"]
    assert [score.score("accuracy") for score in found[0].scores] == [count / 408 for count in runs.correct[0]]
    assert set(found[23].unfinished.values()) == {"missing"}
    theirs = references(draw(rng, rng.standard_normal((6, 25)), 1.05), "sample of 25")
    verdicts = judge_all(found, theirs, MAIN.policy)
    kinds = Counter((one.check, one.item) for one in verdicts)
    assert kinds == {
        ("quality", "accuracy"): 24, ("quality", "f1"): 24, ("parity", "accuracy"): 24, ("stability", "collapses"): 24,
        ("stability", "cells"): 1,
    }  # fmt: skip
    assert not any(one.recipe_differences for one in verdicts), "its own reference fits each configuration"
    assert MAIN.policy.looks is None
    assert MAIN.policy == replace(Policy(margin=2.5), harmless=frozenset({"precision", "devices"}))


def test_the_gate_keeps_quiet_and_finds_the_loss() -> None:
    assert len(published()) == 25
    gate = study(MAIN, FEW.gates, 0)
    assert percent(gate.false_alarm) <= 10
    assert percent(gate.caught) >= 85
    assert percent(gate.passed_lost) == 0
    assert percent(gate.passed_clean) > 90
    assert percent(gate.naive_alarm[NAIVE[0]]) > 40
    assert percent(gate.naive_alarm[NAIVE[2]]) > 95


def test_looks_take_seeds_only_where_undecided() -> None:
    variant = Variant("looks", Shape(4, 1, 1), looks=LOOKS, margin=1.5)
    gate = study(variant, 10, 1)
    assert all(5 <= taken <= 10 for taken in gate.seeds)
    assert min(gate.seeds) < 10
    again = study(variant, 10, 1)
    assert (again.false_alarm, again.seeds) == (gate.false_alarm, gate.seeds), "seeded"


def test_collapses_enter_the_gate() -> None:
    gate = study(Variant("collapse", collapse=0.3), 10, 2)
    assert percent(gate.false_alarm) > 40, "three runs in ten collapse, one in fifty is declared"


def test_scores_are_those_of_the_table() -> None:
    chapters = {**statistics_scores.rows(FEW), **statistics_special.rows(FEW)}
    stated = [row for rows in chapters.values() for row in rows if row.stated]
    naive = [row for row in stated if "RULE" not in row.method and "gate" not in row.method]
    assert len(naive) > 60
    assert [row for row in naive if not row.agrees] == []
    single = by_key(chapters["Against a single published run"])
    assert single["mean within 1 pt", "5", "FAIL at 0"].found > 40
    assert single["RULE own df", "5", "FAIL at 0"].found < 7
    mean = by_key(chapters["Against a published mean ± sd of 5 runs"])
    assert mean["RULE + 16 history df", "5", "FAIL at -4"].found > 92
    assert mean["RULE own df", "5", "PASS at -4"].found <= 1
    wrong = by_key(chapters["When history is wrong about the spread"])
    guarded, plain = (
        wrong[f"true sd 2 x that of history, d0 = 16, with history{tail}", "5", "p < .05 at 0"].found
        for tail in ("", ", no guard")
    )
    assert guarded < plain - 3
    lost = by_key(chapters["Collapsed runs"])
    assert lost["q 0.5, p0 0.02: the gate", "10", "FAIL"].found > 90
    assert lost["q 0.5, p0 0.02: ref inside mean +-2 sd", "10", "PASS"].found > 95, "what the naive rule lets through"


def test_arms_speed_and_looks() -> None:
    chapters = statistics_arms.rows(FEW)
    arms = by_key(chapters["Two precisions that do not differ"])
    assert arms["phi 3: McNemar", "1", "p < .05 at 0"].found > 15
    assert arms["phi 3: paired t", "5", "p < .05 at 0"].found < 10
    assert arms["phi 1: sign flip", "5", "p < .05 at 0"].found == 0
    speed = by_key(chapters["Throughput: an arm after the other, and ABBA"])
    assert speed["ABBA: RULE FAIL, margin 5 %", "5", "alarm at 0 %"].found == 0
    assert speed["ABBA: paired log-ratio t", "5", "alarm at -10 %"].found == 100
    looks = by_key(chapters["Planned looks at one comparison"])
    naive = looks["own df, every look at .05", "3, 5, 7, 10", "p below the level at any look, at 0"]
    planned = looks["own df, every look at 0.0163", "3, 5, 7, 10", "p below the level at any look, at 0"]
    assert planned.found < 9 < naive.found + 3


def test_the_published_report_is_whole() -> None:
    text = REPORT.read_text(encoding="utf-8")
    line = read_line(REPORT.name, text)
    assert line.command == COMMAND
    assert line.sentence is not None
    assert line.sentence.startswith("Over 24 clean configurations the gate holds its 5 %"), "what must hold does not"
    data = json.loads(REPORT.with_suffix(".json").read_text(encoding="utf-8"))
    assert statistics_study.holds(data)
    assert percent(statistics_study.again(data).families.of(MAIN).caught) >= 90
    assert text.count("| yes ") > 200
    assert "not known" not in text, "a difference from the earlier simulation without a cause"


def test_a_study_is_kept_and_rendered_again() -> None:
    """What was counted comes back from its JSON as it was: every table and row is the same."""
    families = Families((study(MAIN, 4, 0),), (), {})
    rows = [rate_row("m", 5, "w", np.arange(200) < 7, "3", "why"), mean_row("m", 5, "runs", [3.0, 5.0] * 50)]
    made = Made("command", "2026-11-28", 65, 1, "2", "3")
    first = statistics_study.Study(made, FEW, families, {"chapter": rows})
    found = statistics_study.again(json.loads(as_text(statistics_study.kept(first))))
    assert gates_table(found.families.clean) == gates_table(families.clean)
    assert found.chapters == first.chapters
    assert (found.made, found.size) == (made, FEW)
    assert str(made) == "Seed 1, numpy 2, scipy 3; simulated 2026-11-28, 1 minute of one core."


def test_comparisons_are_kept_and_rendered_again() -> None:
    clean = [statistics_comparisons.tally(statistics_comparisons.HARD, 20, 1)]
    power = [statistics_comparisons.tally(statistics_comparisons.POWER[0], 20, 2)]
    kept = comparisons_kept(clean, power, Made("command", "2026-11-28", 65, 1, "2", "3"))
    assert comparisons_again(json.loads(as_text(kept, 2))) == (clean, power)


def test_comparisons_know_their_truth() -> None:
    """Two configurations that never differ are told apart in hardly a family; four points on 1,000 examples in all."""
    hard = statistics_comparisons.tally(statistics_comparisons.HARD, 30, 1)
    assert (hard.pairs, hard.draws) == (30 * 15, 30)
    assert hard.sd == pytest.approx(2.5, abs=0.3)
    assert 90 < 100 * hard.anew / hard.pairs <= 100
    assert hard.false <= 4
    clear = statistics_comparisons.tally(statistics_comparisons.Case(2, 10, 1000, 0.2, 0.05, 4.0), 20, 2)
    assert (clear.found, clear.false) == (20, 0)


def test_the_published_report_of_comparisons_holds() -> None:
    text = REPORT.with_name("comparisons-validation.md").read_text(encoding="utf-8")
    line = read_line("comparisons-validation.md", text)
    assert line.command == COMPARISONS
    assert line.sentence is not None
    assert "the two questions hold what they promise" in line.sentence
    assert text.count("| yes ") == len(statistics_comparisons.CASES)
    assert "| NO " not in text
