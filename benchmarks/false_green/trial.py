"""One accident from its making to its outcomes; what has been tried is kept, and not tried again."""

from __future__ import annotations

import json
import shutil
import traceback
from pathlib import Path
from typing import Any, Final

from benchmarks.false_green import grids, machines, nights, records
from benchmarks.false_green.accidents import Accident
from benchmarks.false_green.base import Base
from benchmarks.false_green.command import Place
from benchmarks.false_green.judge import Outcome, judge, says
from benchmarks.false_green.made import MAKERS, Made, NotMade

MODULES: Final = (records, grids, machines, nights)
"""Who makes the accidents: importing them has filled MAKERS."""

Found = dict[str, Any]


def tried(accident: Accident, base: Base, folder: Path) -> Found:
    """Make an accident on copies of the base and type each command that it concerns; or read what it came to."""
    kept = folder / f"{accident.name}.json"
    if kept.is_file():
        found: Found = json.loads(kept.read_text(encoding="utf-8"))
        return found
    place = base.copy(folder / accident.name)
    try:
        made = MAKERS[accident.name](place)
    except NotMade as reason:
        found = {"name": accident.name, "not_made": str(reason), "commands": {}}
    except Exception:  # noqa: BLE001 - one accident that cannot be made must not stop the others
        return {"name": accident.name, "not_made": traceback.format_exc(limit=-2), "commands": {}}
    else:
        try:
            found = {"name": accident.name, "commands": _outcomes(accident, place, made)}
        finally:
            made.end()
    kept.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    for path in (place.folder, *folder.glob(f"{accident.name}+*")):
        shutil.rmtree(path)
    return found


def _outcomes(accident: Accident, place: Place, made: Made) -> dict[str, Any]:
    found: dict[str, Any] = {}
    before = _copy(place, "found") if made.runs and "bench" in accident.commands else place
    if made.runs:
        ran = place.outcome("run", made.extra.get("run", ()), made.around)
        if "run" in accident.commands:
            found["run"] = _judged(accident, "run", ran)
    for command in accident.commands:
        if command in found:
            continue
        if command == "run" and made.ran is not None:
            outcome = made.ran
        else:
            start = before if command == "bench" else place
            there = start if made.shared else _copy(start, command)
            outcome = there.outcome(command, made.extra.get(command, ()), made.around)
        found[command] = _judged(accident, command, outcome)
    return {command: found[command] for command in accident.commands}


def _copy(place: Place, name: str) -> Place:
    """Commands must not see what another has written."""
    to = place.folder.with_name(f"{place.folder.name}+{name}")
    if to.exists():
        shutil.rmtree(to)
    shutil.copytree(place.folder, to, symlinks=True)
    moved = [to / path.relative_to(place.folder) for path in place.paths]
    return Place(to, place.harness, dict(place.variables), moved)


def _judged(accident: Accident, command: str, outcome: Outcome) -> dict[str, Any]:
    codes = accident.red.get(command)
    return {
        **outcome.facts(),
        "allowed": None if codes is None else list(codes),
        "judged": judge(outcome, accident.words, codes),
        "said": says(outcome.text, accident.words),
    }
