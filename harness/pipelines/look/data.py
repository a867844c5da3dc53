"""What `harness data` tells: a grid's data, loaded as its runs load them, and what is odd in them."""

from __future__ import annotations

import csv
import json
import subprocess
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from harness.checks.material import data_faults
from harness.errors import MaterialError, RequirementError, SpecError
from harness.execution.environment import START
from harness.execution.session import environment_of, materials_of
from harness.fact import Fact
from harness.grid.cell import Cell
from harness.grid.grid import Grid
from harness.program import ask
from harness.protocol import OWN_DATA
from harness.record.parts.data import Data
from harness.task import VALIDATION, Task
from harness.text import one_line
from harness.validation import first_problem

SECONDS: Final = 600


@dataclass(frozen=True)
class Looked:
    """A task of a grid, its data, and what is odd in them."""

    task: str
    data: Data
    faults: tuple[Fact, ...]


def look_at(grid: Grid) -> list[Looked]:
    """Load each task of a grid in its first environment, and count what a record would have of it.

    Raises
    ------
    MaterialError
        Where one cannot be had, or is not what it should be; with a line for each.
    SpecError
        Where the data are those of the training code under test.
    """
    cells: dict[str, Cell] = {}
    for cell in grid.every_cell():
        cells.setdefault(cell.task, cell)
    if OWN_DATA in cells:
        raise SpecError(f"{grid.path}: subject: has data of its own, which its code loads; allowed a grid with a task")
    label = next(iter(cells.values())).environment
    environment = environment_of(grid, label)
    if environment.failure is not None:
        raise RequirementError(environment.failure)
    materials = materials_of(grid, {label: environment})[label]
    materials.find(cells.values())
    items = []
    for name, cell in cells.items():
        found = materials.task(cell)
        path = None if found.path is None else str(found.path)
        items.append({"name": name, "task": cell.about.to_json(), "path": path, "revision": found.revision})
    answers = _answers(environment.python, items)
    problems = [str(answer["error"]) for answer in answers if "error" in answer]
    if problems:
        raise MaterialError("\n".join(problems))
    return [_looked(item, answer) for item, answer in zip(items, answers, strict=True)]


def _answers(python: str, items: list[dict[str, Any]]) -> list[dict[str, Any]]:
    try:
        done = ask([python, START, "data.look"], SECONDS, said=json.dumps(items))
        done.check_returncode()
        answers = json.loads(done.stdout)
        if not (isinstance(answers, list) and len(answers) == len(items) and all(isinstance(a, dict) for a in answers)):
            raise ValueError(f"it said {done.stdout!r:.80}")
    except (OSError, subprocess.SubprocessError, ValueError, RecursionError) as error:
        said = (getattr(error, "stderr", None) or "").strip().splitlines()
        raise MaterialError(
            f"data: {python} could not load them: {one_line(said[-1] if said else str(error), 400)}"
        ) from error
    return answers


def _looked(item: dict[str, Any], answer: dict[str, Any]) -> Looked:
    try:
        data = Data(source=item["name"], revision=item["revision"], **answer)
    except (ValidationError, TypeError) as error:
        problem = first_problem(error) if isinstance(error, ValidationError) else str(error)
        raise MaterialError(f"task {item['name']}: {problem}") from error
    return Looked(item["name"], data, tuple(data_faults(data)))


def validation_counts(folder: Path, task: Task) -> list[int] | None:
    """Examples of each class of a task folder's validation split; None where they are none, or the subject could not
    read it either.
    """
    column, labels = task.columns.get("label"), list(task.words or map(str, range(len(task.classes or ()))))
    try:
        with (folder / task.files[VALIDATION]).open(encoding="utf-8-sig", newline="") as file:
            rows = [row for row in csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE) if row]
        place = rows.pop(0).index(column) if isinstance(column, str) else int(column or 0)
        found = Counter(row[place] for row in rows)
    except (OSError, UnicodeDecodeError, csv.Error, LookupError, ValueError):
        return None
    return [found[label] for label in labels] if found and set(found) <= set(labels) else None
