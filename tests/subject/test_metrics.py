from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as npst

from harness.subject import metrics as ours

evaluate = pytest.importorskip("evaluate")
vectors = st.integers(1, 60).flatmap(
    lambda size: st.tuples(*[npst.arrays(np.int64, size, elements=st.integers(0, 1)) for _ in range(2)])
)


def score(predictions: Any, references: Any) -> dict[str, float]:
    """The module's own arithmetic, without evaluate's Arrow files."""
    return ours.Paraphrase(keep_in_memory=True)._compute(predictions, references)


def vectors_of(tp: int, fp: int, fn: int, tn: int) -> tuple[list[int], list[int]]:
    return [1] * (tp + fp) + [0] * (fn + tn), [1] * tp + [0] * fp + [1] * fn + [0] * tn


def test_the_courses_published_value() -> None:
    """The published F1 is 2pr/(p + r), as scikit-learn computed it then, and that is one bit off 520/578.

    Ours is 2tp/(2tp + fp + fn), as scikit-learn computes it today: exact division, correctly rounded.
    """
    found = score(*vectors_of(260, 39, 19, 90))
    assert {key: found[key] for key in ("tp", "fp", "fn", "tn")} == {"tp": 260, "fp": 39, "fn": 19, "tn": 90}
    assert found["accuracy"] == 0.8578431372549019
    assert found["f1"] == 520 / 578 == np.nextafter(0.8996539792387542, 1)
    p, r = 260 / 299, 260 / 279
    assert 2 * p * r / (p + r) == 0.8996539792387542


def test_the_majority_class_of_mrpc() -> None:
    found = score(*vectors_of(279, 129, 0, 0))
    assert (round(found["accuracy"], 4), round(found["f1"], 4)) == (0.6838, 0.8122)


def test_without_a_positive_example_there_is_no_f1() -> None:
    assert score([0, 0], [0, 0]) == {"accuracy": 1.0, "tp": 0, "fp": 0, "fn": 0, "tn": 2}
    assert score([1, 0], [0, 0]) == {"accuracy": 0.5, "tp": 0, "fp": 1, "fn": 0, "tn": 1}
    assert score([0, 0], [1, 0])["f1"] == 0.0


@settings(deadline=None)
@given(vectors)
def test_scikit_learn_agrees(pair: tuple[Any, Any]) -> None:
    metrics = pytest.importorskip("sklearn.metrics", reason="scikit-learn is not installed")
    predictions, references = pair
    found = score(predictions, references)
    assert found["accuracy"] == metrics.accuracy_score(references, predictions)
    # Versions differ in the last bit: see the published value above. Without a positive it is 0 by convention there.
    f1 = metrics.f1_score(references, predictions, zero_division=0.0)
    assert found.get("f1", 0.0) == pytest.approx(f1, abs=1e-15)
    matrix = metrics.confusion_matrix(references, predictions, labels=[0, 1]).ravel().tolist()
    assert [found[key] for key in ("tn", "fp", "fn", "tp")] == matrix


@settings(max_examples=5, deadline=None)
@given(vectors)
def test_evaluate_loads_the_module_from_its_file(pair: tuple[Any, Any]) -> None:
    loaded = evaluate.load(ours.__file__, keep_in_memory=True)
    predictions, references = pair
    assert loaded.compute(predictions=predictions, references=references) == score(predictions, references)


def test_evaluates_own_checks_come_with_it() -> None:
    with pytest.raises(ValueError):
        ours.Paraphrase(keep_in_memory=True).compute(predictions=[1, 0], references=[1])


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
