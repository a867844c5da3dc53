"""Tasks as the environment under test sees them: two splits of sentence pairs, loaded, hashed, tokenized once.

Every source ends as the same `DatasetDict`: train and validation with sentence1, sentence2, label, idx.
"""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from harness.errors import MaterialError
from harness.protocol import (
    CHECKPOINT_PARTS,
    CORPUS_SIZES,
    DATA_FACTS,
    EMBEDDED_TASK,
    HUB_TASKS,
    LABEL_COLUMN,
    SPLIT_FILES,
)
from harness.subject.data import corpus, lengths
from harness.subject.data.audit import audit
from harness.subject.data.kept import is_whole, kept

CLASSES = ["not_equivalent", "equivalent"]
"""By label, as GLUE names them."""
SENTENCES = ("sentence1", "sentence2")
COLUMNS = {"label": LABEL_COLUMN, "sentence1": "#1 String", "sentence2": "#2 String"}
MOST_UNKNOWN = 0.5
"""Fraction of a task's tokens that a tokenizer may not know. English under an English vocabulary has about none;
without a vocabulary, which transformers 5 takes in silence, all are unknown."""


def load(task: dict[str, Any]) -> Any:
    """Load a task as a `DatasetDict`.

    Parameters
    ----------
    task
        `name`; `path` for a local folder of GLUE files; `revision` for the hub.

    Raises
    ------
    MaterialError
        Where it cannot be had, or is not a two-class sentence-pair task.
    """
    if task.get("path"):
        splits = {split: _read_tsv(Path(task["path"]) / file) for split, file in SPLIT_FILES.items()}
        return _dataset_dict(splits)
    if task["name"] == EMBEDDED_TASK:
        return _dataset_dict({split: corpus.generate(split, CORPUS_SIZES[split]) for split in SPLIT_FILES})
    if task["name"] in HUB_TASKS:
        return _from_hub(task["name"], task.get("revision"))
    known = ", ".join([EMBEDDED_TASK, *HUB_TASKS])
    raise MaterialError(f"task {task['name']!r} is unknown; allowed: {known}, or a folder of GLUE .tsv files")


def _read_tsv(path: Path) -> dict[str, list[Any]]:
    """Read one GLUE MRPC file; a quote is a character like any other, as in the original distribution."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            # csv's own line splitting honours only \r and \n: sentences may hold other Unicode line breaks.
            rows = list(csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise MaterialError(f"task file {path}: {error}") from error
    header = rows[0] if rows else []
    missing = [name for name in COLUMNS.values() if name not in header]
    if missing:
        raise MaterialError(f"task file {path}: column {missing[0]!r} is missing (it has {header})")
    twice = [name for name in COLUMNS.values() if header.count(name) > 1]
    if twice:
        raise MaterialError(
            f"task file {path}: column {twice[0]!r} is there {header.count(twice[0])} times; allowed once"
        )
    at = {key: header.index(name) for key, name in COLUMNS.items()}
    columns: dict[str, list[Any]] = {"sentence1": [], "sentence2": [], "label": [], "idx": []}
    for number, row in enumerate(rows[1:], start=2):
        if not row:
            continue  # an empty line, as editors leave at the end
        if len(row) != len(header) or row[at["label"]] not in ("0", "1"):
            raise MaterialError(
                f"task file {path}, line {number}: {len(row)} columns, label "
                f"{row[at['label']] if len(row) > at['label'] else None!r} (expected {len(header)} and 0 or 1)"
            )
        columns["sentence1"].append(row[at["sentence1"]])
        columns["sentence2"].append(row[at["sentence2"]])
        columns["label"].append(int(row[at["label"]]))
        columns["idx"].append(len(columns["idx"]))
    if not columns["label"]:
        raise MaterialError(f"task file {path}: no examples")
    return columns


def _from_hub(name: str, revision: str | None) -> Any:
    """Load from the hub (or its cache) at one commit, from Parquet only: no loading script ever runs."""
    import datasets
    from huggingface_hub import snapshot_download

    repository, config = HUB_TASKS[name]
    try:
        folder = Path(
            snapshot_download(
                repository, repo_type="dataset", revision=revision, allow_patterns=[f"{config}/*.parquet"]
            )
        )
    except Exception as error:  # the hub client raises a dozen families; each means "cannot be had"
        raise MaterialError(f"task {name} ({repository}, revision {revision}): {error}") from error
    splits = {}
    for split in SPLIT_FILES:
        files = sorted(str(file) for file in (folder / config).glob(f"{split}-*.parquet"))
        if not files:
            raise MaterialError(f"task {name}: {folder / config} has no {split}-*.parquet")
        splits[split] = datasets.Dataset.from_parquet(files)
    return datasets.DatasetDict(splits)


def _dataset_dict(splits: dict[str, dict[str, list[Any]]]) -> Any:
    import datasets

    features = datasets.Features(
        {
            "sentence1": datasets.Value("string"),
            "sentence2": datasets.Value("string"),
            "label": datasets.ClassLabel(names=CLASSES),
            "idx": datasets.Value("int32"),
        }
    )
    return datasets.DatasetDict(
        {split: datasets.Dataset.from_dict(columns, features=features) for split, columns in splits.items()}
    )


def split_facts(dataset: Any) -> dict[str, Any]:
    """Number of examples, of positives, and sha256 over both texts and the label of each example, in order."""
    digest = hashlib.sha256()
    labels = list(dataset["label"])
    for first, second, label in zip(dataset["sentence1"], dataset["sentence2"], labels):
        digest.update(f"{first}\x1f{second}\x1f{label}\x1e".encode())
    return {"examples": len(labels), "positives": sum(labels), "sha256": digest.hexdigest()}


def tokenize_to(
    folder: Path,
    task: dict[str, Any],
    checkpoint: Path,
    aside: Path | None = None,
    tokens: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Tokenize a task as the course does (truncated pairs, no padding) and keep it as Arrow files in `folder`.

    Later cells map those files; a folder that is not as it was kept is made again, first below `aside`. `tokens` are
    the recipe's `truncation` and `max_length`: without them truncated to the tokenizer's own length.
    Returns the facts of the data: a `split_facts` for each split, their `audit`, the share of `unknown_tokens`, and
    by split how many examples were `truncated`.

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
    raw = load(task)
    facts: dict[str, Any] = {split: split_facts(raw[split]) for split in SPLIT_FILES}
    facts["audit"] = audit(raw)
    tokenizer = AutoTokenizer.from_pretrained(checkpoint, trust_remote_code=False)

    cut = tokens or {"truncation": True}

    def tokenize(example: dict[str, list[str]], cut: dict[str, Any] = cut) -> Any:
        return tokenizer(example["sentence1"], example["sentence2"], **cut)

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
