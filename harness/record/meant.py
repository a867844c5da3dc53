"""Whose results a store speaks of: the environments that `run` last meant, by label, and the machine."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, ValidationError

from harness.disk import explained, write_durably
from harness.errors import StoreError
from harness.grid.cell import Cell
from harness.record.attempts import PlaceHistory, newest
from harness.record.parts.part import Part
from harness.validation import first_problem

FILE: Final = "environments.json"
SCHEMA: Final = 1


class Machine(Part):
    """The machine of a run: `id` tells it from others, `name` is what people call it."""

    id: str
    name: str


class MeantEnvironment(Part):
    """An environment as a run found it. `accelerator` is "cuda" or "cpu"; on a CPU `devices` are cores.

    `memory_gib` is that of the smallest accelerator, or of the machine where there is none.
    """

    environment_id: str
    python: str
    packages: dict[str, str]
    accelerator: str
    devices: int
    memory_gib: float


class Meant(Part):
    """What the last run of each environment meant; `run` is when the last one began, whatever there was to do.

    `label` is the grid's table of that name: what its values are called where only its results are at hand. `file` is
    the grid's, as seen from this folder; None where it is a shipped one, or nobody noted it.
    """

    schema_: Annotated[Literal[1], Field(alias="schema")] = SCHEMA
    machine: Machine
    run: str
    environments: dict[str, MeantEnvironment]
    label: Mapping[str, str] = Field(default_factory=dict)
    file: str | None = None

    @property
    def ids(self) -> Mapping[str, str]:
        """Environment id by label."""
        return {label: one.environment_id for label, one in self.environments.items()}


def read_meant(folder: Path) -> Meant | None:
    """Read what a grid's store means; None where no run has said so yet.

    Raises
    ------
    StoreError
        Naming the file, where it cannot be read or is not what `run` writes.
    """
    path = folder / FILE
    with explained(path, "read"):
        try:
            data: Any = json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (ValueError, RecursionError) as error:
            raise StoreError(f"{path}: not readable ({error}); `harness run` writes it anew") from error
    try:
        return Meant.model_validate(data)
    except ValidationError as error:
        raise StoreError(f"{path}: {first_problem(error)}; `harness run` writes it anew") from error


def write_meant(
    folder: Path,
    machine: Machine,
    run: str,
    environments: Mapping[str, MeantEnvironment],
    label: Mapping[str, str],
    file: Path | None = None,
) -> None:
    """Note what a run means; environments under other labels stay as they were, unless another machine wrote them."""
    try:
        before = read_meant(folder)
    except StoreError:
        before = None  # what cannot be read is put right
    kept = before.environments if before is not None and before.machine == machine else {}
    place = None if file is None else os.path.relpath(file, folder)
    meant = Meant(machine=machine, run=run, environments={**kept, **environments}, label=dict(label), file=place)
    with explained(folder / FILE, "write"):
        folder.mkdir(parents=True, exist_ok=True)
        write_durably(folder / FILE, meant.model_dump_json(by_alias=True, indent=1) + "\n")


def labels_in(folder: Path) -> Mapping[str, str]:
    """The `[label]` of the grid whose store this is, as the last run knew it; none where that cannot be read."""
    try:
        meant = read_meant(folder)
    except StoreError:
        return {}  # what values are called hinders nobody from comparing them
    return {} if meant is None else meant.label


def file_in(folder: Path) -> Path | None:
    """The file of the grid whose store this is, as the last run knew it, where it is still there."""
    try:
        meant = read_meant(folder)
    except StoreError:
        return None
    if meant is None or meant.file is None:
        return None
    found = Path(os.path.relpath(folder / meant.file))
    return found if found.is_file() else None


@dataclass(frozen=True)
class Whose:
    """Whose runs count: an environment's id by label, and of some configurations the content by `configuration_id`.

    Of a label that is not named every environment counts; of a configuration that is not named, the newest content.
    """

    environments: Mapping[str, str]
    contents: Mapping[str, str] = field(default_factory=dict)

    def only(self, cell: Cell, found: Sequence[PlaceHistory]) -> Sequence[PlaceHistory]:
        """The place that counts of a configuration, of which `cell` is one."""
        if cell.environment not in self.environments:
            return found
        here = [place for place in found if place.environment_id == self.environments[cell.environment]]
        if cell.configuration_id in self.contents:
            # What was skipped has no content, and stands where nothing else does.
            known = [place for place in here if place.content_id == self.contents[cell.configuration_id]]
            here = known or [place for place in here if place.content_id is None and place.was_skipped]
        place = newest(here)
        return [] if place is None else [place]
