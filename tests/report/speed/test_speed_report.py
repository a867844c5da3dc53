"""The throughput part of reports: every figure worked out by hand from made-up processes."""

from __future__ import annotations

import json
import math
import os
import statistics
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from harness.errors import NothingMeasured
from harness.grid.cell import Cell
from harness.grid.grid import Grid
from harness.record.attempts import Entry
from harness.record.model import Record
from harness.record.parts.measured import Measured
from harness.record.results import Results
from harness.report.format.table import MOST_COLUMNS
from harness.report.run.build import build_report
from harness.report.run.model import GridFacts, ReportModel
from harness.report.run.plots import figures
from harness.report.run.render import render
from harness.report.speed.build import build_throughput, spread, timing_plan
from harness.report.speed.markdown import throughput_markdown
from harness.report.speed.model import ThroughputPart
from harness.report.speed.ratios import published_speed_ups
from tests.published.backing import tables_of
from tests.published.page import Page
from tests.report.speed.made_up import BUSY, RATES, Rates, command, record, records, stored

GOLDEN = Path(__file__).parents[1] / "golden"


def part(grid: Grid, found: list[Record]) -> ThroughputPart:
    plan = timing_plan(grid, grid.timing_cells())
    assert plan is not None
    return build_throughput(plan, found)


def report(grid: Grid, found: list[Record]) -> ReportModel:
    facts = GridFacts("speed", grid.task, timing=timing_plan(grid, grid.timing_cells()))
    results = results_of(grid.timing_cells(), found)
    return build_report(facts, results, command="harness report speed.toml", generated_by="harness 0.1.0")


@dataclass
class MadeUp:
    """The records behind entries, by their paths."""

    records: Mapping[str, Record]

    def record(self, entry: Entry) -> Record:
        return self.records[entry.path]

    def series(self, entry: Entry, names: Collection[str] | None = None) -> Mapping[str, Any]:
        return {}


def results_of(cells: Sequence[Cell], found: Sequence[Record]) -> Results:
    behind = {str(number): one for number, one in enumerate(found)}
    return Results([one.entry(path) for path, one in behind.items()], MadeUp(behind), cells)


def test_a_row_is_what_its_processes_say(grid: Grid) -> None:
    found = part(grid, records(grid, change=lambda cell: {"joules": 40.0 * cell.repeat}))
    row = next(one for one in found.rows if one.label == "fp32 · trainer · devices=1")
    assert (row.processes, row.quiet, row.counted) == (3, 3, 3)
    assert row.rate.median == 110
    # logs: log 110 and log 1.1 either way; sd log 1.1, t(.95, 2) = 2.919986
    half = 2.919986 * math.log(1.1) / math.sqrt(3)
    assert row.rate.interval == pytest.approx((110 * math.exp(-half), 110 * math.exp(half)), rel=1e-6)
    assert row.real_tokens_per_second == 30_000 / 8
    assert row.padding_efficiency == 0.75
    assert row.step_ms == {"p5": 70, "p50": 82, "p95": 90}
    assert (row.memory_mib, row.memory_of) == (503, "process")
    assert row.joules_per_1000_samples == pytest.approx(80 / 0.8)
    assert row.stages_ms == pytest.approx({"data": 10, "forward": 20, "backward": 30, "optimizer": 10, "other": 10})
    assert row.breakdown == {"data": 0.1, "kernels": 0.6, "communication": 0.0, "framework": 0.3}
    assert row.limit is not None
    assert (row.limit.flops_per_second, row.limit.drift) == (1e12, 0.03)
    assert row.model_flops_per_second == 5e10
    assert row.mfu == pytest.approx(0.05)  # replicates 2 and 3 too: they trained the same batches


def test_ratios_are_over_pairs(grid: Grid) -> None:
    found = part(grid, records(grid))
    named = {(one.what, one.where): one for one in found.contrasts}
    assert list(named) == [
        ("fp32 -> bf16", "trainer · devices=1"),
        ("fp32 -> bf16", "loop · devices=1"),
        ("loop -> trainer", "bf16 · devices=1"),
        ("loop -> trainer", "fp32 · devices=1"),
    ]
    one = named[("fp32 -> bf16", "trainer · devices=1")]
    logs = [math.log(b / a) for a, b in ((100, 200), (110, 231), (121, 242))]
    mean, half = statistics.mean(logs), 2.919986 * statistics.stdev(logs) / math.sqrt(3)
    assert one.ratio == pytest.approx(math.exp(mean))
    assert one.ci90 == pytest.approx((math.exp(mean - half), math.exp(mean + half)), rel=1e-6)
    assert (one.pairs, one.left_out) == (3, 0)
    assert one.detectable is not None
    assert one.detectable > 0
    assert named[("loop -> trainer", "fp32 · devices=1")].ratio == pytest.approx((100 / 110 * 121 / 132) ** (1 / 3))
    assert [one.source[:8] for one in found.published] == ["https://"] * 5


def test_scaling_is_speed_up_over_devices(grid: Grid) -> None:
    (one,) = part(grid, records(grid)).scaling
    speed_up = (1.5 * 168 / 110 * 178 / 121) ** (1 / 3)
    assert (one.devices, one.base, one.contrast.where) == (2, 1, "fp32 · trainer")
    assert one.contrast.ratio == pytest.approx(speed_up)
    assert one.efficiency == pytest.approx(speed_up / 2)
    assert one.contrast.ci90 is not None
    assert one.ci90 == pytest.approx(tuple(bound / 2 for bound in one.contrast.ci90))


def test_a_process_that_was_not_quiet_is_in_no_pair(grid: Grid) -> None:
    def noisy(cell: Cell) -> dict[str, Any]:
        return {"reasons": [BUSY]} if (cell.precision, cell.repeat) == ("bf16", 3) else {}

    found = part(grid, records(grid, change=noisy))
    one = found.contrasts[0]
    assert (one.what, one.pairs, one.left_out) == ("fp32 -> bf16", 2, 1)
    assert one.ratio == pytest.approx(math.sqrt(2 * 2.1))
    row = next(one for one in found.rows if one.label == "bf16 · trainer · devices=1")
    assert (row.quiet, row.processes, row.rate.median, row.rate.kind) == (2, 3, 215.5, "range")
    assert [(one.label, one.process, one.reasons) for one in found.noisy] == [
        ("bf16 · trainer · devices=1", 3, (BUSY,)),
        ("bf16 · loop · devices=1", 3, (BUSY,)),
    ]
    text = render(report(grid, records(grid, change=noisy)), plots=False)["report.md"]
    assert "2 pairs left out: a process of theirs was not quiet" in text
    assert " 2 of 3 |" in text


def test_nothing_quiet_is_shown_and_not_compared(grid: Grid) -> None:
    model = report(grid, records(grid, change=lambda _: {"reasons": [BUSY]}))
    assert model.throughput is not None
    assert {one.ratio for one in model.throughput.contrasts} == {None}
    assert {row.rate.median for row in model.throughput.rows} == {110, 231, 220, 168}
    files = render(model)
    assert "**none quiet** of 3" in files["report.md"]
    assert "in every pair a process was not quiet" in files["report.md"]
    assert "report-ratios.svg" not in files


def test_the_newest_session_is_shown(grid: Grid) -> None:
    old = records(grid, change=lambda _: {"session": "s0", "day": 20})
    new = records(grid, {name: [2 * rate for rate in rates] for name, rates in RATES.items() if "fp32" in name})
    found = part(grid, [*new, *old])
    rate_of = {row.label: (row.session, row.rate.median) for row in found.rows}
    assert rate_of["fp32 · trainer · devices=1"] == ("s1", 220)
    assert rate_of["bf16 · trainer · devices=1"] == ("s0", 231)
    assert found.older_processes == 9
    assert [(one.session, one.processes) for one in found.sessions] == [("s1", 9), ("s0", 6)]
    # The two precisions are together in the older session alone.
    assert (found.contrasts[0].session, found.contrasts[0].pairs) == ("s0", 3)
    newest = part(grid, [*records(grid), *old])
    assert (newest.older_sessions, newest.older_processes, len(newest.sessions)) == (1, 15, 1)


def test_not_measured_is_said(grid: Grid) -> None:
    cells = grid.timing_cells()
    files = render(report(grid, []))
    assert "Not measured yet" in files["report.md"]
    assert "nothing timed yet" in files["report.md"]
    assert list(files) == ["report.md", "report.json"]
    failed = part(grid, [record(cells[0], 1.0, status="oom"), *records(grid, {"fp32 · loop · devices=1": (1, 2, 3)})])
    assert {one.label: one.why for one in failed.unmeasured} == {
        "bf16 · trainer · devices=1": "oom: out of memory",
        "bf16 · loop · devices=1": "not run yet",
        "fp32 · trainer · devices=1": "not run yet",
        "fp32 · trainer · devices=2": "not run yet",
    }
    assert (failed.contrasts, failed.scaling) == ((), ())


@pytest.mark.parametrize(("rates", "kind"), [([5.0], None), ([4.0, 6.0], "range"), ([4.0, 5.0, 6.0], "t")])
def test_spread_says_what_it_is(rates: list[float], kind: str | None) -> None:
    found = spread(rates)
    assert (found.median, found.kind) == (5.0, kind)


def test_published_speed_ups_are_the_printed_times() -> None:
    first = published_speed_ups()[0]
    assert (first.precision, first.over, first.hardware) == ("fp16", "fp32", "1x Titan RTX")
    assert first.ratio == pytest.approx(141 / 70)


def test_golden(grid: Grid) -> None:
    two: Rates = {name: RATES[name] for name in list(RATES)[:2]}
    found = records(grid, two, lambda cell: {"reasons": [BUSY]} if (cell.precision, cell.repeat) == ("bf16", 2) else {})
    text = render(report(grid, found), "speed", plots=True)["speed.md"]
    path = GOLDEN / "throughput.md"
    if os.environ.get("HARNESS_REGENERATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")


def test_no_table_is_too_wide_for_a_page(grid: Grid) -> None:
    """With all that a row may have: two sessions, tokens, memory, energy, scaling; and what was not quiet."""
    old = records(grid, change=lambda _: {"session": "s0", "day": 20})
    new = records(grid, {name: rates for name, rates in RATES.items() if "fp32" in name})
    found = part(grid, [*new, *old])
    found = replace(found, rows=tuple(replace(row, joules_per_1000_samples=7.5) for row in found.rows))
    text = "\n\n".join(throughput_markdown(found, lambda _: []))
    heads = [table["head"] for table in tables_of(Page(text))]
    assert len(heads) == 9
    assert max(map(len, heads)) == MOST_COLUMNS
    assert heads[:2] == [
        ["Configuration", "Session", "Quiet processes", "Samples/s (90 % interval)", "Mean step, ms",
         "Step p50 (p95), ms"],
        ["Configuration", "Real tokens/s", "Padding efficiency", "Peak memory, MiB", "J per 1,000 samples"],
    ]  # fmt: skip


def test_the_json_has_it_all(grid: Grid) -> None:
    data = json.loads(render(report(grid, records(grid)), plots=False)["report.json"])["throughput"]
    assert len(data["rows"]) == 5
    assert data["plan"]["scaling"] == "strong"
    assert data["scaling"][0]["contrast"]["what"] == "devices: 1 -> 2"


def test_plots_are_the_same_bytes_and_nothing_is_cut(grid: Grid) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    first, second = (render(report(grid, records(grid))) for _ in range(2))
    assert [name for name in first if name.endswith(".svg")] == ["report-stages.svg", "report-ratios.svg"]
    assert first == second
    for figure in figures(report(grid, records(grid))).values():
        canvas = FigureCanvasAgg(figure)
        canvas.draw()
        for text in [*figure.axes[0].get_yticklabels(), *figure.axes[0].texts]:
            box = text.get_window_extent()
            assert figure.bbox.x0 <= box.x0
            assert box.x1 <= figure.bbox.x1 + 0.5


def test_report_of_a_grid_that_is_only_timed(
    grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    results = tmp_path / "results"
    assert command(monkeypatch, "report", grid.path, "--results", results) == NothingMeasured.exit_code
    stored(grid, results, records(grid))
    assert command(monkeypatch, "report", grid.path, "--results", results, "-s", "precision=fp32") == 0
    text = (results / "speed" / "report.md").read_text(encoding="utf-8")
    assert "3 configurations timed in 9 processes on 2026-11-22" in text
    assert "## Results" not in text
    assert "Part of the grid: 9 of 15 cells; left out: " in text
    assert "bf16" not in text.partition("Speed of grid")[2].partition("The grid")[0]
    capsys.readouterr()


def test_beside_scores(grid: Grid, make_cell: Any, make_entry: Any, make_record: Any) -> None:
    entry = make_entry()
    score = make_record(entry).model_copy(
        update={"measured": Measured(metrics=dict(entry.metrics), seconds=dict(entry.seconds))}
    )
    facts = GridFacts("demo", "glue/mrpc", timing=timing_plan(grid, grid.timing_cells()))
    texts = {}
    for name, found in (("some", records(grid)), ("none", [])):
        results = results_of([make_cell(entry), *grid.timing_cells()], [score, *found])
        model = build_report(facts, results, command="c", generated_by="h")
        texts[name] = render(model, plots=False)["report.md"]
    headings = [line for line in texts["some"].splitlines() if line.startswith("## ")]
    assert headings.index("## Results") < headings.index("## Throughput") < headings.index("## Each run")
    assert "Speed: 5 configurations timed in 15 processes on 2026-11-22." in texts["some"]
    assert "max_steps` has" not in texts["some"]
    assert "Speed: nothing timed yet." in texts["none"]
    assert "Not measured yet: no timing of this grid has come to an end." in texts["none"]
