"""How much faster a grid runs than a shell loop of plain scripts: the imports are paid once."""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks.process import Usage, measure

PLAIN = Path(__file__).with_name("plain_trainer.py")
SEEDS = range(1, 9)
MAX_STEPS = 20
REPETITIONS = 3
FLOOR = 1.5
"""A loaded machine must not make this fail; the figure is what counts."""

GRID = f"""
name = "overhead"
task = "embedded/paraphrase"
[recipe]
max_steps = {MAX_STEPS}
[matrix]
checkpoint = "embedded/tiny-bert"
seed = {list(SEEDS)}
"""


@pytest.mark.timeout(3600)
def test_grid_of_8_tiny_cells_against_a_shell_loop(
    tmp_path: Path, variables: dict[str, str], figure: Callable[[str], None], benchmark
) -> None:
    grid = tmp_path / "overhead.toml"
    grid.write_text(GRID)
    seeds = " ".join(map(str, SEEDS))
    loop = f"for seed in {seeds}; do '{sys.executable}' '{PLAIN}' '{{}}' $seed {MAX_STEPS} || exit 1; done"

    def harness(*options: str) -> Usage:
        shutil.rmtree(tmp_path / "results", ignore_errors=True)
        usage = measure([sys.executable, "-m", "harness", "run", str(grid), *options], tmp_path, variables)
        assert len(list((tmp_path / "results").rglob("record.json"))) == len(SEEDS)
        return usage

    harness()  # fills the caches: checkpoint, tokenized task, probe, files in memory
    (checkpoint,) = Path(variables["HARNESS_CACHE"]).glob("tiny-bert-*")
    ways: dict[str, Callable[[], Usage]] = {
        "harness": harness,
        "harness --slots 1": lambda: harness("--slots", "1"),
        "shell loop": lambda: measure(["sh", "-c", loop.format(checkpoint)], tmp_path, variables),
    }
    measured: dict[str, list[Usage]] = {way: [] for way in ways}

    def repetition() -> None:
        turn = len(measured["harness"]) % len(ways)
        order = list(ways)
        for way in order[turn:] + order[:turn]:
            measured[way].append(ways[way]())

    benchmark.pedantic(repetition, rounds=REPETITIONS, iterations=1)

    for way, usages in measured.items():
        walls = [usage.wall_s for usage in usages]
        figure(
            f"overhead: {way}: {statistics.median(walls):.1f} s wall ({min(walls):.1f} to {max(walls):.1f}), "
            f"{statistics.median(usage.cpu_s for usage in usages):.1f} s CPU for {len(SEEDS)} cells"
        )
    for way in ("harness", "harness --slots 1"):
        pairs = list(zip(measured["shell loop"], measured[way], strict=True))
        wall = [plain.wall_s / ours.wall_s for plain, ours in pairs]
        cpu = [plain.cpu_s / ours.cpu_s for plain, ours in pairs]
        figure(
            f"overhead: {way} is {statistics.median(wall):.1f} times as fast as the loop by wall "
            f"({min(wall):.1f} to {max(wall):.1f}, {len(pairs)} repetitions side by side), "
            f"{statistics.median(cpu):.1f} by CPU ({min(cpu):.1f} to {max(cpu):.1f})"
        )
        benchmark.extra_info[f"{way}: times as fast by wall, by CPU"] = [wall, cpu]
        assert statistics.median(wall) > FLOOR
