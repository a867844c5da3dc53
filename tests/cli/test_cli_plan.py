"""`harness plan`: why each cell is to do."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., Any]


@pytest.mark.usefixtures("here")
def test_plan_says_why_cells_are_to_do(harness: Make) -> None:
    plan = ("plan", "tour.toml", "-s", "precision=fp32")
    assert "to do, 2 cells: not measured yet" in harness(*plan, "--results", "x")[1]
    assert "to do, 2 cells: --fresh measures anew" in harness(*plan, "--fresh")[1]
    assert "to do, 2 cells: what there is is older than --max-age" in harness(*plan, "--max-age", "0.0001m")[1]


@pytest.mark.usefixtures("here")
def test_the_json_of_a_plan_says_why_of_each_cell(harness: Make) -> None:
    facts = json.loads(harness("plan", "tour.toml", "--json")[1])
    assert facts["unmet"] == []
    by_state: dict[str, list[dict[str, Any]]] = {}
    for cell in facts["cells"]:
        by_state.setdefault(cell["state"], []).append(cell)
    (done,), (errored,) = by_state["done"], by_state["to do"]
    assert (done["attempt"]["status"], done["why"], done["reason"]) == ("collapsed", None, None)
    assert Path(done["attempt"]["folder"], "record.json").is_file()
    assert (errored["why"]["code"], errored["why"]["values"]) == ("todo.ended", {"status": "failed"})
    assert errored["attempt"]["message"]
    assert all("fp16 needs a CUDA device" in cell["reason"] and cell["attempt"] is None for cell in by_state["skip"])
    fresh = json.loads(harness("plan", "tour.toml", "--json", "--fresh", "-s", "precision=fp32")[1])["cells"]
    assert {cell["why"]["code"] for cell in fresh} == {"todo.fresh"}


def test_a_record_that_cannot_be_read_is_why_its_cell_is_to_do(
    harness: Make, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(here, tmp_path / "torn")
    monkeypatch.chdir(tmp_path / "torn")
    facts = json.loads(harness("plan", "tour.toml", "--json")[1])
    (done,) = (cell for cell in facts["cells"] if cell["state"] == "done")
    record = Path(done["attempt"]["folder"], "record.json")
    record.write_bytes(record.read_bytes()[:100])
    again = json.loads(harness("plan", "tour.toml", "--json")[1])["cells"]
    (torn,) = (cell for cell in again if cell["cell_id"] == done["cell_id"])
    assert (torn["state"], torn["why"]["code"]) == ("to do", "todo.unreadable")


def test_an_edited_grid_says_what_was_edited(harness: Make, here: Path, tmp_path: Path) -> None:
    grid = tmp_path / "tour.toml"
    text = (here / "tour.toml").read_text(encoding="utf-8")
    grid.write_text(text.replace("[recipe]", "[recipe]\nwarmup_steps = 3"), encoding="utf-8")
    plan = ("plan", str(grid), "-s", "precision=fp32", "-s", "optim=adamw_torch")
    (cell,) = json.loads(harness(*plan, "--json")[1])["cells"]
    why = cell["why"]
    assert (why["code"], why["values"]["runs"]) == ("todo.edited", 1)
    changed = {"code": "changed", "values": {"field": "recipe.warmup_steps", "a": None, "b": 3}}
    assert changed in why["values"]["changes"]
    assert f"to do, 1 cell: {why['text']}\n" in harness(*plan)[1]
    assert "recipe.warmup_steps" in why["text"]
