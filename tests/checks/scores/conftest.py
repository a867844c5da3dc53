"""Attempts with their records, and a baseline of them."""

from __future__ import annotations

import pytest

from harness.checks.scores.baseline.file import Baseline
from tests.checks.scores.made_up_records import MadeUp, Make


@pytest.fixture
def results(cell_of: Make, entry_of: Make) -> MadeUp:
    cells = {
        (precision, seed): cell_of(seed=seed, precision=precision, axes={"precision": precision, "seed": seed})
        for seed in (10, 2)
        for precision in ("fp32", "bf16")
    }
    return MadeUp(entry_of, cells)


@pytest.fixture
def baseline(results: MadeUp) -> Baseline:
    results.add(10, 0.81)
    results.add(2, 0.8)
    results.add(2, 0.68, "bf16", status="collapsed")
    results.add(10, None, "bf16", status="failed", error="ValueError: no\nway")
    return results.build(note="first")
