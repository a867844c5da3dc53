"""Packing: how many cells at once give the most cells an hour on this machine, measured and kept."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, ValidationError

from harness.arguments import default_of
from harness.cell import Cell
from harness.durable import explained, write_durably
from harness.entry import Entry
from harness.errors import RunFailed, StoreError
from harness.execution.environment import Environment
from harness.execution.material import Materials
from harness.execution.plan import Packing, Plan, PlannedCell, default_packing
from harness.execution.require import device_count
from harness.execution.run import Runner, RunOptions
from harness.part import Number, Part
from harness.provenance import now
from harness.record import SCORED
from harness.store import Store

FILE: Final = "packing.json"
TIE: Final = 0.02
"""Of numbers of cells whose rates differ by less than this the smallest is taken: it needs the least memory."""
IDLE_LOAD: Final = 0.5
"""A 1-minute load average above this, before anything was started, is of somebody else."""
CELLS_A_DEVICE: Final = 1
"""On CUDA: the device pool lends a device to one cell at a time."""
BATCH: Final = "per_device_train_batch_size"


class Row(Part):
    """So many cells at once, of so many threads each. `seconds` are those of each round of `cells` cells.

    `hashes` has the distinct hashes of the cells' losses and of their final weights: one each where all did the same.
    """

    at_once: int
    threads: int
    cells: int
    seconds: list[Number]
    hashes: dict[str, list[str]]

    @property
    def cells_per_hour(self) -> float:
        """Of the median round."""
        return self.cells / statistics.median(self.seconds) * 3600

    @property
    def range(self) -> tuple[float, float]:
        """Cells an hour of the slowest and of the fastest round."""
        return self.cells / max(self.seconds) * 3600, self.cells / min(self.seconds) * 3600


class Measurement(Part):
    """What was measured with which cell, when and where. `rows` begin with one at a time, as the cell asks for threads.

    `load` is the machine's 1-minute load average before it began, `start_s` the seconds until a first cell could run.
    """

    machine: dict[str, Any]
    label: str
    task: str
    checkpoint: dict[str, Any]
    precision: str
    devices: int
    threads: int
    batch_size: int | None
    steps: int
    date: str
    load: Number | None
    start_s: Number
    rows: Annotated[list[Row], Field(min_length=1)]

    @property
    def asked(self) -> list[Row]:
        """The rows whose cells have the threads that the grid asks for; these may decide."""
        return [row for row in self.rows if row.threads == self.threads]

    @property
    def best(self) -> Row:
        """The fewest cells at once whose rate is the best, but for a tie."""
        most = max(row.cells_per_hour for row in self.asked)
        return next(row for row in self.asked if row.cells_per_hour >= (1 - TIE) * most)

    @property
    def busy(self) -> bool:
        """Whether somebody else used the machine."""
        return self.load is not None and self.load > IDLE_LOAD

    def relative(self, row: Row) -> float:
        """A row's rate over that of one cell at a time."""
        return row.cells_per_hour / self.rows[0].cells_per_hour

    @property
    def repeatable(self) -> bool:
        """Whether cells that run one at a time do the same, to the last bit."""
        return all(len(found) == 1 for found in self.rows[0].hashes.values())

    def differences(self) -> list[str]:
        """What cells that ask for the same and have as many threads did differently, a sentence a number at once."""
        first: dict[int, Row] = {}
        return [
            f"{row.at_once} at a time, {row.threads} thread{'s' * (row.threads > 1)} each: {name} is "
            f"{_short(row.hashes[name])}, with {first[row.threads].at_once} at a time {_short(expected)}"
            for row in self.rows
            for name, expected in first.setdefault(row.threads, row).hashes.items()
            if row.hashes[name] != expected or len(expected) > 1
        ]

    def same_place(self, other: Measurement) -> bool:
        """Whether the other is of the same thing, so that the newer of the two counts."""
        names = ("machine", "task", "checkpoint", "precision", "devices", "threads", "batch_size")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def fits(self, cells: Sequence[Cell], environment: Environment) -> bool:
        """Whether it is of this machine, and of a checkpoint, threads and devices that some of the cells have."""
        mine = (self.checkpoint.get("source"), self.threads, self.devices)
        return self.machine == machine_of(environment) and any(
            (cell.checkpoint.source, cell.threads, cell.devices) == mine for cell in cells if not cell.timed
        )


def _short(digests: Sequence[str]) -> str:
    return " and ".join(digest[:12] for digest in digests)


class _Kept(Part):
    """The file; `measurements` has one of each thing that was measured, oldest first."""

    schema_: Annotated[Literal[1], Field(alias="schema")] = 1
    measurements: list[Measurement]

    model_config = ConfigDict(populate_by_name=True)


def machine_of(environment: Environment) -> dict[str, Any]:
    """What a packing depends on: processor, cores that may be used, memory in GiB, accelerators."""
    facts = environment.facts.get("machine") or {}
    return {
        "cpu": facts.get("cpu"),
        "cores": environment.cores,
        "memory_gib": round(float(facts.get("memory_gib") or 0)),
        "accelerators": [device["name"] for device in environment.torch.get("devices", [])],
    }


def measurements(results: Path) -> list[Measurement]:
    """What has been measured, oldest first.

    Raises
    ------
    StoreError
        Where the file is damaged or a newer harness wrote it, with the way out.
    """
    path = results / FILE
    try:
        return list(_Kept.model_validate_json(path.read_bytes()).measurements)
    except FileNotFoundError:
        return []
    except (OSError, ValidationError) as error:
        said = error.errors()[0]["msg"] if isinstance(error, ValidationError) else error.strerror
        raise StoreError(f"{path}: not readable as measurements ({said}); delete it and measure again") from error


def keep(measurement: Measurement, results: Path) -> Path:
    """Add a measurement to the results folder's; an older one of the same thing goes. Returns the file."""
    kept = [old for old in measurements(results) if not old.same_place(measurement)]
    path = results / FILE
    with explained(path, "write"):
        results.mkdir(parents=True, exist_ok=True)
        text = _Kept(measurements=[*kept, measurement]).model_dump_json(by_alias=True, indent=1)
        write_durably(path, text + "\n")
    return path


# What to measure.


@dataclass
class Round:
    """`cells` cells of so many threads, `at_once` at a time; `seconds` from the first start to the last end."""

    at_once: int
    threads: int
    cells: int
    seconds: float = 0.0
    entries: list[Entry] = field(default_factory=list)


def limit(environment: Environment, cell: Cell) -> int:
    """The most cells at once that are worth a try: one more than a CPU's cores hold; on CUDA what its devices take."""
    if environment.accelerator == "cuda":
        return max(1, device_count(environment) // cell.devices) * CELLS_A_DEVICE
    return environment.cores // (cell.threads * cell.devices) + 1


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


# Measuring.

TRIAL_STEPS: Final = 10
TRAIN_S: Final = 3.0
"""How long a cell of the measurement trains, roughly."""
HASHES: Final = ("loss_sha256", "final_sha256")


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
    load = os.getloadavg()[0]
    if load > IDLE_LOAD:
        bench.told(f"the machine is busy (load {load:.2f}): what is measured now is of its other work too")
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
        start_s = bench.run(short, rounds, store)
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
        load=round(load, 2),
        start_s=round(start_s, 2),
        rows=rows,
    )


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


# What a plan takes from it.


def choose(
    cells: Sequence[Cell],
    environments: Mapping[str, Environment],
    results: Path,
    grid: Path,
    asked: int | None = None,
    by: Literal["--slots", "grid"] = "--slots",
) -> Packing:
    """How many ranks at once: as `asked`, else as the newest measurement that fits says, else what the cores hold."""
    machine, environment = default_packing(cells, environments), next(iter(environments.values()))
    trouble, found = "", None
    try:
        found = next((one for one in reversed(measurements(results)) if one.fits(cells, environment)), None)
    except StoreError as error:  # it only makes runs faster
        trouble = f"; {error}"
    if found is None:
        hint = f" (not measured: `harness pack {grid}` does{trouble})"
        packing = replace(machine, why=machine.why + hint * (limit_of(cells, environment) > 1))
    else:
        best = found.best
        busy = f", the machine busy (load {found.load:g})" if found.busy else ""
        why = f": measured {found.date[:10]} with {found.label}{busy}, {found.relative(best):.2f} x one at a time"
        speeds = {row.at_once * found.devices: found.relative(row) for row in found.asked}
        packing = replace(
            machine,
            slots=best.at_once * found.devices,
            source="measured",
            why=why,
            speeds=speeds,
            start_s=found.start_s,
        )
    if asked is None:
        return packing
    said = f", as {'[execution] slots' if by == 'grid' else by} says"
    known = f" (measured {found.date[:10]}: {packing.slots} are fastest)" if found else ""
    return replace(packing, slots=asked, source=by, why=said + known)


def limit_of(cells: Sequence[Cell], environment: Environment) -> int:
    """The most cells at once among these."""
    return max((limit(environment, cell) for cell in cells if not cell.timed), default=1)
