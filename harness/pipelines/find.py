"""Which runs a user means by a folder, a record, a store, a grid, the beginning of an id, a part, an accepted file."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from harness import __version__
from harness.checks.scores.baseline.build import build_of_runs
from harness.checks.scores.baseline.file import SUFFIX, Baseline, GridName, read_baseline
from harness.checks.scores.baseline.pair import BaselineSide
from harness.checks.verify.diff.paired import Candidate
from harness.checks.verify.diff.trainer_state import NAME, TrainerState, find_trainer_state, read_trainer_state
from harness.errors import SpecError, StoreError
from harness.grid.cell import place_label
from harness.grid.grid import load_grid
from harness.grid.labels import Namer
from harness.grid.select import fitting, is_one_value, named_part, split_values
from harness.pipelines.named.grids import nearest
from harness.pipelines.named.places import find_stores
from harness.record.entry import Entry
from harness.record.meant import labels_in, read_meant
from harness.record.model import RECORD, Provenance
from harness.record.results import Results
from harness.record.run import read_run
from harness.record.store import Store, store_grids
from harness.report.phrases.recipe import many
from harness.text import SHORTEST_ID, listed, show, told_apart

SHOWN_ID: Final = 8
"""Letters of an id that people are shown; more where two cells of a store begin alike."""


def find_runs(text: str, results: Path) -> tuple[list[Candidate], frozenset[str]]:
    """The runs that `NAME[:AXIS=VALUE,...]` means, of each cell the attempt that counts; and the axes that it names.

    A name is a run's folder or record, a store, a grid's folder in it, a grid's file or name, or the beginning of a
    cell's id, with `/` and the beginning of an environment's where it ran in several.

    Raises
    ------
    SpecError
        Where there is no such run, or several where one was named.
    StoreError
        Where what is named is there and has no run.
    """
    name, wanted = named_part(text)
    path = Path(name)
    folder = path.parent if path.name == RECORD and path.is_file() else path
    if (folder / RECORD).is_file():
        found, words = [_of_folder(folder)], dict[str, str]()
    else:
        stores, cells = stores_of(name, results)
        words = _words(store.folder for store in stores or ())
        if stores is not None:
            found = [one for store in stores for one in runs_of(store, wanted.get("environment"), cells)]
            if len(stores) == 1:  # which grid it is counts where there are several
                found = [replace(one, axes={key: one.axes[key] for key in one.axes if key != "grid"}) for one in found]
            if not found:
                where = listed([str(store.folder) for store in stores], 3) or name
                raise StoreError(f"{where}: no run in it")
        else:
            found = _by_id(name, results)
    if wanted:
        places = [_with_environment(one, wanted) for one in found]
        fits = fitting(text, places, wanted, Namer.of(places, words).own)
        found = [one for one, fit in zip(found, fits, strict=True) if fit]
        if not found:
            raise SpecError(f"{text}: no run has all of these values together; allowed fewer conditions")
    return found, frozenset(axis for axis, values in wanted.items() if is_one_value(values))


def told_side(text: str, found: Sequence[Candidate], where: bool = False) -> str:
    """A side for people: a run by its id, what it is and `where` it lies; several as written, with their number."""
    if len(found) != 1:
        return f"{text} ({len(found)} runs)"
    one = found[0]
    return f"{one.run_id} {one.shown or one.label}{f' ({one.folder})' if where else ''}"


def accepted_sides(a: str, b: str, results: Path) -> tuple[BaselineSide, BaselineSide] | None:
    """Both sides in the form of an accepted file, with their names for people; None where neither is such a file.

    Of a store of several grids those runs count that are of the other side's grid.

    Raises
    ------
    HarnessError
        As `find_runs`; SpecError for a file that is no accepted one, StoreError where a run cannot be read.
    """
    files = [_accepted(text) for text in (a, b)]
    grid = next((one.grid.name for one in files if one is not None), None)
    if grid is None:
        return None
    first, second = (
        BaselineSide(*_told_file(text, file) if file is not None else _measured(text, grid, results))
        for text, file in zip((a, b), files, strict=True)
    )
    return first, second


def logged_sides(a: str, b: str) -> tuple[TrainerState, TrainerState] | None:
    """Both sides as far as a Trainer logged them; None where neither is such a file or a folder of its checkpoints.

    Raises
    ------
    SpecError
        Where one side alone is, or a file is missing, torn or has no logged step.
    """
    first, second = (find_trainer_state(text) for text in (a, b))
    if first is None and second is None:
        return None
    if first is None or second is None:
        other = a if first is None else b
        raise SpecError(f"{show(other)}: is no {NAME}, nor has one; allowed one, as on the other side")
    return read_trainer_state(first), read_trainer_state(second)


def _accepted(text: str) -> Baseline | None:
    name, wanted = named_part(text)
    path = Path(name)
    if path.suffix != SUFFIX or path.name == RECORD or path.is_dir():
        return None
    found = read_baseline(path)
    if not found.configurations:
        raise SpecError(f"{name}: configurations: got []; allowed at least one")
    if wanted:
        raise SpecError(f"{text}: an accepted file is compared as a whole; allowed {name}")
    return found


def _told_file(text: str, found: Baseline) -> tuple[str, Baseline]:
    runs = sum(len(one.seeds) for one in found.configurations)
    days = sorted({(one.accepted or found.date)[:10] for one in found.configurations})
    note = f": {found.note}" if found.note else ""
    return f"{text} ({many(runs, 'run')}, accepted {' to '.join(dict.fromkeys([days[0], days[-1]]))}{note})", found


def _measured(text: str, grid: str, results: Path) -> tuple[str, Baseline]:
    found, _ = find_runs(text, results)
    found = [one for one in found if one.axes.get("grid") == grid] or found
    records = [one.read().record for one in found]
    words = _words({_store(Path(one.folder)) for one in found})
    name = GridName(name=grid, file=text, task=records[0].asked.task)
    made = build_of_runs(name, records, Provenance(harness=__version__), Namer.of((one.axes for one in found), words))
    return f"{told_side(text, found)}, measured {made.date[:10]}", made


def _with_environment(one: Candidate, wanted: Mapping[str, str]) -> Mapping[str, Any]:
    """The place of a run; its environment also by the beginning of its id."""
    asked = wanted.get("environment", "")
    ids = (each for each in split_values(asked) if len(each) >= SHORTEST_ID and one.key[1].startswith(each))
    label = next(ids, one.axes.get("environment", "current"))
    return {**one.axes, "environment": label}


def stores_of(name: str, results: Path) -> tuple[list[Store] | None, frozenset[str] | None]:
    """The grids' results that a name means, and of a grid's file its cells; None where it may be an id."""
    path = Path(name)
    if path.is_file():
        grid = load_grid(path)
        return [Store(results, grid.name)], frozenset(cell.cell_id for cell in grid.cells())
    return find_stores(name, results), None


def runs_of(store: Store, environment: str | None = None, cells: frozenset[str] | None = None) -> list[Candidate]:
    """The runs of a store that train to their end, as `standing` has them."""
    entries = standing(store, environment, cells)
    length, namer = shown_id(entries), _namer(store.folder, entries)
    trained = (entry for entry in entries if entry.metrics or entry.samples_per_second is None)
    return [_of_entry(store, entry, length, namer) for entry in trained]


def standing(store: Store, environment: str | None = None, cells: frozenset[str] | None = None) -> list[Entry]:
    """The attempt that counts of each cell of a store.

    Without an `environment` those that the last run meant count, and of a cell its newest; else the cells of every
    environment. With `cells` only these.
    """
    entries = [entry for entry in store.entries() if cells is None or entry.cell_id in cells]
    meant = read_meant(store.folder)
    ids = set(meant.ids.values()) if meant is not None else set()
    if environment is None and any(entry.environment_id in ids for entry in entries):
        entries = [entry for entry in entries if entry.environment_id in ids]
    results, found = Results(entries), {}
    for entry in entries:
        counts = results.standing(entry, None if environment is None else entry.environment_id)
        if counts is not None:
            found[counts.path] = counts
    return list(found.values())


def run_id(entry: Entry, length: int) -> str:
    """A run as the command line takes it: the beginnings of its cell's and of its environment's id."""
    return f"{entry.cell_id[:length]}/{entry.environment_id[:SHOWN_ID]}"


def shown_id(entries: Iterable[Entry]) -> int:
    """So many letters of their ids tell cells apart."""
    return told_apart((entry.cell_id for entry in entries), SHOWN_ID)


def _store(run: Path) -> Path:
    """The folder of the store that a run's folder is of: cells/xx/CELL/ENVIRONMENT/ATTEMPT below it."""
    above = run.absolute().parents
    return above[min(4, len(above) - 1)]


def _words(stores: Iterable[Path]) -> dict[str, str]:
    """The `[label]` of the grids of some stores' folders together."""
    return {key: text for store in stores for key, text in labels_in(store).items()}


def _namer(store: Path, entries: Sequence[Entry]) -> Namer | None:
    """The words of the grid of a store's folder, where it has any."""
    words = labels_in(store)
    return Namer.of([{**entry.axes, "checkpoint": entry.checkpoint} for entry in entries], words) if words else None


def _of_entry(store: Store, entry: Entry, length: int = SHOWN_ID, namer: Namer | None = None) -> Candidate:
    folder = store.folder / entry.path
    axes = {"grid": store.grid, **entry.axes, "checkpoint": entry.checkpoint, "seed": entry.seed}
    return Candidate(
        place_label(entry.checkpoint, entry.axes, entry.seed),
        run_id(entry, length),
        str(folder),
        entry.cell_id,
        {**axes, "precision": entry.precision, "devices": entry.devices},
        (entry.cell_id, entry.environment_id, str(entry.attempt), entry.started),
        partial(read_run, folder),
        "" if namer is None else namer.every(entry.checkpoint, entry.axes, f"seed {entry.seed}"),
    )


def _of_folder(folder: Path) -> Candidate:
    run = read_run(folder)
    record = run.record
    entry = record.entry(f"cells/{record.cell_id[:2]}/{record.cell_id}/{record.environment_id}/{record.attempt:03d}")
    found = _of_entry(Store(folder.parent, "."), entry, namer=_namer(_store(folder), [entry]))
    return replace(found, folder=str(folder), read=lambda: run)


def _by_id(name: str, results: Path) -> list[Candidate]:
    cell, _, environment = name.partition("/")
    if len(cell) < SHORTEST_ID or not cell.isalnum() or not (environment.isalnum() or not environment):
        allowed = (
            f"a run's folder or its {RECORD}, a grid or its results, a store, a {SUFFIX} file of `harness accept`, or "
            f"{SHORTEST_ID} or more letters of a run's id (harness runs GRID) in {results}"
        )
        raise SpecError(f"{show(name)}: no such run; allowed {allowed}{nearest(name, results)}")
    found = list(_beginning(cell, environment, results))
    if not found:
        allowed = f"an id as `harness runs` lists them, or a grid{nearest(name, results)}"
        raise SpecError(f"{show(name)}: no run of such an id in {results}; allowed {allowed}")
    if len(found) > 1:
        ids = [one.run_id for one in found]
        shown = (
            f"ids: {listed(ids, 12)}"
            if len(set(ids)) == len(ids)
            else f"folders: {listed([one.folder for one in found], 12)}"
        )
        raise SpecError(f"{show(name)}: {len(found)} runs begin so; allowed one of their {shown}")
    return found


def _beginning(cell: str, environment: str, results: Path) -> Iterator[Candidate]:
    """Of each cell and environment whose ids begin so the attempt that counts."""
    for store in (Store(results, grid) for grid in store_grids(results)):
        entries: Sequence[Entry] = [entry for entry in store.entries() if entry.cell_id.startswith(cell)]
        places = {(e.cell_id, e.environment_id): e for e in entries if e.environment_id.startswith(environment)}
        counting, length, namer = Results(entries), shown_id(entries), _namer(store.folder, entries)
        for entry in places.values():
            yield _of_entry(store, counting.standing(entry, entry.environment_id) or entry, length, namer)
