"""Tasks as the environment under test sees them: splits of examples, loaded, hashed, tokenized once.

Every source ends as the same `DatasetDict`: train, validation and what else the task scores, each with the columns of
its texts, `label` and `idx`.
"""

from __future__ import annotations

import csv
import hashlib
import json
import math
from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

from harness.errors import MaterialError
from harness.protocol import CHECKPOINT_PARTS, CORPUS_SIZES, DATA_FACTS, EMBEDDED_TASK
from harness.subject.data import corpus, hub, lengths
from harness.subject.data.audit import audit
from harness.subject.data.kept import is_whole, kept
from harness.subject.data.tables import read_tables
from harness.task import GLUE, NAMED, TEST, Task, named_task

MOST_UNKNOWN = 0.5
"""Fraction of a task's tokens that a tokenizer may not know. English under an English vocabulary has about none;
without a vocabulary, which transformers 5 takes in silence, all are unknown."""


def asked_task(asked: dict[str, Any]) -> Task:
    """The task that a job asks for: as it travels with it, or by its name."""
    return Task.of(asked["task"]) if asked.get("task") else named_task(asked["name"])


def load(asked: dict[str, Any]) -> Any:
    """Load a task as a `DatasetDict`.

    Parameters
    ----------
    asked
        `name`; `task` as it travels; `path` for a local folder of GLUE files; `revision` for the hub.

    Raises
    ------
    MaterialError
        Where it cannot be had, or is not what the task says.
    """
    task = asked_task(asked)
    if asked.get("path") and task.own:
        columns, classes = read_tables(Path(asked["path"]), task)
        return _dataset_dict(columns, replace(task, classes=classes))
    if asked.get("path"):
        folder = Path(asked["path"])
        return _dataset_dict({split: _read_tsv(folder / file, task) for split, file in task.files.items()}, task)
    if task.name == EMBEDDED_TASK:
        return _dataset_dict({split: corpus.generate(split, size) for split, size in CORPUS_SIZES.items()}, task)
    if task.hub is not None and task.own:
        columns, classes = hub.read(task, asked.get("revision"))
        return _dataset_dict(columns, replace(task, classes=classes))
    if task.hub is not None:
        return hub.load(task, asked.get("revision"))
    known = ", ".join(NAMED)
    raise MaterialError(f"task {task.name!r} is unknown; allowed: {known}, or a folder of GLUE .tsv files")


def _read_tsv(path: Path, task: Task = GLUE["glue/mrpc"]) -> dict[str, list[Any]]:
    """Read one of GLUE's files; a quote is a character like any other, as in the original distribution."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # csv's own line splitting honours only \r and \n: sentences may hold other Unicode line breaks.
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MaterialError(f"task file {path}: {error}") from error
    named = any(isinstance(name, str) for name in task.columns.values())
    header = (rows[0] if rows else []) if named else [str(n) for n in range(1 + max(map(int, task.columns.values())))]
    missing = [name for name in task.columns.values() if named and name not in header]
    if missing:
        raise MaterialError(f"task file {path}: column {missing[0]!r} is missing (it has {header})")
    twice = [name for name in task.columns.values() if header.count(str(name)) > 1]
    if twice:
        raise MaterialError(
            f"task file {path}: column {twice[0]!r} is there {header.count(str(twice[0]))} times; allowed once"
        )
    at = {key: header.index(name) if isinstance(name, str) else name for key, name in task.columns.items()}
    labels = list(task.words or map(str, range(len(task.classes or ()))))
    columns: dict[str, list[Any]] = {**{name: [] for name in task.texts}, "label": [], "idx": []}
    for number, row in enumerate(rows[1:] if named else rows, start=2 if named else 1):
        if not row or (task.ragged and len(row) < len(header)):
            continue  # an empty line, as editors leave at the end
        label = _label(row[at["label"]], task, labels) if len(row) > at["label"] else None
        if len(row) != len(header) or label is None:
            allowed = "a number" if task.regression else " or ".join(labels)
            raise MaterialError(
                f"task file {path}, line {number}: {len(row)} columns, label "
                f"{row[at['label']] if len(row) > at['label'] else None!r} (expected {len(header)} and {allowed})"
            )
        for name in task.texts:
            columns[name].append(row[at[name]])
        columns["label"].append(label)
        columns["idx"].append(len(columns["idx"]))
    if not columns["label"]:
        raise MaterialError(f"task file {path}: no examples")
    return columns


def _label(text: str, task: Task, labels: list[str]) -> float | int | None:
    """A label as it is learned; None for one that the task does not have."""
    if not task.regression:
        return labels.index(text) if text in labels else None
    try:
        number = float(text)
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def _dataset_dict(splits: dict[str, dict[str, list[Any]]], task: Task = GLUE["glue/mrpc"]) -> Any:
    import datasets

    label = datasets.Value("float32") if task.regression else datasets.ClassLabel(names=list(task.classes or ()))
    features = datasets.Features(
        {
            **{name: datasets.Value("string") for name in task.texts},
            "label": label,
            "idx": datasets.Value("int32"),
        }
    )
    return datasets.DatasetDict(
        {split: datasets.Dataset.from_dict(columns, features=features) for split, columns in splits.items()}
    )


def split_facts(dataset: Any, task: Task = GLUE["glue/mrpc"]) -> dict[str, Any]:
    """Number of examples, of each class's, and sha256 over the texts and the label of each example, in order."""
    digest = hashlib.sha256()
    labels = list(dataset["label"])
    for row in zip(*(dataset[name] for name in task.texts), labels):
        digest.update("\x1f".join(map(str, row)).encode() + b"\x1e")
    counted = Counter(labels)
    counts = None if task.regression else [counted[number] for number in range(len(task.classes or ()))]
    return {"examples": len(labels), "labels": counts, "sha256": digest.hexdigest()}


def load_with_facts(asked: dict[str, Any]) -> tuple[Task, Any, dict[str, Any]]:
    """Load a task: itself with the classes of its data, its splits, and their facts as a record has them.

    Raises
    ------
    MaterialError
        As `load` does.
    """
    task, raw = asked_task(asked), load(asked)
    classes = task.classes or getattr(raw["train"].features["label"], "names", None)
    task = replace(task, classes=tuple(classes) if classes and not task.regression else None)
    facts: dict[str, Any] = {split: split_facts(raw[split], task) for split in ("train", "validation")}
    facts["classes"] = list(task.classes) if task.classes else None
    if task.more:
        facts["more"] = {split: split_facts(raw[split], task) for split in task.more}
        if TEST in facts["more"]:
            facts["more"][TEST]["labels"] = None
    facts["audit"] = audit(raw, task.texts)
    return task, raw, facts


def tokenize_to(
    folder: Path,
    asked: dict[str, Any],
    checkpoint: Path,
    aside: Path | None = None,
    tokens: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Tokenize a task as the course does (truncated texts, no padding) and keep it as Arrow files in `folder`.

    Later cells map those files; a folder that is not as it was kept is made again, first below `aside`. `tokens` are
    the recipe's `truncation` and `max_length`: without them truncated to the tokenizer's own length.
    Returns the facts of the data: a `split_facts` of train and validation, and of each of `more` splits, the names of
    the `classes`, the `audit`, the share of `unknown_tokens`, and by split how many examples were `truncated`.

    Raises
    ------
    MaterialError
        Where the task cannot be had, or the checkpoint's tokenizer does not know most of its words.
    """
    if is_whole(folder):
        return dict(json.loads((folder / DATA_FACTS).read_text(encoding="utf-8")))
    from transformers import AutoTokenizer

    if not any(path.is_file() for name in CHECKPOINT_PARTS["tokenizer_sha256"] for path in checkpoint.glob(name)):
        raise MaterialError(f"checkpoint {checkpoint}: no file of a tokenizer; every word would be unknown to it")
    task, raw, facts = load_with_facts(asked)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)

    cut = tokens or {"truncation": True}

    def tokenize(example: dict[str, list[str]], cut: dict[str, Any] = cut) -> Any:
        return tokenizer(*(example[name] for name in task.texts), **cut)

    tokenized = raw.map(tokenize, batched=True, load_from_cache_file=False, keep_in_memory=True)
    unknown = unknown_share(tokenizer, tokenized["train"]["input_ids"][:])
    if unknown > MOST_UNKNOWN:
        raise MaterialError(
            f"checkpoint {checkpoint}: its tokenizer has {len(tokenizer)} entries and does not know "
            f"{100 * unknown:.0f} % of the task's tokens; allowed at most {100 * MOST_UNKNOWN:.0f} % "
            "(is its vocabulary missing?)"
        )
    facts["unknown_tokens"] = unknown
    facts["truncated"] = lengths.truncated(raw, tokenized, lambda rows: tokenize(rows, {}), tokenizer, cut)
    with kept(folder, aside) as scratch:
        tokenized.save_to_disk(str(scratch))
        (scratch / DATA_FACTS).write_text(json.dumps(facts), encoding="utf-8")
    return facts


def unknown_share(tokenizer: Any, examples: Iterable[Iterable[int]]) -> float:
    """The fraction of the examples' tokens, special ones aside, that stand for what the vocabulary does not have."""
    special, unknown = set(tokenizer.all_special_ids), tokenizer.unk_token_id
    words = unknowns = 0
    for example in examples:
        for token in example:
            words += token == unknown or token not in special
            unknowns += token == unknown
    return unknowns / words if words else 0.0
