"""Somebody else's training code and metrics, found at plan time without importing them: files, a package's version."""

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
    """The code of a grid's `[subject]`, or of a metric of its own.

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

    def told(self) -> dict[str, Any]:
        """What a record says of it."""
        return {"name": self.name, "sha256": self.sha256, "package": self.package, "version": self.version}

    def job(self, folder: Path, subject: Mapping[str, Any]) -> dict[str, Any]:
        """What the child is told of it; `folder` is the grid's."""
        return {
            **self.told(),
            "kind": self.kind,
            "content": self.content,
            "path": str(self.path),
            "folder": str(folder.resolve()),
            "arguments": dict(subject.get("arguments", {})),
            "metrics": list(subject.get("metrics", [])),
        }


class Codes:
    """Finds the code of each cell's `subject`, and of each metric that is a function of the user's, once.

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
        """Find what `cells` need; failures show at :meth:`of` and :meth:`metrics`."""
        for key, asked in {key: asked for cell in cells for key, asked in _keys(cell).items()}.items():
            if key in self._found:
                continue
            try:
                if isinstance(asked, str):
                    self._found[key] = _function(
                        "metric", asked, "task.metrics", self.folder, self._start, self._hashes
                    )
                else:
                    self._found[key] = find_code(self.folder, asked, self._start, self._hashes)
            except MaterialError as error:
                self._found[key] = error

    def of(self, cell: Cell) -> Code | None:
        """The cell's code, None where that is the harness's own; raises MaterialError where it cannot be had."""
        return next((self._get(key) for key, asked in _keys(cell).items() if not isinstance(asked, str)), None)

    def metrics(self, cell: Cell) -> list[Code]:
        """The code of each metric of the user's own; raises like `of`."""
        return [self._get(key) for key, asked in _keys(cell).items() if isinstance(asked, str)]

    def contents(self, cell: Cell) -> list[str]:
        """What all of it comes to, the cell's code first; raises like `of`."""
        return [self._get(key).content for key in _keys(cell)]

    def problem(self, cell: Cell) -> str | None:
        """Why some of it cannot be had; None where it can, or was not looked for."""
        found = (self._found.get(key) for key in _keys(cell))
        return next((str(one) for one in found if isinstance(one, MaterialError)), None)

    def _get(self, key: str) -> Code:
        found = self._found[key]
        if isinstance(found, MaterialError):
            raise found
        return found


def _keys(cell: Cell) -> dict[str, Mapping[str, Any] | str]:
    """What of a cell is somebody else's code: its subject, and by name its metrics. A timing cell is not scored."""
    subject = {} if cell.subject is None else {canonical_json(cell.asked()["subject"]): cell.subject}
    metrics = () if cell.timed else cell.about.metrics
    return {**subject, **{name: name for name in metrics if ":" in name}}


def find_code(folder: Path, subject: Mapping[str, Any] | str, start: Sequence[str], hashes: Hashes) -> Code:
    """Find a cell's `subject`, or a metric's function, relative to the grid's `folder`.

    `start` runs a program of the subject's side.

    Raises
    ------
    MaterialError
        Where there is no such script or module.
    """
    if isinstance(subject, str):
        return _function("metric", subject, "task.metrics", folder, start, hashes)
    if "script" in subject:
        return _script(folder, subject, hashes)
    return _function("trainer", str(subject["trainer"]), "subject.trainer", folder, start, hashes)


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


def _function(kind: str, name: str, field: str, folder: Path, start: Sequence[str], hashes: Hashes) -> Code:
    """The code of `package.module:function`, which a grid has in a `field`."""
    module = name.partition(":")[0]
    top, *inner = module.split(".")
    package = version = None
    if (folder / top).is_dir() or (folder / f"{top}.py").is_file():
        root = folder / top if (folder / top).is_dir() else folder / f"{top}.py"
    else:
        found = _installed(module, field, start)
        root, package, version = Path(found["path"]), found["package"], found["version"]
    path = root if root.is_file() else root.joinpath(*inner)
    if root.is_dir():
        path = path / "__init__.py" if path.is_dir() else path.with_name(f"{path.name}.py")
    if not path.is_file() or (root.is_file() and inner):
        raise MaterialError(f"{field}: got {name!r}; {root} has no module {module}")
    files = [root] if root.is_file() else sorted(root.rglob("*.py"))
    places = [file.relative_to(root.parent).as_posix() for file in files]
    sha256 = hashes(files)[0] if len(files) == 1 else short_hash(list(zip(places, hashes(files), strict=True)))
    return Code(kind, name, path.resolve(), sha256, sha256, package, version)


def _installed(module: str, field: str, start: Sequence[str]) -> dict[str, Any]:
    """Where the environment under test has a module's top package: `path`, and the `package` and `version` it is of."""
    try:
        done = ask([*start, "code"], ASK_S, said=json.dumps(module))
        done.check_returncode()
        found = json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError, RecursionError) as error:
        raise MaterialError(f"{field}: {start[0]} cannot be asked for {module}: {error!s:.200}") from error
    if "error" in found:
        raise MaterialError(f"{field}: {one_line(str(found['error']), MOST_REASON)}")
    return dict(found)
