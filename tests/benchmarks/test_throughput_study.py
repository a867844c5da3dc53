"""The study behind reports/throughput-aa.md on made-up rates, and its planted slow-down on a real optimizer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import throughput_study as study
from benchmarks.throughput_study import Arms, comparisons, normal, replayed, resampled

ROOT = Path(__file__).resolve().parents[2]


def pair(number: int, ratio: float, noisy: bool = False) -> Any:
    from harness.checks.speed.process import Process

    shared: dict[str, Any] = {
        "label": "tiny", "axes": {}, "precision": "fp32", "devices": 1, "engine": "trainer", "environment": "current",
        "session": "s", "repeat": number, "started": f"2026-11-22T10:{number // 60:02}:{number % 60:02}Z",
        "machine": "{}", "memory_mib": None,
    }  # fmt: skip
    reasons = ("other processes kept 0.50 cores busy (at most 0.1)",) if noisy else ()
    return tuple(
        Process(configuration_id=name, rate=rate, reasons=reasons, **shared)
        for name, rate in (("a", 1000.0), ("b", 1000.0 * ratio))
    )


def test_comparisons_share_no_process() -> None:
    generator = np.random.default_rng(1)
    pairs = [pair(n, float(np.exp(generator.normal(0, 0.01)))) for n in range(1, 23)]
    found = comparisons(pairs)
    assert [one.numbers.n for one in found if one.numbers] == [5, 5, 5, 5]  # two pairs are left over
    assert {one.outcome for one in found} == {"PASS"}
    pairs[7] = pair(8, 0.5, noisy=True)
    assert [one.outcome for one in comparisons(pairs)] == ["PASS", "INCONCLUSIVE", "PASS", "PASS"]
    assert len(Arms(pairs, []).quiet) == 21


def test_replays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "REPLAYS", 1000)
    still, slower = replayed(normal(0.02)), replayed(normal(0.02), 1 / 1.1)
    assert still["FAIL"] <= 10
    assert slower["FAIL"] >= 950
    assert sum(still.values()) == sum(slower.values()) == 1000
    drawn = resampled(np.array([0.02, 0.03]))(np.random.default_rng(0))
    assert drawn.shape == (5,)
    assert set(np.abs(drawn)) <= {0.02, 0.03}


def test_the_planted_step_sleeps_for_a_tenth() -> None:
    pytest.importorskip("torch")
    code = (
        "import json, time, torch\n"
        "naps, nap = [], time.sleep\n"
        "time.sleep = lambda seconds: naps.append(seconds)\n"
        "weight = torch.nn.Parameter(torch.zeros(1)); weight.grad = torch.ones(1)\n"
        "optimizer = torch.optim.AdamW([weight])\n"
        "optimizer.step()\n"
        "for _ in range(5): nap(0.1); optimizer.step()\n"
        "print(json.dumps(naps))\n"
    )
    wrapper = ROOT / "benchmarks" / "slow_step" / "python"
    variables = {**os.environ, "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])}
    done = subprocess.run([wrapper, "-c", code], capture_output=True, text=True, check=True, env=variables)
    naps = json.loads(done.stdout)
    assert len(naps) == 6
    assert all(0.009 <= seconds <= 0.1 for seconds in naps[1:])  # a tenth of 0.1 s or more; the last ms is waited out


def test_nothing_measured_is_exit_5(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["throughput_study", "--results", "nowhere"])
    monkeypatch.setattr(study, "read", lambda grid, results: SimpleNamespace(pairs=[]))
    assert study.main() == 5
    assert "nothing measured" in capsys.readouterr().err
