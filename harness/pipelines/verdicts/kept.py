"""The verdicts that a grid's last `check` or `bench` came to, kept beside its records for `harness why`."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from pathlib import Path
from typing import Final

from harness.disk import explained, write_durably
from harness.errors import SpecError, StoreError
from harness.record.store import Store, store_grids
from harness.report.verdicts.json import verdicts_from_json, verdicts_json
from harness.report.verdicts.sections import Section
from harness.text import SHORTEST_ID, listed, show
from harness.validation import decoded, name_of, read_bytes

FILE: Final = "check.json"
WANTED: Final = "the verdicts that `harness check` leaves in its results"
MAX_BYTES: Final = 64 * 2**20


def keep(store: Store, section: Section) -> None:
    """Leave the verdicts in the store; one that can only be read keeps none, and is judged all the same."""
    with contextlib.suppress(StoreError), explained(store.folder / FILE, "write"):
        write_durably(store.folder / FILE, verdicts_json(section.head, section.verdicts, section.code, indent=None))


def find_verdict(name: str, results: Path) -> Section:
    """The verdict of the last check of any grid whose id begins so, with that check's head.

    Raises
    ------
    SpecError
        Where there is none, or several begin so; for a file that is not what `check` wrote.
    """
    if len(name) < SHORTEST_ID:
        raise SpecError(f"{show(name)}: allowed {SHORTEST_ID} or more digits of a verdict's id")
    found, known = [], []
    for grid in store_grids(results):
        path = results / grid / FILE
        if not path.is_file():
            continue
        content = read_bytes(path, WANTED, MAX_BYTES)
        head, verdicts = verdicts_from_json(decoded(content, name_of(path)), name_of(path))
        known += [one.id for one in verdicts]
        if mine := [one for one in verdicts if one.id.startswith(name)]:
            found.append(Section(replace(head, comparisons=()), mine))
    ids = dict.fromkeys(one.id for section in found for one in section.verdicts)
    if len(ids) != 1:
        some = f"{len(ids)} verdicts begin so; allowed more digits: {listed(ids)}"
        none = f"no verdict of a last check in {results} begins so; allowed {listed(one[:8] for one in known)}"
        raise SpecError(f"{show(name)}: {some if ids else none if known else 'nothing was checked yet: harness check'}")
    return found[0]
