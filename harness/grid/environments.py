"""Environments of a grid: what a requirement asks for, what it is called, and how the axis `environment` spells it.

A value of the axis is a label that the grid defines, a requirement, or a table with a name of its own:
`"transformers==4.57.6"`, `"transformers @ ../transformers"`, `{ name = "old", packages = [...], python = "3.12" }`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Annotated, Any, Final
from urllib.parse import urlsplit

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import InvalidWheelFilename, canonicalize_name, parse_wheel_filename
from pydantic import Field, ValidationError, model_validator

from harness.grid.tables import Table, Text
from harness.text import is_plain_text, show
from harness.validation import explain

CURRENT: Final = "current"
"""The environment that needs no definition: the interpreter that runs the harness."""
AXIS: Final = "environment"
ALLOWED: Final = (
    'a requirement: "transformers==4.57.6", "transformers>=5,<6", "NAME @ FOLDER", "NAME @ git+https://...", '
    '"NAME @ FILE.whl"'
)
_LOCAL: Final = re.compile(r"([A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)(\[[A-Za-z0-9._, -]+\])?\s*@\s*(\S.*)")
_LOCAL_GIT: Final = "git+file:"
_VERSION: Final = re.compile(r"[0-9]+(\.[0-9]+){0,2}")


class EnvironmentSpec(Table):
    """An environment under test: an interpreter as it is, or what is built once of `packages`.

    `python` is the path of an interpreter, relative to the grid's folder or absolute; beside `packages` also a version
    ("3.12") of one that is found here. `packages` are requirements; the rest of what training needs is added.
    """

    python: Text | None = None
    packages: Annotated[list[Text], Field(min_length=1)] | None = None

    @property
    def version(self) -> str | None:
        """The version of Python, where it is asked for by that."""
        return self.python if self.python is not None and _VERSION.fullmatch(self.python) else None

    @model_validator(mode="after")
    def _whole(self) -> EnvironmentSpec:
        if self.packages is None and self.python is None:
            raise ValueError(".packages: missing; required, or python")
        if self.packages is None and self.version is not None:
            raise ValueError(
                f".python: got {show(self.python)}; allowed the path of an interpreter, or beside packages"
            )
        for problem in package_problems(self.packages or ()):
            raise ValueError(problem)
        return self

    def requirements(self) -> list[Requirement]:
        """Its packages, read."""
        return [read_requirement(text) for text in self.packages or ()]


def read_requirement(text: str) -> Requirement:
    """A requirement; one on a place of this machine has it as `url`, as it was written.

    Raises
    ------
    ValueError
        Where it is none.
    """
    text = text.strip()
    if text.endswith(".whl") and "@" not in text:
        try:
            text = f"{parse_wheel_filename(PurePath(text).name)[0]} @ {text}"
        except InvalidWheelFilename as error:
            raise ValueError(str(error)) from error
    local = _LOCAL.fullmatch(text)
    if local is not None and not urlsplit(local[3]).scheme:
        found = Requirement(f"{local[1]}{local[2] or ''}")
        found.url = local[3].strip()
        return found
    try:
        return Requirement(text)
    except InvalidRequirement as error:
        raise ValueError(str(error).splitlines()[0]) from error


def place_of(requirement: Requirement) -> str | None:
    """The place on this machine that a requirement is on, as it was written; None of a release or a URL."""
    url = requirement.url
    if url is None:
        return None
    parts = urlsplit(url)
    if parts.scheme == "file":
        return parts.path
    return None if parts.scheme else url


def label_of(requirement: Requirement) -> str:
    """What an environment of this one requirement is called: the requirement; of an absolute path its last part."""
    place = place_of(requirement)
    if (requirement.url or "").startswith(_LOCAL_GIT):
        return f"{requirement.name} @ {_LOCAL_GIT}{PurePath(urlsplit(str(requirement.url)).path).name}"
    if place is None:
        return str(requirement)
    shown = PurePath(place).name if place.startswith(("/", "~")) else place
    return f"{requirement.name} @ {shown}"


def asks(text: str) -> bool:
    """Whether a value of the axis is a requirement: it says which release, or where from."""
    try:
        found = read_requirement(text)
    except ValueError:
        return False
    return bool(found.specifier or found.url)


def read_environments(
    document: Mapping[str, Any], file: str
) -> tuple[dict[str, Any] | None, dict[str, EnvironmentSpec], list[str]]:
    """Read what the axis defines.

    Returns
    -------
    tuple
        The matrix with labels in place of what defines them (None where there is no matrix), what they define by
        label, and every problem as a line of text.
    """
    matrix = document.get("matrix")
    found: dict[str, EnvironmentSpec] = {}
    problems: list[str] = []
    if not isinstance(matrix, dict):
        return None, {}, []
    defined = document.get(AXIS)
    known = {CURRENT, *(defined if isinstance(defined, dict) else ())}

    def label(value: Any, where: str) -> Any:
        if isinstance(value, str) and value not in known and asks(value):
            requirement = read_requirement(value)
            name, spec = label_of(requirement), EnvironmentSpec(packages=[value])
        elif isinstance(value, dict):
            name = str(value.get("name", ""))
            if not is_plain_text(name):
                problems.append(f"{where}.name: got {show(name)}; allowed a name of 1 to 300 printable characters")
                return None
            try:
                spec = EnvironmentSpec.model_validate({key: one for key, one in value.items() if key != "name"})
            except ValidationError as error:
                lines = explain(error, EnvironmentSpec, where, "the table")
                problems.extend(f"{where}.{line.removeprefix(f'{where}: ')}" for line in lines)
                return name
            if name in known:
                problems.append(
                    f"{where}.name: got {show(name)}, which is another environment; allowed a name of its own"
                )
        else:
            return value
        if found.setdefault(name, spec) != spec:
            how = f'{{ name = "...", packages = [{show(value)}] }}' if isinstance(value, str) else "a name of its own"
            problems.append(f"{where}: got {show(name)} for two environments; allowed {how}")
        return name

    changed = dict(matrix)
    if AXIS in matrix:
        values, where = matrix[AXIS], f"{file}: matrix.{AXIS}"
        if isinstance(values, list):
            changed[AXIS] = [label(one, f"{where}[{number}]") for number, one in enumerate(values)]
        else:
            changed[AXIS] = label(values, where)
    for key in ("include", "exclude"):
        if isinstance(entries := matrix.get(key), list):
            changed[key] = [
                {**one, AXIS: label(one[AXIS], f"{file}: matrix.{key}[{number}].{AXIS}")}
                if isinstance(one, dict) and AXIS in one
                else one
                for number, one in enumerate(entries)
            ]
    return changed, found, problems


def package_problems(packages: Sequence[str]) -> Iterator[str]:
    """What is wrong with the requirements of an environment, each as `.packages[0]: ...`."""
    seen: set[str] = set()
    for number, text in enumerate(packages):
        try:
            name = canonicalize_name(read_requirement(text).name)
        except ValueError as error:
            yield f".packages[{number}]: got {show(text)}; {error}; allowed {ALLOWED}"
            continue
        if name in seen:
            yield f".packages[{number}]: got {show(text)}, and {name} before; allowed each package once"
        seen.add(name)
