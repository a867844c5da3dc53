"""An accepted file held against another side: which configurations meet, in which state they are, and why."""

from __future__ import annotations

from typing import Any

import pytest
from scipy import stats

from harness.checks.scores.baseline.diff import diff_accepted
from harness.checks.scores.baseline.pair import BaselineSide
from harness.checks.verdict import Fact, Verdict, exit_code
from harness.checks.verify.diff.paired import state_of, summary
from tests.checks.scores.made_up_sides import LAYERS, OLD, SCORES, Run, run, runs, side


def one(a: BaselineSide, b: BaselineSide, exact: bool = False) -> Verdict:
    (verdict,), _ = diff_accepted(a, b, exact)
    return verdict


def with_asked(name: str, found: dict[int, Run], **asked: Any) -> BaselineSide:
    return side(name, {"x": found}, configuration_id=f"id-{name}", asked={"threads": 1, **asked})


def causes(verdict: Verdict) -> list[tuple[Any, ...]]:
    return [(fact.code, *(fact.values.get(key) for key in ("field", "a", "b"))) for fact in reason(verdict)["causes"]]


def reason(verdict: Verdict) -> dict[str, Any]:
    assert verdict.reason.code == "diff.kept"
    return dict(verdict.reason.values)


def test_equal_bits_are_identical_whatever_else_differs() -> None:
    new = side("new", {"x": runs(SCORES)}, environment={"packages": {"transformers": "5.23.0", "torch": "2.13.0"}})
    (verdict,), places = diff_accepted(OLD, new)
    assert (verdict.outcome, state_of(verdict), exit_code([verdict])) == ("PASS", "identical", 0)
    moved = Fact.of("cause.place", field="packages.transformers", a="5.22.0", b="5.23.0")
    assert (reason(verdict)["idle"], reason(verdict)["causes"]) == ([moved], [])
    change = Fact.of("changed", field="transformers", a="5.22.0", b="5.23.0")
    assert places == (Fact.of("diff.kept.place", changes=(change,), configurations=("x",)),)


@pytest.mark.parametrize("gone", [("final_sha256",), LAYERS])
def test_scores_alone_prove_no_identity(gone: tuple[str, ...]) -> None:
    blank = side("blank", {"x": {s: {**r, **dict.fromkeys(gone)} for s, r in runs(SCORES).items()}})
    verdict = one(OLD, blank)
    assert reason(verdict)["alike"]
    assert len(reason(verdict)["unseen"]) == len(gone)
    known = len(gone) == 1  # what training began with is known to be equal
    assert (state_of(verdict), exit_code([verdict])) == (("equal", 0) if known else ("unknown", 3))
    assert state_of(one(OLD, blank, exact=True)) == "unknown"


def test_other_bits_with_equal_scores_are_equal_and_not_exactly() -> None:
    new = side("new", {"x": runs(SCORES, "new")})
    verdict = one(OLD, new)
    assert (verdict.outcome, state_of(verdict), reason(verdict)["parts"]) == ("PASS", "equal", "first losses")
    assert state_of(one(OLD, new, exact=True)) == "different"


def test_a_loss_has_its_size_in_points_and_its_interval_and_is_a_gain_the_other_way_round() -> None:
    worse = [0.765, 0.77, 0.76, 0.762, 0.78]
    new = side("new", {"x": runs(worse, "new")})
    expected = stats.ttest_rel([100 * x for x in worse], [100 * x for x in SCORES]).confidence_interval(0.9)
    for a, b, sign in ((OLD, new, 1), (new, OLD, -1)):
        verdict = one(a, b)
        score = reason(verdict)["score"].values
        assert (verdict.outcome, state_of(verdict), exit_code([verdict])) == ("FAIL", "different", 1)
        assert score["difference"] == pytest.approx(-3.66 * sign)
        assert score["b"] - score["a"] == pytest.approx(-3.66 * sign)
        low, high = sorted(sign * bound for bound in score["interval"])
        assert (low, high) == pytest.approx(tuple(expected))
        assert verdict.numbers is not None
        assert [fact.values["item"] for fact in verdict.notes] == ["accuracy", "f1"]


@pytest.mark.parametrize(
    ("scores", "state", "code"),
    [
        ([0.802, 0.808, 0.792, 0.803, 0.816], "equal", 0),  # the interval lies within 1.5 points
        ([0.815, 0.80, 0.80, 0.79, 0.83], "unknown", 3),  # it does not, and the mean does
        ([0.83, 0.84, 0.77, 0.85, 0.82], "different", 1),  # these runs differ by more, if by chance
    ],
)
def test_scores_are_equal_within_the_margin_different_or_neither(scores: list[float], state: str, code: int) -> None:
    new = side("new", {"x": runs(scores, "new")})
    for a, b in ((OLD, new), (new, OLD)):
        verdict = one(a, b)
        assert (state_of(verdict), exit_code([verdict])) == (state, code)


def test_few_runs_are_not_called_equal() -> None:
    few = side("a", {"x": runs(SCORES[:2])}), side("b", {"x": runs([0.801, 0.812], "new")})
    assert state_of(one(*few)) == "unknown"
    assert state_of(one(*few, exact=True)) == "different"


class TestCause:
    def test_the_recipe_explains_and_what_it_does_follows(self) -> None:
        a = with_asked("a", runs(SCORES), recipe={"learning_rate": 2e-5, "run_name": "a"})
        b = with_asked("b", runs(SCORES, "new", since="data_order_sha256"), recipe={"learning_rate": 3e-5})
        verdict = one(a, b)
        assert (state_of(verdict), reason(verdict)["parts"]) == ("different", "data order")
        assert causes(verdict) == [("cause.asked", "recipe.learning_rate", 2e-5, 3e-5)]
        assert causes(one(b, a)) == [("cause.asked", "recipe.learning_rate", 3e-5, 2e-5)]
        assert [fact.values["field"] for fact in verdict.recipe_differences] == ["recipe.learning_rate"]

    def test_another_number_of_threads_may_only_round(self) -> None:
        a, b = with_asked("a", runs(SCORES)), with_asked("b", runs(SCORES, "new"), threads=2)
        verdict = one(a, b)
        assert (state_of(verdict), causes(verdict)) == ("equal", [("cause.asked", "threads", 1, 2)])

    def test_what_was_done_otherwise_comes_before_where_it_ran(self) -> None:
        place = {"packages": {"transformers": "5.23.0", "torch": "2.13.0"}}
        new = side("new", {"x": runs(SCORES, "new", since="init_sha256", optimizer="SGD")}, environment=place)
        verdict = one(OLD, new)
        assert state_of(verdict) == "different"
        assert causes(verdict) == [
            ("cause.done", "optimizer", "AdamW", "SGD"), ("through", None, None, None),
            ("cause.place", "packages.transformers", "5.22.0", "5.23.0"),
        ]  # fmt: skip
        assert reason(verdict)["causes"][1].values["item"] == "initial weights"

    def test_the_software_under_test_comes_first(self) -> None:
        place = {"packages": {"numpy": "2", "torch": "2.14.0", "transformers": "5.23.0"}, "python": "3.12"}
        verdict = one(OLD, side("new", {"x": runs(SCORES, "new")}, environment=place))
        assert [field for _, field, *_ in causes(verdict)] == [
            "packages.transformers", "packages.torch", "packages.numpy", "python",
        ]  # fmt: skip

    def test_a_checkpoint_is_told_by_where_it_is_from_not_by_its_name(self) -> None:
        asked = {"checkpoint": {"name": "a", "source": "s", "config": {"layers": 1}}, "repeat": 1}
        other = {"checkpoint": {"name": "b", "source": "s", "config": {"layers": 2}}, "repeat": 2}
        verdict = one(with_asked("a", runs(SCORES), **asked), with_asked("b", runs(SCORES, "new"), **other))
        assert (state_of(verdict), causes(verdict)) == ("different", [("cause.asked", "config.layers", 1, 2)])

    def test_other_data_are_said_and_no_test_is_made_of_their_scores(self) -> None:
        verdict = one(OLD, side("new", {"x": runs(SCORES, "new")}, content_id="other"))
        assert (state_of(verdict), verdict.numbers) == ("different", None)
        assert causes(verdict)[0][0] == "diff.kept.content"

    def test_other_scores_of_the_same_weights_are_the_evaluations(self) -> None:
        found = {seed: {**one, "accuracy": one["accuracy"] + 0.001} for seed, one in runs(SCORES).items()}
        verdict = one(OLD, side("new", {"x": found}))
        assert (state_of(verdict), causes(verdict)[0][0]) == ("different", "diff.kept.evaluation")

    def test_without_any_the_list_is_empty(self) -> None:
        assert causes(one(OLD, side("new", {"x": runs(SCORES, "new")}))) == []


def test_a_collapse_on_one_side_is_a_difference() -> None:
    found = {**runs(SCORES, "new"), 2: run(2, 0.5, "new", status="collapsed")}
    verdict = one(OLD, side("new", {"x": found}))
    assert (state_of(verdict), reason(verdict)["score"].values["seeds"]) == ("different", 4)
    assert reason(verdict)["moved"] == (Fact.of("status.changed", seed=2, before="ok", after="collapsed"),)


def test_a_seed_of_one_side_is_missing_in_the_other_whichever_it_is() -> None:
    fewer = side("b", {"x": {s: r for s, r in runs(SCORES).items() if s != 4}}, left_out=[("x", 4, "failed")])
    for pair, name in (((OLD, fewer), "B"), ((fewer, OLD), "A")):
        verdict = one(*pair)
        assert (verdict.outcome, state_of(verdict), exit_code([verdict])) == ("ERROR", "missing", 4)
        (lost,) = verdict.reason.values["lost"]
        assert (lost.values["side"], lost.values["seeds"]) == (name, [4])
        assert lost.values["runs"].values["runs"][0].values["status"] == "failed"
        assert verdict.reason.values["others"].values["state"] == "identical"


def test_other_seeds_are_compared_as_two_samples() -> None:
    verdict = one(OLD, side("b", {"x": runs([0.7, 0.71, 0.69, 0.705, 0.715], first=11)}))
    score = reason(verdict)["score"].values
    assert (state_of(verdict), score["paired"], score["seeds"]) == ("different", False, 5)
    assert score["difference"] == pytest.approx(-10.0)
    assert state_of(one(OLD, side("b", {"x": runs([0.78, 0.83, 0.77, 0.85, 0.84], first=11)}))) == "unknown"


class TestPairs:
    def test_by_id_then_by_label_and_what_is_left_is_missing(self) -> None:
        a = side("a", {"x": runs(SCORES), "y": runs(SCORES), "z": runs(SCORES)})
        b = side("b", {"y": runs(SCORES, "new"), "x": runs(SCORES, "new"), "w": runs(SCORES)})
        b.results.configurations[1] = b.results.configurations[1].model_copy(update={"configuration_id": "another"})
        verdicts, _ = diff_accepted(a, b)
        assert [(v.subject.label, state_of(v)) for v in verdicts] == [
            ("x", "equal"), ("y", "equal"), ("z", "missing"), ("w", "missing"),
        ]  # fmt: skip
        assert [v.reason.values["side"] for v in verdicts[2:]] == ["B", "A"]
        found = summary(verdicts, noun="configurations").values
        assert (found["states"], found["noun"]) == ({"equal": 2, "missing": 2}, "configurations")

    def test_one_meets_one_whatever_they_are(self) -> None:
        assert state_of(one(OLD, side("b", {"other": runs(SCORES, "new")}))) == "equal"


def test_the_very_same_runs_are_not_compared() -> None:
    dated = side("a", {"x": runs(SCORES, cell_id="c", started="2026-11-22T10:00:00.000Z")})
    verdict = one(dated, dated)
    assert (verdict.reason, verdict.numbers, exit_code([verdict])) == (Fact.of("diff.same"), None, 0)
