"""The throughput part of reports: every figure worked out by hand from made-up processes."""

from __future__ import annotations

import json
import math
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.checks.speed.process import processes_of
from harness.cli.app import run_command
from harness.errors import NothingMeasured
from harness.grid.cell import Cell
from harness.grid.grid import Grid, load_grid
from harness.record.attempts import Entry
from harness.record.model import Record, asked_of
from harness.record.parts.measured import Measured
from harness.record.results import Results
from harness.record.store import Store
from harness.report.run.build import build_report
from harness.report.run.model import GridFacts, ReportModel
from harness.report.run.plots import figures
from harness.report.run.render import render
from harness.report.speed.build import build_throughput, spread, timing_plan
from harness.report.speed.export import benchmark_json, statistics_of
from harness.report.speed.model import ThroughputPart
from harness.report.speed.ratios import published_speed_ups

GOLDEN = Path(__file__).parents[1] / "golden"
GRID = """
name = "speed"
task = "embedded/paraphrase"
[matrix]
checkpoint = ["embedded/tiny-bert"]
precision = ["bf16", "fp32"]
engine = ["trainer", "loop"]
devices = [1, 2]
exclude = [{ engine = "loop", devices = 2 }, { precision = "bf16", devices = 2 }]
[throughput]
warmup_steps = 20
measured_steps = 100
processes = 3
only = true
"""
Rates = dict[str, Sequence[float]]
RATES: Rates = {
    "fp32 · trainer · devices=1": (100, 110, 121),
    "bf16 · trainer · devices=1": (200, 231, 242),
    "fp32 · loop · devices=1": (110, 110, 132),
    "bf16 · loop · devices=1": (220, 220, 220),
    "fp32 · trainer · devices=2": (150, 168, 178),
}
BUSY = "other processes kept 1.00 cores busy (at most 0.1)"


def record(cell: Cell, rate: float, *, session: str = "s1", day: int = 22, **changes: Any) -> Record:
    """One process: 100 steps of 8 samples in 8 s, 10 + 20 + 30 + 10 + 10 ms a step; replicate 1 counts FLOPs."""
    first = cell.repeat == 1
    timing = {
        "session": session,
        "place": cell.repeat,
        "clock": "host",
        "warmup_steps": 20,
        "steps": 100,
        "seconds": 8.0,
        "samples": 800,
        "samples_per_second": 100.0,
        "median_samples_per_second": float(rate),
        "tokens": 40_000,
        "tokens_per_second": 5_000.0,
        "real_tokens": 30_000,
        "step_ms": {"p5": 70.0, "p50": 80.0 + cell.repeat, "p95": 90.0},
        "stages": {"data": 1.0, "forward": 2.0, "backward": 3.0, "optimizer": 1.0, "other": 1.0},
        "flops": 4e11 if first else None,
        "limit": {"dtype": "float32", "size": 1024, "flops_per_second": 1e12, "drift": 0.01 * cell.repeat},
        "mfu": 0.05 if first else None,
        "breakdown": {"steps": 5, "data": 0.1, "kernels": 0.6, "communication": 0.0, "framework": 0.3}
        if first
        else None,
        "noise": {"reasons": changes.pop("reasons", [])},
        "energy_joules": changes.pop("joules", None),
    }
    status = changes.pop("status", "ok")
    machine = {"system": "Linux 6.18", "architecture": "x86_64", "cpu": "a CPU", "cores": 2, "memory_gib": 15.6}
    observed = {
        "python": "3.11.7",
        "packages": {"torch": "2.13.0"},
        "machine": machine,
        "threads": 1,
        "determinism": {},
        "host": "spawn",
    }
    measured = {"seconds": {"total": 9.0}, "peak_memory_mib": {"process": 500.0 + cell.repeat}, "timing": timing}
    return Record.model_validate(
        {
            "grid": "speed",
            "cell_id": cell.cell_id,
            "configuration_id": cell.configuration_id,
            "environment_id": "e0f1a2b3c4d5e6f7a8b9",
            "content_id": "c0ffee00c0ffee00c0ff",
            "attempt": 1,
            "status": status,
            "started": f"2026-11-{day}T10:0{cell.repeat}:00.000Z",
            "finished": f"2026-11-{day}T10:0{cell.repeat}:09.000Z",
            "asked": asked_of(cell),
            "observed": observed if status == "ok" else None,
            "measured": measured if status == "ok" else None,
            "failure": None if status == "ok" else {"type": "oom", "message": "out of memory"},
            "provenance": {"harness": "0.1.0"},
            **changes,
        }
    )


@pytest.fixture
def grid(tmp_path: Path) -> Grid:
    (tmp_path / "speed.toml").write_text(GRID)
    return load_grid(tmp_path / "speed.toml")


def short(cell: Cell) -> str:
    return cell.configuration_label.removeprefix("embedded/tiny-bert · ")


def records(grid: Grid, rates: Rates = RATES, change: Callable[[Cell], dict[str, Any]] | None = None) -> list[Record]:
    return [
        record(cell, rates[short(cell)][cell.repeat - 1], **(change(cell) if change else {}))
        for cell in grid.timing_cells()
        if short(cell) in rates
    ]


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


def stored(grid: Grid, folder: Path, found: list[Record]) -> Store:
    store = Store(folder, grid.name)
    for one in found:
        attempt = store.begin(one.cell_id, one.environment_id)
        store.write(one.model_copy(update={"attempt": attempt.number}), attempt)
    return store


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["harness", *map(str, arguments)])
    return run_command()


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


def test_export_is_read_by_pytest_benchmark(
    grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    stored(grid, tmp_path, [*records(grid), *records(grid, change=lambda _: {"session": "s0", "day": 20})])
    assert command(monkeypatch, "export", tmp_path / "speed", "-o", tmp_path / "new.json") == 0
    assert command(monkeypatch, "export", tmp_path / "speed", "--session", "s0", "-o", tmp_path / "old.json") == 0
    assert command(monkeypatch, "export", tmp_path / "speed", "--session", "s9") == 2
    assert command(monkeypatch, "export", tmp_path / "nothing") == 2
    error = capsys.readouterr().err
    assert "allowed s1 (2026-11-22T10:01), s0 (2026-11-20T10:01)" in error
    program = [str(Path(sys.executable).with_name("pytest-benchmark")), "compare", "old.json", "new.json"]
    done = subprocess.run([*program, "--columns=min,median,rounds"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    line = next(
        line
        for line in done.stdout.splitlines()
        if line.startswith("embedded/tiny-bert · fp32 · trainer · devices=1 (new)")
    )
    # 8 samples a step at 121 and at 110 samples/s
    assert f"{8000 / 121:.4f}" in line
    assert f"{8000 / 110:.4f}" in line
    assert "'speed': 10 tests" in done.stdout
    between = subprocess.run([*program, "--between=median"], cwd=tmp_path, capture_output=True, text=True)
    assert between.returncode == 0, between.stderr
    assert "+0.0%" in between.stdout


def test_histogram_of_an_export(grid: Grid, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(benchmark_json("speed", processes_of(records(grid))))
    program = [str(Path(sys.executable).with_name("pytest-benchmark")), "compare", "one.json", "--histogram=h"]
    subprocess.run(program, cwd=tmp_path, check=True, capture_output=True)
    assert list(tmp_path.glob("h*.svg"))


def test_export_leaves_noise_out_and_says_so(grid: Grid, tmp_path: Path) -> None:
    noisy = records(grid, change=lambda cell: {"reasons": [BUSY]} if cell.repeat == 2 else {})
    text = benchmark_json("speed", processes_of(noisy))
    one = next(b for b in json.loads(text)["benchmarks"] if b["name"].endswith("fp32 · trainer · devices=1"))
    assert one["stats"]["data"] == pytest.approx([8 / 100, 8 / 121])
    assert one["extra_info"]["not_quiet"] == {"2": [BUSY]}
    assert one["params"] == {"checkpoint": "embedded/tiny-bert", "precision": "fp32", "engine": "trainer", "devices": 1}
    assert str(tmp_path) not in text


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 9, 12])
def test_statistics_are_pytest_benchmarks_own(n: int) -> None:
    stats = pytest.importorskip("pytest_benchmark.stats").Stats()
    values = [1.0 + (7 * k % 5) / 10 + (3.0 if k == 4 else 0.0) for k in range(n)]
    for value in values:
        stats.update(value)
    ours = statistics_of(values)
    for name, value in stats.as_dict().items():
        assert ours[name] == (value if isinstance(value, str) else pytest.approx(value)), name
    assert ours["data"] == values


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
