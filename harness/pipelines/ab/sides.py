"""What `harness ab` does: two environments, the same cells in both; verified in each, and held against each other.

A and B are requirements, labels of the grid, interpreters, or "current". The runs are those of `verify --quick`; each
of A is held against the one of B that asks for the same. Of one environment twice, each is held against its repetition.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from harness.checks.verdict import Fact, Verdict, exit_code
from harness.checks.verify.diff.paired import Candidate, judge, state_of, summary
from harness.checks.verify.problems import environments_code
from harness.errors import SpecError
from harness.execution.executors.cluster import Cluster
from harness.execution.session import Session
from harness.exit_codes import ORDER
from harness.grid.cell import Cell
from harness.grid.environments import CURRENT, asks, label_of, place_of, read_requirement
from harness.grid.grid import Grid, grid_from_document, shipped
from harness.pipelines.verify import BUILT_IN, Verification, verify_cells
from harness.record.run import Run
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import Head
from harness.text import listed, show
from harness.validation import parse_toml, read_toml

_KEPT: Final = (
    "name", "task", "task_folder", "head_seeding", "recipe_defaults", "accepts_loss_kwargs", "evaluation_draws",
    "recipe", "subject", "checkpoint", "execution", "waiver",
)  # fmt: skip
"""What of a grid says how cells train; the rest is about scores, and about the environments of the grid itself."""
COMPARED: Final = ("identical", "equal", "different")


@dataclass(frozen=True)
class Sides:
    """What `ab` found: the verification of both environments, and the pairs; `a` and `b` are their labels."""

    a: str
    b: str
    verification: Verification
    pairs: Sequence[Verdict]

    @property
    def answer(self) -> Fact:
        """What the pairs come to: equal to the last bit, within rounding, or not; and how many were not compared."""
        states = [state_of(one) for one in self.pairs]
        compared = [one for one in states if one in COMPARED]
        worst = max(compared, key=COMPARED.index, default="none")
        return Fact.of("ab.answer", state=worst, compared=len(compared), pairs=len(states), same=self.a == self.b)

    @cached_property
    def diff(self) -> Fact:
        """The same in the words of `diff`, of the pairs that could be compared where there are any."""
        compared = [one for one in self.pairs if state_of(one) in COMPARED]
        return summary(compared or self.pairs)

    def section(self, command: str, *, only_new: bool, grid: str) -> Section:
        """What the command says. With `only_new` a difference that no check calls wrong does not count."""
        judged = self.verification
        several = len(judged.environments) > 1
        codes = [(environments_code if several else exit_code)(judged.verdicts)]
        codes += [] if only_new else [exit_code(self.pairs)]
        of_checks = judged.section("harness ab", command, grid)
        facts = (self.answer, self.diff, *of_checks.head.facts, Fact.of("ab.unmeasured"))
        head = Head(
            "ab", "harness ab", command, self.a, self.b, facts=facts, waivers=judged.waivers, grid=grid,
            problems=judged.problems,
        )  # fmt: skip
        every = [*self.pairs, *judged.verdicts]
        heeded = list(judged.verdicts) if only_new else every
        return Section(head, every, heeded, code=next(one for one in ORDER if one in codes))


def side_of(text: str, grid: Mapping[str, Any]) -> Any:
    """What the axis `environment` has for a side: a label of the grid, or a table with a name.

    Raises
    ------
    SpecError
        Where it is none of what is allowed.
    """
    defined = grid.get("environment")
    if text == CURRENT or (isinstance(defined, dict) and text in defined):
        return text
    path = Path(text).expanduser()
    python = path / "bin" / "python" if path.is_dir() else path
    if python.is_file() and not text.endswith(".whl"):
        return {"name": path.name if path.is_dir() else text.lstrip("./"), "python": str(python.absolute())}
    words = text.split() if " @ " not in text else [text]
    if not words or not all(map(asks, words)):
        known = listed([CURRENT, *(defined or ())])
        raise SpecError(
            f"ab: got {show(text)}; allowed a requirement (transformers==4.57.6, several in one pair of quotes, "
            f"'transformers @ FOLDER', a wheel, a URL), the path of an interpreter, {known}"
        )
    found = [read_requirement(one) for one in words]
    packages = []
    for one in found:
        at = place_of(one)
        packages.append(str(one) if at is None else f"{one.name} @ {Path(at).expanduser().absolute()}")
    return {"name": " ".join(map(label_of, found)), "packages": packages}


def grid_of_two(a: str, b: str, path: Path | None) -> Grid:
    """The grid, else the built-in one, with these two environments as its only ones; one where they are the same.

    Raises
    ------
    SpecError
        For the grid, or a side.
    """
    if path is None:
        document = dict(parse_toml((files("harness") / "shipped" / BUILT_IN).read_bytes(), BUILT_IN))
    else:
        document = dict(read_toml(shipped(path) or path))
    sides = [side_of(text, document) for text in (a, b)]
    if sides[0] == sides[1]:
        del sides[1]
    elif isinstance(sides[0], dict) and isinstance(sides[1], dict) and sides[0]["name"] == sides[1]["name"]:
        # Two places whose last part is the same.
        sides = [{**side, "name": f"{letter}: {side['name']}"} for letter, side in zip("AB", sides, strict=True)]
    labels = [side if isinstance(side, str) else side["name"] for side in sides]
    given = document.get("environment")
    defined = {name: spec for name, spec in (given if isinstance(given, dict) else {}).items() if name in labels}
    matrix = document.get("matrix")
    if isinstance(matrix, dict):
        matrix = {key: value for key, value in matrix.items() if key not in ("include", "exclude")}
        document["matrix"] = {**matrix, "environment": sides}
    kept: dict[str, Any] = {key: document[key] for key in (*_KEPT, "matrix") if key in document}
    return grid_from_document({**kept, **({"environment": defined} if defined else {})}, path or Path(BUILT_IN))


def compare_sides(
    grid: Grid, results: Path, run: Callable[[Session], None], *, reuse: bool = False, on: Cluster | None = None
) -> Sides:
    """Run, `on` a cluster or here, and judge; raises what :func:`harness.pipelines.verify.verify_cells` raises."""
    cells = grid.cells()
    labels = list(dict.fromkeys(cell.environment for cell in cells))
    a, b = labels[0], labels[-1]
    kinds = ("repeat",) if a == b else ()
    found = verify_cells(grid, cells, results, run, kinds=kinds, quick=True, reuse=reuse, on=on)
    pairs = [
        judge((_candidate(first, found.runs), _candidate(second, found.runs))) for first, second in _met(found, a, b)
    ]
    return Sides(a, b, found, pairs)


def _met(found: Verification, a: str, b: str) -> list[tuple[Cell, Cell]]:
    """Which cells are held against each other: those that ask for the same; of one environment each and its twin."""
    if a == b:
        return [(pair.base, pair.twin) for pair in found.checklist.pairs if pair.kind == "repeat"]
    cells = found.checklist.cells
    there = {cell.cell_id: cell for cell in cells}
    both = [(one, there.get(replace(one, environment=b).cell_id)) for one in cells if one.environment == a]
    return [(one, other) for one, other in both if other is not None]


def _candidate(cell: Cell, runs: Mapping[str, Run]) -> Candidate | None:
    run = runs.get(cell.cell_id)
    if run is None:
        return None
    key = (cell.cell_id, run.record.environment_id, run.record.started)
    return Candidate(cell.label, cell.cell_id[:8], cell.cell_id, cell.cell_id, cell.axes, key, lambda: run)
