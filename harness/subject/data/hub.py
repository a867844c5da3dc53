"""A task's splits out of a data set of the hub, or of its cache, at one commit; no loading script ever runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from harness.errors import MaterialError
from harness.subject.data.tables import class_names, of_rows, read_rows
from harness.task import TABLE_FORMATS, TEST, Task

CARD = "README.md"
"""Whose front matter may say which files a configuration's splits are."""


def load(task: Task, revision: str | None) -> Any:
    """One of the tasks that are known by name, as a `DatasetDict`; raises MaterialError where it is not as it says."""
    import datasets

    name, config = task.name, task.config
    folder = _fetched(task, revision, [f"{config}/*.parquet"])
    splits = {}
    for split, theirs in task.splits.items():
        files = sorted(str(file) for file in (folder / str(config)).glob(f"{theirs}-*.parquet"))
        if not files:
            raise MaterialError(f"task {name}: {folder / str(config)} has no {theirs}-*.parquet")
        found = datasets.Dataset.from_parquet(files)
        lacking = [column for column in (*task.texts, task.label) if column not in found.column_names]
        if lacking:
            raise MaterialError(
                f"task {name}: {theirs}: column {lacking[0]!r} is missing (it has {found.column_names})"
            )
        names = getattr(found.features[task.label], "names", None)
        if names is not None and task.classes is not None and tuple(names) != task.classes:
            raise MaterialError(f"task {name}: {theirs}: its classes are {names}; allowed {list(task.classes)}")
        splits[split] = _named_as_ours(found, task)
    return datasets.DatasetDict(splits)


def read(task: Task, revision: str | None) -> tuple[dict[str, dict[str, list[Any]]], tuple[str, ...] | None]:
    """A data set of which nothing is known but what a grid's table says: what `read_tables` reads of files.

    Raises
    ------
    MaterialError
        Where it has no such configuration or split, or what is wrong with a row of it.
    """
    said = _said(task, revision)
    folder = _fetched(task, revision, [one for globs in said.values() for one in globs])
    files, names = {}, {}
    for split, theirs in task.splits.items():
        globs = said[theirs]
        found = sorted({file for one in globs for file in folder.glob(one) if file.suffix.lower() in TABLE_FORMATS})
        if not found:
            raise MaterialError(f"task {task.name}: {task.hub} has no {' or '.join(globs)} for the split {theirs!r}")
        rows = [row for file in found for row in read_rows(file, task, split != TEST)]
        files[split] = (found[0], rows)
        names[split] = class_names(found[0], task.label) if found[0].suffix.lower() == ".parquet" else None
    columns, classes = of_rows(files, task)
    known = names["train"]
    if known and classes and classes == tuple(map(str, range(len(known)))):
        classes = tuple(known)
    return columns, classes


def _fetched(task: Task, revision: str | None, patterns: Sequence[str]) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(task.hub, repo_type="dataset", revision=revision, allow_patterns=list(patterns)))
    except Exception as error:
        raise _lost(task, revision, error) from error


def _lost(task: Task, revision: str | None, error: Exception) -> MaterialError:
    """The hub client raises a dozen families of errors, and YAML one more; each means "cannot be had"."""
    return MaterialError(f"task {task.name} ({task.hub}, revision {revision}): {error}")


def _said(task: Task, revision: str | None) -> dict[str, list[str]]:
    """By the hub's split the patterns of its files: what the card says, else where they lie by custom."""
    wanted = list(task.splits.values())
    found = dict(_of_card(task, revision))
    if found:
        lacking = next((split for split in wanted if split not in found), None)
        if lacking is not None:
            raise MaterialError(f"task {task.name}: {task.hub} has no split {lacking!r}; allowed {', '.join(found)}")
        return {split: found[split] for split in wanted}
    places = [f"{task.config}/"] if task.config else ["", "data/"]
    return {split: [f"{place}{split}[-.]*parquet" for place in places] for split in wanted}


def _of_card(task: Task, revision: str | None) -> Iterator[tuple[str, list[str]]]:
    from huggingface_hub import hf_hub_download, metadata_load
    from huggingface_hub.utils import EntryNotFoundError

    try:
        card = metadata_load(hf_hub_download(task.hub, CARD, repo_type="dataset", revision=revision))
    except EntryNotFoundError:  # no card: then custom says where the files are
        return
    except Exception as error:
        raise _lost(task, revision, error) from error
    configs = card.get("configs") if isinstance(card, Mapping) else None
    every = [one for one in configs if isinstance(one, Mapping)] if isinstance(configs, list) else []
    names = [str(one.get("config_name", "default")) for one in every]
    if not every or not all(one.get("data_files") for one in every):
        return
    chosen = task.config or next((name for name, one in zip(names, every) if one.get("default")), "default")
    if task.config is None and len(every) == 1:
        chosen = names[0]
    if chosen not in names:
        got = "no config" if task.config is None else f"config {task.config!r}"
        raise MaterialError(f"task {task.name}: got {got}; {task.hub} has {', '.join(names)[:300]}")
    files = every[names.index(chosen)]["data_files"]
    if isinstance(files, Mapping):
        files = [{"split": split, "path": path} for split, path in files.items()]
    for one in files if isinstance(files, list) else [files]:
        split, path = (one.get("split"), one.get("path")) if isinstance(one, Mapping) else ("train", one)
        globs = [path] if isinstance(path, str) else list(map(str, path or []))
        outside = next((glob for glob in globs if ":" in glob or {"..", "/"} & {*PurePosixPath(glob).parts}), None)
        if outside is not None:
            raise MaterialError(f"task {task.name}: {task.hub} names {outside!r}; allowed files of its own")
        yield str(split), globs


def _named_as_ours(found: Any, task: Task) -> Any:
    """A split of a hub with the columns that a task has, and no others: one might be taken for the model's."""
    if task.label != "label":
        found = found.remove_columns("label") if "label" in found.column_names else found
        found = found.rename_column(task.label, "label")
    if "idx" not in found.column_names:
        found = found.add_column("idx", list(range(len(found))))
    return found.select_columns([*task.texts, "label", "idx"])
