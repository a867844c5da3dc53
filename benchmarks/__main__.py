"""`python -m benchmarks`: the short pytest-benchmark suites, their figures in results/suites.json; with arguments none.

tox's `bench` calls it with the arguments of `harness bench`: who names a grid wants that grid.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

RESULTS = Path("results/suites.json")

if len(sys.argv) > 1:
    print("a grid was named: the short suites are not run (pytest benchmarks runs them)")
    sys.exit(0)
RESULTS.parent.mkdir(parents=True, exist_ok=True)
sys.exit(
    pytest.main([
        *("benchmarks", "-q", "-m", "not slow", "-p", "no:cacheprovider", "--benchmark-enable"),
        *(f"--benchmark-json={RESULTS}", "--benchmark-columns=min,median,max,stddev,rounds"),
    ])
)  # fmt: skip
