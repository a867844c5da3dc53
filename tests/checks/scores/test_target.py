"""Which references a configuration is held against, and which cannot be compared with it."""

from __future__ import annotations

import pytest

from harness.checks.scores.gate import Policy, judge_all
from harness.checks.scores.target import written_references
from harness.checks.verdict import Fact
from harness.grid.grid import grid_from_text
from harness.references import find
from tests.checks.made_up_scores import UNCASED, VALUE, measured, numbers, published, values
from tests.checks.scores.made_up import SCORES, quality


def test_a_recipe_difference_withholds_the_verdict_until_it_is_declared_harmless() -> None:
    one = measured(SCORES, precision="bf16")
    reference = published(VALUE, precision="fp32")
    found = quality(one, reference)
    assert found.outcome == "INCONCLUSIVE"
    precision = Fact.of("recipe.differs", field="precision", run="bf16", reference="fp32")
    assert found.recipe_differences == found.reason.values["differs"] == (precision,)
    assert found.todo == (Fact.of("recipe.more_runs"),)
    assert found.adjusted_p is None
    assert numbers(found).p_tost is not None  # the numbers are shown, the verdict is not given
    declared = quality(one, reference, Policy(margin=2.5, harmless=frozenset({"precision"})))
    assert declared.outcome == "PASS"
    assert declared.harmless == (precision,)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"split": "test"}, "scored on the test split"),
        ({"unusable": "the author withdrew it"}, "withdrew"),
        ({"decimals": 4}, "unattainable"),
        ({"statistic": "mean", "n": None}, "number of runs"),
        ({"task": "glue/rte"}, "glue/rte"),
    ],
)
def test_what_cannot_be_compared_has_no_numbers(changes: dict[str, object], said: str) -> None:
    value = 85.9 if changes.get("decimals") else VALUE
    found = quality(measured(SCORES), published(value, **{"statistic": "single", "n": 1, **changes}))  # type: ignore[arg-type]
    assert found.outcome == "INCONCLUSIVE"
    assert found.numbers is None
    assert found.against is not None
    assert found.against.mean is None
    assert found.reason.code == "reference.refused"
    assert said in str(found.reason.values["why"])
    assert found.todo == (Fact.of("reference.no_seeds"),)


def test_other_examples_are_not_compared() -> None:
    one = measured(SCORES, task="embedded/paraphrase")
    found = quality(one, published(VALUE))
    assert found.numbers is None
    task = Fact.of("recipe.task", run="embedded/paraphrase", reference="glue/mrpc")
    assert found.reason == Fact.of("reference.refused", why=task)


def test_a_reference_without_accuracy_gates_nothing_and_says_so() -> None:
    found = judge_all([measured(SCORES)], [published(90.0, metric="f1", decimals=2)], Policy())
    (gating,) = (each for each in found if each.check == "quality" and each.gates)
    assert (gating.item, gating.outcome) == ("accuracy", "INCONCLUSIVE")
    assert gating.reason == Fact.of("reference.ungated", gate=("accuracy",))
    f1 = values(next(each for each in found if each.item == "f1").notes, "f1.standard_error")
    assert f1["examples"] == 408


def test_only_fitting_references_are_held_against_a_configuration() -> None:
    cased = published(VALUE, id="cased", checkpoint="google-bert/bert-base-cased")
    uncased = published(VALUE, id="uncased")
    found = judge_all([measured(SCORES)], [cased, uncased], Policy(margin=2.5))
    assert [each.against and each.against.label for each in found if each.check == "quality"] == ["uncased"]
    alone = judge_all([measured(SCORES)], [cased], Policy(margin=2.5))
    (one,) = (each for each in alone if each.check == "quality")
    assert one.outcome == "INCONCLUSIVE"
    other = Fact.of("recipe.differs", field="checkpoint", run=UNCASED, reference="google-bert/bert-base-cased")
    assert one.recipe_differences == (other,)


def test_contradicting_references_are_shown() -> None:
    found = quality(measured(SCORES), find("card-dzrex"), Policy(margin=2.5))
    assert any(
        fact.code == "reference.contradicted" and fact.values["text"].startswith("card-dzrex") for fact in found.notes
    )


def test_a_reference_written_out_in_a_grid_is_read_as_it_stands() -> None:
    text = f"""
name = "x"
task = "glue/mrpc"
[matrix]
checkpoint = "{UNCASED}"
[[reference]]
id = "ours"
metric = "accuracy"
value = 0.858
statistic = "mean"
n = 5
sd = 0.011
split = "validation"
source = "a letter"
[[reference]]
id = "hf-course-ch3"
"""
    from pathlib import Path

    ours, course = written_references(grid_from_text(text.encode(), Path("x.toml")))
    assert course is find("hf-course-ch3")
    found = quality(measured(SCORES), ours, Policy())
    assert found.against is not None
    assert found.against.mean == pytest.approx(85.8)
    assert numbers(found).delta == pytest.approx(0.25 * round(2.4 * 1.1 / 0.25) + 0.05)
