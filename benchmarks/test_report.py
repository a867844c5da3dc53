"""Rendering reports: how the time grows with the number of records. (A whole command on 10,000: test_scale.py.)"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.synthetic_store import Template, fill
from harness.grid.grid import load_grid
from harness.record.results import Results
from harness.record.store import Store
from harness.report.files import ReportData, report_model

SEEDS = 5
CONFIGURATIONS = (20, 200)
ROUNDS = 5


def grid_text(name: str, configurations: int) -> str:
    rates = [round(1e-6 * (number + 1), 9) for number in range(configurations)]
    return f"""
name = "{name}"
task = "embedded/paraphrase"
[recipe]
max_steps = 1377
[matrix]
checkpoint = "embedded/tiny-bert"
learning_rate = {rates}
seed = {list(range(1, SEEDS + 1))}
"""


def test_ten_times_as_many_records(
    tmp_path: Path,
    template: Template,
    figure: Callable[[str], None],
    versus: Callable[..., str],
    in_turn: Callable[..., dict[str, list[float]]],
) -> None:
    def ready(configurations: int) -> Callable[[], float]:
        path = tmp_path / f"of-{configurations}.toml"
        path.write_text(grid_text(path.stem, configurations))
        grid = load_grid(path)
        store = Store(tmp_path / "results", grid.name)
        fill(store, grid.cells(), template)

        def render() -> float:
            start = time.perf_counter()
            model = report_model(grid, Results.of(grid, store, grid.every_cell()), command="harness report")
            files = ReportData(model).files()
            seconds = time.perf_counter() - start
            assert len(grid.cells()) == configurations * SEEDS
            assert "report.md" in files
            return seconds

        return render

    few, many = (str(number * SEEDS) for number in CONFIGURATIONS)
    found = in_turn(dict(zip((few, many), map(ready, CONFIGURATIONS), strict=True)), ROUNDS)
    median = {size: sorted(seconds)[ROUNDS // 2] for size, seconds in found.items()}
    figure(
        f"report: {many} / {few} records: {versus(found[few], found[many])} times the time, {ROUNDS} rounds; "
        f"{median[many]:.2f} s for {many} records in {CONFIGURATIONS[1]} configurations, {median[few]:.2f} s for {few}"
    )
    # A fixed part, and at worst in proportion; what would be quadratic in the records takes 100 times as long.
    assert median[many] < 30 * median[few]
