"""What is wrong with examples and saved heads: each a fact, and nothing where nothing is."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checks.material import data_faults, head_faults, head_problem
from harness.fact import Fact
from harness.record.parts.data import Data

DUE = ["not_equivalent", "equivalent"]


def data(audit: dict[str, Any] | None = None, positives: int = 40) -> Data:
    split = {"examples": 60, "sha256": ""}
    return Data.model_validate(
        {
            "source": "x",
            "train": {**split, "labels": [30, 30]},
            "validation": {**split, "labels": [60 - positives, positives]},
        }
        | ({"audit": audit} if audit else {})
    )


def audit(**found: Any) -> dict[str, Any]:
    nothing = {"duplicates": 0, "other_label": 0}
    return {"in_training": 0, "other_label": 0, "train": nothing, "validation": nothing, **found}


def test_sound_data_have_no_fault_and_old_records_none_that_is_known() -> None:
    assert list(data_faults(data(audit()))) == []
    assert list(data_faults(data())) == []
    assert not {"audit", "truncated"} & set(data().model_dump())


def test_leaks_and_repetitions() -> None:
    found = data_faults(data(audit(in_training=60, other_label=5, train={"duplicates": 3, "other_label": 1})))
    assert list(found) == [
        Fact.of("data.leak", number=60, examples=60, other_label=5),
        Fact.of("data.duplicates", split="training", number=3, examples=60, other_label=1),
    ]


def test_truncated_examples() -> None:
    more = {"validation_mismatched": {"examples": 50, "labels": [20, 30], "sha256": ""}}
    rows = {"train": 7, "validation": 0, "validation_mismatched": 3}
    lost = Data.model_validate(data().model_dump() | {"more": more, "truncated": {"to": 40, "rows": rows}})
    assert list(data_faults(lost)) == [
        Fact.of("data.truncated", split="training", number=7, examples=60, tokens=40),
        Fact.of("data.truncated", split="validation_mismatched", number=3, examples=50, tokens=40),
    ]


@pytest.mark.parametrize(("positives", "label"), [(0, 0), (60, 1)])
def test_a_split_of_one_class(positives: int, label: int) -> None:
    expected = Fact.of("data.one_class", split="validation", examples=60, label=label)
    assert list(data_faults(data(positives=positives))) == [expected]


@pytest.mark.parametrize(
    ("names", "due"),
    [
        (["equivalent", "not_equivalent"], DUE),
        (["Equivalent", "not-equivalent"], DUE),
        (["LABEL_1", "LABEL_0"], ["LABEL_0", "LABEL_1"]),
        (DUE, None),
        (["LABEL_0", "LABEL_1"], None),
        ([], None),
        (["equivalent", "other", "not_equivalent"], None),
    ],
)
def test_a_head_whose_classes_stand_the_other_way_round(names: list[str], due: list[str] | None) -> None:
    found = list(head_faults("mine", {"classes": len(names), "names": names, "task": DUE}))
    trained = Fact.of("head.trained", checkpoint="mine")
    assert found == [Fact.of("head.order", checkpoint="mine", names=names, due=due) if due else trained]
    assert list(head_faults("mine", None)) == []


def test_a_head_of_other_classes_is_told_and_one_of_another_number_refused() -> None:
    nli = ["entailment", "neutral", "contradiction"]
    told = Fact.of("head.other", checkpoint="mine", names=["yes", "no"], due=DUE)
    assert list(head_faults("mine", {"classes": 2, "names": ["yes", "no"], "task": DUE})) == [told]
    other = ["contradiction", "neutral", "entailment"]
    order = Fact.of("head.order", checkpoint="mine", names=other, due=nli)
    assert list(head_faults("mine", {"classes": 3, "names": other, "task": nli})) == [order]
    assert list(head_faults("mine", {"classes": 3, "names": nli, "task": nli})) == [
        Fact.of("head.trained", checkpoint="mine")
    ]
    assert head_problem("mine", 3, 3) is None
    said = "checkpoint mine: its saved head has 3 classes, the task has 2; allowed one without a head, or with a head"
    assert str(head_problem("mine", 3, 2)).startswith(said)
    assert "the task has 1 output" in str(head_problem("mine", 3, 1))
