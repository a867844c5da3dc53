"""What `check` and `report` of 1,000 records cost beside another checkout: whole processes that take turns, CPU time.

Each side makes a store in its own form, of one tiny run of its own:

    python -m benchmarks.reading_cost --before CHECKOUT
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from benchmarks.process import measure
from harness.grid.grid import take_turns

HERE: Final = Path(__file__).resolve().parents[1]
GRID: Final = """
name = "{name}"
task = "embedded/paraphrase"
[recipe]
max_steps = 4
[matrix]
checkpoint = "embedded/tiny-bert"
precision = ["fp32", "bf16"]
learning_rate = {rates}
seed = [1, 2, 3, 4, 5]
[quality]
parity_margin = 2.5
"""
SEEDS_AND_PRECISIONS: Final = 10
FILL: Final = """
from pathlib import Path
try:
    from harness.grid.grid import load_grid; from harness.record.store import Store
except ImportError:  # before harness/ had folders
    from harness.grid import load_grid; from harness.store import Store
from benchmarks.synthetic_store import Template, fill
results = Path("results")
fill(Store(results, "many"), load_grid(Path("many.toml")).cells(), Template.from_store(Store(results, "one")))
"""
COMMANDS: Final = (("check", "many.toml"), ("report", "many.toml", "-o", "report.md"))


def make(folder: Path, variables: dict[str, str], records: int) -> None:
    """Run one cell, and fill a store with its likes."""
    rates = [round(1e-6 * (number + 1), 9) for number in range(records // SEEDS_AND_PRECISIONS)]
    (folder / "many.toml").write_text(GRID.format(name="many", rates=rates), encoding="utf-8")
    one = GRID.format(name="one", rates=rates[:1]).replace('["fp32", "bf16"]', '"fp32"').replace("[1, 2, 3, 4, 5]", "1")
    (folder / "one.toml").write_text(one, encoding="utf-8")
    measure([sys.executable, "-m", "harness", "run", "one.toml"], folder, variables)
    measure([sys.executable, "-c", FILL], folder, variables)


def main() -> None:
    """Print seconds and ratio of each command."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="a checkout of another commit")
    parser.add_argument("--records", type=int, default=1000, help="a multiple of 10")
    parser.add_argument("--pairs", type=int, default=6)
    asked = parser.parse_args()
    if asked.records < SEEDS_AND_PRECISIONS or asked.pairs < 1 or not (asked.before / "harness").is_dir():
        parser.error("--before: a folder with harness/; --records: at least 10; --pairs: at least 1")
    checkouts = {"before": asked.before.resolve(), "now": HERE}
    for side, checkout in checkouts.items():
        commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], cwd=checkout, capture_output=True, text=True)
        print(f"{side}: {commit.stdout.strip() or 'no commit'}", flush=True)
    with tempfile.TemporaryDirectory() as name:
        sides = {side: (Path(name) / side, {"PYTHONPATH": str(checkout)}) for side, checkout in checkouts.items()}
        for folder, variables in sides.values():
            folder.mkdir()
            make(folder, variables, asked.records)
        for command in COMMANDS:
            seconds: dict[str, list[float]] = {side: [] for side in sides}
            for _, side in take_turns(tuple(sides), asked.pairs):
                folder, variables = sides[side]
                program = [sys.executable, "-m", "harness", *command]
                seconds[side].append(measure(program, folder, variables, exits=(0, 1, 3)).cpu_s)
            before, now = (statistics.median(seconds[side]) for side in ("before", "now"))
            ratios = sorted(b / a for a, b in zip(seconds["before"], seconds["now"], strict=True))
            print(
                f"{command[0]} of {asked.records} records: CPU {before:.2f} s -> {now:.2f} s, {now / before:.2f} x "
                f"(pairs {ratios[0]:.2f} to {ratios[-1]:.2f}, {asked.pairs} pairs)",
                flush=True,
            )


if __name__ == "__main__":
    main()
