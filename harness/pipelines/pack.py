"""What `harness pack` does: short copies of one cell, so many at a time, round by round, there and back again."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

import numpy as np
import numpy.typing as npt

from harness.errors import NothingMeasured, RunFailed, SpecError
from harness.execution.cache import Scratch
from harness.execution.packing import Measurement, Row, limit, machine_of, need_mib
from harness.execution.plan import Plan, PlannedCell, threads_each
from harness.execution.progress import Reporter
from harness.execution.run import Runner, RunOptions
from harness.execution.session import Session
from harness.grid.arguments import default_of
from harness.grid.cell import Cell
from harness.protocol import processor_seconds
from harness.record.attempts import SCORED, Entry
from harness.record.parts.measured import Measured
from harness.record.provenance import now
from harness.record.series import read_series
from harness.record.store import Store

BATCH: Final = "per_device_train_batch_size"
TRIAL_STEPS: Final = 10
TRAIN_S: Final = 3.0
"""How long a cell of the measurement trains, roughly."""
HASHES: Final = ("loss_sha256", "final_sha256")


@dataclass
class Round:
    """`cells` cells of so many threads, `at_once` at a time; `seconds` from when the first `began` to the last end.

    `most` is how many there really were at a time.
    """

    at_once: int
    threads: int
    cells: int
    started: int = 0
    most: int = 0
    began: float = 0.0
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
    return [Round(n, threads, n * max(2, -(-6 // n))) for each in passes for n, threads in each]


@dataclass
class Rounds(Reporter):
    """Says when a run's next cell may start, and times round after round, each with its own number at once."""

    rounds: Sequence[Round]
    say: Callable[[str], None]

    @property
    def current(self) -> Round | None:
        """The first round that has not ended."""
        return next((each for each in self.rounds if len(each.entries) < each.cells), None)

    def admits(self, needed: int, taken: int) -> bool:
        """Whether one more cell of the current round may start beside those that have taken so many slots."""
        current = self.current
        return current is not None and current.started < current.cells and taken < current.at_once * needed

    def cell_started(self, cell: Cell) -> None:
        """The round's clock starts with its first cell."""
        current = self.current
        assert current is not None
        current.began = current.began if current.started else time.monotonic()
        current.started += 1
        current.most = max(current.most, current.started - len(current.entries))

    def cell_finished(self, cell: Cell, entry: Entry) -> None:
        """The round's clock stops with its last cell, and the next round begins."""
        current = self.current
        assert current is not None
        current.entries.append(entry)
        if len(current.entries) < current.cells:
            return
        current.seconds = time.monotonic() - current.began
        ended = sum(len(each.entries) == each.cells for each in self.rounds)
        if ended > 1:  # the first one only warms up
            self.say(
                f"round {ended - 1} of {len(self.rounds) - 1}: {current.at_once} at a time, "
                f"{threads_each(current.threads)}: {current.cells} cells in {current.seconds:.1f} s"
            )

    def preparing(self, what: str) -> None:
        """It may take a while."""
        self.say(f"preparing {what}")

    def note(self, text: str) -> None:
        """It is passed on."""
        self.say(text)


def cell_to_measure(session: Session) -> Cell:
    """The cell to measure with: the first to do, else the first that is done.

    Raises
    ------
    SpecError, NothingMeasured
        Where the grid only times, where a cell takes all of the machine, where none can run here.
    """
    path, planned = session.grid.path, [each for each in session.plan.cells if not each.cell.timed]
    if not planned:
        raise SpecError(f"{path}: throughput.only: got true; allowed false: timing cells run alone")
    able = [each.cell for state in ("to do", "done") for each in planned if each.state == state]
    if not able:
        raise NothingMeasured(f"{path}: no cell can run here: {planned[0].reason}")
    if limit(session.plan.environments[able[0].environment], able[0]) == 1:
        raise SpecError(
            f"{path}: {able[0].label} takes all of this machine; allowed cells of which several run at once"
        )
    return able[0]


def short_cell(cell: Cell, steps: int) -> Cell:
    """The cell cut to so many steps, seeded so that every copy does the very same."""
    recipe = {**cell.recipe, "max_steps": steps}
    return replace(cell, recipe=recipe, head_seeding="seeded", resume_at=0, repeat=1, timing=None)


@dataclass(frozen=True)
class PackTrial:
    """Runs short copies of a cell of a session, in stores of their own."""

    session: Session
    cell: Cell
    options: RunOptions
    say: Callable[[str], None]

    def run(self, steps: int, rounds: Sequence[Round], store: Store) -> float:
        """Run copies of so many steps round by round; returns the seconds until the first of them could begin.

        Raises
        ------
        RunFailed
            Where a cell errored: what it did instead of training is not worth timing.
        KeyboardInterrupt
            Where the user ended it.
        """
        cell, plan = short_cell(self.cell, steps), self.session.plan
        copies = [replace(cell, threads=each.threads) for each in rounds for _ in range(each.cells)]
        planned = [PlannedCell(replace(copy, repeat=n), "to do") for n, copy in enumerate(copies, start=1)]
        slots = max(each.at_once for each in rounds) * cell.devices
        # One plan, so that the host stays warm from the first round to the last.
        plan = Plan(planned, plan.environments, plan.materials, slots)
        session, timed = replace(self.session, store=store, plan=plan), Rounds(rounds, self.say)
        began = time.monotonic()
        summary = Runner(session, self.options, timed, timed.admits).run()
        if summary.interrupted:
            raise KeyboardInterrupt
        for reason in summary.blocked:
            raise RunFailed(f"{cell.label}: {reason}")
        for each in rounds:
            for entry in each.entries:
                if entry.status not in SCORED:
                    raise RunFailed(f"{cell.label}, {each.at_once} at a time: {entry.error} (--most tries fewer)")
            if each.most < each.at_once:
                room = f"its devices had room for {each.most} (--most {each.most} tries no more)"
                raise RunFailed(f"{cell.label}, {each.at_once} at a time: {room}")
        first = rounds[0]
        return first.began - began + first.seconds - first.entries[0].seconds["total"]

    def first(self, steps: int, store: Store) -> Measured:
        """What one cell more took, by itself."""
        alone = Round(1, self.cell.threads, 1)
        self.run(steps, [alone], store)
        measured = store.record(alone.entries[0]).measured
        assert measured is not None  # it is scored
        return measured

    def steps(self, first: Measured, cells: int) -> int:
        """Optimizer steps that take a few seconds, by what `TRIAL_STEPS` took; `cells` are to follow."""
        seconds = first.seconds
        steps = max(5, min(500, round(TRAIN_S / (seconds["train"] / TRIAL_STEPS))))
        each = seconds["total"] + (steps / TRIAL_STEPS - 1) * seconds["train"]
        self.say(f"{cells} cells of {steps} steps, each some {each:.0f} s where it is alone")
        return steps


def measure(
    session: Session,
    cell: Cell,
    options: RunOptions,
    say: Callable[[str], None],
    *,
    steps: int | None,
    most: int | None,
    repeats: int,
) -> Measurement:
    """Measure how many cells at once give the most cells an hour, with short copies of one cell.

    Parameters
    ----------
    steps
        Optimizer steps of each; None: as many as take a few seconds.
    most
        The most cells at once that are tried, where fewer than the machine can take.
    repeats
        Rounds of each number.

    Raises
    ------
    RunFailed, KeyboardInterrupt
        As :meth:`PackTrial.run`.
    """
    environment = session.plan.environments[cell.environment]
    cpu = environment.accelerator == "cpu"
    with contextlib.closing(Scratch.temporary()) as scratch:
        place = scratch.folder()
        trial, store = PackTrial(session, cell, options, say), Store(place, "packing")
        first = None if cpu and steps is not None else trial.first(steps or TRIAL_STEPS, Store(place, "trial"))
        top = limit(environment, cell, need_mib(first.peak_memory_mib) if first else None)
        pairs = arms(min(most or top, top), cell.threads, environment.cores if cpu and cell.devices == 1 else None)
        rounds = [Round(1, cell.threads, 1), *schedule(pairs, repeats)]
        if steps is None:
            assert first is not None
            steps = trial.steps(first, sum(each.cells for each in rounds))
        before = _clocks()
        start_s = trial.run(steps, rounds, store)
        others = _others(before, _clocks())
        alone = {each.threads: _losses(each.entries[0], store) for each in reversed(rounds)}
        rows = [
            _row([each for each in rounds[1:] if (each.at_once, each.threads) == pair], store, alone) for pair in pairs
        ]
    return Measurement(
        machine=machine_of(environment),
        label=cell.configuration_label,
        task=cell.task,
        checkpoint=cell.checkpoint.asked(),
        precision=cell.precision,
        devices=cell.devices,
        threads=cell.threads,
        batch_size=cell.recipe.get(BATCH, default_of(BATCH)),
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


def _losses(entry: Entry, store: Store) -> npt.NDArray[np.float64]:
    return read_series(store.series_path(entry), ("loss",))["loss"].astype(np.float64)


def _apart(losses: npt.NDArray[np.float64], alone: npt.NDArray[np.float64]) -> float:
    """The largest relative difference of two runs' losses, step by step."""
    scale = np.maximum(np.abs(alone), np.finfo(np.float32).tiny)
    return float(np.max(np.abs(losses - alone) / scale, initial=0.0))


def _row(rounds: Sequence[Round], store: Store, alone: Mapping[int, npt.NDArray[np.float64]]) -> Row:
    """What rounds of the same number measured; `alone` has the losses of the first cell of so many threads."""
    found: dict[str, set[str]] = {name: set() for name in HASHES}
    for each in rounds:
        for entry in each.entries:
            observed = store.record(entry).observed
            fingerprint = observed.fingerprint if observed else None
            for name, digests in found.items():
                digests.add(str(getattr(fingerprint, name, None)))
    return Row(
        at_once=rounds[0].at_once,
        threads=rounds[0].threads,
        cells=rounds[0].cells,
        seconds=[round(each.seconds, 3) for each in rounds],
        hashes={name: sorted(digests) for name, digests in found.items()},
        apart=max(_apart(_losses(entry, store), alone[each.threads]) for each in rounds for entry in each.entries),
    )
