"""The arithmetic audit: the known findings, and what it says of the registry."""

from __future__ import annotations

import json
import math
from collections import Counter
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.references import audit, audit_registry, audit_values, comparable, find, registry
from harness.references.tables import (
    MAX_EXAMPLES,
    SPLITS,
    Examples,
    Printed,
    Table,
    fitting,
    nearest,
    shard_sizes,
    telling,
)

COLLECTION = Path(__file__).parents[1] / "data" / "references.json"
VALIDATION = SPLITS["validation"]


def points(value: str, decimals: int = 2) -> Printed:
    """A value printed in percent."""
    return Printed(float(Decimal(value) / 100), decimals + 2)


# Findings


@pytest.mark.parametrize(
    ("accuracy", "f1", "verdict", "split", "table"),
    [
        # The three rows of the provenance table: the course, the README, an issue that had scored the test split.
        (Printed(0.8578, 4), Printed(0.8997, 4), "unique", "validation", Table(260, 39, 19, 90)),
        (Printed(0.8407, 4), Printed(0.8885, 4), "unique", "validation", Table(259, 45, 20, 84)),
        (Printed(0.838261, 6), Printed(0.883507, 6), "other split", "test", Table(1058, 190, 89, 388)),
        # The course to its last digit, and the majority class.
        (Printed(0.8578431372549019), Printed(0.8996539792387542), "unique", "validation", Table(260, 39, 19, 90)),
        (Printed(279 / 408), Printed(558 / 687), "unique", "validation", Table(279, 129, 0, 0)),
        (Printed(129 / 408), Printed(0.0), "unique", "validation", Table(0, 0, 279, 129)),
    ],
)
def test_a_pair_names_its_table(accuracy: Printed, f1: Printed, verdict: str, split: str, table: Table) -> None:
    found = audit_values(accuracy, f1)
    assert (found.verdict, found.split, found.count, found.tables) == (verdict, split, 1, (table,))
    assert found.correct == (table.correct,)
    assert str(table) in found.text


def test_the_course_pair_is_no_pair_of_the_test_split() -> None:
    assert fitting(SPLITS["test"], Printed(0.8578, 4), Printed(0.8997, 4))[0] == 0


def test_a_shard_of_51_pairs_was_published_as_the_validation_split() -> None:
    accuracy, f1 = Printed(0.8823529411764706), Printed(0.9210526315789473)
    assert (accuracy.value, f1.value) == (45 / 51, 70 / 76)
    found = audit_values(accuracy, f1, devices=8)
    assert (found.verdict, found.shards) == ("shard", (51,))
    assert "no table of the 408 validation pairs; fits a shard of 51 pairs" in found.text
    # 360 of 408 correct with that F1 takes 280 true positives: one more than there are positives.
    errors = 408 - 360
    assert Fraction(2 * 280, 2 * 280 + errors) == Fraction(70, 76)
    # Without knowing of the 8 devices the multiples of 51 fit too, and no other size.
    assert audit_values(accuracy, f1).shards == (51, 102, 204)
    assert comparable(find("hf-readme-bert-large-wwm-8xv100")) == f"shard: {found.text}"


def test_the_readme_pair_in_fp16_cannot_occur() -> None:
    found = audit_values(points("83.58"), points("88.12"), devices=1)
    assert found.verdict == "unattainable"
    assert [f"{100 * table.f1:.2f}" for table in found.nearest] == ["88.10", "88.14"]
    assert [table.correct for table in found.nearest] == [341, 341]
    assert "nearest F1 0.8810 or 0.8814" in found.text
    # Each value alone can.
    assert audit_values(points("83.58")).correct == (341,)
    assert audit_values(f1=points("88.12")).verdict == "several"


@pytest.mark.parametrize("name", ["titanv-fp32", "titanv-amp", "v100-fp32", "v100-amp"])
def test_accuracies_of_384_pairs_had_their_last_batch_dropped(name: str) -> None:
    reference = find(f"hf-readme-tf2-{name}")
    found = audit(reference)
    assert (found.verdict, found.shards) == ("shard", (384,))
    for value in reference.metrics["accuracy"].every:
        assert abs(384 * value - round(384 * value)) < 384 * 5.1e-5
    assert comparable(reference) == f"shard: {found.text}"


def test_a_typing_error_is_found_by_its_count() -> None:
    found = audit_values(points("87.09"), statistic="best", n=10, devices=8)
    assert found.verdict == "unattainable"
    assert [table.correct for table in found.nearest] == [355, 356]
    assert audit_values(points("87.01"), statistic="best", n=10, devices=8).verdict == "several"


def test_a_pair_that_fits_a_share_as_well_says_so() -> None:
    found = audit(find("hf-issue-1951"))
    assert (found.verdict, found.correct, found.shards) == ("unique", (356,), (102,))
    assert "a shard of 102 pairs fits as well" in found.text


def test_digits_that_were_cut_off_are_told_from_rounded_ones() -> None:
    found = audit(find("bert-paper-table5-base-dev"))
    assert (found.verdict, found.correct) == ("cut", (354,))
    assert f"{354 / 408:.5f}" == "0.86765"  # rounds to 86.8 %, printed as 86.7
    assert comparable(find("bert-paper-table5-base-dev")) is None


def test_a_single_value_gives_its_counts() -> None:
    found = audit_values(Printed(0.845588, 6))
    assert (found.verdict, found.correct, found.count) == ("several", (345,), 64)
    assert found.count == sum(0 <= 345 - tp <= 129 for tp in range(280))
    several = audit_values(f1=points("89.0", 1), split="test")
    assert several.verdict == "several"
    assert several.count > len(several.tables) == 64


def test_each_metric_of_a_median_or_best_stands_alone() -> None:
    # A median of 5 accuracies and one of 5 F1 may be of different runs, though no run has both.
    accuracy, f1 = points("83.58"), points("88.14")
    assert audit_values(accuracy, points("88.12"), statistic="median", n=5).verdict == "several"
    assert audit_values(accuracy, f1, statistic="best", n=5).text.startswith("each metric alone; accuracy: 341 of 408")
    # An even median may lie between two counts; an odd one may not.
    assert audit_values(points("90.8", 1), statistic="median", n=4).text.endswith("between two counts: 370.5")
    assert audit_values(points("90.8", 1), statistic="median", n=5).verdict == "unattainable"
    assert audit_values(points("90.8", 1), statistic="median").verdict == "several"
    assert audit_values(f1=f1, statistic="median", n=4).verdict == "untestable"


def test_a_mean_is_a_count_out_of_all_answers() -> None:
    assert audit_values(points("86.00"), statistic="mean", n=2).correct == ()
    assert audit_values(points("86.00"), statistic="mean", n=2).verdict == "unattainable"
    found = audit_values(points("85.91"), statistic="mean", n=2)
    assert (found.verdict, found.correct) == ("several", (701,))
    assert f"{701 / 816:.4f}" == "0.8591"
    assert audit_values(points("86.00"), statistic="mean").verdict == "untestable"
    assert audit_values(f1=points("86.00"), statistic="mean", n=3).verdict == "untestable"
    assert audit_values(points("86.00"), statistic="mean", n=MAX_EXAMPLES).verdict == "untestable"


def test_a_fit_elsewhere_is_told_only_where_few_values_fit_by_chance() -> None:
    # Three decimals: every accuracy occurs on the 1725 pairs of the test split, so that fit says nothing.
    assert all(fitting(SPLITS["test"], Printed(k / 1000, 3), None)[0] for k in range(0, 1001, 7))
    found = audit_values(points("90.8", 1), devices=1)
    assert found.verdict == "unattainable"
    assert not telling(1725, Printed(0.908, 3), None)
    assert telling(1725, Printed(0.838261, 6), Printed(0.883507, 6))
    assert telling(51, None, Printed(70 / 76))
    assert not telling(408, None, Printed(0.8812, 4))


def test_what_cannot_be_counted_is_untestable() -> None:
    assert audit_values().verdict == "untestable"
    assert audit_values(Printed(0.85), split="unknown").text == "the split is not known"
    assert audit(find("nvidia-pt-squad-a100-1x-amp")).verdict == "untestable"
    assert audit(find("log-datawhale")).verdict == "untestable"


def test_counts_can_rule_out_what_an_unnamed_score_is() -> None:
    found = audit(find("distillation-bert-base-uncased"))
    assert found.verdict == "untestable"
    assert found.text.endswith("could be F1 of a single run")
    assert not any(round(k / 408, 3) == 0.886 for k in range(409))


@pytest.mark.parametrize(("value", "decimals"), [(-0.1, None), (1.1, 3), (math.nan, None), (0.5, 0), (0.5, 13)])
def test_a_printed_value_is_a_fraction_with_decimals(value: float, decimals: int | None) -> None:
    with pytest.raises(ValueError, match="allowed"):
        Printed(value, decimals)


def test_a_split_beyond_64_bit_arithmetic_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed: up to 100000"):
        fitting(Examples("huge", MAX_EXAMPLES + 1, 3), Printed(0.5), None)


def test_shards_are_shares_of_the_devices_and_whole_batches() -> None:
    assert shard_sizes(VALIDATION, 8) == (51, 256, 384, 400)
    assert shard_sizes(VALIDATION, 1) == (256, 384, 400)
    assert shard_sizes(VALIDATION, None) == (26, 51, 102, 204, 256, 384, 400)
    assert shard_sizes(SPLITS["test"], 8)[0] == 216
    assert nearest(VALIDATION, None, None) == ()


@settings(max_examples=60)
@given(st.integers(0, 10**4), st.integers(0, 10**4))
def test_an_unattainable_pair_has_attainable_neighbours(a: int, f: int) -> None:
    accuracy, f1 = Printed(a / 10**4, 4), Printed(f / 10**4, 4)
    found = audit_values(accuracy, f1, devices=1)
    if found.verdict == "unattainable":
        assert 1 <= len(found.nearest) <= 2
        assert all(table.tp + table.fn == 279 and table.total == 408 for table in found.nearest)
        if fitting(VALIDATION, accuracy, None)[0]:
            kept = fitting(VALIDATION, accuracy, None)[2]
            assert {table.correct for table in found.nearest} <= set(kept)


# The registry


def test_the_audit_of_the_registry() -> None:
    rows = audit_registry()
    assert [row.id for row in rows] == [reference.id for reference in registry().references]
    assert Counter(row.verdict for row in rows) == {
        "unique": 101,
        "several": 35,
        "cut": 1,
        "other split": 1,
        "shard": 5,
        "unattainable": 3,
        "untestable": 29,
    }
    assert {row.id for row in rows if row.verdict == "unattainable"} == {
        "hf-readme-cased-fp16",
        "nvidia-tf-best-fp16",
        "deeppavlov-cased",
    }
    assert {row.id for row in rows if row.verdict == "other split"} == {"deeppavlov-uncased"}
    assert all(row.comparable for row in rows if row.verdict in ("unattainable", "other split", "shard"))
    assert all(row.text for row in rows)


def test_every_hub_card_and_log_has_one_table() -> None:
    for reference in registry().references:
        if reference.kind in ("card", "log", "course") and "accuracy" in reference.metrics:
            assert audit(reference).verdict == "unique", reference.id


def test_the_tables_are_those_of_the_collection() -> None:
    items: dict[str, Any] = {item["id"]: item for item in json.loads(COLLECTION.read_text())}
    compared = 0
    for reference in registry().references:
        item = items.get(reference.item or "", {})
        if "of_408" not in item or reference.statistic != "single" or reference.part is not None:
            continue
        found, table = audit(reference), item["of_408"]  # tp, fp, fn, tn of the only table, or null: there is none
        assert (table is not None) == (found.verdict == "unique"), reference.id
        if table is not None:
            assert found.tables[0] == Table(*table)
            assert found.correct[0] == table[0] + table[3]
            compared += 1
    assert compared > 90


def test_why_references_must_not_be_compared_with() -> None:
    reasons = {
        "card-domasin": "warm start suspected",
        "card-gchhablani-bert-large-cased": "a failed run",
        "bert-issue-1037": "an untrained head",
        "bert-paper-table1-base": "scored on the test split",
        "ibm-recycling-bert-base-uncased": "the split is not known",
        "electra-base": "the number of runs behind the median is not known",
        "minilm-bert-base": "the source does not say whether it is accuracy or F1",
        "log-datawhale": "neither accuracy nor F1 is published",
        "deeppavlov-uncased": "other split: no table of the 408 validation pairs; 1452 of 1725 correct on test",
        "hf-readme-cased-fp16": "unattainable: no table of the 408 validation pairs",
    }
    for name, reason in reasons.items():
        assert (comparable(find(name)) or "").startswith(reason), name
    for name in ("hf-course-ch3", "replication-course-uncased", "hf-readme-cased-fp32", "nvidia-pt-100seeds"):
        assert comparable(find(name)) is None
