"""An environment that nodes are to build as it was built here: its requirements, what they came to, and its files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from harness.execution.environments.build import build
from harness.execution.environments.wanted import REST, Built, Wanted
from harness.execution.executors.parcel import Parcel, pack, unpacked
from harness.grid.environments import EnvironmentSpec


@dataclass(frozen=True)
class Sent:
    """A wheel, a checkout or a copy of a package: its `name` in the parcel, and its identity where it was sent from."""

    name: str
    identity: str
    parcel: Parcel


@dataclass(frozen=True)
class Recipe:
    """`lines` are installed as they were resolved; `sent` is by package what lies on the sender's disk alone."""

    label: str
    spec: EnvironmentSpec
    lines: tuple[str, ...]
    sent: Mapping[str, Sent]


def recipe_of(spec: EnvironmentSpec, label: str, folder: Path, put: Callable[[bytes], Any]) -> Recipe:
    """What nodes need to build an environment that has been built here; paths in it are relative to `folder`.

    Raises
    ------
    HarnessError
        RequirementError or MaterialError where a file of it is not there any more.
    """
    wanted = Wanted(spec, label, folder, REST)
    known = wanted.memory().get("lines")
    lines = tuple(str(line) for line in known) if isinstance(known, list) else ()
    sent = {
        name: Sent(at.path.name, at.identity, pack(at.path.parent, at.files, put)) for name, at in wanted.places.items()
    }
    if spec.python is not None and spec.version is None:
        spec = spec.model_copy(update={"python": str((folder / spec.python).absolute())})
    return Recipe(label, spec, lines, sent)


def build_here(recipe: Recipe, get: Callable[[Any], bytes]) -> Built:
    """Build it on this machine, or find it; raises as :func:`build` does, and whatever `get` raises."""
    packages, known = [], {}
    for text, one in zip(recipe.spec.packages or (), recipe.spec.requirements(), strict=True):
        sent = recipe.sent.get(one.name)
        if sent is None:
            packages.append(text)
            continue
        extras = f"[{','.join(sorted(one.extras))}]" if one.extras else ""
        packages.append(f"{one.name}{extras} @ {unpacked(sent.parcel, get) / sent.name}")
        known[one.name] = sent.identity
    spec = recipe.spec.model_copy(update={"packages": packages})
    return build(spec, recipe.label, lines=recipe.lines, known=known, tell=lambda text: None)
