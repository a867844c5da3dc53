"""What of a store may go, and how it goes: whole measurements, durably, and never under a run."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from harness.disk import explained
from harness.pipelines.keep.named import Named, named_by_files
from harness.pipelines.keep.passed import last_passed
from harness.pipelines.named.places import Place
from harness.record.attempts import Measurement, MeasurementKey, measurements
from harness.record.store import Store

SESSIONS: Final = 30
"""So many timing sessions of a configuration stay, however old."""
AT_ONCE: Final = 200
"""Cells whose locks are held at a time: a process may have 1,024 files open."""

Reason = Literal["young", "newest", "passed", "session", "named", "unreadable"]
"""Why a measurement stays."""


@dataclass(frozen=True)
class Prunable:
    """What may go of a store, and why the rest stays: measurements by reason, and records by the file that names them.

    `bytes` are those on the disk of what may go.
    """

    measurements: Sequence[Measurement]
    kept: Mapping[Reason, int]
    named: Mapping[Path, int]
    bytes: int

    @property
    def records(self) -> int:
        """How many attempts may go."""
        return sum(len(one.entries) for one in self.measurements)


@dataclass
class Pruned:
    """What went; `held` are measurements that a run holds a cell of, and that stayed for it."""

    measurements: int = 0
    records: int = 0
    bytes: int = 0
    held: list[Measurement] = field(default_factory=list)


def prunable(place: Place, oldest: str | None, environment_id: str | None = None) -> Prunable:
    """Find the measurements that may go.

    These are those whose last attempt began before the instant `oldest`, but for the newest of each cell in an
    environment, the last one whose verdict was PASS (`passed.py`), those of the last 30 timing sessions of a
    configuration, those with a run that an accepted file or a report names, and those with a record that is damaged,
    which is for a person to look at. Of an environment that is retired (`environment_id`) only the last two stay, and
    an `oldest` of None is any age.

    Raises
    ------
    HarnessError
        StoreError where a file cannot be read; SpecError for a grid that cannot be judged.
    """
    store = place.store
    every = measurements(store.entries())
    young = {
        one.key
        for ones in every.values()
        for one in ones
        if (oldest is not None and one.youngest >= oldest) or environment_id not in (None, one.key[1])
    }
    reasons: dict[MeasurementKey, Reason] = dict.fromkeys(young, "young")
    old = {where for where, ones in every.items() if any(one.key not in young for one in ones)}
    sessions: dict[str, str] = {}
    if environment_id is None:
        for where in old:
            reasons |= dict.fromkeys(_newest(every[where]), "newest")
    for where in old:
        timed = _sessions(store, every[where])
        sessions |= timed
        if environment_id is None and timed:
            reasons |= dict.fromkeys(_last_sessions(every[where], timed), "session")
    # A verdict is made again only where one could go that may have passed.
    left = {where for where in old if any(one.key not in reasons for one in every[where])}
    if environment_id is None and left:
        reasons = {**dict.fromkeys(last_passed(place.grid, store, every, left), "passed"), **reasons}
    return _found(store, every, reasons, named_by_files(store.folder), sessions)


def _found(
    store: Store,
    every: Mapping[tuple[str, str], Sequence[Measurement]],
    reasons: Mapping[MeasurementKey, Reason],
    named: Named,
    sessions: Mapping[str, str],
) -> Prunable:
    going, kept, files = [], Counter[Reason](), Counter[Path]()
    for one in (one for ones in every.values() for one in ones):
        if (reason := reasons.get(one.key)) is not None:
            kept[reason] += 1
        elif not all(entry.readable for entry in one.entries):
            kept["unreadable"] += 1
        elif by := [path for e in one.entries if (path := named.by(e, sessions.get(e.path))) is not None]:
            kept["named"] += 1
            files.update(by)
        else:
            going.append(one)
    size = sum(bytes_of(store.folder / entry.path) for one in going for entry in one.entries)
    return Prunable(going, kept, files, size)


def _newest(ones: Sequence[Measurement]) -> Iterator[MeasurementKey]:
    """Those that have a cell which no newer one has."""
    seen: set[str] = set()
    for one in ones:
        if not seen.issuperset(one.cell_ids):
            yield one.key
        seen.update(one.cell_ids)


def _sessions(store: Store, ones: Sequence[Measurement]) -> dict[str, str]:
    """The session of each timing record, by its path; {} for a configuration that is not timed."""
    entries = [entry for one in ones for entry in one.entries if entry.readable]
    if any(entry.metrics for entry in entries):
        return {}  # only timing cells, and what failed, have no score
    found = {}
    for entry in entries:
        record = store.record(entry)
        if not record.asked.timing:
            return {}
        if record.measured is not None and record.measured.timing is not None:
            found[entry.path] = record.measured.timing.session
    return found


def _last_sessions(ones: Sequence[Measurement], timed: Mapping[str, str]) -> Iterator[MeasurementKey]:
    began: dict[str, str] = {}
    for entry in (entry for one in ones for entry in one.entries):
        if entry.path in timed:
            session = timed[entry.path]
            began[session] = min(entry.started, began.get(session, entry.started))
    last = sorted(began.values())[-SESSIONS:]
    yield from (one.key for one in ones if last and one.youngest >= last[0])


def prune(store: Store, what: Prunable) -> Pruned:
    """Take away what may go, some cells at a time, each locked meanwhile; what a run holds stays, and is told.

    The index forgets records before they go, so that whatever else is missing is still told as missing. Killed at any
    point it leaves whole records: those that the index has forgotten and that are still there are found by
    :func:`unforgotten`, and taken the next time.

    Raises
    ------
    StoreError
        Where the store cannot be written.
    """
    done = Pruned()
    for part in _parts(what.measurements):
        with ExitStack() as held:
            mine: set[str] = set()
            going = [one for one in part if _locked(store, one.cell_ids, mine, held)]
            done.held += [one for one in part if one not in going]
            paths = [entry.path for one in going for entry in one.entries]
            size = sum(bytes_of(store.folder / path) for path in paths)
            if paths:
                store.index.change(dict.fromkeys(paths))
                _remove(store, paths)
            done.measurements += len(going)
            done.records += len(paths)
            done.bytes += size
    return done


def unforgotten(store: Store) -> None:
    """Have the index know every record that lies in the store, as a prune or a run that was killed may have left it."""
    _remove(store, ())
    if not store.index.path.exists():
        store.reindex()
    store.reconcile(store.entries(), [cell.name for cell in store.folders.cells()])


def _remove(store: Store, paths: Sequence[str]) -> None:
    # Under the lock of the index: of two prunes at once neither may take the other's folders for left ones.
    with store.index.lock(), explained(store.folder, "prune"):
        store.folders.remove(paths)


def _parts(every: Sequence[Measurement]) -> Iterator[list[Measurement]]:
    part: list[Measurement] = []
    cells: set[str] = set()
    for one in every:
        if part and len(cells | set(one.cell_ids)) > AT_ONCE:
            yield part
            part, cells = [], set()
        part.append(one)
        cells.update(one.cell_ids)
    if part:
        yield part


def _locked(store: Store, cell_ids: Sequence[str], mine: set[str], held: ExitStack) -> bool:
    """Hold these cells until the end, beside those that are `mine` already; False where a run has one of them."""
    for cell_id in cell_ids:
        if cell_id in mine:
            continue
        lock = store.lock(cell_id)
        if lock is None:
            return False
        held.callback(lock.release)
        mine.add(cell_id)
    return True


def bytes_of(folder: Path) -> int:
    """What a folder takes on the disk, in bytes: the blocks of all in it; 0 where it is not there."""
    try:
        taken = 512 * folder.lstat().st_blocks
        inside = list(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
    except OSError:
        return 0
    return taken + sum(map(bytes_of, inside))
