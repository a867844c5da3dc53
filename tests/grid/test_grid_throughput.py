"""`[throughput]`: which cells are timed, in what order, and what cannot be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.grid.grid import Grid, grid_from_text

HEAD = 'name = "x"\ntask = "glue/mrpc"\n'


def read(text: str) -> Grid:
    return grid_from_text((HEAD + text).encode(), Path("g.toml"))


TIMED = """
    [matrix]
    checkpoint = ["a", "b"]
    seed = [7, 8]
    precision = ["fp32", "bf16"]
    [throughput]
    processes = 3
"""


def test_timing_cells_take_turns() -> None:
    grid = read(TIMED)
    cells = grid.timing_cells()
    names = ["a · fp32", "a · bf16", "b · fp32", "b · bf16"]
    labels = [f"{name} · timing {n}" for n, order in ((1, names), (2, names[::-1]), (3, names)) for name in order]
    assert [cell.label for cell in cells] == labels
    assert {cell.seed for cell in cells} == {7}
    assert {tuple((cell.timing or {}).items()) for cell in cells} == {(("warmup_steps", 20), ("measured_steps", 100))}
    assert len({cell.cell_id for cell in cells} | {cell.cell_id for cell in grid.cells()}) == 12 + 8
    ids = {cell.configuration_id for cell in cells}
    assert len(ids) == 4
    assert ids.isdisjoint(cell.configuration_id for cell in grid.cells())
    backwards = [cell.label for cell in grid.timing_cells(backwards=True)]
    assert backwards[:4] == [f"{name} · timing 1" for name in names[::-1]]
    assert sorted(backwards) == sorted(labels)


def test_only_timed_and_not_timed() -> None:
    only = read(TIMED + "only = true\n")
    assert only.cells() == []
    assert len(only.timing_cells()) == 12
    assert read(TIMED.partition("[throughput]")[0]).timing_cells() == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[matrix]\ncheckpoint = 'a'\nrepeat = [1, 2]\n[throughput]\n", "matrix.repeat: is an axis"),
        ("[matrix]\ncheckpoint = 'a'\nresume_at = [0, 5]\n[throughput]\n", "matrix.resume_at: is an axis"),
        ("[matrix]\ncheckpoint = 'a'\n[throughput]\nonly = true\n[quality]\n", "quality: needs scores"),
        ("[matrix]\ncheckpoint = 'a'\nseeds = { looks = [2, 4] }\n[throughput]\nonly = true\n", "matrix.seeds: needs"),
        ("[matrix]\ncheckpoint = 'a'\n[throughput]\nwarmup_steps = 0\n", "throughput.warmup_steps: got 0"),
        ("[matrix]\ncheckpoint = 'a'\n[throughput]\nmargin = 100\n", "throughput.margin: got 100"),
    ],
)
def test_what_cannot_be_timed(text: str, said: str) -> None:
    with pytest.raises(SpecError, match=re.escape(said)):
        read(text)


def test_a_model_of_random_weights_is_another_cell() -> None:
    plain = read("[matrix]\ncheckpoint = 'a'\n[checkpoint.a]\nfrom = 'x'\n").cells()[0]
    drawn = read("[matrix]\ncheckpoint = 'a'\n[checkpoint.a]\nfrom = 'x'\nrandom = true\n").cells()[0]
    assert drawn.asked()["checkpoint"]["random"] is True
    assert "random" not in plain.asked()["checkpoint"]
    assert drawn.cell_id != plain.cell_id
