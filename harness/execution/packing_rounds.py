"""The rounds of a packing's measurement: short copies of one cell, so many at a time, there and back again."""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from harness.errors import RunFailed
from harness.execution.environment import Environment
from harness.execution.inputs import Materials
from harness.execution.packing import Measurement, Row, limit, machine_of
from harness.execution.plan import Plan, PlannedCell
from harness.execution.run import Runner, RunOptions
from harness.grid.arguments import default_of
from harness.grid.cell import Cell
from harness.protocol import processor_seconds
from harness.record.entry import Entry
from harness.record.model import SCORED
from harness.record.provenance import now
from harness.record.store import Store

BATCH: Final = "per_device_train_batch_size"
TRIAL_STEPS: Final = 10
TRAIN_S: Final = 3.0
"""How long a cell of the measurement trains, roughly."""
HASHES: Final = ("loss_sha256", "final_sha256")


@dataclass
class Round:
    """`cells` cells of so many threads, `at_once` at a time; `seconds` from the first start to the last end."""

    at_once: int
    threads: int
    cells: int
    seconds: float = 0.0
    entries: list[Entry] = field(default_factory=list)


def arms(most: int, threads: int, cores: int | None) -> list[tuple[int, int]]:
    """Pairs of cells at once and threads each: each number up to 4, then powers of 2 and the last two.

    On a CPU of several `cores` also as many threads as the cores leave to each of so many cells.
    """
    numbers = sorted(
        {*range(1, min(most, 4) + 1), *(2**k for k in range(3, 12) if 2**k < most), max(1, most - 1), most}
    )
    shared = [(n, cores // n) for n in numbers if cores // n not in (0, threads)] if cores else []
    return [*((n, threads) for n in numbers), *shared]


def schedule(pairs: Sequence[tuple[int, int]], repeats: int) -> list[Round]:
    """Rounds of every pair, there and back again and again, so that a drift of the machine meets all alike.

    The same number of cells in each, but where more than 3 run at once: then two of them after another.
    """
    passes = [pairs if number % 2 == 0 else pairs[::-1] for number in range(repeats)]
    return [Round(n, threads, n * max(2, -(-6 // n))) for one in passes for n, threads in one]


@dataclass
class Rounds:
    """Hears of a run's cells and says when the next may start: round after round, each with its own number at once."""

    rounds: Sequence[Round]
    told: Callable[[str], None]
    current: int = 0
    started: int = 0
    began: float = 0.0
    began_first: float = 0.0

    def admits(self, taken: int, devices: int) -> bool:
        """Whether one more cell of the current round may start beside those that have taken so many slots."""
        if self.current == len(self.rounds):
            return False
        one = self.rounds[self.current]
        return self.started < one.cells and taken < one.at_once * devices

    def cell_started(self, cell: Cell, attempt: int) -> None:
        """The round's clock starts with its first cell."""
        if not self.started:
            self.began = time.monotonic()
            self.began_first = self.began_first or self.began
        self.started += 1

    def cell_finished(self, cell: Cell, entry: Entry) -> None:
        """The round's clock stops with its last cell, and the next round begins."""
        one = self.rounds[self.current]
        one.entries.append(entry)
        if len(one.entries) < one.cells:
            return
        one.seconds = time.monotonic() - self.began
        if self.current:
            self.told(
                f"round {self.current} of {len(self.rounds) - 1}: {one.at_once} at a time, {one.threads} "
                f"thread{'s' * (one.threads > 1)} each: {one.cells} cells in {one.seconds:.1f} s"
            )
        self.current, self.started = self.current + 1, 0

    def run_started(self, plan: Plan) -> None:
        """Nothing is said."""

    def preparing(self, what: str) -> None:
        """It may take a while."""
        self.told(f"preparing {what}")

    def note(self, text: str) -> None:
        """It is passed on."""
        self.told(text)

    def cell_event(self, cell: Cell, event: Mapping[str, Any]) -> None:
        """Nothing is said."""

    def run_finished(self, summary: Any) -> None:
        """Nothing is said."""


@dataclass(frozen=True)
class _RoundsPlan(Plan):
    """A plan whose cells start as their rounds say, on a host that stays warm from the first to the last."""

    rounds: Rounds = field(default_factory=lambda: Rounds([], print))

    def fits(self, devices: int, taken: int) -> bool:
        return self.rounds.admits(taken, devices)


@dataclass(frozen=True)
class Bench:
    """Where and how cells are run for a measurement; `folder` is the grid's."""

    environment: Environment
    materials: Materials
    options: RunOptions
    folder: Path
    told: Callable[[str], None]

    def run(self, cell: Cell, rounds: Sequence[Round], store: Store) -> float:
        """Run short copies of a cell round by round; returns the seconds until the first of them could begin.

        Raises
        ------
        RunFailed
            Where a cell errored: what it did instead of training is not worth timing.
        KeyboardInterrupt
            Where the user ended it.
        """
        cells = [replace(cell, threads=one.threads) for one in rounds for _ in range(one.cells)]
        planned = [PlannedCell(replace(c, repeat=n), "to do") for n, c in enumerate(cells, start=1)]
        slots = max(one.at_once for one in rounds) * cell.devices
        heard, label = Rounds(rounds, self.told), cell.environment
        plan = _RoundsPlan(planned, {label: self.environment}, {label: self.materials}, slots, rounds=heard)
        began = time.monotonic()
        summary = Runner(store, plan, self.folder, self.options, heard).run()
        if summary.interrupted:
            raise KeyboardInterrupt
        for reason in summary.blocked:
            raise RunFailed(f"{cell.label}: {reason}")
        for one in rounds:
            for entry in one.entries:
                if entry.status not in SCORED:
                    raise RunFailed(f"{cell.label}, {one.at_once} at a time: {entry.error} (--most tries fewer)")
        first = rounds[0].entries[0].seconds["total"]
        return heard.began_first - began + rounds[0].seconds - first


def short_cell(cell: Cell, steps: int) -> Cell:
    """The cell cut to so many steps, seeded so that every copy does the very same."""
    recipe = {**cell.recipe, "max_steps": steps}
    return replace(cell, recipe=recipe, head_seeding="seeded", resume_at=0, repeat=1, timing=None)


def measure(cell: Cell, bench: Bench, *, steps: int | None, most: int | None, repeats: int) -> Measurement:
    """Measure how many cells at once give the most cells an hour, with short copies of one cell.

    Parameters
    ----------
    steps
        Optimizer steps of each; None: as many as take a few seconds, found by one cell more.
    most
        The most cells at once that are tried, where fewer than the machine can take.
    repeats
        Rounds of each number.

    Raises
    ------
    RunFailed, KeyboardInterrupt
        As :meth:`Bench.run`.
    """
    environment = bench.environment
    cores = environment.cores if environment.accelerator == "cpu" and cell.devices == 1 else None
    top = limit(environment, cell)
    pairs = arms(min(most or top, top), cell.threads, cores)
    rounds = [Round(1, cell.threads, 1), *schedule(pairs, repeats)]
    with tempfile.TemporaryDirectory(prefix="finetune-harness-") as scratch:
        if steps is None:
            trial = Round(1, cell.threads, 1)
            bench.run(short_cell(cell, TRIAL_STEPS), [trial], Store(Path(scratch), "trial"))
            seconds = trial.entries[0].seconds
            steps = max(5, min(500, round(TRAIN_S / (seconds["train"] / TRIAL_STEPS))))
            each = seconds["total"] + (steps / TRIAL_STEPS - 1) * seconds["train"]
            count = sum(one.cells for one in rounds)
            bench.told(f"{count} cells of {steps} steps, each some {each:.0f} s where it is alone")
        store = Store(Path(scratch), "packing")
        short = short_cell(cell, steps)
        before = _clocks()
        start_s = bench.run(short, rounds, store)
        others = _others(before, _clocks())
        rows = [_row([one for one in rounds[1:] if (one.at_once, one.threads) == pair], store) for pair in pairs]
    batch = short.recipe.get(BATCH, default_of(BATCH))
    return Measurement(
        machine=machine_of(environment),
        label=cell.configuration_label,
        task=cell.task,
        checkpoint=cell.checkpoint.asked(),
        precision=cell.precision,
        devices=cell.devices,
        threads=cell.threads,
        batch_size=batch,
        steps=steps,
        date=now(),
        others_cores=others,
        start_s=round(start_s, 2),
        rows=rows,
    )


def _clocks() -> tuple[float, float, float | None]:
    """Seconds now: wall clock, CPU time of this process and its ended descendants, the machine's busy time (Linux)."""
    own = os.times()
    return (
        time.monotonic(),
        own.user + own.system + own.children_user + own.children_system,
        processor_seconds()[0],
    )


def _others(before: tuple[float, float, float | None], after: tuple[float, float, float | None]) -> float | None:
    """Cores that other processes kept busy between two readings."""
    if before[2] is None or after[2] is None:
        return None
    wall, own, busy = after[0] - before[0], after[1] - before[1], after[2] - before[2]
    return round(max(0.0, (busy - own) / wall), 3)


def _row(rounds: Sequence[Round], store: Store) -> Row:
    found: dict[str, set[str]] = {name: set() for name in HASHES}
    for one in rounds:
        for entry in one.entries:
            observed = store.record(entry).observed
            fingerprint = observed.fingerprint if observed else None
            for name, digests in found.items():
                digests.add(str(getattr(fingerprint, name, None)))
    return Row(
        at_once=rounds[0].at_once,
        threads=rounds[0].threads,
        cells=rounds[0].cells,
        seconds=[round(one.seconds, 3) for one in rounds],
        hashes={name: sorted(digests) for name, digests in found.items()},
    )
