"""Which environment a user wants to retire: one that stores have records of, and that no run means any more."""

from __future__ import annotations

from collections.abc import Sequence

from harness.errors import SpecError
from harness.pipelines.named.places import Place
from harness.record.meant import read_meant
from harness.text import SHORTEST_ID, listed, show


def retired(places: Sequence[Place], choice: str) -> list[tuple[Place, str]]:
    """The stores that have records of an environment, and its id in each; by id, the beginning of one, or a label.

    A label that the grid does not have any more, where its file is known, is not meant. Where no run has said what it
    means, the environment of the newest record is.

    Raises
    ------
    SpecError
        For one that is nowhere, or that a store still means: `run` would make it all again.
    """
    found, others = [], dict[str, None]()
    for place in places:
        meant = read_meant(place.store.folder)
        labels = dict(meant.ids) if meant is not None else {}
        has = None if place.grid is None else {cell.environment for cell in place.grid.every_cell()}
        current = {value: label for label, value in labels.items() if has is None or label in has}
        entries = place.store.entries()
        if meant is None and entries:
            current = {max(entries, key=lambda one: (one.readable, one.started)).environment_id: "the newest"}
        known = dict.fromkeys(entry.environment_id for entry in entries)
        others |= dict.fromkeys(one for one in known if one not in current)
        fitting = [one for one in known if one == labels.get(choice) or _begins(one, choice)]
        meant_too = [one for one in fitting if one in current]
        if meant_too:
            what = f"which {place.name} means (as {show(current[meant_too[0]])})"
            raise SpecError(f"--environment: got {show(choice)}, {what}; allowed {_names(others)}")
        if len(fitting) > 1:
            why = f"{len(fitting)} environments begin so"
            raise SpecError(f"--environment: got {show(choice)}; {why}; allowed {_names(others)}")
        found += [(place, one) for one in fitting]
    if not found:
        raise SpecError(f"--environment: got {show(choice)}; allowed {_names(others)}")
    return found


def _begins(environment_id: str, choice: str) -> bool:
    return len(choice) >= SHORTEST_ID and environment_id.startswith(choice)


def _names(others: dict[str, None]) -> str:
    return listed(others) or "nothing: every environment here is meant"
