"""Results: which attempt counts, sentence by sentence."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from harness.errors import StoreError
from harness.record.attempts import LOST, RETRIED, Entry, parse_entry, places
from harness.record.configuration import MRPC
from harness.record.entry import attempt_path
from harness.record.freshness import Freshness, freshness
from harness.record.results import Results
from harness.references.tables import SPLITS
from tests.checks.made_up_scores import MadeUp as Kept
from tests.record.made_up_attempts import GRID, Attempt, MadeUp, history_of


def tried(*statuses: str, measurements: Sequence[int] = (), content: str | None = "c0", seed: int = 0) -> list[Entry]:
    return history_of(
        [
            Attempt(seed, "e0e0", content, status, measurements[number] if measurements else 1)
            for number, status in enumerate(statuses)
        ]
    )


def history(entries: Sequence[Entry]) -> Any:
    (place,) = places(entries)
    return place.cell(entries[0].cell_id)


def test_the_last_outcome_counts() -> None:
    found = history(tried("failed", "ok", "killed"))
    assert (found.final.status, found.standing.status, found.lost()) == ("ok", "ok", None)
    assert history(tried("killed", "skipped")).standing.status == "skipped"


@pytest.mark.parametrize("status", sorted(RETRIED))
def test_a_crash_is_replaced_and_counts_for_nothing(status: str) -> None:
    found = history(tried(status, "ok"))
    assert (found.final.attempt, found.lost()) == (2, None)
    alone = history(tried(status))
    assert (alone.final, alone.standing.status) == (None, status)


@pytest.mark.parametrize("status", sorted(LOST))
def test_what_was_lost_counts_though_a_retry_went_well(status: str) -> None:
    assert history(tried(status, "oom", "ok")).lost().status == status
    assert history(tried(status, "collapsed")).lost() is None  # tried twice in vain: counts once
    for later in ("failed", "killed"):  # no word on the recipe: what was lost is what counts
        found = history(tried(status, later))
        assert (found.final.status, found.lost()) == (status, None)


def test_only_the_newest_measurement_is_judged_and_the_older_are_kept_apart() -> None:
    found = history(tried("collapsed", "ok", "ok", measurements=(1, 1, 2)))
    assert (found.lost(), [entry.attempt for entry in found.attempts]) == (None, [3])
    assert [entry.attempt for entry in found.older] == [1, 2]
    # A new measurement is of the whole configuration: seeds that it has not reached are missing.
    first, second = GRID.cells()[0], GRID.cells()[2]
    entries = history_of(
        [Attempt(0, "e0e0", "c0", "ok", 1), Attempt(2, "e0e0", "c0", "ok", 1), Attempt(0, "e0e0", "c0", "ok", 2)]
    )
    results = Results(entries, MadeUp(), GRID.cells())
    assert first.configuration_id == second.configuration_id
    (one,) = [c for c in results.configurations if c.configuration_id == first.configuration_id]
    assert (list(one.entry_of), one.unfinished) == ([1], {2: "missing", 3: "missing"})


def test_an_entry_that_says_nothing_of_it_belongs_to_the_first_measurement(entry_of: Any) -> None:
    entry = entry_of(GRID.cells()[0])
    entry = replace(entry, path=attempt_path(entry.cell_id, entry.environment_id, entry.attempt))
    data = json.loads(entry.to_line())
    del data["line"]  # an older line has no hash of itself
    assert data.pop("measurement") == 1
    assert parse_entry(json.dumps(data)) == entry
    with pytest.raises(StoreError, match="not an index entry"):
        parse_entry(json.dumps(data | {"mesurement": 1}))


def test_attempts_of_an_older_measurement_are_history_whatever_their_number() -> None:
    first = [Attempt(0, "e0e0", "c0", status, number) for status, number in (("ok", 2), ("nonfinite", 1))]
    found = history(history_of(first))
    assert (found.final.attempt, found.lost(), [e.attempt for e in found.older]) == (1, None, [2])


def test_how_fresh_is_told_by_the_last_runs_beginning() -> None:
    entries = tried("ok", "ok", "ok")
    assert freshness(entries, entries[1].started) == Freshness(
        2, 1, "2026-11-22T10:00:00.000Z", "2026-11-22T10:00:02.000Z", entries[1].started
    )
    assert freshness(entries, None).measured == 0
    assert freshness([], "2026-11-22T10:00:00.000Z").cells == 0


def test_records_of_other_cells_are_foreign(entry_of: Any, cell_of: Any) -> None:
    results = Results([entry_of(GRID.cells()[0]), entry_of(cell_of())], cells=GRID.cells())
    assert (len(results.entries), results.foreign) == (1, 1)


def test_mrpcs_counts_are_those_of_its_tables() -> None:
    assert (SPLITS["validation"].total, SPLITS["validation"].positive) == (sum(MRPC), MRPC[1])


def test_predictions_come_in_the_order_of_the_examples_not_of_the_evaluation(entry_of: Any) -> None:
    (cell,) = GRID.cells()[:1]
    entry = entry_of(cell)
    logits = np.array([[0.1, 0.9], [0.8, 0.2], [0.3, 0.7]])
    arrays = {"logits": logits, "evaluated_ids": np.array([30, 10, 20])}
    for kept, classes in ((arrays, [0, 1, 1]), ({"logits": logits}, [1, 0, 1])):
        results = Results([entry], Kept([cell], arrays={entry.path: kept}), [cell])
        (configuration,) = results.configurations
        predicted = results.predicted(configuration, cell.seed)
        assert predicted is not None
        assert predicted.tolist() == classes


def test_a_record_that_names_another_seed_than_its_cell_is_not_believed() -> None:
    (entry,) = tried("ok")
    (cell,) = (one for one in GRID.cells() if one.cell_id == entry.cell_id)
    (found,) = Results([replace(entry, seed=cell.seed + 4)], cells=[cell]).every
    assert not found.readable
    assert f"its seed is {cell.seed + 4}, its cell's is {cell.seed}" in found.message
