"""What counts as measured at the gate: which attempt, with which status, and what is never pooled."""

from __future__ import annotations

import random
from typing import Any

import pytest

from harness.checks.scores.gate import Policy, judge_all
from tests.checks.made_up_scores import configurations, make_cells, make_entry, make_record, part, values
from tests.checks.scores.made_up import SCORES, only


def test_a_degenerate_run_is_collapsed_whatever_its_record_says() -> None:
    cells = make_cells(range(1, 7))
    entries = [make_entry(cell, score) for cell, score in zip(cells, SCORES, strict=False)]
    degenerate = {"accuracy": 0.6838235294117647, "f1": 0.8122270742358079, "loss": 0.6}
    entries.append(make_entry(cells[5], None, metrics=degenerate))
    (one,) = configurations(cells, entries, {})
    assert [score.status for score in one.scores] == ["ok"] * 5 + ["collapsed"]


@pytest.mark.parametrize(
    ("counts", "metrics", "status"),
    [
        ((240, 160), {"accuracy": 160 / 240, "f1": 0.8}, "collapsed"),
        ((240, 160), {"accuracy": 0.7, "f1": 0.81}, "suspect"),
        ((240, 160), {"accuracy": 0.71, "f1": 0.81}, "ok"),  # the limit is 0.705 here, and 0.72 on MRPC
        ((408, 279), {"accuracy": 0.71, "f1": 0.82}, "suspect"),
        ((408, 279), {"accuracy": 129 / 408, "f1": 0.0}, "collapsed"),
        ((408, 279), {"f1": 0.82}, "no score"),
        ((408, 279), {"accuracy": float("nan")}, "no score"),
        (None, {"accuracy": 0.75, "f1": 2 * 0.75 / 1.75}, "collapsed"),  # no true negative: one class is never right
        (None, {"accuracy": 0.75, "f1": 0.85}, "ok"),
        (None, {"accuracy": 1.0, "f1": 1.0}, "ok"),
    ],
)
def test_the_status_of_a_run_follows_its_data(counts: Any, metrics: dict[str, float], status: str) -> None:
    cells = make_cells([1], task="somewhere/else")
    entry = make_entry(cells[0], None, metrics=metrics)
    records = {}
    if counts:
        records[entry.configuration_id, entry.environment_id] = make_record(cells[0], entry, counts)
    (one,) = configurations(cells, [entry], records)
    assert [score.status for score in one.scores] == [status]


def test_every_confusion_without_a_right_answer_of_one_class_is_found_without_counts() -> None:
    cells = make_cells([1], task="somewhere/else")
    rng = random.Random(0)
    for _ in range(300):
        positives, negatives = rng.randint(1, 300), rng.randint(1, 300)
        tp, tn = rng.choice([0, rng.randint(0, positives)]), rng.choice([0, rng.randint(0, negatives)])
        accuracy, f1 = (tp + tn) / (positives + negatives), 2 * tp / (tp + positives + negatives - tn)
        (one,) = configurations(cells, [make_entry(cells[0], None, metrics={"accuracy": accuracy, "f1": f1})], {})
        assert (one.scores[0].status == "collapsed") == (tp == 0 or tn == 0), (tp, tn, positives, negatives)


def test_the_latest_final_attempt_counts_and_an_earlier_collapse_is_not_forgotten() -> None:
    cells = make_cells(range(1, 6))
    entries = [make_entry(cell, score, attempt=2) for cell, score in zip(cells, SCORES, strict=True)]
    entries += [make_entry(cells[0], None, status="nonfinite"), make_entry(cells[1], None, status="killed", attempt=3)]
    entries += [make_entry(cells[2], None, status="oom")]
    (one,) = configurations(cells, entries, {})
    assert [score.status for score in one.scores] == ["ok"] * 5
    assert [score.status for score in one.every[5:]] == ["nonfinite"]
    found = only(judge_all([one], [], Policy()), "stability", "collapses")
    assert (found.subject.collapsed, found.subject.ended) == (1, 6)
    assert values(found.notes, "collapses.retried") == {"seeds": (1,)}


def test_a_cell_that_failed_twice_counts_once() -> None:
    cells = make_cells([1])
    entries = [make_entry(cells[0], None, status="nonfinite", attempt=n) for n in (1, 2, 3)]
    (one,) = configurations(cells, entries, {})
    assert len(one.every) == 1


def test_environments_and_contents_are_never_pooled_and_told_apart() -> None:
    cells = make_cells(range(1, 3))
    entries = [make_entry(cell, 85.0, environment_id="aaaa1111") for cell in cells]
    later = "2026-11-23T10:00:00.000Z"
    entries += [make_entry(cells[0], 85.0, environment_id="bbbb2222", started=later)]
    entries += [make_entry(cells[1], 85.0, environment_id="bbbb2222", started=later, content_id="dd")]
    found = configurations(cells, entries, {})
    assert len(found) == 3
    assert len({one.label for one in found}) == 3
    assert found[0].label == "bert-base-uncased · environment aaaa1111"
    assert [one.current for one in found].count(True) == 1


def test_older_versions_are_the_base_of_an_environment_pair() -> None:
    cells = make_cells(range(1, 6))
    entries, records = [], {}
    for environment, version, scores in (("aa", "5.23.0", SCORES), ("bb", "4.45.2", SCORES[::-1])):
        own = [make_entry(c, s, environment_id=environment) for c, s in zip(cells, scores, strict=True)]
        records[cells[0].configuration_id, environment] = make_record(cells[0], own[0], transformers=version)
        entries += own
    found = only(judge_all(configurations(cells, entries, records), [], Policy()), "parity")
    assert found.subject.environment_id == "aa"
    assert found.against is not None
    assert found.against.environment_id == "bb"
    compared = part(found, "scores").values
    assert (compared["twin"], compared["base"]) == ("transformers 5.23.0", "transformers 4.45.2")
