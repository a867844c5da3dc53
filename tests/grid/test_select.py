"""`--select`: what it finds, and that a mistake names what there is."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.errors import HarnessError, SpecError
from harness.grid.cell import Cell
from harness.grid.grid import grid_from_text
from harness.grid.select import select, selecting, split_values


@pytest.fixture(scope="module")
def cells() -> list[Cell]:
    text = """
        name = "x"
        task = "glue/mrpc"
        [recipe]
        num_train_epochs = 3
        [checkpoint."mini, small"]
        from = "a"
        [matrix]
        checkpoint = ["mini, small", "org/b"]
        seed = [42, 1, 2]
        precision = ["fp32", "fp16"]
        learning_rate = [5e-5, 1e-4]
        dataloader_drop_last = [false, true]
        exclude = [{ checkpoint = "org/b", seed = 2 }]
        include = [{ checkpoint = "org/b", seed = 1, lr_scheduler_kwargs = { a = [1, 2] } }]
    """
    return grid_from_text(text.encode(), Path("g.toml")).cells()


@pytest.mark.parametrize(
    ("expressions", "count"),
    [
        ([], 40),
        (["precision=fp16"], 20),
        (["precision=fp16", "seed=1,2"], 12),
        (["seed=1", "seed=2"], 24),
        (["learning_rate=0.00005"], 20),
        (["learning_rate=5e-5", "dataloader_drop_last=true"], 10),
        (["num_train_epochs=3"], 40),
        (["checkpoint=org/b"], 16),
        (['checkpoint="mini, small"'], 24),
        (["devices=1", "environment=current", "engine=trainer"], 40),
        (['lr_scheduler_kwargs={"a": [1, 2]}'], 8),
        (["seed=0x2a"], 16),
        ([" seed = 42 , 1 "], 32),
    ],
)
def test_selects(cells: list[Cell], expressions: list[str], count: int) -> None:
    selected = select(cells, expressions)
    assert len(selected) == count
    assert selected == [cell for cell in cells if cell in selected]


@pytest.mark.parametrize(
    ("expressions", "message"),
    [
        (["precision=fp61"], '--select precision: got "fp61"; allowed fp32, fp16; did you mean fp16?'),
        (["seed=7"], '--select seed: got "7"; allowed 42, 1, 2'),
        (["seed=true"], '--select seed: got "true"; allowed 42, 1, 2'),
        (["seed=[NaN]"], '--select seed: got "[NaN]"; allowed 42, 1, 2'),
        (["seed"], '--select: got "seed"; allowed AXIS=VALUE or AXIS=VALUE,VALUE'),
        (["=1"], '--select: got "=1"; allowed AXIS=VALUE or AXIS=VALUE,VALUE'),
        (["presicion=fp16"], "did you mean precision?"),
        (["checkpoint=org/b", "seed=2"], "no cell has checkpoint and seed as selected together"),
    ],
)
def test_mistakes_name_what_there_is(cells: list[Cell], expressions: list[str], message: str) -> None:
    with pytest.raises(SpecError) as raised:
        select(cells, expressions)
    assert message in str(raised.value)


def test_commas_inside_quotes_and_brackets_do_not_split() -> None:
    assert split_values('1,"a,b",[1,2],{"x": 1, "y": 2}') == ["1", '"a,b"', "[1,2]", '{"x": 1, "y": 2}']


@settings(max_examples=200, deadline=None)
@given(st.lists(st.text(max_size=10) | st.text(max_size=8).map(lambda text: f"seed={text}"), max_size=3))
def test_junk_raises_only_our_errors(cells: list[Cell], expressions: list[str]) -> None:
    try:
        selected = select(cells, expressions)
    except HarnessError:
        return
    assert selected


def test_each_configuration_has_expressions_that_select_it(cells: list[Cell]) -> None:
    every = selecting(cells)
    assert set(every) == {cell.configuration_id for cell in cells}
    for configuration_id, expressions in every.items():
        chosen = {cell.configuration_id for cell in select(cells, expressions)}
        # What has an argument more than the others cannot be told from them by what they have.
        lacking = any("lr_scheduler_kwargs" in cell.axes for cell in select(cells, expressions))
        assert configuration_id in chosen
        assert len(chosen) == 1 or lacking
    assert every[cells[0].configuration_id][:2] == ['checkpoint="mini, small"', "precision=fp32"]
