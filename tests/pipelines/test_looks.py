"""`harness run` of a grid with planned looks: it stops at the look that decides, and goes on where none does."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from harness.execution.progress import Summary
from harness.pipelines.looks import run_looks
from harness.record.attempts import Renewal

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
        pytest.param(0.9, [5, 6, 7, 8], True, marks=pytest.mark.slow),
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


@pytest.mark.slow
def test_out_of_time_is_exit_3_with_the_command_to_go_on(house: Any) -> None:
    (house.folder / "g.toml").write_text(GRID.format(rate=0.9), encoding="utf-8")
    house.run("--select", "seed=5")
    code, output = house.run("--max-hours", "0")
    assert code == 3, output
    assert "go on with:\n  " in output


def test_check_fails_on_collapses_and_names_them(house: Any) -> None:
    (house.folder / "g.toml").write_text(GRID.format(rate=0.02), encoding="utf-8")
    house.run()
    code, output = house.run("--junit", "verdicts.xml", "--issue", "issue.md", command="check")
    assert code == 1, output
    assert "2 of 2 runs collapsed" in output
    assert (house.folder / "issue.md").read_text(encoding="utf-8").startswith("## FAIL, stability: ")
    assert "<failure" in (house.folder / "verdicts.xml").read_text(encoding="utf-8")


def test_check_of_nothing_is_exit_5(house: Any) -> None:
    (house.folder / "g.toml").write_text(GRID.format(rate=0.02), encoding="utf-8")
    code, output = house.run(command="check")
    assert code == 5
    assert "run it first: harness run g.toml" in output


@pytest.mark.parametrize(
    ("oldest", "left", "summary", "runs"),
    [
        (None, [3], Summary(), 1),  # no age is too great: one run is all
        ("2026-11-22", [0], Summary(), 1),
        ("2026-11-22", [3, 0], Summary(), 2),  # what had been left unfinished is over, and too old by now
        ("2026-11-22", [3], Summary(missing=1), 1),
        ("2026-11-22", [3], Summary(interrupted=True), 1),
    ],
)
def test_what_has_become_too_old_is_measured_anew(
    oldest: str | None, left: list[int], summary: Summary, runs: int
) -> None:
    def session(number: int) -> Any:
        return SimpleNamespace(
            grid=SimpleNamespace(seed_plan=None),
            wishes=SimpleNamespace(renewal=Renewal(oldest=oldest)),
            plan=SimpleNamespace(of=lambda state: [None] * left[number - 1]),
            reopened=lambda: session(number + 1),
        )

    said: list[str] = []
    ran: list[Any] = []

    def run(one: Any) -> Summary:
        ran.append(one)
        return summary

    assert run_looks(session(0), run, said.append)[1] is summary
    assert len(ran) == runs
    assert said == ["finished what had been left unfinished; 3 cells are too old by now and are measured anew"] * (
        runs - 1
    )
