"""A compiled cell, by dynamo's backend "eager": nothing of the harness is compiled with the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
convert_frame = pytest.importorskip("torch._dynamo.convert_frame")

import harness  # noqa: E402
from harness.subject.watch.stopwatch import Stopwatch  # noqa: E402
from tests.subject.engines.cells import Cells  # noqa: E402

COMPILED = {"torch_compile": True, "torch_compile_backend": "eager"}
OURS = str(Path(harness.__file__).parent)


def frames() -> int:
    return int(torch._dynamo.utils.counters["frames"]["total"])


@pytest.fixture
def compiled_files(monkeypatch: pytest.MonkeyPatch, compiler: None) -> list[str]:
    """The source files of the frames that dynamo is given to compile."""
    found: list[str] = []
    original = convert_frame._compile

    def compile_frame(code: Any, *args: Any, **kwargs: Any) -> Any:
        found.append(code.co_filename)
        return original(code, *args, **kwargs)

    monkeypatch.setattr(convert_frame, "_compile", compile_frame)
    return found


def test_a_timing_cells_window_has_the_models_own_frames_only(
    cells: Cells, compiled_files: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    edges = []
    for edge in ("_open_window", "_close"):
        turn = getattr(Stopwatch, edge)
        monkeypatch.setattr(Stopwatch, edge, lambda self, turn=turn: (edges.append(frames()), turn(self)))
    timing = {"warmup_steps": 15, "measured_steps": 20}
    result, _, _ = cells.run("trainer", examples=96, timing=timing, **COMPILED)
    assert compiled_files
    assert [file for file in compiled_files if file.startswith(OURS)] == []
    assert edges[0] == edges[1] > 0
    timed = result["measured"]["timing"]
    assert sum(timed["stages"].values()) == pytest.approx(timed["seconds"], rel=1e-3)
    assert timed["stages"]["forward"] > 0


def test_a_scored_cell_compiles_nothing_of_ours(cells: Cells, compiled_files: list[str]) -> None:
    result, series, _ = cells.run("trainer", max_steps=13, **COMPILED)
    assert [file for file in compiled_files if file.startswith(OURS)] == []
    assert len(series["micro_loss"]) == 13
    assert result["status"] == "ok"
