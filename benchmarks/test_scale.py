"""A store of 10,000 records and a grid of 100,000 cells: time and memory of the commands that read them."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.process import Usage, measure
from benchmarks.synthetic_store import Template, fill, fill_index
from harness.grid.grid import load_grid
from harness.record.store import Store

STEPS = 1377
"""Of the template, and so of the course's recipe on MRPC."""

GIB = 1024.0  # in MiB
SEEDS = list(range(1, 6))
RATES = [round(1e-6 * (number + 1), 9) for number in range(500)]
WARMUPS = list(range(40))

pytestmark = pytest.mark.slow


def grid_text(name: str, rates: list[float], warmups: list[int], seeds: list[int]) -> str:
    return f"""
name = "{name}"
task = "embedded/paraphrase"
[recipe]
max_steps = {STEPS}
[matrix]
checkpoint = "embedded/tiny-bert"
learning_rate = {rates}
warmup_steps = {warmups}
seed = {seeds}
"""


@dataclass(frozen=True)
class Place:
    """A folder with results and the grids that read them."""

    folder: Path
    variables: dict[str, str]

    def harness(self, *arguments: str) -> Usage:
        """Measure one command of the harness; a verdict may be any."""
        exits = (0, 1, 3) if arguments[0] == "check" else (0,)
        return measure([sys.executable, "-m", "harness", *arguments], self.folder, self.variables, exits)


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory, variables: dict[str, str], template: Template) -> Place:
    """10,000 records: 2,000 configurations of 5 seeds, all of them also cells of a grid of 100,000."""
    folder = tmp_path_factory.mktemp("scale")
    (folder / "measured.toml").write_text(grid_text("scale", RATES, WARMUPS[:4], SEEDS))
    (folder / "wide.toml").write_text(grid_text("scale", RATES, WARMUPS, SEEDS))
    cells = load_grid(folder / "measured.toml").cells()
    assert len(cells) == 10_000
    fill(Store(folder / "results", "scale"), cells, template)
    return Place(folder, variables)


def told(command: str, usage: Usage) -> str:
    return f"scale: {command}: {usage.wall_s:.1f} s wall, {usage.cpu_s:.1f} s CPU, {usage.peak_mib:.0f} MiB at most"


def seconds(usage: Usage) -> float:
    """What a limit is held against: wall time, but CPU time where other work keeps all cores busy."""
    crowded = os.getloadavg()[0] > len(os.sched_getaffinity(0))
    return usage.cpu_s if crowded else usage.wall_s


@pytest.mark.timeout(1200)
def test_report_of_10_000_records(place: Place, figure: Callable[[str], None], benchmark) -> None:
    usage = benchmark.pedantic(place.harness, ("report", "measured.toml"), rounds=1)
    store = place.folder / "results" / "scale"
    sizes = ", ".join(f"{path.name} {path.stat().st_size / 2**20:.1f} MiB" for path in sorted(store.glob("report*")))
    figure(told("harness report, 10,000 records in 2,000 configurations", usage) + f" ({sizes})")
    assert seconds(usage) < 30
    assert usage.peak_mib < GIB


@pytest.mark.timeout(1200)
def test_plan_of_100_000_cells_of_which_10_000_are_done(place: Place, figure: Callable[[str], None], benchmark) -> None:
    usage = benchmark.pedantic(place.harness, ("plan", "wide.toml"), rounds=1)
    assert "100000 cells: 90000 to do, 10000 done" in usage.output
    figure(told("harness plan, 100,000 cells, 10,000 of them done", usage))
    assert seconds(usage) < 10
    assert usage.peak_mib < GIB


@pytest.mark.timeout(1200)
def test_plan_of_100_000_cells_all_done(
    tmp_path: Path, variables: dict[str, str], template: Template, figure: Callable[[str], None], benchmark
) -> None:
    (tmp_path / "wide.toml").write_text(grid_text("scale", RATES, WARMUPS, SEEDS))
    fill_index(Store(tmp_path / "results", "scale"), load_grid(tmp_path / "wide.toml").cells(), template)
    usage = benchmark.pedantic(Place(tmp_path, variables).harness, ("plan", "wide.toml"), rounds=1)
    assert "100000 cells: 0 to do, 100000 done" in usage.output
    figure(told("harness plan, 100,000 cells with an index of 100,000 lines", usage))
    assert seconds(usage) < 10
    assert usage.peak_mib < GIB


def test_status_of_10_000_records(place: Place, figure: Callable[[str], None], benchmark) -> None:
    usage = benchmark.pedantic(place.harness, ("status",), rounds=1)
    assert "10000" in usage.output
    figure(told("harness status, 10,000 records", usage))


@pytest.mark.timeout(1200)
def test_reindex_of_10_000_records(place: Place, figure: Callable[[str], None], benchmark) -> None:
    store = Store(place.folder / "results", "scale")
    before = store.entries()
    usage = benchmark.pedantic(place.harness, ("store", "reindex"), rounds=1)
    # Also the check on the synthetic index: its lines are what the records themselves give.
    assert store.entries() == before
    figure(told("harness store reindex, 10,000 records", usage))


@pytest.mark.timeout(1800)
def test_check_of_10_000_records(
    tmp_path: Path, variables: dict[str, str], template: Template, figure: Callable[[str], None], benchmark
) -> None:
    """1,000 pairs of twins, paired by seed and read to their answers, each configuration held against a reference."""
    text = grid_text("twins", RATES, WARMUPS[:2], SEEDS) + 'precision = ["fp32", "bf16"]\n'
    text += '[[reference]]\nid = "one"\nmetric = "accuracy"\nvalue = 0.66\nstatistic = "single"\n'
    text += 'split = "validation"\nsource = "made up"\n[quality]\nmargin = 2.5\n'
    (tmp_path / "twins.toml").write_text(text)
    cells = load_grid(tmp_path / "twins.toml").cells()
    assert len(cells) == 10_000
    fill(Store(tmp_path / "results", "twins"), cells, template)
    usage = benchmark.pedantic(Place(tmp_path, variables).harness, ("check", "twins.toml", "--json"), rounds=1)
    figure(told("harness check, 10,000 records in 2,000 configurations, 1,000 pairs of twins", usage))
    assert seconds(usage) < 20
