"""Somebody else's training code, found at plan time without importing it: its files, its package's version."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.errors import MaterialError
from harness.grid.cell import Cell
from harness.program import ask
from harness.text import canonical_json, one_line, short_hash

ASK_S: Final = 60.0
MOST_REASON: Final = 200
Hashes = Callable[[Sequence[Path]], list[str]]
"""The sha256 of each file, or a MaterialError for one that cannot be read."""


@dataclass(frozen=True)
class Code:
    """The code of a grid's `[subject]`.

    `content` is of its files and of those that a script's arguments name; `sha256` of the code alone: a script's file,
    or every Python file of the module's top package. `package` and `version` where a distribution brought it.
    """

    kind: str
    name: str
    path: Path
    sha256: str
    content: str
    package: str | None = None
    version: str | None = None

    def job(self, folder: Path, subject: Mapping[str, Any]) -> dict[str, Any]:
        """What the child is told of it; `folder` is the grid's."""
        return {
            "kind": self.kind,
            "name": self.name,
            "path": str(self.path),
            "sha256": self.sha256,
            "package": self.package,
            "version": self.version,
            "folder": str(folder.resolve()),
            "arguments": dict(subject.get("arguments", {})),
            "metrics": list(subject.get("metrics", [])),
        }


class Codes:
    """Finds the code of each cell's `subject` once.

    Parameters
    ----------
    folder
        The grid file's folder: scripts, their files and modules are looked for there first.
    start
        The command that runs a program of the subject's side in the environment under test.
    """

    def __init__(self, folder: Path, start: Sequence[str], hashes: Hashes) -> None:
        self.folder = folder
        self._start, self._hashes = start, hashes
        self._found: dict[str, Code | MaterialError] = {}

    def find(self, cells: Iterable[Cell]) -> None:
        """Find what `cells` need; failures show at :meth:`of`."""
        for key, subject in {_key(cell): cell.subject for cell in cells if cell.subject is not None}.items():
            if key in self._found:
                continue
            try:
                self._found[key] = find_code(self.folder, subject, self._start, self._hashes)
            except MaterialError as error:
                self._found[key] = error

    def of(self, cell: Cell) -> Code | None:
        """The cell's code, None where that is the harness's own; raises MaterialError where it cannot be had."""
        found = None if cell.subject is None else self._found[_key(cell)]
        if isinstance(found, MaterialError):
            raise found
        return found

    def problem(self, cell: Cell) -> str | None:
        """Why it cannot be had; None where it can, or was not looked for."""
        found = None if cell.subject is None else self._found.get(_key(cell))
        return str(found) if isinstance(found, MaterialError) else None


def _key(cell: Cell) -> str:
    return canonical_json(cell.asked()["subject"])


def find_code(folder: Path, subject: Mapping[str, Any], start: Sequence[str], hashes: Hashes) -> Code:
    """Find a cell's `subject`, relative to the grid's `folder`; `start` runs a program of the subject's side.

    Raises
    ------
    MaterialError
        Where there is no such script or module.
    """
    if "script" in subject:
        return _script(folder, subject, hashes)
    return _trainer(folder, str(subject["trainer"]), start, hashes)


def _script(folder: Path, subject: Mapping[str, Any], hashes: Hashes) -> Code:
    name = str(subject["script"])
    path = folder / name
    if not path.is_file():
        raise MaterialError(f"subject.script: got {name!r}; {path} is no file")
    sha256 = hashes([path])[0]
    named = sorted({one for value in subject.get("arguments", {}).values() for one in _files(folder, value)})
    data = [[path.relative_to(folder).as_posix() if path.is_relative_to(folder) else str(path)] for path in named]
    told = [[*place, digest] for place, digest in zip(data, hashes(named), strict=True)]
    return Code("script", name, path.resolve(), sha256, short_hash([sha256, told]))


def _files(folder: Path, value: Any) -> Iterable[Path]:
    """The files that a script's argument names; a folder's are all in it."""
    for one in value if isinstance(value, list) else [value]:
        if not isinstance(one, str) or not one or len(one) > 4096 or "\0" in one:
            continue
        path = folder / one
        try:
            if path.is_file():
                yield path
            elif path.is_dir():
                yield from (file for file in path.rglob("*") if file.is_file())
        except OSError:
            continue  # too long for a name: it is none


def _trainer(folder: Path, name: str, start: Sequence[str], hashes: Hashes) -> Code:
    module = name.partition(":")[0]
    top, *inner = module.split(".")
    package = version = None
    if (folder / top).is_dir() or (folder / f"{top}.py").is_file():
        root = folder / top if (folder / top).is_dir() else folder / f"{top}.py"
    else:
        found = _installed(module, start)
        root, package, version = Path(found["path"]), found["package"], found["version"]
    path = root if root.is_file() else root.joinpath(*inner)
    if root.is_dir():
        path = path / "__init__.py" if path.is_dir() else path.with_name(f"{path.name}.py")
    if not path.is_file() or (root.is_file() and inner):
        raise MaterialError(f"subject.trainer: got {name!r}; {root} has no module {module}")
    files = [root] if root.is_file() else sorted(root.rglob("*.py"))
    places = [file.relative_to(root.parent).as_posix() for file in files]
    sha256 = hashes(files)[0] if len(files) == 1 else short_hash(list(zip(places, hashes(files), strict=True)))
    return Code("trainer", name, path.resolve(), sha256, sha256, package, version)


def _installed(module: str, start: Sequence[str]) -> dict[str, Any]:
    """Where the environment under test has a module's top package: `path`, and the `package` and `version` it is of."""
    try:
        done = ask([*start, "code"], ASK_S, said=json.dumps(module))
        done.check_returncode()
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError, RecursionError) as error:
        raise MaterialError(f"subject.trainer: {start[0]} cannot be asked for {module}: {error!s:.200}") from error
    if "error" in found:
        raise MaterialError(f"subject.trainer: {one_line(str(found['error']), MOST_REASON)}")
    return dict(found)
