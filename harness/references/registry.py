"""The registry of published values: read once, checked as a whole, searched by id or by what is to be compared."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache, cached_property
from importlib import resources
from pathlib import Path
from typing import Final

from pydantic import ValidationError

from harness.errors import SpecError
from harness.references.model import SCORES, Reference
from harness.references.recipe import same_recipe, same_subject
from harness.text import show, suggestion
from harness.validation import explain

FILE: Final = "registry.toml"
SCHEMA: Final = 1


@dataclass(frozen=True)
class Registry:
    """References in the order of their file; samples hold their runs."""

    references: tuple[Reference, ...]

    @cached_property
    def _by_id(self) -> dict[str, Reference]:
        return {reference.id: reference for reference in self.references}

    def find(self, name: str, where: str = "reference") -> Reference:
        """Return the reference of this id; `where` says in an error where the id was read.

        Raises
        ------
        SpecError
            If there is none; the text suggests the id that was probably meant.
        """
        found = self._by_id.get(name)
        if found is None:
            close = suggestion(name, self._by_id)
            count = len(self._by_id)
            raise SpecError(f"{where}: got {show(name)}; allowed one of the {count} ids of the registry{close}")
        return found

    def sample_of(self, reference: Reference, metric: str) -> Reference | None:
        """Return the largest usable sample of the same subject and recipe: the spread behind a single value."""
        alike = [
            other
            for other in self.references
            if other.statistic == "sample"
            and other is not reference
            and other.unusable is None
            and metric in other.metrics
            and same_subject(reference, other)
            and same_recipe(reference, other)
        ]
        return max(alike, key=lambda other: other.n or 0, default=None)

    def sample_with(self, reference: Reference) -> Reference | None:
        """Return the sample that this reference is a run of."""
        return next((other for other in self.references if reference.id in (other.members or ())), None)


@cache
def registry() -> Registry:
    """Return the registry that comes with the package, read once."""
    return _read(resources.files(__package__).joinpath(FILE).read_bytes(), FILE)


def find(name: str, where: str = "reference") -> Reference:
    """Return a reference of the package's registry; see `Registry.find`."""
    return registry().find(name, where)


def load(path: Path) -> Registry:
    """Read and check a registry.

    Raises
    ------
    SpecError
        With one line for every problem: file, reference, field, value got, what is allowed.
    """
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise SpecError(f"{path}: cannot be read: {error}") from error
    return _read(content, str(path))


def _read(content: bytes, file: str) -> Registry:
    try:
        document = tomllib.loads(content.decode("utf-8"))
    except ValueError as error:
        raise SpecError(f"{file}: not valid TOML: {error}") from error
    problems = [
        f"{file}: {key}: got {show(value)}; not a key here; allowed schema, reference"
        for key, value in document.items()
        if key not in ("schema", "reference")
    ]
    if document.get("schema") != SCHEMA:
        problems.append(f"{file}: schema: got {show(document.get('schema'))}; allowed {SCHEMA}")
    tables = document.get("reference")
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        raise SpecError("\n".join([*problems, f"{file}: reference: got {show(tables)}; allowed [[reference]] tables"]))
    references: dict[str, Reference] = {}
    for number, table in enumerate(tables):
        where = f"{file}: {table['id']}" if isinstance(table.get("id"), str) else f"{file}: reference[{number}]"
        try:
            reference = Reference.model_validate(table)
        except ValidationError as error:
            problems += explain(error, Reference, where, "the reference")
            continue
        if reference.id in references:
            problems.append(f"{where}: id: got {show(reference.id)} again; allowed once")
        references[reference.id] = reference
    problems += _loose_ends(references, file)
    if problems:
        raise SpecError("\n".join(problems))
    return Registry(tuple(_with_runs(reference, references) for reference in references.values()))


def _loose_ends(references: Mapping[str, Reference], file: str) -> list[str]:
    """Find names of references that do not exist, and runs that a sample of single values cannot be made of."""
    problems = []
    for reference in references.values():
        for field, names in (("members", reference.members or []), ("of", [reference.of] if reference.of else [])):
            for name in names:
                where = f"{file}: {reference.id}: {field}: got {show(name)}"
                if name not in references:
                    problems.append(f"{where}; allowed an id of the registry{suggestion(name, references)}")
                elif field == "members" and not _is_run(references[name], reference):
                    problems.append(f"{where}; allowed single values of the same task, checkpoint and split, each once")
                elif field == "of" and references[name].statistic != "sample":
                    problems.append(f"{where}; allowed a sample")
        runs = [references[name] for name in reference.members or () if name in references]
        if runs and not any(all(name in run.metrics for run in runs) for name in SCORES):
            problems.append(f"{file}: {reference.id}: members: share no score; allowed runs that do")
        if len(set(reference.members or ())) != len(reference.members or ()):
            problems.append(f"{file}: {reference.id}: members: got one of them twice; allowed each once")
    return problems


def _is_run(run: Reference, sample: Reference) -> bool:
    return run.statistic == "single" and run.unusable is None and same_subject(run, sample)


def _with_runs(reference: Reference, references: Mapping[str, Reference]) -> Reference:
    if reference.members is None:
        return reference
    return reference.of_runs(tuple(references[name] for name in reference.members))
