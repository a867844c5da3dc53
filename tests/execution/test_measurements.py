"""Measurements that really run: begun anew as a whole, shared by two runs, never of one seed."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

OUTCOMES = {"ok", "collapsed"}


def measured(house: Any) -> Counter[tuple[int, int]]:
    """(seed, measurement) of every record."""
    return Counter((record.asked.seed, record.measurement) for record in house.records())


@pytest.mark.slow
def test_a_new_measurement_is_of_every_seed_and_two_runs_share_it(house: Any) -> None:
    house.grid([1, 2], max_steps=2)
    code, output = house.run()
    assert code == 0, output
    assert "2 of 2 cells measured now (" in output
    first = house.records()

    both = [house.start("--fresh") for _ in range(2)]
    outputs = [house.end_of(process) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert measured(house) == {(seed, number): 1 for seed in (1, 2) for number in (1, 2)}
    assert all(record.status in OUTCOMES for record in house.records())
    assert {record.series_sha256 for record in first} < {record.series_sha256 for record in house.records()}

    code, output = house.run("--max-age", "20h")  # young enough
    assert code == 0, output
    assert "0 of 2 cells measured now, 2 reused" in output
    assert "nothing left to do: every cell has its outcome; --fresh measures anew" in output
    house.assert_index_is_true()


@pytest.mark.parametrize("options", [("--fresh",), ("--max-age", "20h")])
def test_no_unlucky_seed_is_measured_again_alone(house: Any, options: tuple[str, ...]) -> None:
    house.grid([1, 2])
    for command in ("run", "plan"):
        code, output = house.run(*options, "--select", "seed=2", command=command)
        assert code == 2, output
        assert "--select seed: beside --fresh or --max-age" in output
    assert house.scanned() == []


@pytest.mark.slow
def test_what_a_fresh_run_left_is_finished_by_a_plain_one(house: Any) -> None:
    house.grid([1, 2], max_steps=2)
    assert house.run()[0] == 0
    code, output = house.run("--fresh", "--slots", "1", "--retries", "0", faults={2: ["kill", [2]]})
    assert code == 4, output
    assert measured(house) == {(1, 1): 1, (2, 1): 1, (1, 2): 1, (2, 2): 1}
    code, output = house.run("--fresh")  # unfinished: continued, not begun anew
    assert code == 0, output
    assert measured(house) == {(1, 1): 1, (2, 1): 1, (1, 2): 1, (2, 2): 2}
    code, output = house.run()
    assert (code, "2 reused" in output) == (0, True), output
