"""A compiled cell, by dynamo's backend "eager": nothing of the harness is compiled with the model."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

torch = pytest.importorskip("torch")
convert_frame = pytest.importorskip("torch._dynamo.convert_frame")

import harness  # noqa: E402
from harness.subject.watch import noise, stopwatch  # noqa: E402
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
    # 100 = 3 x 32 + 4: a batch of 4 would be a new shape to compile, in the window's first step.
    timing = {"warmup_steps": 3, "measured_steps": 20}
    result, _, _ = cells.run("trainer", examples=100, per_device_train_batch_size=32, timing=timing, **COMPILED)
    assert compiled_files
    assert [file for file in compiled_files if file.startswith(OURS)] == []
    assert edges[0] == edges[1] > 0
    timed = result["measured"]["timing"]
    assert sum(timed["stages"].values()) == pytest.approx(timed["seconds"], rel=1e-3)
    assert timed["stages"]["forward"] > 0
    assert timed["samples"] == 20 * 32
    assert timed["noise"]["compiled_frames"] == 0


def test_what_is_compiled_in_the_window_is_told(cells: Cells, compiler: None) -> None:
    timing = {"warmup_steps": 0, "measured_steps": 4}
    result, _, _ = cells.run("trainer", timing=timing, **COMPILED)
    noise = result["measured"]["timing"]["noise"]
    assert noise["compiled_frames"] > 0
    told = f"the compiler worked in the window: {noise['compiled_frames']} frames (at most 0)"
    assert told in noise["reasons"]


def test_a_devices_warm_up_begins_anew_at_each_frame(monkeypatch: pytest.MonkeyPatch) -> None:
    now, compiled = [100.0], [7]
    monkeypatch.setattr(stopwatch.time, "perf_counter", lambda: now[0])
    monkeypatch.setattr(noise, "compiled_frames", lambda: compiled[0])
    monkeypatch.setattr(stopwatch.peak, "probe", lambda *_: {})
    watch = Stopwatch({}, "fp32", lambda event: None)
    watch.begins(torch.nn.Linear(2, 2))
    watch._device = torch.device("cuda:0")
    warm = []
    for now[0], compiled[0] in ((109.0, 7), (110.0, 8), (119.0, 8), (120.0, 8), (121.0, 9), (130.0, 9), (131.0, 9)):
        warm.append(watch._warm())
    assert warm == [False, False, False, True, False, False, True]


@pytest.mark.slow
def test_a_scored_cell_compiles_nothing_of_ours(cells: Cells, compiled_files: list[str]) -> None:
    result, series, _ = cells.run("trainer", max_steps=13, **COMPILED)
    assert [file for file in compiled_files if file.startswith(OURS)] == []
    assert len(series["micro_loss"]) == 13
    assert result["status"] == "ok"
