from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from harness.errors import SpecError
from harness.stats.descriptive import class_scores
from harness.subject import metrics as ours
from harness.task import named_task

evaluate = pytest.importorskip("evaluate")
classes = st.integers(1, 60).flatmap(
    lambda size: st.tuples(*[npst.arrays(np.int64, size, elements=st.integers(0, 3)) for _ in range(2)])
)
# Few values, so that ranks are tied.
numbers = st.integers(2, 60).flatmap(
    lambda size: st.tuples(*[npst.arrays(np.float64, size, elements=st.integers(-5, 5)) for _ in range(2)])
)
vectors = st.integers(1, 60).flatmap(
    lambda size: st.tuples(*[npst.arrays(np.int64, size, elements=st.integers(0, 1)) for _ in range(2)])
)


def score(predictions: Any, references: Any, names: str = "accuracy,f1") -> dict[str, float]:
    """The module's own arithmetic, without evaluate's Arrow files."""
    return ours.Scores(config_name=names, keep_in_memory=True)._compute(predictions, references)


def vectors_of(tp: int, fp: int, fn: int, tn: int) -> tuple[list[int], list[int]]:
    return [1] * (tp + fp) + [0] * (fn + tn), [1] * tp + [0] * fp + [1] * fn + [0] * tn


def test_the_courses_published_value() -> None:
    """The published F1 is 2pr/(p + r), as scikit-learn computed it then, and that is one bit off 520/578.

    Ours is 2tp/(2tp + fp + fn), as scikit-learn computes it today: exact division, correctly rounded.
    """
    predicted, true = map(np.array, vectors_of(260, 39, 19, 90))
    found = score(predicted, true)
    assert ours.confusion(predicted, true, 2).tolist() == [[90, 39], [19, 260]]
    assert found["accuracy"] == 0.8578431372549019
    assert found["f1"] == 520 / 578 == np.nextafter(0.8996539792387542, 1)
    p, r = 260 / 299, 260 / 279
    assert 2 * p * r / (p + r) == 0.8996539792387542


def test_the_majority_class_of_mrpc() -> None:
    found = score(*vectors_of(279, 129, 0, 0))
    assert (round(found["accuracy"], 4), round(found["f1"], 4)) == (0.6838, 0.8122)


def test_without_a_positive_example_there_is_no_f1() -> None:
    assert score([0, 0], [0, 0]) == {"accuracy": 1.0}
    assert score([1, 0], [0, 0]) == {"accuracy": 0.5}
    assert score([0, 0], [1, 0])["f1"] == 0.0


@settings(deadline=None)
@given(classes, st.integers(0, 3))
def test_scikit_learn_agrees(pair: tuple[Any, Any], positive: int) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    predictions, references = pair
    found = score(predictions, references, "accuracy,f1,macro_f1,matthews_correlation")
    assert found["accuracy"] == metrics.accuracy_score(references, predictions)
    # Versions differ in the last bit: see the published value above. Without a positive it is 0 by convention there.
    f1 = metrics.f1_score(references == 1, predictions == 1, zero_division=0.0)
    assert found.get("f1", 0.0) == pytest.approx(f1, abs=1e-15)
    other = ours.Scores(config_name="f1", keep_in_memory=True)._compute(predictions, references, positive)
    if other:
        assert other["f1"] == pytest.approx(
            metrics.f1_score(references == positive, predictions == positive), abs=1e-15
        )
    macro = metrics.f1_score(references, predictions, average="macro", zero_division=0.0)
    assert found["macro_f1"] == pytest.approx(macro, abs=1e-15)
    matthews = metrics.matthews_corrcoef(references, predictions)
    assert found["matthews_correlation"] == pytest.approx(matthews, abs=1e-12)
    counts = metrics.confusion_matrix(references, predictions, labels=[0, 1, 2, 3])
    assert (ours.confusion(predictions, references, 4) == counts).all()
    # What the harness makes of the same counts, by itself.
    again = class_scores(counts.tolist())
    assert [again[name] for name in ("accuracy", "macro_f1", "matthews_correlation")] == pytest.approx(
        [found["accuracy"], macro, matthews], abs=1e-12
    )


@settings(deadline=None)
@given(numbers)
def test_scipy_agrees(pair: tuple[Any, Any]) -> None:
    stats = pytest.importorskip("scipy.stats")
    predictions, references = pair
    found = score(predictions, references, "pearson,spearmanr")
    if np.ptp(predictions) == 0 or np.ptp(references) == 0:
        assert np.isnan(list(found.values())).all()
        return
    due = stats.pearsonr(predictions, references).statistic, stats.spearmanr(predictions, references).statistic
    assert list(found.values()) == pytest.approx(due, abs=1e-9)


def test_a_users_own_metric(tmp_path: Path) -> None:
    (tmp_path / "my_scores.py").write_text(
        "def half(predictions, references): return 0.5\n"
        "def both(predictions, references): return {'both': float((predictions == references).sum()), 'more': 2}\n"
        "def other(predictions, references): return {'x': 1.0, 'y': 2.0}\n"
    )
    task = replace(named_task("glue/rte"), metrics=("accuracy", "my_scores:half", "my_scores:both"))
    logits, labels = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 1.0]]), np.array([1, 0, 0])
    found = ours.scorer(task, str(tmp_path))(logits, labels)
    assert found == {"accuracy": 2 / 3, "half": 0.5, "both": 2.0, "more": 2.0}
    assert list(found)[:3] == list(task.scored)
    for name, said in (
        ("my_scores:other", "allowed a number, or a mapping with the key 'other'"),
        ("my_scores:no", "has no attribute 'no'"),
        ("nowhere:no", "No module named 'nowhere'"),
    ):
        with pytest.raises(SpecError, match=said):
            ours.scorer(replace(task, metrics=(name,)), str(tmp_path))(logits, labels)


@settings(max_examples=5, deadline=None)
@given(vectors)
def test_evaluate_loads_the_module_from_its_file(pair: tuple[Any, Any]) -> None:
    loaded = evaluate.load(ours.__file__, keep_in_memory=True)
    predictions, references = pair
    assert loaded.compute(predictions=predictions, references=references) == score(predictions, references)


def test_evaluates_own_checks_come_with_it() -> None:
    with pytest.raises(ValueError):
        ours.Scores(keep_in_memory=True).compute(predictions=[1, 0], references=[1])


@pytest.mark.hub
def test_the_hubs_metric_agrees() -> None:
    """`evaluate.load("glue", "mrpc")` needs a hub for its module."""
    try:
        theirs = evaluate.load("glue", "mrpc", keep_in_memory=True)
    except Exception as error:  # noqa: BLE001 - no network comes as a dozen classes
        pytest.skip(f"the hub's glue metric cannot be had: {type(error).__name__}: {error}"[:300])
    generator = np.random.default_rng(0)
    for _ in range(10):
        predictions, references = generator.integers(0, 2, (2, 408))
        ours = score(predictions, references)
        assert theirs.compute(predictions=predictions, references=references) == {
            "accuracy": ours["accuracy"],
            "f1": pytest.approx(ours["f1"], abs=1e-15),
        }
