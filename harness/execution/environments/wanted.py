"""What environment is wanted: of what, and the key under which it is remembered; where it is, once it is built."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from harness.disk import CellLock, take_lock
from harness.execution import cache
from harness.execution.environments import base, uv
from harness.execution.environments.place import find_place
from harness.execution.environments.uv import BuildFailed
from harness.grid.environments import EnvironmentSpec, label_of, place_of
from harness.protocol import OPTIONAL
from harness.record.parts.built import lock_id
from harness.text import short_hash

REST: Final = ("datasets", "evaluate", "accelerate", "scikit-learn", "safetensors", "tokenizers", "numpy")
"""What training needs besides torch and transformers; resolved freely where nobody asks for it."""
PINNED: Final = ("torch", "transformers")
"""What is as in the base where nobody asks for it."""
FORM: Final = 1
"""Of what is built: raised where the same requirements shall come to another environment."""
FOLDER: Final = "environments"
FACTS: Final = "environment.json"

_held: dict[Path, CellLock] = {}  # what this process uses, until it ends: a prune leaves it alone


@dataclass(frozen=True)
class Built:
    """A built environment: its interpreter, what was asked for, and its lock by normalised name.

    Of what came from this machine the version has the commit or a hash after its `+`.
    """

    python: str
    packages: tuple[str, ...]
    lock: Mapping[str, str]

    @property
    def lock_id(self) -> str:
        """The hash of its lock, the same on every machine."""
        return lock_id(dict(self.lock))


def asked(spec: EnvironmentSpec) -> tuple[str, ...]:
    """What was asked for, for people: no folder of this machine by its whole path."""
    return tuple(label_of(one) for one in spec.requirements())


def in_cache(name: str) -> Path:
    """A path among the built environments."""
    folder = cache.cache_folder() / FOLDER
    folder.mkdir(exist_ok=True)
    return folder / name


class Wanted:
    """What is to be built, and the key under which it is remembered: a hash of all that decides what it comes to."""

    def __init__(self, spec: EnvironmentSpec, label: str, folder: Path, rest: Sequence[str]) -> None:
        self.spec, self.label, self.folder = spec, label, folder
        self.asked = spec.requirements()
        self.places = {
            one.name: find_place(one.name, folder / at, label) for one in self.asked if (at := place_of(one))
        }
        self.names = {canonicalize_name(one.name) for one in self.asked}
        self.rest = [name for name in rest if name not in self.names]
        own = f"{sys.version_info.major}.{sys.version_info.minor}"
        self.own_python = spec.python is None or spec.version in (own, sys.version.split()[0])
        self.pins = [name for name in PINNED if rest and name not in self.names and base.version(name) is not None]
        self.linked, self.open = self._from_base()
        stamps = [base.stamp(name) for name in self.linked]
        of_places = {name: (one.kind, one.digest) for name, one in self.places.items()}
        kept = (
            base.closure([*PINNED, *REST, *OPTIONAL])
            if self._dateless
            else {name: base.version(name) for name in self.pins}
        )
        # Not its executable, which has several names.
        python = sys.prefix if self.own_python else str(spec.python)
        texts = sorted(str(one) for one in self.asked if one.name not in self.places)
        self.stamp = short_hash([stamps, python, sys.version])
        self.key = short_hash([FORM, texts, of_places, self.rest, kept, self.stamp, str(folder) if spec.python else ""])

    @property
    def copies(self) -> bool:
        """Whether all that is asked for are copies of what the base has: then nothing is to be resolved."""
        return self.own_python and all(
            one.name in self.places
            and (at := self.places[one.name]).kind == "package"
            and (here := base.version(one.name)) is not None
            and at.release in (None, here)
            for one in self.asked
        )

    @property
    def _dateless(self) -> bool:
        """Whether nothing that is asked for has a date: a wheel, a checkout, a commit."""
        return all(one.url is not None for one in self.asked)

    def _from_base(self) -> tuple[list[str], list[Requirement]]:
        """What is linked from the base, and what that requires and is not."""
        if self.copies:
            return list(base.closure([*PINNED, *self.rest, *OPTIONAL, *self.names] if self.rest else self.names)), []
        if "torch" not in self.pins or not self.own_python:
            return [], list(base.needs("torch")) if "torch" in self.pins else []
        linked, needed = base.pinned("torch")
        return linked, [one for one in needed if canonicalize_name(one.name) not in self.names]

    def interpreter(self) -> str:
        """The interpreter that it is built with. Raises BuildFailed where there is none."""
        if self.own_python:
            return sys.executable
        if self.spec.version is not None:
            return uv.python(self.spec.version, self.folder.absolute())
        path = (self.folder / str(self.spec.python)).absolute()
        if not path.is_file():
            raise BuildFailed(f"no interpreter at {self.spec.python}")
        return str(path)

    def memory(self) -> dict[str, object]:
        """What is remembered of an earlier build: its `folder`, and the `lines` to install where nothing was local."""
        found = cache.remembered(f"environment-{self.key}")
        return found if isinstance(found, dict) else {}

    def found(self) -> Built | None:
        """The environment, where it has been built; it is then held for as long as this process lives."""
        name = self.memory().get("folder")
        return hold(in_cache(name), self.spec) if isinstance(name, str) else None


def hold(folder: Path, spec: EnvironmentSpec) -> Built | None:
    """Keep a built environment from being pruned while this process lives; None where it is not there, or not whole."""
    try:
        if folder not in _held:
            lock = take_lock(folder / cache.LOCK, wait=True, shared=True)
            assert lock is not None
            _held[folder] = lock
        facts = json.loads((folder / FACTS).read_text(encoding="utf-8"))
        lock_found = {str(name): str(number) for name, number in facts["lock"].items()}
        os.utime(folder / FACTS)
    except (OSError, ValueError, LookupError, AttributeError):
        return None
    return Built(str(folder / "bin" / "python"), asked(spec), lock_found)
