"""The base: the packages beside the harness itself. A built environment has torch from there, and what is left open."""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.execution.environments.uv import BuildFailed


def version(name: str) -> str | None:
    """The version of a package of the base; None where it is not installed."""
    found = _distribution(name)
    return None if found is None else found.version


def needs(name: str, extras: Iterable[str] = ()) -> Iterator[Requirement]:
    """What an installed package requires here."""
    found = _distribution(name)
    for text in (found.requires if found is not None else None) or ():
        requirement = Requirement(text)
        if requirement.marker is None or any(requirement.marker.evaluate({"extra": one}) for one in ("", *extras)):
            yield requirement


def closure(names: Iterable[str]) -> dict[str, str]:
    """Versions of these packages and of everything that they require, as far as it is installed; by normalised name."""
    found: dict[str, str] = {}
    queue: list[tuple[str, tuple[str, ...]]] = [(name, ()) for name in names]
    seen: set[tuple[str, tuple[str, ...]]] = set()
    while queue:
        name, extras = queue.pop()
        key = (str(canonicalize_name(name)), extras)
        here = version(name)
        if here is None or key in seen:
            continue
        seen.add(key)
        found[key[0]] = here
        queue += [(one.name, tuple(sorted(one.extras))) for one in needs(name, extras)]
    return dict(sorted(found.items()))


def pinned(name: str) -> tuple[list[str], list[Requirement]]:
    """A package with what it pins (torch has its CUDA libraries so), and what it and they require of any other version.

    Those that are pinned belong to this very build of it, and are taken from the base like it.
    """
    together: list[str] = []
    open_: dict[str, Requirement] = {}
    queue: list[tuple[str, set[str]]] = [(name, set())]
    while queue:
        one, extras = queue.pop()
        if (key := canonicalize_name(one)) not in together:
            together.append(key)
        for requirement in needs(one, extras):
            exact = any(part.operator in ("==", "===") for part in requirement.specifier)
            if exact and version(requirement.name) is not None:
                if canonicalize_name(requirement.name) not in together or requirement.extras:
                    queue.append((requirement.name, requirement.extras))
            else:
                requirement.marker = None
                open_[canonicalize_name(requirement.name)] = requirement
    return together, [requirement for key, requirement in open_.items() if key not in together]


def stamp(name: str) -> str:
    """What tells this build of a package from another of the same version: a hash of its list of files.

    Raises
    ------
    BuildFailed
        Where it has none: it is a checkout or a system's package, and cannot be linked.
    """
    found = _distribution(name)
    record = None if found is None else found.read_text("RECORD")
    if not record:
        raise BuildFailed(
            f"{name} {version(name)} of the harness's own environment has no list of its files, so that a built "
            f"environment cannot share it; name a release of it among `packages`"
        )
    return hashlib.sha256(record.encode()).hexdigest()


def link(names: Iterable[str], site: Path) -> None:
    """Hard-link packages of the base into a folder of packages; copied to another disk. Raises OSError."""
    for name in names:
        found = _distribution(name)
        assert found is not None
        assert found.files is not None
        made: set[Path] = set()
        for file in found.files:
            if file.is_absolute() or ".." in file.parts:
                continue  # its console scripts
            source, target = Path(str(found.locate_file(file))), site / file
            if target.parent not in made:
                target.parent.mkdir(parents=True, exist_ok=True)
                made.add(target.parent)
            if source.is_file() and not target.exists():  # some packages list folders too
                _link(source, target)


def _link(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)


@cache
def _distribution(name: str) -> metadata.Distribution | None:
    try:
        return metadata.distribution(name)
    except metadata.PackageNotFoundError:
        return None


def lines(versions: Mapping[str, str]) -> str:
    """A lock as text: `name==version`, a line each."""
    return "".join(f"{name}=={number}\n" for name, number in sorted(versions.items()))
