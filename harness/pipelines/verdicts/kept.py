"""The verdicts that a grid's last `check` or `bench` came to, kept beside its records for `harness why`."""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from harness.checks.verdict import Verdict
from harness.disk import explained, write_durably
from harness.errors import SpecError, StoreError
from harness.pipelines.named.grids import unknown
from harness.pipelines.named.places import find_stores, stores_named
from harness.record.folders import to_type
from harness.record.store import Store
from harness.report.verdicts.json import verdicts_from_json, verdicts_json
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import Head
from harness.text import SHORTEST_ID, listed, show
from harness.validation import decoded, name_of, read_bytes

FILE: Final = "check.json"
WANTED: Final = "the verdicts that `harness check` leaves in its results"
MAX_BYTES: Final = 64 * 2**20
HEX: Final = frozenset("0123456789abcdef")


def keep(store: Store, section: Section) -> None:
    """Leave the verdicts in the store; one that can only be read keeps none, and is judged all the same."""
    with contextlib.suppress(StoreError), explained(store.folder / FILE, "write"):
        write_durably(store.folder / FILE, verdicts_json(section.head, section.verdicts, section.code, indent=None))


def find_verdict(name: str, results: Path) -> Section:
    """The verdict of the last check of any grid whose id begins so, with that check's head.

    Where `name` is a grid's, all that is red in its last check, or every verdict where nothing is.

    Raises
    ------
    SpecError
        Where there is none, or several begin so; for a file that is not what `check` wrote.
    """
    if (stores := find_stores(name, results)) is not None:
        return _of_grid(name, stores, results)
    if set(name) - HEX:
        raise SpecError(unknown(name, results, "grid or verdict"))
    if len(name) < SHORTEST_ID:
        raise SpecError(f"{show(name)}: allowed {SHORTEST_ID} or more digits of a verdict's id, or a grid")
    found, known = [], []
    for store in stores_named(None, results):
        head, verdicts = _last(store)
        known += [one.id for one in verdicts]
        if mine := [one for one in verdicts if one.id.startswith(name)]:
            found.append(Section(replace(head, comparisons=()), mine))
    ids = dict.fromkeys(one.id for section in found for one in section.verdicts)
    if len(ids) != 1:
        some = f"{len(ids)} verdicts begin so; allowed more digits: {listed(ids)}"
        none = f"no verdict of a last check in {results} begins so; allowed {listed(one[:8] for one in known)}"
        raise SpecError(f"{show(name)}: {some if ids else none if known else 'nothing was checked yet: harness check'}")
    return found[0]


def _of_grid(name: str, stores: Sequence[Store], results: Path) -> Section:
    if len(stores) > 1:
        raise SpecError(f"{show(name)}: results of {len(stores)} grids; allowed those of one")
    head, verdicts = _last(stores[0]) if stores else (Head("check", "harness check"), [])
    if not verdicts:
        raise SpecError(f"{show(name)}: nothing of it was checked yet: {to_type('check', name, results=results)}")
    return Section(head, [one for one in verdicts if one.is_red(head.inconclusive)] or verdicts)


def _last(store: Store) -> tuple[Head, list[Verdict]]:
    path = store.folder / FILE
    if not path.is_file():
        return Head("check", "harness check"), []
    content = read_bytes(path, WANTED, MAX_BYTES)
    head, verdicts = verdicts_from_json(decoded(content, name_of(path)), name_of(path))
    return head, [*verdicts]
