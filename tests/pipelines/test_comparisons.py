"""`[[compare]]`: pairs over any axis, each with its word; what is expected of it gates."""

from __future__ import annotations

import json
import re
from typing import Any

import numpy as np
import pytest

from harness.checks.scores.compared import Comparison
from harness.pipelines.check import Checked, Judging, check_grid
from harness.pipelines.judged import judged
from harness.pipelines.report import grid_report
from harness.record.provenance import today
from harness.report.export.table_latex import table_latex
from harness.report.files import files_again
from harness.report.run.kept import unpacked
from harness.report.verdicts.json import verdicts_from_json, verdicts_json
from harness.report.verdicts.sections import sections_junit
from harness.report.verdicts.text import verdicts_text
from harness.stats.axis import Arm, compare, right
from tests.pipelines.made_up import Night
from tests.pipelines.made_up_axes import TRUTH, answers, fill, grid_text, matrix, put

RATES = {1e-5: 0.80, 2e-5: 0.807, 5e-5: 0.86}
RATE = matrix("learning_rate", ["1e-5", "2e-5", "5e-5"])
COMPARE = '[[compare]]\naxis = "learning_rate"\n'


def check(night: Night, *selection: str) -> Checked:
    night.means()
    return check_grid(night.grid, night.store, Judging(selection))


def said(found: Checked, metric: str = "accuracy") -> dict[tuple[Any, Any], str]:
    return {(one.value_a, one.value_b): one.word for one in found.comparisons if one.metric == metric}


def outcomes(found: Checked) -> dict[str, str]:
    every = [one for one in found.verdicts if one.check == "comparison"]
    return {f"{one.subject.label} | {one.against.label if one.against else ''}": one.outcome for one in every}


@pytest.fixture
def rates(night: Night) -> Night:
    night.write(grid_text(RATE, COMPARE))
    fill(night, RATES, "learning_rate")
    return night


def test_three_learning_rates_are_compared_in_all_pairs(rates: Night) -> None:
    found = check(rates)
    expected = {(1e-5, 2e-5): "equivalent", (1e-5, 5e-5): "better", (2e-5, 5e-5): "better"}
    assert said(found) == expected
    assert said(found, "f1") == expected
    assert [one.best for one in found.comparisons if one.metric == "accuracy"] == [None, "b", "b"]
    assert {one.family for one in found.comparisons} == {3}
    assert not outcomes(found), "it informs"
    assert found.exit_code == 5
    assert "judged.informed" in [fact.code for fact in found.notes]


def test_a_comparison_is_no_part_of_an_id(rates: Night) -> None:
    before = [cell.cell_id for cell in rates.grid.cells()]
    rates.write(grid_text(RATE, ""))
    assert [cell.cell_id for cell in rates.grid.cells()] == before


def test_against_one_value(rates: Night) -> None:
    rates.write(grid_text(RATE, COMPARE + "against = 5e-5\nmargin = 0.4"))
    found = check(rates)
    assert said(found) == {(5e-5, 1e-5): "worse", (5e-5, 2e-5): "worse"}
    assert {(one.margin, one.family, one.best) for one in found.comparisons} == {(0.4, 2, "a")}


@pytest.mark.parametrize(
    ("expect", "right"),
    [
        ("better", ["FAIL", "PASS", "PASS"]),
        ("not worse", ["PASS", "PASS", "PASS"]),
        ("equivalent", ["PASS", "FAIL", "FAIL"]),
    ],
)
def test_what_is_expected_gates(rates: Night, expect: str, right: list[str]) -> None:
    rates.write(grid_text(RATE, f'{COMPARE}expect = "{expect}"'))
    found = check(rates)
    assert list(outcomes(found).values()) == right
    assert found.exit_code == (1 if "FAIL" in right else 0)


def test_not_worse_fails_a_loss(rates: Night) -> None:
    rates.write(grid_text(RATE, f'{COMPARE}against = 5e-5\nexpect = "not worse"'))
    assert list(outcomes(check(rates)).values()) == ["FAIL", "FAIL"]
    assert check(rates, "learning_rate=5e-05").comparisons == (), "a pair with one side chosen is none"


def test_a_checkpoint_and_a_boolean(night: Night) -> None:
    night.write(grid_text(matrix("checkpoint", ['"a/b"', '"c/d"']), '[[compare]]\naxis = "checkpoint"\n'))
    fill(night, {"a/b": 0.86, "c/d": 0.80}, "checkpoint")
    found = check(night)
    assert said(found) == {("a/b", "c/d"): "worse"}
    assert found.comparisons[0].best == "a"
    night.write(
        grid_text(
            matrix("dataloader_drop_last", ["true", "false"]),
            '[[compare]]\naxis = "dataloader_drop_last"\nagainst = false\n',
        )
    )
    fill(night, {True: 0.86, False: 0.80}, "dataloader_drop_last")
    assert said(check(night)) == {(False, True): "better"}


def test_unequal_seeds(rates: Night) -> None:
    text = RATE.replace(
        "seed", "exclude = [{ learning_rate = 1e-5, seed = 5 }, { learning_rate = 1e-5, seed = 4 }]\nseed"
    )
    rates.write(grid_text(text, COMPARE))
    found = check(rates)
    first = found.comparisons[0]
    assert (first.n_a, first.n_b, first.paired) == (3, 5, False)
    assert said(found)[1e-5, 5e-5] == "better"


def test_few_runs_collapsed_runs_and_answers_that_are_gone(night: Night) -> None:
    night.write(grid_text(matrix("learning_rate", ["1e-5", "5e-5"], 2), COMPARE))
    fill(night, RATES, "learning_rate")
    (few,) = check(night).comparisons
    assert (few.word, few.reason and few.reason.code) == ("undecided", "runs.few")
    assert few.difference is not None
    night.write(grid_text(matrix("learning_rate", ["1e-5", "5e-5"], 6), COMPARE))
    for cell in night.grid.cells():
        told = answers(RATES[cell.axes["learning_rate"]], cell.seed, str(cell.axes["learning_rate"]))
        put(night, cell, np.ones_like(TRUTH) if (cell.axes["learning_rate"], cell.seed) == (5e-5, 3) else told)
    (lost,) = check(night).comparisons
    assert (lost.word, lost.reason and lost.reason.code, lost.n_b) == ("undecided", "compare.collapsed", 5)
    fill(night, RATES, "learning_rate", measurement=2, kept=False)
    gone = check(night).comparisons[0]
    assert (gone.word, gone.anew, gone.examples) == ("undecided", None, None)
    assert gone.here is not None
    assert "compare.unkept" in [fact.code for fact in gone.todo]


def test_it_replaces_the_parity_of_its_axis_and_pairs_by_seed(night: Night) -> None:
    text = matrix("precision", ['"fp32"', '"bf16"'])
    night.write(grid_text(text, ""))
    fill(night, {"fp32": 0.86, "bf16": 0.86}, "precision")
    (parity,) = (one for one in check(night).verdicts if one.check == "parity")
    night.write(grid_text(text, '[[compare]]\naxis = "precision"\nexpect = "equivalent"\n'))
    found = check(night)
    assert not [one for one in found.verdicts if one.check == "parity"]
    (one,) = (one for one in found.verdicts if one.check == "comparison")
    assert one.numbers == parity.numbers, "one body"
    assert (one.outcome, one.adjusted_p, one.family) == (parity.outcome, parity.adjusted_p, parity.family)
    assert found.comparisons[0].paired


def test_evaluating_on_the_way_leaves_weights_and_order_alike_and_is_paired_by_seed(night: Night) -> None:
    night.write(grid_text(matrix("eval_strategy", ['"no"', '"epoch"']), '[[compare]]\naxis = "eval_strategy"\n'))
    fill(night, {"no": 0.86, "epoch": 0.86}, "eval_strategy")
    assert [one.paired for one in check(night).comparisons] == [True, True]


def test_the_same_answers_are_identical(night: Night) -> None:
    text = matrix("learning_rate", ["1e-5", "5e-5"])
    for expect, outcome in (("better", "FAIL"), ("not worse", "PASS"), ("equivalent", "PASS")):
        night.write(grid_text(text, f'{COMPARE}expect = "{expect}"'))
        if expect == "better":
            for cell in night.grid.cells():
                put(night, cell, answers(0.8, cell.seed))
        found = check(night)
        assert list(outcomes(found).values()) == [outcome]
        assert said(found) == {(1e-5, 5e-5): "identical"}


def test_chosen_seeds_get_no_word(rates: Night) -> None:
    found = check(rates, "seed=1,2,3")
    assert {(one.word, one.reason and one.reason.code) for one in found.comparisons} == {("undecided", "part.seeds")}


def test_what_is_not_measured_counts_in_the_family(rates: Night) -> None:
    full = {(one.value_a, one.value_b): one for one in check(rates).comparisons if one.metric == "accuracy"}
    rates.write(grid_text(RATE.replace("5e-5", "5e-5, 9e-5"), COMPARE))
    more = {(one.value_a, one.value_b): one for one in check(rates).comparisons if one.metric == "accuracy"}
    assert more.keys() == full.keys()
    assert {one.family for one in more.values()} == {6}
    assert more[1e-5, 5e-5].p_here == pytest.approx(2 * (full[1e-5, 5e-5].p_here or 0))


def test_all_outputs_show_it(rates: Night) -> None:
    rates.write(grid_text(RATE, COMPARE))
    section = check(rates).section(Judging(), "harness check night.toml")
    head, text = section.head, verdicts_text(section.head, section.verdicts)
    assert "▲ better: 1e-05 -> 5e-05†: +5.15 (+4.39 to +5.91), on new examples +3.55 to +6.75; 80.25 -> 85.40" in text
    assert "? undecided" not in text, "only signs that are there are explained"
    again, verdicts = verdicts_from_json(verdicts_json(head, section.verdicts, section.code))
    assert again.comparisons == head.comparisons
    assert verdicts_text(again, verdicts) == text
    junit = sections_junit([section])
    label = "embedded/tiny-bert · learning_rate"
    assert f'classname="night.comparison" name="{label}=5e-05 against {label}=1e-05"' in junit
    assert 'name="difference_points" value="5.15"' in junit


def test_the_report_has_the_table_and_is_made_again_from_its_json(rates: Night, tmp_path: Any) -> None:
    rates.means()
    found = grid_report(rates.grid, rates.store, Judging(), command="c", found=judged(rates.grid, rates.store))
    page = found.files["report.md"]
    row = next(line for line in page.split("\n") if "2e-05 -> **5e-05** †" in line and "F1" not in line)
    cells = [cell.strip().replace("\xa0", " ") for cell in row.strip("|").split("|")]
    assert cells[1:] == [
        "▲ better", "+4.65 (+3.87 to +5.43)", "+3.17 to +6.13", "80.75 ± 0.56 -> **85.40 ± 0.74**", "5, 5",
    ]  # fmt: skip
    latex = table_latex(found.data.model)
    assert re.findall(r"\\mathbf\{[\d.]+\} \\pm [\d.]+", latex) == [r"\mathbf{85.4} \pm 0.7", r"\mathbf{88.5} \pm 0.6"]
    assert r"Welch's, on these examples (90\,\% interval) and, with examples drawn anew (95\,\% interval), $" in latex
    assert "Below: differences" not in latex
    assert r"(+3.87 to +5.43, 90 \%, p \textless{} 0.0001; on new examples +3.17 to +6.13, 95 \%, p" in latex
    assert r"F1: +0.33 points ($-$0.24 to +0.91, 90 \%, p = 0.3096; on new" in latex
    assert "for each metric; $p$ is Holm's over 3 pairs of accuracy, 3 pairs of F1. Bold: better than" in latex
    assert page.index("## Comparisons") < page.index("## Verdicts")
    assert "† better than each of the 2 others by test; chosen among 3 on the examples" in page
    for name, text in found.files.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    assert files_again(tmp_path / "report.json", "report", today())["report.md"] == page


def test_bold_is_only_what_is_better_than_all_others(rates: Night) -> None:
    fill(rates, {1e-5: 0.80, 2e-5: 0.858, 5e-5: 0.86}, "learning_rate", measurement=2)
    found = check(rates)
    assert said(found)[1e-5, 5e-5] == "better"
    assert not [one for one in found.comparisons if isinstance(one, Comparison) and one.best]


def test_a_published_page_is_enough_to_compute_it_again(rates: Night) -> None:
    found = grid_report(rates.grid, rates.store, Judging(), command="c", found=judged(rates.grid, rates.store))
    data = json.loads(found.files["report.json"])
    arms = {}
    for row in data["rows"]:
        truth = unpacked(row["truth"], row["examples"])
        predicted = np.stack([unpacked(score["answers"], row["examples"]) for score in row["scores"]])
        values = right(predicted, truth)
        arms[row["configuration_id"]] = Arm(tuple(values.mean(axis=1)), values)
    shown = [one for one in data["comparisons"] if one["metric"] == "accuracy"]
    assert len(shown) == 3
    for one in shown:
        again = compare(arms[one["configuration_a"]], arms[one["configuration_b"]])
        assert again.value == pytest.approx(one["difference_points"])
        for spread, name, level in ((again.here, "here", 0.9), (again.anew, "anew", 0.95)):
            assert spread is not None
            assert spread.interval(again.value, level) == pytest.approx(one[f"{name}_points"])


def test_a_label_stands_everywhere_but_in_the_names_of_tests(rates: Night) -> None:
    rates.write(grid_text(RATE, f'{COMPARE}[label]\n"5e-5" = "high"\n"embedded/paraphrase" = "Paraphrase"\n'))
    section = check(rates).section(Judging(), "harness check night.toml")
    text, junit = verdicts_text(section.head, section.verdicts), sections_junit([section])
    assert "▲ better: 1e-05 -> high†" in text
    assert "learning_rate=5e-05" not in text
    assert 'name="embedded/tiny-bert · learning_rate=5e-05 against embedded/tiny-bert · learning_rate=1e-05"' in junit
    page = grid_report(rates.grid, rates.store, Judging(), command="c").files["report.md"]
    assert "on Paraphrase" in page
    assert "| high " in page
