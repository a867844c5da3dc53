"""What only a CUDA device can show: the stages of `python -m benchmarks.gpu`. Skipped where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.gpu.__main__ import WORK, try_stage
from benchmarks.gpu.place import Place
from benchmarks.gpu.stages import STAGES

pytestmark = pytest.mark.gpu


@pytest.mark.parametrize("stage", STAGES)
@pytest.mark.timeout(1800)
def test_what_is_claimed_of_a_gpu_holds(stage: str) -> None:
    found = try_stage(stage, Place(Path(WORK).resolve(), rehearsal=False, tell=print))
    assert found.claims
    assert found.broken == []
