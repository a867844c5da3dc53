"""A task: what is learned, from which columns, how it is scored, and where its files lie.

What both sides of the process boundary know of it: the harness plans, judges and reports by it, the subject reads,
trains and scores by it. Standard library only, in Python 3.9, as `harness.protocol`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from harness.protocol import EMBEDDED_TASK, OWN_DATA

CLASSIFICATION, REGRESSION = "classification", "regression"
TRAIN, VALIDATION = "train", "validation"
SPLITS = (TRAIN, VALIDATION)
"""The splits that every task has; the others that it names are scored, or answered, after training."""

CLASS_METRICS = ("accuracy", "f1", "macro_f1", "matthews_correlation")
NUMBER_METRICS = ("pearson", "spearmanr")
METRICS = (*CLASS_METRICS, *NUMBER_METRICS)
"""The metrics that ship, by the names of GLUE's; of all of them more is better, and 1 is the most."""
DEFAULT_METRICS = {CLASSIFICATION: ("accuracy",), REGRESSION: NUMBER_METRICS}


TWO_CLASSES = ("f1",)
"""Metrics of tasks of two classes."""
TEST = "test"
"""A split that is predicted and not scored: of it no label is known."""
TABLE_FORMATS = (".csv", ".tsv", ".jsonl", ".json", ".parquet")
"""Files that a table of one's own may name, by their ends; both of JSON hold a value a line."""


@dataclass(frozen=True)
class Task:
    """One task.

    Attributes
    ----------
    texts, label
        The columns of a split as it is trained on: one text or two, and what is to be said of them.
    kind, classes
        "classification" into `classes`, by label from 0 (None: those that the data have), or "regression".
    metrics
        What is scored, the first of which gates: names of `METRICS`, or `package.module:function`.
    positive
        The class that F1 is of, where there are two.
    splits
        By split: the hub's name of it. Beside "train" and "validation" those that are scored after training too.
    hub, config
        The hub's repository and configuration; None where it is on no hub.
    files, columns
        By split its file in a folder, and by column its name there, or its place (from 0) in files without a header.
    words
        The labels as those files spell them, in the classes' order; None where they have numbers.
    ragged
        Whether rows that lack columns are left out, as the hub's own copy does, instead of refused.
    folder
        What GLUE's own distribution calls the folder.
    own
        Whether it is a table of a grid: `files` are then any of `TABLE_FORMATS`, and classes those of the data.
    """

    name: str
    texts: tuple[str, ...] = ("sentence1", "sentence2")
    label: str = "label"
    kind: str = CLASSIFICATION
    classes: tuple[str, ...] | None = None
    metrics: tuple[str, ...] = ("accuracy",)
    positive: int | None = 1
    splits: Mapping[str, str] = field(default_factory=lambda: {TRAIN: "train", VALIDATION: "validation"})
    hub: str | None = None
    config: str | None = None
    files: Mapping[str, str] = field(default_factory=lambda: {TRAIN: "train.tsv", VALIDATION: "dev.tsv"})
    columns: Mapping[str, str | int] = field(default_factory=dict)
    words: tuple[str, ...] | None = None
    ragged: bool = False
    folder: str | None = None
    own: bool = False

    @property
    def regression(self) -> bool:
        """Whether a number is learned, and not a class."""
        return self.kind == REGRESSION

    @property
    def scored(self) -> tuple[str, ...]:
        """The names of its scores, the gating one first, without those of `more`."""
        return tuple(metric_name(metric) for metric in self.metrics)

    @property
    def more(self) -> tuple[str, ...]:
        """The splits that are predicted after training beside the validation split."""
        return tuple(split for split in self.splits if split not in SPLITS)

    def to_json(self) -> dict[str, Any]:
        """As it travels: `Task.of` reads it."""
        return asdict(self)

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Task:
        """A task as `to_json` wrote it."""
        known: dict[str, Any] = {name: tuple(it) if isinstance(it, list) else it for name, it in data.items()}
        return cls(**known)


def metric_name(metric: str) -> str:
    """What a metric's score is called: of a user's `package.module:function` the function's name."""
    return metric.rpartition(":")[2]


def suffix_of(split: str) -> str:
    """What scores and series of a further split end in: "_mismatched" of "validation_mismatched"."""
    return f"_{split[len(VALIDATION) + 1 :] if split.startswith(f'{VALIDATION}_') else split}"


_PAIR = ("sentence1", "sentence2")
_NLI = ("entailment", "neutral", "contradiction")
_TWO = ("entailment", "not_entailment")


def _glue(config: str, folder: str, texts: tuple[str, ...] = _PAIR, **more: Any) -> Task:
    columns = {"label": "label", **{text: text for text in texts}, **more.pop("columns", {})}
    return Task(f"glue/{config}", texts, hub="nyu-mll/glue", config=config, folder=folder, columns=columns, **more)


GLUE: Mapping[str, Task] = {
    task.name: task
    for task in (
        _glue("cola", "CoLA", ("sentence",), classes=("unacceptable", "acceptable"),
              metrics=("matthews_correlation",), columns={"label": 1, "sentence": 3}),
        _glue("sst2", "SST-2", ("sentence",), classes=("negative", "positive")),
        _glue("mrpc", "MRPC", classes=("not_equivalent", "equivalent"), metrics=("accuracy", "f1"),
              columns={"label": "Quality", "sentence1": "#1 String", "sentence2": "#2 String"}),
        _glue("qqp", "QQP", ("question1", "question2"), classes=("not_duplicate", "duplicate"),
              metrics=("accuracy", "f1"), columns={"label": "is_duplicate"}, ragged=True),
        _glue("stsb", "STS-B", kind=REGRESSION, metrics=NUMBER_METRICS, positive=None, columns={"label": "score"}),
        _glue("mnli", "MNLI", ("premise", "hypothesis"), classes=_NLI, words=_NLI, positive=None,
              splits={TRAIN: "train", VALIDATION: "validation_matched",
                      "validation_mismatched": "validation_mismatched"},
              files={TRAIN: "train.tsv", VALIDATION: "dev_matched.tsv",
                     "validation_mismatched": "dev_mismatched.tsv"},
              columns={"premise": "sentence1", "hypothesis": "sentence2", "label": "gold_label"}),
        _glue("qnli", "QNLI", ("question", "sentence"), classes=_TWO, words=_TWO),
        _glue("rte", "RTE", classes=_TWO, words=_TWO),
        _glue("wnli", "WNLI", classes=("not_entailment", "entailment")),
    )
}  # fmt: skip
"""The nine tasks of GLUE, by the grid's name, as `nyu-mll/glue` orders classes and columns."""

EMBEDDED = Task(EMBEDDED_TASK, classes=("not_equivalent", "equivalent"), metrics=("accuracy", "f1"), files={})
NAMED: Mapping[str, Task] = {EMBEDDED_TASK: EMBEDDED, **GLUE}
"""The tasks that a grid may call by their names."""


def named_task(name: str) -> Task:
    """The task of a grid's name; any other name is a folder of files laid out as GLUE's MRPC."""
    known = NAMED.get(name)
    if known is not None:
        return known
    if name == OWN_DATA:
        return Task(name, texts=(), positive=None, files={})
    mrpc = GLUE["glue/mrpc"]
    return Task(name, classes=mrpc.classes, metrics=mrpc.metrics, columns=mrpc.columns)


def task_of(name: str, table: Mapping[str, Any] | None = None, subject: Mapping[str, Any] | None = None) -> Task:
    """The task that a cell asks for: by its name, or as its grid's table has it.

    Scored by the metrics that the grid reads of somebody else's training code, where its `subject` names some.
    """
    found = named_task(name) if table is None else _own_task(name, table)
    metrics = tuple((subject or {}).get("metrics", ()))
    return replace(found, metrics=metrics) if metrics else found


def _own_task(name: str, table: Mapping[str, Any]) -> Task:
    metrics = tuple(table.get("metrics") or DEFAULT_METRICS[CLASSIFICATION])
    kind = REGRESSION if any(metric in NUMBER_METRICS for metric in metrics) else CLASSIFICATION
    texts = _PAIR[: len(table["text"])]
    hub, named = table.get("hub"), [split for split in (*SPLITS, TEST) if table.get(split)]
    splits = {split: str(table[split]) for split in named}
    if hub is not None:
        splits = {TRAIN: "train", VALIDATION: "validation", **splits}
    return Task(
        name, texts, label=table["label"], kind=kind, metrics=metrics, splits=splits, hub=hub,
        config=table.get("config"), files={} if hub is not None else splits,
        columns={"label": table["label"], **dict(zip(texts, table["text"]))}, own=True,
    )  # fmt: skip
