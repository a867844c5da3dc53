"""The newest measurement beside the one before it: how many cells are equal bit for bit, and as on which day."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from harness.checks.scores.repeated import repeated
from harness.errors import StoreError
from harness.fact import Fact
from harness.grid.cell import Cell
from harness.grid.labels import Namer, place_of
from harness.record.attempts import Entry
from harness.record.model import Record, asked_of
from harness.record.results import Results
from harness.report.phrases.say import say
from tests.checks.conftest import build_run, plant

Make = Callable[..., Any]
PLAIN = build_run()


class Nights:
    """Four cells (two seeds in two precisions), measured night after night; the final weights tell the runs apart."""

    def __init__(self, cell_of: Make, entry_of: Make) -> None:
        seeds, precisions = (1, 2), ("fp32", "bf16")
        self.cells: list[Cell] = [cell_of(seed=seed, precision=p, axes={}) for p in precisions for seed in seeds]
        self.entry_of, self.entries = entry_of, list[Entry]()
        self.weights: dict[str, str | None] = {}
        self.damaged: set[str] = set()
        self.read = 0

    def night(self, day: int, *other: int, weights: str | None = "aa", **changes: Any) -> None:
        """Measure every cell; those with these places in the list come out otherwise."""
        measurement = 1 + max((entry.measurement for entry in self.entries), default=0)
        for place, cell in enumerate(self.cells):
            path = f"{place}/{measurement}"
            values = {"attempt": measurement, "measurement": measurement, "path": path}
            values |= {"started": f"2026-11-{day}T02:0{place}:00.000Z", "metrics": {"accuracy": 0.8, "f1": 0.9}}
            self.entries.append(self.entry_of(cell, **{**values, **changes}))
            self.weights[path] = "bb" if place in other else weights

    def record(self, entry: Entry) -> Record:
        if entry.path in self.damaged:
            raise StoreError("damaged")
        self.read += 1
        final = self.weights[entry.path]
        values = {"observed.weights.final_sha256": None if final is None else final * 32, "started": entry.started}
        cell = next(cell for cell in self.cells if cell.cell_id == entry.cell_id)
        return plant(PLAIN, values).record.model_copy(update={"asked": asked_of(cell)})

    def series(self, entry: Entry, names: Any = None) -> Mapping[str, Any]:
        raise AssertionError("no series is needed")

    def said(self) -> tuple[Fact, ...]:
        results = Results(self.entries, self, self.cells)
        configurations, self.read = results.configurations, 0
        return repeated(results, configurations)


@pytest.fixture
def nights(cell_of: Make, entry_of: Make) -> Nights:
    return Nights(cell_of, entry_of)


def test_a_first_measurement_repeats_nothing_and_reads_nothing(nights: Nights) -> None:
    nights.night(26)
    assert (nights.said(), nights.read) == ((), 0)


def test_equal_cells_are_counted_and_others_named(nights: Nights) -> None:
    nights.night(26, 0, 1, 2, 3)
    nights.night(27)
    nights.night(28, 3)
    (fact,) = nights.said()
    name = Results(nights.entries, nights, nights.cells).configurations[1].shown
    assert fact == Fact.of("repeated", equal=3, cells=4, date="2026-11-27", other={name: 1})
    assert nights.read <= 8, "two records a cell, however many nights there were"


def test_cells_that_differ_have_the_words_of_their_grid(nights: Nights) -> None:
    nights.night(26)
    nights.night(27, 3)
    namer = Namer.of(map(place_of, nights.cells), {"bf16": "half"})
    results = Results(nights.entries, nights, nights.cells, namer=namer)
    (fact,) = repeated(results, results.configurations)
    assert say(fact) == "3 of 4 cells bit for bit as last measured, on 2026-11-26; not: half (1)"


def test_an_equal_score_of_other_weights_is_no_repeat_and_nor_is_another_score(nights: Nights) -> None:
    nights.night(26)
    nights.night(27, metrics={"accuracy": 0.81, "f1": 0.9})
    (fact,) = nights.said()
    assert (fact.values["equal"], fact.values["cells"]) == (0, 4)


def test_what_cannot_be_told_does_not_count(nights: Nights) -> None:
    nights.night(26)
    nights.night(27)
    nights.damaged = {"0/1"}
    assert nights.said()[0].values["cells"] == 3
    nights.night(28, weights=None)
    assert nights.said() == ()


def test_cells_that_ended_in_an_error_have_no_run_to_repeat(nights: Nights) -> None:
    nights.night(26, status="failed", metrics={})
    nights.night(27)
    assert nights.said() == ()
