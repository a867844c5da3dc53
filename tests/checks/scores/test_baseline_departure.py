"""Where runs part from what was accepted: fields, environments, contents."""

from __future__ import annotations

from typing import Any

import pytest

from harness.checks.scores.baseline import file as baseline_file
from harness.checks.scores.baseline.pair import environment_changes
from harness.checks.verdict import Fact, Finding
from harness.report.phrases.causes import CAUSES
from harness.report.phrases.say import say
from tests.checks.scores.made_up_sides import LAYERS, OLD, SCORES, against, only, run, runs, side


def departure(item: str, seeds: tuple[int, ...], cause: str = "", **values: str) -> Finding:
    return Finding(item, "SKIP", Fact.of("departure", item=item, seeds=seeds, **values), cause=cause or item)


def test_one_changed_seed_is_undecided_and_named() -> None:
    changed = runs(SCORES)
    changed[3] = {**changed[3], "accuracy": 0.70}
    verdict = only(against(OLD, side("new", {"x": changed})))
    assert verdict.outcome == "INCONCLUSIVE"
    assert verdict.findings == (departure("scores", (3,), cause="evaluation"),)


ITEMS = ("initial weights", "data order", "first losses", "trajectory", "final weights")


@pytest.mark.parametrize(("since", "item"), [*zip(LAYERS, ITEMS, strict=True)])
def test_the_first_field_that_differs_is_named_with_its_cause(since: str, item: str) -> None:
    verdict = only(against(OLD, side("b", {"x": runs(SCORES, "new", since=since)})))
    assert verdict.findings == (departure(item, (1, 2, 3, 4, 5)),)
    assert item in CAUSES
    assert Fact.of("environment.same") in verdict.notes
    # Of other content it is no question whether runs repeat.
    other = only(against(OLD, side("b", {"x": runs(SCORES, "new", since=since)}, content_id="other")))
    assert Fact.of("environment.same") not in other.notes


def test_fields_may_differ_by_seed_and_facts_come_first() -> None:
    new = runs(SCORES)
    new[2] = run(2, 0.8, "new", "init_sha256")
    new[4] = run(4, 0.8, "new", "trajectory_sha256", optimizer="Adafactor")
    assert only(against(OLD, side("b", {"x": new}))).findings == (
        departure("optimizer", (4,), a="AdamW", b="Adafactor"),
        departure("initial weights", (2,)),
        departure("trajectory", (4,)),
    )


def test_what_is_not_known_is_no_difference_and_said() -> None:
    blank = {seed: {**one, **dict.fromkeys(LAYERS)} for seed, one in runs(SCORES).items()}
    verdict = only(against(OLD, side("b", {"x": blank})))
    assert verdict.findings == ()
    assert Fact.of("fingerprints.unknown", seeds=(1, 2, 3, 4, 5)) in verdict.notes


def test_a_hash_with_more_digits_is_the_same_hash() -> None:
    long = {seed: {**one, "init_sha256": one["init_sha256"] + "ab" * 22} for seed, one in runs(SCORES).items()}
    assert only(against(OLD, side("b", {"x": long}))).outcome == "PASS"


def test_another_environment_is_told_once_and_scores_are_compared() -> None:
    newer = {"packages": {"transformers": "5.23.0", "torch": "2.13.0"}, "machine": {"cpu": "B", "cores": 2}}
    both = {"x": runs(SCORES), "z": runs(SCORES)}
    comparison = against(side("a", both), side("b", {**both, "y": runs(SCORES)}, environment=newer))
    (fact,) = comparison.facts
    assert (fact.code, fact.values["configurations"]) == ("environment.changed", ("x", "z"))
    assert fact.values["changes"] == (
        Fact.of("changed", field="transformers", a="5.22.0", b="5.23.0"),
        Fact.of("changed", field="cpu", a="A", b="B"),
        Fact.of("environment.machine"),
    )
    assert comparison.verdicts[0].outcome == "PASS"


def test_other_contents_are_not_compared() -> None:
    comparison = against(OLD, side("b", {"x": runs(SCORES)}, content_id="other"))
    verdict = only(comparison)
    assert (verdict.outcome, verdict.numbers, verdict.adjusted_p) == ("INCONCLUSIVE", None, None)
    assert verdict.reason == Fact.of("content.changed", before="content", after="other", what=[])
    assert comparison.exit_code() == 3, "an expectation that no longer fits is no lack of one"


def facts(**changes: Any) -> baseline_file.EnvironmentFacts:
    packages, machine = {"torch": "2.13.0", "transformers": "5.22.0"}, {"cpu": "A", "memory_gib": 15.6}
    values = {"python": "3.11.7", "packages": packages, "machine": machine, **changes}
    return baseline_file.EnvironmentFacts.model_validate(values)


def changed(field: str, a: Any, b: Any) -> Fact:
    return Fact.of("changed", field=field, a=a, b=b)


def test_an_environment_is_compared_package_by_package() -> None:
    assert environment_changes(facts(), facts()) == ()
    newer = facts(python="3.12.1", packages={"torch": "2.13.0", "transformers": "5.23.0", "datasets": "5.2.0"})
    assert environment_changes(facts(), newer) == (
        changed("Python", "3.11.7", "3.12.1"),
        changed("transformers", "5.22.0", "5.23.0"),
        changed("datasets", None, "5.2.0"),
    )
    less = facts(machine={"cpu": "A", "memory_gib": 15.5})
    assert environment_changes(facts(), less) == (changed("memory_gib", 15.6, 15.5),)
    other = facts(machine={"cpu": "B", "memory_gib": 15.6})
    assert environment_changes(facts(), other) == (changed("cpu", "A", "B"), Fact.of("environment.machine"))


def test_other_bytes_of_the_same_rows_are_the_same_content() -> None:
    parts = dict.fromkeys(("training data", "validation data", "checkpoint weights", "tokenizer"), "a" * 20)
    old = side("a", {"x": runs(SCORES)}, content_id="a", content=parts)
    same = only(against(old, side("b", {"x": runs(SCORES)}, content_id="b", content=parts)))
    assert (same.outcome, same.reason.code) == ("PASS", "judged")
    # What is known of a part alone says nothing of the rest, and a metric's code is a part.
    for content in ({"training data": "a" * 20}, {**parts, "metric m": "b" * 20}):
        before = side("a", {"x": runs(SCORES)}, content_id="a", content=content)
        after = side("b", {"x": runs(SCORES)}, content_id="b", content={**content, "metric m": "c" * 20})
        assert only(against(before, after)).reason.code == "content.changed"


def test_what_of_the_content_is_another_is_named() -> None:
    before, after = (
        {"training data": "a" * 20, "tokenizer": "b" * 20},
        {"training data": "c" * 20, "tokenizer": "b" * 20},
    )
    old = side("a", {"x": runs(SCORES)}, content_id="a", content=before)
    verdict = only(against(old, side("b", {"x": runs(SCORES)}, content_id="b", content=after)))
    assert say(verdict.reason) == "training data is not what was accepted: scores cannot be compared"
    assert old.results.configurations[0].model_dump()["content"] == before
    assert "content" not in OLD.results.configurations[0].model_dump()
