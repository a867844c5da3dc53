"""Which runs a command judges: those that `run` meant, by cell, environment and content; one answer for all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from packaging.utils import canonicalize_name

from harness.errors import SpecError
from harness.execution.environment import machine_here
from harness.execution.session import environment_of, materials_of
from harness.fact import Fact
from harness.grid.cell import Cell
from harness.grid.environments import EnvironmentSpec
from harness.grid.grid import Grid
from harness.protocol import SUBJECT
from harness.record.attempts import Entry
from harness.record.folders import to_type
from harness.record.meant import Meant, Whose, read_meant
from harness.record.results import Results
from harness.record.store import Store
from harness.text import SHORTEST_ID, listed, show

ALL: Final = "all"


@dataclass(frozen=True)
class Judged:
    """The runs that are judged; `notes` say whose they are where that is no matter of course, `run` the last run."""

    results: Results
    notes: tuple[Fact, ...] = ()
    meant: Meant | None = None

    @property
    def run(self) -> str | None:
        """When the last run began; None where none has said so."""
        return self.meant.run if self.meant is not None else None

    def of(self, cells: Sequence[Cell]) -> Judged:
        """The same, of these cells alone."""
        return replace(self, results=self.results.of_cells(cells))


def judged(grid: Grid, store: Store, choice: str | None = None) -> Judged:
    """Read what a store has of a grid's cells, timing cells among them, as far as it counts.

    By default what `run` meant: on the machine that wrote the store the environments and local files as they are now
    (so that what was upgraded and not run again is missing), elsewhere those that it left in the store. `choice` is
    an environment's id or its beginning, a label of the grid, or "all".

    Raises
    ------
    HarnessError
        SpecError for a choice that nothing fits; RequirementError for an interpreter that cannot be run; StoreError.
    """
    cells: Sequence[Cell] = grid.every_cell()
    entries, meant = store.entries(), read_meant(store.folder)
    labels = dict.fromkeys(cell.environment for cell in cells)
    whose: Whose | None
    notes: tuple[Fact, ...]
    if choice is not None:
        cells, whose = _chosen(entries, cells, choice)
        notes = (Fact.of("whose.chosen", choice=choice),)
    elif meant is None:
        whose = Whose(_newest(entries, cells))
        notes = (Fact.of("whose.unknown"),) if whose.environments else ()
    elif meant.machine != machine_here():
        whose = Whose({label: meant.ids[label] for label in labels if label in meant.ids})
        notes = (Fact.of("whose.elsewhere", machine=meant.machine.name),)
    else:
        whose, notes = _here(grid, cells, meant)
    notes = (*foreign_code(grid), *notes)
    return Judged(Results(entries, store, cells, grid.seed_plan, whose, grid.namer), notes, meant)


def foreign_code(grid: Grid) -> tuple[Fact, ...]:
    """Whose training code it is, where that is not the harness's own: for every head."""
    if grid.subject is None:
        return ()
    kind = "script" if grid.subject.script is not None else "trainer"
    return (Fact.of("subject.foreign", kind=kind, name=grid.subject.script or grid.subject.trainer),)


def _here(grid: Grid, cells: Sequence[Cell], meant: Meant) -> tuple[Whose, tuple[Fact, ...]]:
    labels = dict.fromkeys(cell.environment for cell in cells)
    environments = {label: environment_of(grid, label, known=True) for label in labels}
    ids, notes = {label: found.environment_id for label, found in environments.items()}, []
    for label, found in environments.items():
        before = meant.environments.get(label)
        if found.failure is not None:
            # Built environments may be pruned: what was measured in one counts as long as it is what is asked for.
            if before is not None and _is_of(grid.environments[label], before.packages):
                ids[label] = before.environment_id
            continue
        if before is None or before.environment_id == found.environment_id:
            continue
        # What is under test first: a sentence names a few of them.
        names = sorted(before.packages.keys() | found.packages.keys(), key=lambda name: (name not in SUBJECT, name))
        changed = [
            {"package": name, "a": before.packages.get(name), "b": found.packages.get(name)}
            for name in names
            if before.packages.get(name) != found.packages.get(name)
        ]
        notes.append(Fact.of("whose.changed", environment=label, changed=changed))
    contents = {}
    # What could not be built never looked at any material: its records have no content.
    here = {label: one for label, one in environments.items() if one.failure is None}
    for label, materials in materials_of(grid, here).items():
        mine = [cell for cell in cells if cell.environment == label]
        materials.find(mine, hub=False)
        problems = dict.fromkeys(filter(None, map(materials.local_problem, mine)))
        notes += [Fact.of("whose.material", environment=label, problem=problem) for problem in problems]
        known = ((cell.configuration_id, materials.local_content_id(cell)) for cell in mine)
        contents.update({configuration_id: content for configuration_id, content in known if content is not None})
    return Whose(ids, contents), tuple(notes)


def _is_of(spec: EnvironmentSpec, packages: Mapping[str, str]) -> bool:
    """Whether these packages are releases that an environment asks for; of a checkout nobody can tell."""
    return all(
        one.url is None and one.specifier.contains(packages.get(canonicalize_name(one.name), "0"), prereleases=True)
        for one in spec.requirements()
    )


def _chosen(entries: Sequence[Entry], cells: Sequence[Cell], choice: str) -> tuple[Sequence[Cell], Whose | None]:
    """The cells that an environment's choice leaves, and whose runs of them count; None: everybody's."""
    if choice == ALL:
        return cells, None
    labels = dict.fromkeys(cell.environment for cell in cells)
    known = dict.fromkeys(entry.environment_id for entry in entries)
    if choice in labels:
        mine = [cell for cell in cells if cell.environment == choice]
        return mine, Whose(_newest(entries, mine))
    fitting = [one for one in known if len(choice) >= SHORTEST_ID and one.startswith(choice)]
    if len(fitting) != 1:
        names = listed([ALL, *labels, *(one[:8] for one in known)])
        why = f"{len(fitting)} environments begin so; " if fitting else ""
        raise SpecError(f"--environment: got {show(choice)}; {why}allowed {names}")
    return cells, Whose(dict.fromkeys(labels, fitting[0]))


def _newest(entries: Sequence[Entry], cells: Sequence[Cell]) -> dict[str, str]:
    """Environment id by label: that of the newest attempt at a cell of the label."""
    label_of = {cell.cell_id: cell.environment for cell in cells}
    mine = sorted(
        (entry for entry in entries if entry.cell_id in label_of), key=lambda one: (one.readable, one.started)
    )
    return {label_of[entry.cell_id]: entry.environment_id for entry in mine}


def not_run(grid: Path, store: Store) -> str:
    """What an error says where there is no record of a grid, with the command that makes some."""
    hint = to_type("run", str(grid), results=store.folder.parent)
    return f"{store.folder}: no record of {grid} yet; run it first: {hint}"
