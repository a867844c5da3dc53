"""What failed checks come to: one cause counted once, training or log only, and what becomes of it from A to B."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest

from harness.checks.verdict import Check, Fact, Finding, Outcome, Side, Verdict
from harness.checks.verify.problems import Environments, Problem, environments_code, is_turned
from harness.checks.verify.upstream import LOSS_SCALE
from harness.grid.cell import Cell

MakeCell = Callable[..., Cell]
Found = Sequence[tuple[str, Outcome, int | None, float | None]]
"""(item, outcome, step, ratio)."""

RIGHT: Found = [("logged loss", "PASS", None, None), ("gradient norm", "PASS", None, None)]
ONLY_LOG: Found = [("logged loss", "FAIL", 0, 4.0), ("gradient norm", "PASS", None, None)]
GRADIENT: Found = [("logged loss", "FAIL", 0, 4.0), ("gradient norm", "FAIL", 0, 4.0)]
NO_GRADIENT: Found = [("logged loss", "FAIL", 0, 4.0)]
WAIVER = Fact.of("waiver")


class Bench:
    """Cells of several environments, and made-up verdicts on them."""

    def __init__(self, cell_of: MakeCell, labels: Sequence[str]) -> None:
        self.labels = labels
        recipes = {
            "base": {},
            "accumulation": {"gradient_accumulation_steps": 4},
            "devices": {"max_steps": 3},
            "resume": {"max_steps": 4},
        }
        self.cells = {
            (label, name): cell_of(recipe=recipe, environment=label)
            for label in labels
            for name, recipe in recipes.items()
        }
        self.verdicts: list[Verdict] = []

    def pair(self, label: str, item: str, found: Found, upstream: str | None = LOSS_SCALE, **more: Any) -> None:
        self._add("invariants", label, item, found, upstream, against="base", **more)

    def run(self, label: str, of: str, found: Found, upstream: str | None = LOSS_SCALE, **more: Any) -> None:
        self._add("fidelity", label, of, found, upstream, **more)

    def _add(
        self, check: Check, label: str, name: str, found: Found, upstream: str | None, against: str = "", **more: Any
    ) -> None:
        findings = tuple(
            Finding(item, outcome, Fact.of("x"), step, ratio, f"cause of {item}", upstream if ratio else None)
            for item, outcome, step, ratio in found
        )
        outcome: Outcome = "FAIL" if any(one.outcome == "FAIL" for one in findings) else "PASS"
        sides = [Side(f"{label} {one}", cell_ids=(self.cells[label, one].cell_id,)) for one in (name, against) if one]
        verdict = Verdict(
            check,
            outcome,
            sides[0],
            Fact.of("r"),
            sides[1] if against else None,
            name if against else "",
            findings=findings,
        )
        self.verdicts.append(replace(verdict, **more))

    @property
    def found(self) -> Environments:
        return Environments(list(self.cells.values()), self.verdicts)

    def problems(self) -> list[tuple[str | None, str, str, str, int]]:
        return [(one.state, one.harm, one.check, one.item, one.checks) for one in self.found.problems()]

    def code(self) -> int:
        judged = self.found.judged()
        return environments_code([judged.get(id(one), one) for one in self.verdicts])


@pytest.mark.parametrize(
    ("a", "b", "problems", "code"),
    [
        (RIGHT, RIGHT, [], 0),
        (RIGHT, GRADIENT, [("new", "training", "accumulation", "gradient norm", 1)], 1),
        (RIGHT, ONLY_LOG, [("new", "log", "accumulation", "logged loss", 1)], 1),
        (GRADIENT, RIGHT, [("repaired", "training", "accumulation", "gradient norm", 1)], 0),
        (ONLY_LOG, ONLY_LOG, [("both", "log", "accumulation", "logged loss", 1)], 0),
        # As transformers 5.4 -> 5.23: the log was wrong before, the gradient is so only now; and back.
        (
            ONLY_LOG,
            GRADIENT,
            [
                ("new", "training", "accumulation", "gradient norm", 1),
                ("both", "log", "accumulation", "logged loss", 1),
            ],
            1,
        ),
        (
            GRADIENT,
            ONLY_LOG,
            [
                ("both", "log", "accumulation", "logged loss", 1),
                ("repaired", "training", "accumulation", "gradient norm", 1),
            ],
            0,
        ),
        # The log alone was seen: nobody knows that the gradient is right.
        (RIGHT, NO_GRADIENT, [("new", "training", "accumulation", "logged loss", 1)], 1),
    ],
)
def test_new_repaired_both_none(cell_of: MakeCell, a: Found, b: Found, problems: Any, code: int) -> None:
    bench = Bench(cell_of, ["a", "b"])
    bench.pair("a", "accumulation", a)
    bench.pair("b", "accumulation", b)
    assert (bench.problems(), bench.code()) == (problems, code)


def test_what_is_no_longer_a_random_stream_alone_is_new(cell_of: MakeCell) -> None:
    """As transformers 4.57 -> 5.0: resumed after an evaluation both draw otherwise, and now the weights differ too."""
    bench = Bench(cell_of, ["a", "b"])
    bench.pair("a", "resume", [("random state", "FAIL", 4, None)])
    bench.pair("b", "resume", [("the model's own loss", "FAIL", 4, 0.998)], upstream=None)
    drawn = replace(bench.verdicts[0].findings[0], cause="evaluation draws")
    bench.verdicts[0] = replace(bench.verdicts[0], findings=(drawn,))
    assert bench.problems() == [("new", "training", "resume", "the model's own loss", 1)]
    assert bench.code() == 1


def test_what_has_become_larger_is_new(cell_of: MakeCell) -> None:
    bench = Bench(cell_of, ["a", "b"])
    bench.pair("a", "accumulation", [("gradient norm", "FAIL", 0, 2.0)])
    bench.pair("b", "accumulation", [("gradient norm", "FAIL", 0, 4.0)])
    (one,) = bench.found.problems()
    assert (one.state, one.ratio_a, one.ratio, bench.code()) == ("new", 2.0, 4.0, 1)


def test_one_cause_is_counted_once_with_its_clearest_pair(cell_of: MakeCell) -> None:
    bench = Bench(cell_of, ["a"])
    bench.pair("a", "devices", [("logged loss", "FAIL", 0, 2.0), ("gradient norm", "FAIL", 0, 2.0)])
    bench.pair("a", "accumulation", GRADIENT)
    bench.run("a", "accumulation", [("logged loss", "FAIL", 0, 4.0)])
    bench.pair("a", "resume", [("random state", "FAIL", 4, None), ("logits", "SKIP", None, None)], None)
    first, second = bench.found.problems()
    assert (first.state, first.harm, first.cause, first.upstream, first.check, first.ratio, first.checks) == (
        None, "training", LOSS_SCALE, LOSS_SCALE, "accumulation", 4.0, 3,
    )  # fmt: skip
    assert first.cell_ids == (bench.cells["a", "base"].cell_id, bench.cells["a", "accumulation"].cell_id)
    assert (second.cause, second.checks) == ("cause of random state", 1)


def test_what_a_run_logs_is_only_the_log_where_a_pair_as_large_says_so(cell_of: MakeCell) -> None:
    """As in transformers 5.4: on 2 ranks the gradient is wrong too, with accumulation it is not."""
    bench = Bench(cell_of, ["a"])
    bench.pair("a", "devices", [("logged loss", "FAIL", 0, 2.0), ("gradient norm", "FAIL", 0, 2.0)])
    bench.pair("a", "accumulation", ONLY_LOG)
    bench.run("a", "devices", [("logged loss", "FAIL", 0, 2.0)])
    bench.run("a", "accumulation", [("logged loss", "FAIL", 0, 4.0)])
    bench.run("a", "resume", [("logged loss", "FAIL", 0, 3.0)])
    training, log = bench.found.problems()
    assert (training.harm, training.checks) == ("training", 3)  # with the one of which nothing is known
    assert (log.harm, log.checks, log.ratio) == ("log", 2, 4.0)


def test_a_row_of_environments_is_held_step_by_step(cell_of: MakeCell) -> None:
    bench = Bench(cell_of, ["a", "b", "c", "d"])
    for label, found in zip("abcd", (RIGHT, GRADIENT, GRADIENT, RIGHT), strict=True):
        bench.pair(label, "accumulation", found)
    assert [(one.state, one.a, one.b) for one in bench.found.problems()] == [
        ("new", "a", "b"),
        ("both", "b", "c"),
        ("repaired", "c", "d"),
    ]
    assert bench.code() == 1  # something came, though it went
    assert [one.gates for one in bench.found.judged().values()] == [False]


def test_what_cannot_be_judged_in_b_is_neither_repaired_nor_green(cell_of: MakeCell) -> None:
    bench = Bench(cell_of, ["a", "b"])
    bench.pair("a", "accumulation", GRADIENT)
    bench.pair("b", "accumulation", [], outcome="ERROR")
    assert [one[0] for one in bench.problems()] == ["open"]
    assert bench.code() == 4


def test_what_was_not_judged_in_a_is_not_called_new_but_is_red(cell_of: MakeCell) -> None:
    bench = Bench(cell_of, ["a", "b"])
    bench.pair("a", "accumulation", [], outcome="SKIP")
    bench.pair("b", "accumulation", GRADIENT)
    assert ([one[0] for one in bench.problems()], bench.code()) == (["open"], 1)


def test_a_log_that_comes_to_training_that_was_wrong_is_new_in_the_log_only(cell_of: MakeCell) -> None:
    """As transformers 4.46 -> 4.47: the gradient was 4 x before, and now the log is too."""
    drifted: Found = [("logged loss", "FAIL", 2, 0.99998), ("gradient norm", "FAIL", 0, 4.0)]
    bench = Bench(cell_of, ["a", "b", "c"])
    for label, found in (("a", drifted), ("b", GRADIENT), ("c", drifted)):
        bench.pair(label, "accumulation", found)
        bench.run(label, "accumulation", [("logged loss", "FAIL", 0, 4.0)] if label == "b" else RIGHT, None)
    assert bench.problems() == [
        ("new", "log", "accumulation", "logged loss", 2),
        ("both", "training", "accumulation", "gradient norm", 1),
        ("both", "training", "accumulation", "gradient norm", 1),
        ("repaired", "log", "accumulation", "logged loss", 2),
    ]


def test_a_waived_problem_is_not_red(cell_of: MakeCell) -> None:
    bench = Bench(cell_of, ["a", "b"])
    bench.pair("a", "accumulation", RIGHT)
    bench.pair("b", "accumulation", GRADIENT, waiver=WAIVER)
    (one,) = bench.found.problems()
    assert isinstance(one, Problem)
    assert (one.state, one.waived, bench.code()) == ("new", True, 0)


def test_the_worst_of_a_check_in_an_environment(cell_of: MakeCell) -> None:
    bench = Bench(cell_of, ["a", "b"])
    bench.pair("a", "accumulation", ONLY_LOG)
    bench.pair("b", "accumulation", RIGHT)
    a, b, none = (bench.found.standing(*of) for of in (
        ("a", "invariants", "accumulation"), ("b", "invariants", "accumulation"), ("a", "invariants", "resume")
    ))  # fmt: skip
    assert a is not None
    assert b is not None
    assert ((a.outcome, a.harm, a.ratio), (b.outcome, b.harm), none) == (("FAIL", "log", 4.0), ("PASS", None), None)


@pytest.mark.parametrize(
    ("old", "new", "turned"),
    [(4.0, 0.25, True), (0.25, 4.0, True), (4.0, 2.0, False), (1.001, 0.25, False), (None, 4.0, False)],
)
def test_what_was_too_large_and_is_too_small_is_another_defect(old: float | None, new: float, turned: bool) -> None:
    assert is_turned(old, new) is turned


def test_how_many_steps_a_run_has_comes_before_what_they_lead_to(cell_of: MakeCell) -> None:
    """With fewer steps the rate falls faster, and all that follows is another."""
    bench = Bench(cell_of, ["a"])
    found: Found = [
        ("optimizer steps", "FAIL", None, None),
        ("logged loss", "FAIL", 2, 1.0),
        ("learning rate", "FAIL", 1, 0.95),
    ]
    bench.pair("a", "accumulation", found, upstream=None)
    assert bench.problems() == [(None, "training", "accumulation", "optimizer steps", 1)]
