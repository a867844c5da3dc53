"""`harness run` of a grid with planned looks: it stops at the look that decides, and goes on where none does."""

from __future__ import annotations

from typing import Any

import pytest

GRID = """
name = "g"
task = "embedded/paraphrase"
[recipe]
max_steps = 2
[matrix]
checkpoint = "embedded/tiny-bert"
seeds = {{ looks = [2, 4], list = [5, 6, 7, 8] }}
[quality]
collapse_rate = {rate}
"""


@pytest.mark.parametrize(
    ("rate", "seeds", "looked_on"),
    [
        # Two collapses of two, where 2 % are allowed, are a FAIL: nothing is left to learn.
        (0.02, [5, 6], False),
        # Where nine of ten may collapse they say nothing: the next look is due.
        (0.9, [5, 6, 7, 8], True),
    ],
)
def test_seeds_are_run_look_by_look(house: Any, rate: float, seeds: list[int], looked_on: bool) -> None:
    (house.folder / "g.toml").write_text(GRID.format(rate=rate), encoding="utf-8")
    code, output = house.run()
    assert code == 0, output
    assert sorted(record.asked.seed for record in house.records()) == seeds
    assert ("next look: 2 more cells" in output) is looked_on
    code, output = house.run()
    assert code == 0, output
    assert sorted(record.asked.seed for record in house.records()) == seeds


def test_out_of_time_is_exit_3_with_the_command_to_go_on(house: Any) -> None:
    (house.folder / "g.toml").write_text(GRID.format(rate=0.9), encoding="utf-8")
    house.run("--select", "seed=5")
    code, output = house.run("--max-hours", "0")
    assert code == 3, output
    assert "go on with: harness run g.toml" in output


def test_check_fails_on_collapses_and_names_them(house: Any) -> None:
    (house.folder / "g.toml").write_text(GRID.format(rate=0.02), encoding="utf-8")
    house.run()
    code, output = house.run("--junit", "verdicts.xml", command="check")
    assert code == 1, output
    assert "2 of 2 runs collapsed" in output
    assert "To paste into an issue:" in output
    assert "<failure" in (house.folder / "verdicts.xml").read_text(encoding="utf-8")


def test_check_of_nothing_is_exit_5(house: Any) -> None:
    (house.folder / "g.toml").write_text(GRID.format(rate=0.02), encoding="utf-8")
    code, output = house.run(command="check")
    assert code == 5
    assert "run it first: harness run g.toml" in output
