"""Tables for papers: what stands in them, how many digits, and that LaTeX sets them whatever a grid calls its parts."""

from __future__ import annotations

import csv
import io
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from harness.checks.verdict import Verdict
from harness.fact import Fact
from harness.record.freshness import Freshness
from harness.report.export.table import decimals, table_lines
from harness.report.export.table_csv import table_csv
from harness.report.export.table_latex import MOST_ROWS, half_up, table_latex
from harness.report.files import read_report
from harness.report.run.model import ReportHead, ReportModel
from harness.stats.decision import Decision

HOSTILE = (
    r"[x]*\input{/etc/passwd}", "a & b % c $d$ #1 {e} ~f^g_h", "-- ?` !` \"q\" 'q' `q` <b>|</b>",
    "模型 é ñ ß ≤ · \u202e evil", "line\nbreak\\\\ \\hline ^^M ^^5c", "\\end{tabular}\\end{document}",
    "a/very-long_name/with-many-parts/" + "x" * 120,
)  # fmt: skip


def scored(make_entry: Any, names: Sequence[str], seeds: Sequence[int] = (1, 2, 3)) -> list[Any]:
    return [
        make_entry(name, seed, metrics={"accuracy": 0.8 + 0.01 * seed, "f1": 0.85 + 0.005 * seed * (1 + number % 3)})
        for number, name in enumerate(names)
        for seed in seeds
    ]


def accumulation() -> tuple[ReportModel, Sequence[Verdict]]:
    """The published report of a comparison by seed."""
    found = read_report(Path(__file__).parents[3] / "reports" / "accumulation-mrpc-cpu.json")
    return found.model, found.verdicts


def rows_of(text: str) -> list[list[str]]:
    body = [part.split("\\hline")[2] for part in text.split("\\begin{tabular}")[1:]]
    lines = [line.removesuffix("\\\\").strip() for part in body for line in part.strip().split("\n") if line]
    return [[cell.strip() for cell in line.split(" & ")] for line in lines]


def test_a_row_has_n_mean_deviation_and_interval(demo: ReportModel) -> None:
    rows = rows_of(table_latex(demo))
    # 330, 327 and 333 of 408: mean 80.8824, sd 0.7353; t(2) at 97.5 % is 4.3027
    assert rows[0] == [
        r"minilm $\cdot$ fp32", "3", r"$80.88 \pm 0.74$", "$79.06$ to $82.71$", r"$85.78 \pm 0.74$",
        "$83.96$ to $87.61$",
    ]  # fmt: skip
    assert rows[3] == [r"small $\cdot$ bf16", "0", "--", "--", "--", "--"]


def test_what_is_left_out_stands_below(demo: ReportModel) -> None:
    text = table_latex(demo)
    assert "1 of 1 run collapsed (seed 42), and no figure above has it; over all that have a score: accuracy" in text
    assert "1 run ended in an error: failed (seed 1)" in text
    assert "over seeds 1, 2, 42, others below" in text
    assert r"small $\cdot$ bf16: seed 42." in text
    assert "No test compares the rows, and nothing is bold" in text
    assert r"\mathbf" not in text


def test_a_part_of_a_grid_says_so_below(demo: ReportModel) -> None:
    part = Fact.of("part", cells=3, planned=9, seeds=[], configurations=["minilm · bf16"])
    text = table_latex(replace(demo, head=ReportHead(Freshness(3, 0, "", "", None), part)))
    assert r"Part of the grid: 3 of 9 cells; left out: minilm $\cdot$ bf16." in text
    assert "Part of the grid" not in table_latex(demo)


def test_a_verdict_on_two_results_stands_below() -> None:
    model, verdicts = accumulation()
    (one,) = (verdict for verdict in verdicts if verdict.check == "parity" and verdict.item == "accuracy")
    assert isinstance(one.numbers, Decision)
    text = table_latex(model, verdicts)
    begin = text.index(r"as shipped $\rightarrow$ worked around, accuracy: ")
    said = text[begin:].split(": ", 1)[1].split(" points", 1)
    assert float(said[0].replace("$-$", "-")) == pytest.approx(one.numbers.difference, abs=0.005)
    assert f"margin {one.numbers.delta:g}, {one.numbers.n} runs, paired by seed: {one.outcome}." in said[1]
    assert "Below: differences with the interval (94.4" in text
    assert "two one-sided $t$ tests" in text


def test_digits_are_those_of_the_deviation_and_of_one_answer(make_entry: Any, make_report: Any) -> None:
    def places(scores: Sequence[float], examples: int | None) -> int:
        entries = [make_entry(seed=seed, metrics={"accuracy": score}) for seed, score in enumerate(scores)]
        model = make_report(entries)
        lines = [one for one in table_lines(model) if one.metric == "accuracy"]
        return decimals([replace(one, row=replace(one.row, examples=examples)) for one in lines])

    spread = (0.801, 0.809, 0.815)  # sd 0.70 points
    assert places(spread, None) == 2
    assert places(spread, 408) == 1, "one answer is 0.25 points"
    assert places(spread, 9815) == 2
    assert places((0.70, 0.82, 0.95), 408) == 0, "sd 12.5 points: two digits are whole points"
    assert places((0.8000, 0.8004), 408) == 2, "sd 0.03 points keeps a digit"
    assert places((0.8578431372549019,), 408) == 1
    assert places((0.8578431372549019,), 40_430) == 3


@pytest.mark.parametrize(
    ("value", "places", "text"), [(84.25, 1, "84.3"), (83.75, 1, "83.8"), (-0.25, 1, "-0.3"), (80.0, 2, "80.00")]
)
def test_figures_are_rounded_as_readers_round(value: float, places: int, text: str) -> None:
    assert half_up(value, places) == text


def test_csv_has_the_same_unrounded_and_with_units(demo: ReportModel) -> None:
    rows = list(csv.DictReader(io.StringIO(table_csv(demo), newline="")))
    assert len(rows) == 8
    first = rows[0]
    assert (first["configuration"], first["precision"], first["metric"], first["n"]) == (
        "minilm · fp32", "fp32", "accuracy", "3",
    )  # fmt: skip
    assert float(first["mean_points"]) == pytest.approx(100 * 330 / 408, abs=1e-12)
    assert float(first["mean_ci95_low_points"]) == pytest.approx(80.88235 - 4.302653 * 0.7352941 / 3**0.5, abs=1e-4)
    lost = rows[6]
    assert (lost["n"], lost["runs"], lost["collapsed"], lost["collapsed_seeds"]) == ("0", "1", "1", "42")
    assert lost["mean_points"] == ""
    assert float(lost["mean_with_collapsed_points"]) == pytest.approx(100 * 279 / 408)


def test_one_run_each_is_said(make_entry: Any, make_report: Any) -> None:
    text = table_latex(make_report(scored(make_entry, ["one", "two"], [2])))
    assert "one run each (seed 2), which has neither a deviation nor an interval" in text
    assert rows_of(text) == [
        [name, "1", "$82.00$", "--", f"${f1}$", "--"] for name, f1 in (("one", "86.00"), ("two", "87.00"))
    ]


def test_where_every_run_collapsed_it_says_so(make_entry: Any, make_report: Any) -> None:
    lost = [make_entry("one", seed, status="collapsed", metrics={"accuracy": 279 / 408, "f1": 0.81}) for seed in (1, 2)]
    text = table_latex(make_report(lost))
    assert "every run collapsed (seeds 1, 2), and there is no figure" in text
    assert rows_of(text) == [["one", "0", "--", "--", "--", "--"]]
    assert "over all that have a score: accuracy $68.38$, F1 $81.00$" in text


def test_latex_sets_it_whatever_a_grid_calls_its_parts(
    demo: ReportModel, make_entry: Any, make_report: Any, tmp_path: Path
) -> None:
    many = [f"org/model-{number}" for number in range(MOST_ROWS + 4)]
    four = [
        make_entry(name, seed, metrics=dict.fromkeys(("accuracy", "f1", "pearson", "spearmanr"), 0.02 * seed - 0.03))
        for name in ("one", "google-bert/bert-base-uncased")
        for seed in (1, 2)
    ]
    reports = [demo, *(make_report(one) for one in (scored(make_entry, HOSTILE), scored(make_entry, many), four))]
    texts = [table_latex(replace(one, command="a\n\\b")) for one in reports]
    assert [text.count(r"\begin{table}") for text in texts] == [1, 1, 2, 1]
    assert all(len(row) == 6 for row in rows_of(texts[1]))
    assert not re.search(r"\\(input|end\{document|hline \^)", texts[1].replace("\\hline\n", ""))
    if shutil.which("pdflatex") is None:
        pytest.skip("pdflatex is not installed (Debian: texlive-latex-base); the text was checked, its setting was not")
    body = "\n".join([r"\documentclass{article}", r"\begin{document}", *texts, r"\end{document}"])
    (tmp_path / "paper.tex").write_text(body, encoding="utf-8")
    done = subprocess.run(
        ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-2000:]
    assert "Output written on paper.pdf" in done.stdout
    wide = [float(points) for points in re.findall(r"Overfull \\hbox \(([\d.]+)pt", done.stdout)]
    assert max(wide, default=0.0) < 12, "no table hangs over the margin"
