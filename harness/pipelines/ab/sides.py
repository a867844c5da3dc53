"""What `harness ab` does: two environments, the same cells in both; verified in each, and held against each other.

A and B are requirements, labels of the grid, interpreters, or "current". The runs are those of `verify --quick`; each
of A is held against the one of B that asks for the same. Of one environment twice, each is held against its repetition.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from harness.checks.scores.compared import Comparison
from harness.checks.verdict import Fact, Side, Verdict, exit_code
from harness.checks.verify.diff.paired import Candidate, is_within, judge, state_of, summary
from harness.checks.verify.problems import environments_code
from harness.errors import RequirementError, SpecError
from harness.execution.executors.cluster import Cluster
from harness.execution.session import Session
from harness.exit_codes import ORDER
from harness.grid.cell import Cell
from harness.grid.environments import AXIS, CURRENT, asks, label_of, place_of, read_requirement
from harness.grid.grid import Grid, grid_from_document, shipped
from harness.grid.project import read_project
from harness.pipelines.ab.scores import score_sides, untold
from harness.pipelines.ab.speed import time_sides
from harness.pipelines.verify import BUILT_IN, Verification, verify_cells
from harness.record.run import Run
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import Head
from harness.stats.throughput import Speed
from harness.text import listed, show
from harness.validation import parse_toml, read_toml

_KEPT: Final = (
    "name", "task", "task_folder", "head_seeding", "recipe_defaults", "accepts_loss_kwargs", "evaluation_draws",
    "recipe", "subject", "checkpoint", "execution", "waiver",
)  # fmt: skip
"""What of a grid says how cells train; the rest is about scores, and about the environments of the grid itself."""
COMPARED: Final = ("identical", "equal", "different")
WAYS: Final = ("identical", "equal", "unknown", "different")
"""What the pairs of one way of running come to, the worst last."""


@dataclass(frozen=True)
class Sides:
    """What `ab` found: the verification of both environments, and the pairs; `a` and `b` are their labels.

    `speed` is what timing both comes to, None where that was not asked for; `scores` what is known of final scores
    without training to the end, and `comparisons` what training to it came to.
    """

    a: str
    b: str
    verification: Verification
    pairs: Sequence[Verdict]
    speed: Sequence[Verdict] | None = None
    scores: Fact | None = None
    comparisons: tuple[Comparison, ...] = ()

    @classmethod
    def of(cls, found: Verification) -> Sides:
        """What the verification of both comes to: each run of A held against the one of B that asks for the same."""
        a, b = found.environments[0], found.environments[-1]
        return cls(a, b, found, [_judged(first, second, found.runs) for first, second in _met(found, a, b)])

    @property
    def answer(self) -> Fact:
        """What the pairs come to: equal to the last bit, within rounding, or not; and how many were not compared."""
        states = [state_of(one) for one in self.pairs]
        compared = [one for one in states if one in COMPARED]
        worst = max(compared, key=COMPARED.index, default="none")
        within = sum(map(is_within, self.pairs))
        different = states.count("different") - within
        return Fact.of(
            "ab.answer", state="done" if worst == "different" and not different else worst, compared=len(compared),
            pairs=len(states), same=self.a == self.b, different=different, within=within,
        )  # fmt: skip

    @property
    def ways(self) -> list[Fact]:
        """In which ways of running A and B are the same, and in which not: plain, or as a check asks for.

        Nothing where A is B.
        """
        if self.a == self.b or not self.pairs:
            return []
        kinds = self.verification.checklist.kinds
        found: dict[str, list[str]] = {}
        for (first, _), one in zip(_met(self.verification, self.a, self.b), self.pairs, strict=True):
            state = "equal" if is_within(one) else state_of(one)
            found.setdefault(kinds[first.cell_id], []).append(state if state in COMPARED else "unknown")
        worst = {kind: max(states, key=WAYS.index) for kind, states in found.items()}
        same, equal, unknown, other = ([kind for kind in worst if worst[kind] == state] for state in WAYS)
        return [Fact.of("ab.ways", identical=same, equal=equal, unknown=unknown, different=other)]

    @cached_property
    def diff(self) -> Fact:
        """The same in the words of `diff`, of the pairs that could be compared where there are any."""
        compared = [one for one in self.pairs if state_of(one) in COMPARED]
        return summary(compared or self.pairs)

    def section(self, command: str, *, only_new: bool, grid: str) -> Section:
        """What the command says. With `only_new` a difference that no check calls wrong does not count."""
        judged = self.verification
        several = len(judged.environments) > 1
        checks, pairs, timed = self._not_red(judged.verdicts), self._not_red(self.pairs), list(self.speed or ())
        codes = [(environments_code if several else exit_code)(checks)]
        codes += [] if only_new else [exit_code(pairs)]
        # Undecided timings are told; that nothing was slower is not what is judged here.
        codes += [code for code in (exit_code(timed),) if code in (1, 4)]
        of_checks = judged.section("harness ab", command, grid)
        passed = sum(state_of(one) == "different" for one in pairs) if only_new else 0
        let = (Fact.of("ab.let_pass", pairs=passed),) if passed else ()
        facts = (self.answer, self.diff, *self.ways, *of_checks.head.facts, *let, *self._also())
        head = Head(
            "ab", "harness ab", command, self.a, self.b, facts=facts, waivers=judged.waivers, grid=grid,
            problems=judged.problems, comparisons=self.comparisons,
        )  # fmt: skip
        heeded = [*checks, *timed] if only_new else [*pairs, *checks, *timed]
        return Section(head, [*pairs, *checks, *timed], heeded, code=next(one for one in ORDER if one in codes))

    @cached_property
    def _alike(self) -> Mapping[str, Run]:
        """Runs that fail in both environments with the same error, by cell id; nothing where no pair was compared."""
        found: dict[str, Run] = {}
        runs = self.verification.runs
        for first, second in _met(self.verification, self.a, self.b) if self.answer.values["compared"] else ():
            a, b = runs.get(first.cell_id), runs.get(second.cell_id)
            if a is None or b is None or a.record.failure is None or b.record.failure is None:
                continue
            if (a.record.status, a.record.failure.type) == (b.record.status, b.record.failure.type):
                found |= {first.cell_id: a, second.cell_id: b}
        return found

    def _not_red(self, verdicts: Sequence[Verdict]) -> list[Verdict]:
        """The same; what could not be judged because of runs that fail alike in both is told, and not in the code."""
        failed = {cell_id for cell_id, run in self.verification.runs.items() if run.record.failure is not None}
        alike = set(self._alike)

        def is_told(one: Verdict) -> bool:
            mine = _ids(one) & failed
            return one.outcome == "ERROR" and bool(mine) and mine <= alike

        return [replace(one, gates=False) if is_told(one) else one for one in verdicts]

    def _drifted(self) -> Iterator[Fact]:
        """Settings that are not the same in both and changed nothing, each once: what they come to may be elsewhere.

        What is the cause of a difference in some pair is told there, whatever it did in others.
        """
        found: dict[str, Fact] = {}
        causes = [cause for pair in self.pairs for cause in pair.reason.values.get("causes") or ()]
        guilty = {_setting(str(cause.values.get("item"))) for cause in causes}
        for pair in (one for one in self.pairs if state_of(one) in COMPARED):
            for one in (each for each in pair.findings if each.outcome == "SKIP"):
                wrapped = one.fact.values.get("difference") or one.fact.values.get("of")
                fact = wrapped if isinstance(wrapped, Fact) and pair.outcome == "PASS" else one.fact
                if fact.values.get("layer") == "exact" and _setting(str(fact.values.get("item"))) not in guilty:
                    found[one.item] = fact
        if found:
            yield Fact.of("ab.drifted", settings=list(found.values()))

    def _broken(self) -> Iterator[Fact]:
        if self._alike:
            runs = list(self._alike.values())
            errors = dict.fromkeys(run.record.failure.type for run in runs if run.record.failure is not None)
            yield Fact.of("ab.broken", runs=len(runs) // 2, errors=list(errors))

    def _speed(self) -> Fact:
        if not self.speed:
            state = "unasked" if self.speed is None else "same" if self.a == self.b else "none"
            return Fact.of("ab.speed", state=state)
        one = self.speed[0]
        numbers = one.numbers if isinstance(one.numbers, Speed) else None
        low, high = (numbers.ci90 if numbers is not None else None) or (None, None)
        ratio = None if numbers is None else numbers.ratio
        return Fact.of("ab.speed", state=one.outcome, ratio=ratio, low=low, high=high, why=one.reason)

    def _also(self) -> Iterator[Fact]:
        """What is to be known beside the answer: settings that drifted, runs that fail, speed, scores."""
        yield from (*self._drifted(), *self._broken(), self._speed())
        if self.scores is not None:
            yield self.scores


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


def grid_of_two(a: str, b: str, path: Path | None, *, scores: bool = False) -> Grid:
    """The grid, else the built-in one, with these two environments as its only ones; one where they are the same.

    It compares them in their `scores` where that is asked for, and has a [throughput] table by which they can be timed.

    Raises
    ------
    SpecError
        For the grid, or a side.
    """
    file = shipped(path) if path is not None else None
    if path is None:
        document = dict(parse_toml((files("harness") / "shipped" / BUILT_IN).read_bytes(), BUILT_IN))
    else:
        document = dict(read_toml(file or path))
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
    timed = document.get("throughput", {})
    kept["throughput"] = {key: timed[key] for key in timed if key != "only"} if isinstance(timed, dict) else timed
    kept |= {"compare": [{"axis": AXIS}]} if scores else {}
    kept |= {"environment": defined} if defined else {}
    grid = grid_from_document(kept, path or Path(BUILT_IN), file)
    # Where there is no grid, waivers stand in the project's own file, as `verify` reads them.
    return grid if path is not None else grid.model_copy(update={"waiver": read_project().waiver})


def compare_sides(
    grid: Grid,
    results: Path,
    run: Callable[[Session], None],
    *,
    reuse: bool = False,
    speed: bool = False,
    scores: bool = False,
    on: Cluster | None = None,
) -> Sides:
    """Run, `on` a cluster or here, and judge; with `speed` also time both, with `scores` also train to the end.

    Raises
    ------
    HarnessError
        What :func:`harness.pipelines.verify.verify_cells` raises; RequirementError where a side cannot be built.
    """
    cells = grid.cells()

    def both(session: Session) -> None:
        """Where one side cannot be built nothing can be held against it, and nothing need train."""
        if problems := dict.fromkeys(str(one.reason) for one in session.plan.unbuilt()):
            raise RequirementError("\n".join(problems))
        run(session)

    kinds = ("repeat",) if len({cell.environment for cell in cells}) == 1 else ()
    sides = Sides.of(verify_cells(grid, cells, results, both, kinds=kinds, quick=True, reuse=reuse, on=on))
    a, b = sides.a, sides.b
    if speed:
        sides = replace(sides, speed=[] if a == b else time_sides(grid, a, b, results, run, reuse=reuse, on=on))
    if scores:
        return replace(sides, comparisons=score_sides(grid, results, run, on))
    return replace(sides, scores=untold(grid, results, str(sides.answer.values["state"])))


def _met(found: Verification, a: str, b: str) -> list[tuple[Cell, Cell]]:
    """Which cells are held against each other: those that ask for the same; of one environment each and its twin."""
    if a == b:
        return [(pair.base, pair.twin) for pair in found.checklist.pairs if pair.kind == "repeat"]
    cells = found.checklist.cells
    there = {cell.cell_id: cell for cell in cells}
    both = [(one, there.get(replace(one, environment=b).cell_id)) for one in cells if one.environment == a]
    return [(one, other) for one, other in both if other is not None]


def _setting(item: str) -> str:
    """A setting, whichever of an optimizer's groups has it; the optimizer's own implementation is its argument's."""
    name = re.sub(r"^optimizer group \d+: ", "", item)
    return "optim" if name in ("fused", "foreach", "arguments.optim") else name


def _ids(verdict: Verdict) -> frozenset[str]:
    sides = (verdict.against, verdict.subject)
    return frozenset(cell_id for side in sides if side is not None for cell_id in side.cell_ids)


def _judged(first: Cell, second: Cell, runs: Mapping[str, Run]) -> Verdict:
    pair = _candidate(first, runs), _candidate(second, runs)
    if pair == (None, None):
        reason = Fact.of("run.missing", runs=[first.label, second.label])
        return Verdict("diff", "ERROR", Side(second.label), reason, against=Side(first.label))
    return judge(pair)


def _candidate(cell: Cell, runs: Mapping[str, Run]) -> Candidate | None:
    run = runs.get(cell.cell_id)
    if run is None:
        return None
    key = (cell.cell_id, run.record.environment_id, run.record.started)
    return Candidate(cell.label, cell.cell_id[:8], cell.cell_id, cell.cell_id, cell.axes, key, lambda: run)
