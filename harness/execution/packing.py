"""Packing: how many cells at once give the most cells an hour on this machine, as measured, kept, and gone by."""

from __future__ import annotations

import contextlib
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import ConfigDict, Field, ValidationError

from harness.disk import explained, write_durably
from harness.errors import StoreError
from harness.execution.environment import Environment
from harness.execution.plan import Packing, PlannedCell, default_packing, threads_each
from harness.execution.require import device_count
from harness.grid.cell import Cell
from harness.grid.grid import Grid
from harness.protocol import MOST_OTHERS, OOM
from harness.record.attempts import SCORED, Entry
from harness.record.folders import to_type
from harness.record.parts.part import Number, Part
from harness.record.store import Store

FILE: Final = "packing.json"
TIE: Final = 0.02
"""Of numbers of cells whose rates differ by less than this the smallest is taken: it needs the least memory."""
APART: Final = 10.0
"""How much further losses of packed cells may be apart than those of cells alone, where these are not equal either."""
CELLS_A_DEVICE: Final = 8
"""On CUDA: the most cells that are tried on one device, whose processes take turns at it."""
MEMORY_MARGIN: Final = 1.25
"""What a cell may need of a device over the first one of its configuration: another seed pads to other lengths, and the
allocator's blocks fall otherwise. Who runs out all the same runs again alone."""
CONTEXT_MIB: Final = 1024
"""What a process takes of a device beside torch's allocator: its context and kernels, some hundred MiB by model."""


class Row(Part):
    """So many cells at once, of so many threads each. `seconds` are those of each round of `cells` cells.

    `hashes` has the distinct hashes of the cells' losses and of their final weights: one each where all did the same.
    `apart` is the largest relative difference of a step's loss from that of the first cell that ran alone.
    """

    at_once: int
    threads: int
    cells: int
    seconds: list[Number]
    hashes: dict[str, list[str]]
    apart: Annotated[Number, Field(exclude_if=lambda far: far == 0)] = 0.0

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

    `others_cores` is the number of cores that other processes kept busy meanwhile (None: the system does not say),
    `start_s` the seconds until a first cell could run.
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
    others_cores: Number | None
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
        """Whether other work used the machine meanwhile: then it is of that work too."""
        return self.others_cores is not None and self.others_cores > MOST_OTHERS

    def relative(self, row: Row) -> float:
        """A row's rate over that of one cell at a time."""
        return row.cells_per_hour / self.rows[0].cells_per_hour

    @property
    def repeatable(self) -> bool:
        """Whether cells that run one at a time do the same, to the last bit."""
        return all(len(found) == 1 for found in self.rows[0].hashes.values())

    @property
    def sound(self) -> bool:
        """Whether cells at once do what one alone does: to the last bit where that is so of cells alone.

        An accelerator need not repeat itself. There no loss may be further from the first cell's than `APART` times as
        far as those of cells alone.
        """
        if not self.differences():
            return True
        near = APART * self.rows[0].apart
        return (
            not self.repeatable and bool(self.machine["accelerators"]) and all(row.apart <= near for row in self.rows)
        )

    def differences(self) -> list[str]:
        """What cells that ask for the same and have as many threads did differently, a sentence a number at once."""
        first: dict[int, Row] = {}
        return [
            f"{row.at_once} at a time, {threads_each(row.threads)}: {name} is "
            f"{_short(row.hashes[name])}, with {first[row.threads].at_once} at a time {_short(expected)}"
            for row in self.rows
            for name, expected in first.setdefault(row.threads, row).hashes.items()
            if row.hashes[name] != expected or len(expected) > 1
        ]

    def same_place(self, other: Measurement) -> bool:
        """Whether the other is of the same thing, so that the newer of the two counts."""
        names = ("machine", "task", "checkpoint", "precision", "devices", "threads", "batch_size")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    def packing(self, capacity: int) -> Packing:
        """What a plan takes from it; `capacity` is what the cores hold."""
        busy = f", others on {self.others_cores:.1f} cores" if self.busy else ""
        return Packing(
            slots=self.best.at_once * self.devices,
            source="measured",
            why=f": measured {self.date[:10]} with {self.label}{busy}, {self.relative(self.best):.2f} x one at a time",
            capacity=capacity,
            speeds={row.at_once * self.devices: self.relative(row) for row in self.asked},
            start_s=self.start_s,
        )

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


def need_mib(peaks: Mapping[str, float]) -> int | None:
    """What a cell is taken to need of its device whose like had these peaks of memory; None where that is unknown."""
    reserved = peaks.get("reserved")
    return None if reserved is None else math.ceil(reserved * MEMORY_MARGIN) + CONTEXT_MIB


def limit(environment: Environment, cell: Cell, mib: int | None = None) -> int:
    """The most cells at once that are worth a try: one more than a CPU's cores hold; on CUDA what its devices take.

    There a core launches the work of one rank, cells on several devices share none, and `mib` is what each needs.
    """
    cores = environment.cores // (cell.threads * cell.devices)
    if environment.accelerator != "cuda":
        return cores + 1
    alone = max(1, device_count(environment) // cell.devices)
    if cell.devices > 1:
        return alone
    memory = min((device["memory_mib"] for device in environment.torch["devices"]), default=0)
    each = CELLS_A_DEVICE if mib is None else max(1, min(CELLS_A_DEVICE, memory // mib))
    return max(alone, min(alone * each, cores))


class MemoryNeeds:
    """What cells need of their device, by what the newest of their configuration took in this environment.

    The first of a configuration is to run alone, and so is one whose last attempt ran out of memory.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._newest: dict[tuple[str, str], Entry] | None = None
        self._found: dict[str, int | None] = {}  # by the path of a record
        self._alone: set[str] = set()

    def of(self, planned: PlannedCell, environment: Environment) -> int | None:
        """In MiB; None: it is not known, or the cell is to be alone."""
        cell, last = planned.cell, planned.entry
        if cell.timed or cell.cell_id in self._alone or (last is not None and last.status == OOM):
            return None
        if self._newest is None:
            self._newest = {}
            for entry in self._store.entries():
                self._note(entry.configuration_id, entry)
        newest = self._newest.get((_likeness(cell), environment.environment_id))
        return None if newest is None else self._of(newest)

    def hear(self, cell: Cell, entry: Entry) -> None:
        """An attempt at a cell has ended."""
        if entry.status == OOM:
            self._alone.add(entry.cell_id)
        if self._newest is not None:
            self._note(_likeness(cell), entry)

    def _note(self, likeness: str, entry: Entry) -> None:
        if self._newest is not None and entry.status in SCORED and entry.metrics:  # a timing has none: it evaluates not
            self._newest[likeness, entry.environment_id] = entry

    def _of(self, entry: Entry) -> int | None:
        if entry.path not in self._found:
            self._found[entry.path] = None
            with contextlib.suppress(StoreError):  # it only makes runs faster
                measured = self._store.record(entry).measured
                self._found[entry.path] = need_mib(measured.peak_memory_mib) if measured else None
        return self._found[entry.path]


def most_at_once(cells: Sequence[Cell], environment: Environment) -> int:
    """The most cells at once that are worth a try among these."""
    return max((limit(environment, cell) for cell in cells if not cell.timed), default=1)


def _likeness(cell: Cell) -> str:
    """What cells share that need as much: their configuration, however often they are repeated."""
    return replace(cell, repeat=1).configuration_id


def choose_packing(
    cells: Sequence[Cell], environments: Mapping[str, Environment], results: Path, grid: Grid, slots: int | None = None
) -> Packing:
    """How many ranks at once: `slots` as the user says, else as the grid does, else what the machine was found to hold.

    That is the newest measurement in the folder `results` that fits, else what the cores hold.
    """
    packing, environment = default_packing(cells, environments), next(iter(environments.values()))
    trouble, found = "", None
    try:
        found = next((each for each in reversed(measurements(results)) if each.fits(cells, environment)), None)
    except StoreError as error:  # it only makes runs faster
        trouble = f"; {error}"
    if found is not None:
        packing = replace(found.packing(packing.capacity), threads=packing.threads and found.threads)
    elif most_at_once(cells, environment) > 1:
        hint = to_type("pack", str(grid.path), results=results)
        packing = replace(packing, why=f"{packing.why} (not measured: `{hint}` does{trouble})")
    known = f" (measured {found.date[:10]}: {packing.slots} are fastest)" if found else ""
    if slots is not None:
        return replace(packing, slots=slots, source="--slots", why=f", as --slots says{known}")
    if grid.execution.slots == "auto":
        return packing
    why = f", as [execution] slots says{known}"
    return replace(packing, slots=grid.execution.slots, source="grid", why=why)
