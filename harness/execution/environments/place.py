"""A package on this machine: a wheel, a checkout, an unpacked copy; what identifies it, and how it is taken."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from packaging.utils import canonicalize_name, parse_wheel_filename
from packaging.version import InvalidVersion, Version

from harness.errors import RequirementError
from harness.program import ask

Kind = Literal["file", "project", "package"]
_LEFT_OUT: Final = shutil.ignore_patterns(
    "__pycache__", "*.pyc", ".git", ".hg", ".tox", ".venv", "*.egg-info", "build", "dist", ".*_cache"
)
_OWN_VERSION: Final = re.compile(r"""^__version__\s*(?::\s*str\s*)?=\s*["']([^"']+)["']""", re.MULTILINE)
_SHOWN: Final = 9
_GIT_S: Final = 120.0


@dataclass(frozen=True)
class Place:
    """A package on this machine.

    `path` is a wheel or an archive ("file"), a folder that can be built ("project"), or the folder of an unpacked copy
    of the package `name` itself ("package"), whose dist-info may lie beside it. Where it was sent from another machine
    its identity there is `known`, and all its files count.
    """

    name: str
    path: Path
    kind: Kind
    known: str | None = None

    @cached_property
    def identity(self) -> str:
        """What a version has after its `+`: the commit and a hash of what differs from it, or a hash of the files."""
        if self.known is not None:
            return self.known
        if self.kind == "file":
            return f"d{hashlib.sha256(self.path.read_bytes()).hexdigest()[:_SHOWN]}"
        commit = self._git("rev-parse", "HEAD")
        if commit is None or not self._tracked:
            return f"d{self.digest[:_SHOWN]}"
        changed = [
            name for name in (self._git("status", "--porcelain", "-z", "-uall", "--", ".") or "").split("\0") if name
        ]
        return f"g{commit.strip()[:_SHOWN]}" + (f".d{self.digest[:_SHOWN]}" if changed else "")

    @cached_property
    def digest(self) -> str:
        """Hash of the names and bytes of its files."""
        if self.kind == "file":
            return hashlib.sha256(self.path.read_bytes()).hexdigest()
        whole = hashlib.sha256()
        for name in self._names:
            path = self.path / name
            whole.update(f"{name}\0".encode())
            whole.update(hashlib.sha256(path.read_bytes()).digest() if path.is_file() else b"gone")
        return whole.hexdigest()

    @property
    def release(self) -> str | None:
        """The version that an unpacked copy is of: its dist-info's, or what its code says; None where nobody does."""
        if self.kind == "file":
            is_wheel = self.path.suffix == ".whl"
            return str(parse_wheel_filename(self.path.name)[1]) if is_wheel else None
        for folder in self.path.parent.glob("*.dist-info"):
            if self._is_info(folder):
                return folder.name.removesuffix(".dist-info").partition("-")[2]
        try:
            found = _OWN_VERSION.search((self.path / "__init__.py").read_text(encoding="utf-8", errors="replace"))
            return None if found is None else str(Version(found[1]))
        except (OSError, InvalidVersion):
            return None

    def copy(self, target: Path) -> Path:
        """Copy what counts of it, so that nothing is built in the user's own folder; returns where it is.

        Raises OSError.
        """
        if self.kind == "file":
            target.mkdir(parents=True, exist_ok=True)
            return Path(shutil.copy2(self.path, target / self.path.name))
        for name in self._names:
            if (source := self.path / name).is_file():
                (target / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copy2(source, target / name)
        return target

    @property
    def files(self) -> list[Path]:
        """The files that count of it, and of an unpacked copy what says which release it is of."""
        if self.kind == "file":
            return [self.path]
        found = [path for name in self._names if (path := self.path / name).is_file()]
        beside = self.path.parent.glob("*.dist-info/*") if self.kind == "package" else ()
        return [*found, *(path for path in beside if path.is_file() and self._is_info(path.parent))]

    def _is_info(self, folder: Path) -> bool:
        name = folder.name.removesuffix(".dist-info").partition("-")[0]
        return canonicalize_name(name) == canonicalize_name(self.name)

    @cached_property
    def _names(self) -> list[str]:
        if self._tracked:
            return sorted(self._tracked)
        found = []
        for folder, folders, files in os.walk(self.path):
            leaves_out = self.kind == "project" and self.known is None
            ignored = _LEFT_OUT(folder, [*folders, *files]) if leaves_out else set()
            folders[:] = [one for one in folders if one not in ignored and one != "__pycache__"]
            found += [(Path(folder) / one).relative_to(self.path).as_posix() for one in files if one not in ignored]
        return sorted(found)

    @cached_property
    def _tracked(self) -> frozenset[str]:
        """What git knows of or would add; empty where it is no checkout, or lies in one that ignores it."""
        if self.known is not None or not self._git("ls-files", "-z", "--", "."):
            return frozenset()
        every = self._git("ls-files", "-z", "-co", "--exclude-standard", "--", ".") or ""
        return frozenset(filter(None, every.split("\0")))

    def _git(self, *words: str) -> str | None:
        try:
            done = ask(["git", "-C", str(self.path), *words], _GIT_S)
        except (OSError, subprocess.SubprocessError):
            return None
        return done.stdout if done.returncode == 0 else None


def find_place(name: str, path: Path, label: str, known: str | None = None) -> Place:
    """Say what lies at a path; what was sent here has the identity that is `known` of it.

    Raises
    ------
    RequirementError
        Where nothing lies there, or nothing of this package.
    """
    path = path.expanduser().absolute()
    if path.is_file():
        return Place(name, path, "file", known)
    if any((path / one).is_file() for one in ("pyproject.toml", "setup.py")):
        return Place(name, path, "project", known)
    for folder in (path, path / name.replace("-", "_"), path / name):
        if (folder / "__init__.py").is_file():
            return Place(name, folder, "package", known)
    what = (
        "it has neither pyproject.toml, setup.py nor the package itself" if path.is_dir() else "there is no such file"
    )
    raise RequirementError(
        f"environment {label}: {name} @ {path}: {what}; allowed a wheel, a checkout that can be built, or a copy of "
        "the package's folder"
    )
