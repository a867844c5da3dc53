"""What a recipe says of padding is what batches have, in every engine; and it changes no result but by rounding."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import MaterialError
from harness.subject import train
from tests.subject.engines.cells import Cells

STEPS = 6
ROUNDING = 2e-6
"""Relative; at most 4e-7 was measured in these runs, in fp32 with one thread."""


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    return Cells(tmp_path_factory.mktemp("padding"))


@pytest.fixture(scope="module")
def plain(cells: Cells) -> Any:
    return cells.run("trainer", max_steps=STEPS)


@pytest.mark.parametrize(
    ("engine", "changes", "width"),
    [
        ("trainer", {"pad_to_multiple_of": 16}, 48),
        ("loop", {"pad_to_multiple_of": 16}, 48),
        ("accelerate", {"pad_to_multiple_of": 16}, 48),
        ("trainer", {"padding": "max_length", "max_length": 100}, 100),
        ("trainer", {"padding": "max_length", "max_length": 100, "pad_to_multiple_of": 64}, 128),
        ("accelerate", {"padding": "max_length"}, 128),
    ],
)
def test_batches_are_as_wide_as_asked(
    cells: Cells, plain: Any, engine: str, changes: dict[str, Any], width: int
) -> None:
    result, series, _ = cells.run(engine, max_steps=STEPS, **changes)
    assert result["observed"]["fingerprint"]["widths"] == {"least": width, "most": width, "divisor": width}
    usual = plain[0]["observed"]["fingerprint"]["widths"]
    assert usual["least"] < usual["most"] < 48
    assert usual["divisor"] == 1
    # Without dropout, whose masks have a batch's shape.
    for name in ("loss", "grad_norm", "logits"):
        np.testing.assert_allclose(series[name], plain[1][name], rtol=ROUNDING, atol=ROUNDING)
    assert result["observed"]["fingerprint"]["inputs"] == plain[0]["observed"]["fingerprint"]["inputs"]


def test_a_row_without_positions_ends_the_run_before_any_step(cells: Cells, tmp_path: Path) -> None:
    job = cells.job("trainer", max_steps=STEPS)
    job["checkpoint"].update(config={"max_position_embeddings": 40}, random=True)
    events: list[Any] = []
    with pytest.raises(MaterialError) as error:
        train.run_cell(job, tmp_path, events.append)
    assert str(error.value) == (
        "row 17 of the train split has 43 tokens, the model 40 positions; "
        "allowed with truncation and max_length = 40 or less in [recipe]"
    )
    job["checkpoint"].update(config={"max_position_embeddings": 80})
    job["batches"]["pad_to_multiple_of"] = 100
    with pytest.raises(MaterialError, match="batches are padded to 100 tokens, the model has 80 positions"):
        train.run_cell(job, tmp_path, events.append)
    job["batches"].update(padding="max_length", max_length=42, pad_to_multiple_of=1)
    with pytest.raises(MaterialError, match="row 17 of the train split has 43 tokens, batches are padded to 42"):
        train.run_cell(job, tmp_path, events.append)
    assert events == []
