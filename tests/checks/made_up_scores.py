"""Made-up cells, entries and records whose scores are given in correct answers out of 408, or in points."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from harness.checks.scores.gate import Configuration
from harness.checks.verdict import Fact, Verdict
from harness.grid.cell import Cell, Checkpoint
from harness.record.attempts import Entry
from harness.record.model import SCHEMA, Record, asked_of
from harness.record.results import Results
from harness.references import Published, Reference
from harness.stats.decision import Decision
from tests.conftest import entry_of

UNCASED = "google-bert/bert-base-uncased"
COURSE: dict[str, Any] = {"learning_rate": 5e-5, "per_device_train_batch_size": 8, "num_train_epochs": 3.0}
STARTED = "2026-11-22T10:00:00.000Z"
MAJORITY = 279 / 408
VALUE = 100 * 350 / 408
"""Points of a reference that 350 correct answers give."""


def make_cells(
    seeds: Sequence[int], source: str = UNCASED, recipe: Mapping[str, Any] = COURSE, **asked: Any
) -> list[Cell]:
    axes = {name: asked[name] for name in ("precision", "devices", "engine", "environment", "repeat") if name in asked}
    task = asked.pop("task", "glue/mrpc")
    name = source.rpartition("/")[2]
    return [
        Cell(task, Checkpoint(name, source), seed, recipe, axes={"checkpoint": name, "seed": seed, **axes}, **asked)
        for seed in seeds
    ]


def make_entry(cell: Cell, accuracy: float | None, **changes: Any) -> Entry:
    """`accuracy` in points; F1 is 4 points above it, unless said otherwise."""
    metrics = {} if accuracy is None else {"accuracy": accuracy / 100, "f1": accuracy / 100 + 0.04, "loss": 0.4}
    values: dict[str, Any] = {
        "environment_id": "e0f1a2b3c4d5e6f7a8b9", "content_id": "c0ffee00c0ffee00c0ff", "attempt": 1,
        "axes": cell.axes, "metrics": metrics, "seconds": {"total": 120.0}, "steps": 1377, **changes,
    }  # fmt: skip
    place = (cell.cell_id, values["environment_id"], values["content_id"], f"{values['attempt']:03d}")
    return entry_of(cell, **{"path": f"cells/{'/'.join(map(str, place))}", **values})


def make_record(cell: Cell, entry: Entry, counts: tuple[int, int] = (408, 279), **packages: str) -> Record:
    split = {"examples": 3668, "labels": [1194, 2474], "sha256": "ab" * 32}
    validation = {"examples": counts[0], "labels": [counts[0] - counts[1], counts[1]], "sha256": "cd" * 32}
    return Record.model_validate(
        {
            "schema": SCHEMA, "grid": "made-up", "cell_id": cell.cell_id, "configuration_id": cell.configuration_id,
            "environment_id": entry.environment_id, "content_id": entry.content_id, "attempt": 1, "status": "ok",
            "started": entry.started, "finished": entry.started, "asked": asked_of(cell),
            "observed": {
                "python": "3.11.7", "packages": packages or {"transformers": "5.23.0"}, "machine": {}, "threads": 1,
                "determinism": {}, "host": "fork",
                "data": {"source": cell.task, "train": split, "validation": validation},
            },
            "provenance": {"harness": "0.1"},
        }
    )  # fmt: skip


@dataclass
class MadeUp:
    """What lies behind entries: `records` by (configuration_id, environment_id), `arrays` by the path of the entry."""

    cells: Sequence[Cell]
    records: Mapping[tuple[str, str], Record] = field(default_factory=dict)
    arrays: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def record(self, entry: Entry) -> Record:
        """Without observations where none was made up."""
        cell = next(cell for cell in self.cells if cell.cell_id == entry.cell_id)
        blank = make_record(cell, entry).model_copy(update={"observed": None})
        return self.records.get((entry.configuration_id, entry.environment_id), blank)

    def series(self, entry: Entry, names: Collection[str] | None = None) -> Mapping[str, Any]:
        return self.arrays.get(entry.path, {})


def configurations(
    cells: Sequence[Cell], entries: Sequence[Entry], records: Mapping[tuple[str, str], Record]
) -> list[Configuration]:
    return list(Results(entries, MadeUp(cells, records) if records else None, cells).configurations)


def measured(scores: Sequence[float | str | None], seeds: Sequence[int] | None = None, **asked: Any) -> Configuration:
    """One configuration: a score in points for each seed, or the status of a run that has none."""
    (found,) = arms({"": scores}, {"": asked}, seeds)
    return found


def arms(
    scores: Mapping[str, Sequence[float | str | None]],
    asked: Mapping[str, Mapping[str, Any]],
    seeds: Sequence[int] | None = None,
) -> list[Configuration]:
    """Several configurations by name; `asked` says what is particular of each."""
    cells: list[Cell] = []
    entries: list[Entry] = []
    for name, values in scores.items():
        options = dict(asked.get(name, {}))
        environment = options.pop("environment_id", "e0f1a2b3c4d5e6f7a8b9")
        own = make_cells(seeds or range(1, len(values) + 1), **options)
        cells += own
        for cell, value in zip(own, values, strict=True):
            if value is None:
                continue
            status = value if isinstance(value, str) else "ok"
            score = None if isinstance(value, str) else value
            entries.append(make_entry(cell, score, status=status, environment_id=environment))
    return configurations(cells, entries, {})


def published(value: float | None = None, statistic: str = "single", n: int | None = 1, **changes: Any) -> Reference:
    """A reference on MRPC's validation split, in points; a value that 408 answers can give, unless said otherwise."""
    decimals, sd, values = (changes.pop(name, None) for name in ("decimals", "sd", "values"))
    metric = changes.pop("metric", "accuracy")
    number = Published(
        value=None if value is None else value / 100,
        values=None if values is None else [one / 100 for one in values],
        sd=None if sd is None else sd / 100,
        decimals=decimals,
    )
    fields: dict[str, Any] = {
        "id": "published", "kind": "log", "checkpoint": UNCASED, "split": "validation", "statistic": statistic,
        "n": len(values) if values is not None else n, "metrics": {metric: number}, "recipe": {}, "source": "made up",
    }  # fmt: skip
    return Reference(**{**fields, **changes})


def of(correct: Sequence[int]) -> list[float]:
    """Points of these numbers of correct answers out of 408."""
    return [100 * count / 408 for count in correct]


def numbers(verdict: Verdict) -> Decision:
    """The decision on a difference of scores, which must be there."""
    assert isinstance(verdict.numbers, Decision)
    return verdict.numbers


def values(facts: Iterable[Fact], code: str) -> Mapping[str, Any]:
    """The values of the only fact with this code."""
    (found,) = (fact.values for fact in facts if fact.code == code)
    return found


def part(verdict: Verdict, name: str) -> Fact:
    """A part of the reason of a verdict that has numbers: "because", "withheld", "after"."""
    assert verdict.reason.code == "judged"
    found = verdict.reason.values[name]
    assert isinstance(found, Fact)
    return found
