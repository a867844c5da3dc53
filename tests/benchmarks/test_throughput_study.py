"""The study behind reports/throughput-aa.md on made-up rates, and its planted slow-down on a real optimizer."""

from __future__ import annotations

import json
import math
import os
import re
import subprocess
import sys
from dataclasses import asdict, replace
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


def test_what_is_found_says_how_sure_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Counts with their bounds, the slow-down that was measured beside the one that was meant; and again from JSON."""
    monkeypatch.setattr(study, "REPLAYS", 500)
    generator = np.random.default_rng(1)
    observed = SimpleNamespace(
        machine={"cores": 2, "cpu": "made up", "memory_gib": 4.0}, packages={"torch": "2", "transformers": "5"},
        python="3.11.7",
    )  # fmt: skip
    timing = SimpleNamespace(step_ms={"p50": 7.0})
    record: Any = SimpleNamespace(
        observed=observed, started="2026-11-22T10:00:00Z", measured=SimpleNamespace(timing=timing)
    )
    same = Arms([pair(n, float(np.exp(generator.normal(0, 0.01)))) for n in range(1, 41)], [record])
    slow = Arms([pair(n, float(np.exp(generator.normal(-0.12, 0.01)))) for n in range(1, 21)], [record])
    found = study.find(same, slow)
    assert found.problems == []
    assert found.shift_95 is not None
    assert found.shift == pytest.approx(math.exp(-0.12), abs=0.01)
    assert found.shift_95[0] < found.shift < found.shift_95[1]
    text = study.render(found)
    assert "Identical code, measured: 0 of 8 comparisons (at most 36.9 %) FAIL" in text
    assert re.search(r"meant to be 10 % and measured to be 1[123]\.\d % \(95 %: 1[12]\.\d to 1[23]\.\d %\)", text)
    assert "4 of 4 comparisons (at least 39.8 %) of 5 pairs find it" in text
    kept = tmp_path / "found.json"
    kept.write_text(json.dumps(asdict(found)), encoding="utf-8")
    assert study.render(study.again(kept)) == text
    worse = replace(found, still={**found.still, "measured: 5 pairs in a row": {"FAIL": 1, "PASS": 7}})
    assert worse.problems == ["A/A, measured: 5 pairs in a row: 1 of 8 comparisons of identical code FAIL"]


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
