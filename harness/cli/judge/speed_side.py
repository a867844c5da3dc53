"""The sides of `harness compare`: a grid's results or a speed baseline, narrowed by `:AXIS=VALUE`."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from harness.checks.speed.baseline import MAX_BYTES, WANTED, parse_speed_baseline, replicates_of
from harness.checks.speed.compare import Replicate, replicate_of, watched
from harness.checks.speed.sides import Lost, SpeedSide, place_of
from harness.errors import SpecError
from harness.grid.cell import configuration_label
from harness.grid.file import name_of, read_bytes
from harness.grid.select import split_values
from harness.record.model import Record
from harness.record.results import Results
from harness.record.store import Store, store_grids
from harness.text import listed, show, suggestion

SUFFIX: Final = ".json"
HOW: Final = "time a grid that has a [throughput] table: `harness run GRID --select timed=true`"

_ARGUMENT: Final = re.compile(r"(?P<path>.*?)(?::(?=[A-Za-z_]\w*\s*=)(?P<selector>.*))?", re.DOTALL)


@dataclass(frozen=True)
class SideName:
    """What the command line says of a side: a folder or file, and the values wanted of some axes."""

    text: str
    path: Path
    wanted: Mapping[str, str]

    @property
    def is_file(self) -> bool:
        """Whether it is a speed baseline."""
        return self.path.suffix == SUFFIX and not self.path.is_dir()

    @property
    def store(self) -> Store:
        """The results that it names."""
        folder = self.path.absolute()
        return Store(folder.parent, folder.name)


def side_name(text: str) -> SideName:
    """Read `PATH[:AXIS=VALUE[,AXIS=VALUE]]`.

    Raises
    ------
    SpecError
        For a selector that is none, or that names an axis twice.
    """
    match = _ARGUMENT.fullmatch(text)
    assert match is not None  # every text has a path, if an empty one
    wanted: dict[str, str] = {}
    for part in split_values(match["selector"]) if match["selector"] else ():
        axis, equals, value = (piece.strip() for piece in part.partition("="))
        if not (axis and equals and value) or axis in wanted:
            raise SpecError(f"{show(text)}: got {show(part)}; allowed AXIS=VALUE, each axis once, joined by commas")
        wanted[axis] = value
    return SideName(text, Path(match["path"]), wanted)


def open_side(name: SideName) -> SpeedSide:
    """Read a side's timing processes, all sessions of them.

    Raises
    ------
    SpecError
        For a place without any timing record, a bad file, or a selector that nothing has.
    """
    replicates, lost = _from_file(name.path) if name.is_file else _from_store(name)
    every: list[tuple[dict[str, Any], Replicate]] = [(place_of(one), one) for one in replicates]
    places = [place for place, _ in every]
    for axis, value in name.wanted.items():
        known = list(dict.fromkeys(axis for place in places for axis in place))
        if axis not in known:
            raise SpecError(f"{name.text}: got {show(axis)}; allowed axes {listed(known)}{suggestion(axis, known)}")
        if not any(_is(place.get(axis), value) for place in places):
            there = list(dict.fromkeys(_plain(place[axis]) for place in places if axis in place))
            allowed = f"{listed(there)}{suggestion(value, there)}"
            raise SpecError(f"{name.text}: {axis}: got {show(value)}; allowed {allowed}")
    kept = [one for place, one in every if _selected(place, name.wanted)]
    if not kept:
        raise SpecError(f"{name.text}: no configuration has all of these values together; allowed fewer conditions")
    left = [one for one in lost if _selected(one.place, name.wanted)]
    return SpeedSide(name.text, tuple(kept), tuple(left), frozenset(name.wanted))


def _from_file(path: Path) -> tuple[list[Replicate], list[Lost]]:
    return replicates_of(parse_speed_baseline(read_bytes(path, WANTED, MAX_BYTES), name_of(path))), []


def _from_store(name: SideName) -> tuple[list[Replicate], list[Lost]]:
    if not name.path.is_dir():
        raise SpecError(f"{name.path}: no such folder; allowed a grid's results, such as results/GRID, or {WANTED}")
    store = name.store
    results = Results(store.entries(), store)
    timed = results.timings
    replicates = watched(one for record in timed if (one := replicate_of(record)) is not None)
    if not replicates:
        grids = [grid for grid in store_grids(name.path) if grid]
        inside = f"; the grids in it are {listed(str(name.path / grid) for grid in grids)}" if grids else ""
        failed = f" ({len(timed)} timing cells without a rate: {timed[-1].status})" if timed else ""
        raise SpecError(f"{name.path}: holds no timing record{failed}; allowed a grid's timed results: {HOW}{inside}")
    return replicates, _lost(results.untimed({one.configuration_id for one in replicates}))


def _lost(records: Iterable[Record]) -> list[Lost]:
    """Configurations of which no process left a rate, by the last attempt."""
    found = []
    for record in records:
        asked = record.asked
        own = {name: getattr(asked, name) for name in ("precision", "devices", "environment", "engine")}
        place = {**own, **{axis: value for axis, value in asked.axes.items() if axis != "seed"}}
        why = f": {record.failure.message}" if record.failure else ""
        label = configuration_label(asked.checkpoint.name, asked.axes)
        found.append(Lost(label, place, f"{record.status}{why}"))
    return found


def fresh(side: SpeedSide, before: SpeedSide) -> SpeedSide:
    """What the side has of sessions that it did not have before."""
    old = {one.session for one in before.replicates}
    return replace(side, replicates=tuple(one for one in side.replicates if one.session not in old))


def _selected(place: Mapping[str, Any], wanted: Mapping[str, str]) -> bool:
    return all(_is(place.get(axis), value) for axis, value in wanted.items())


def _is(value: Any, text: str) -> bool:
    if text == _plain(value):
        return True
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        return float(text) == value
    except ValueError:
        return False


def _plain(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)
