"""The throughput part as pytest-benchmark reads it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.checks.speed.process import processes_of
from harness.grid.grid import Grid
from harness.report.speed.export import benchmark_json, statistics_of
from tests.report.speed.made_up import BUSY, command, records, stored


def test_export_is_read_by_pytest_benchmark(
    grid: Grid, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    stored(grid, tmp_path, [*records(grid), *records(grid, change=lambda _: {"session": "s0", "day": 20})])
    assert command(monkeypatch, "export", tmp_path / "speed", "-o", tmp_path / "new.json") == 0
    assert command(monkeypatch, "export", tmp_path / "speed", "--session", "s0", "-o", tmp_path / "old.json") == 0
    assert command(monkeypatch, "export", tmp_path / "speed", "--session", "s9") == 2
    assert command(monkeypatch, "export", tmp_path / "nothing") == 2
    error = capsys.readouterr().err
    assert "allowed s1 (2026-11-22T10:01), s0 (2026-11-20T10:01)" in error
    program = [str(Path(sys.executable).with_name("pytest-benchmark")), "compare", "old.json", "new.json"]
    done = subprocess.run([*program, "--columns=min,median,rounds"], cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    line = next(
        line
        for line in done.stdout.splitlines()
        if line.startswith("embedded/tiny-bert · fp32 · trainer · devices=1 (new)")
    )
    # 8 samples a step at 121 and at 110 samples/s
    assert f"{8000 / 121:.4f}" in line
    assert f"{8000 / 110:.4f}" in line
    assert "'speed': 10 tests" in done.stdout
    between = subprocess.run([*program, "--between=median"], cwd=tmp_path, capture_output=True, text=True)
    assert between.returncode == 0, between.stderr
    assert "+0.0%" in between.stdout


def test_histogram_of_an_export(grid: Grid, tmp_path: Path) -> None:
    (tmp_path / "one.json").write_text(benchmark_json("speed", processes_of(records(grid))))
    program = [str(Path(sys.executable).with_name("pytest-benchmark")), "compare", "one.json", "--histogram=h"]
    subprocess.run(program, cwd=tmp_path, check=True, capture_output=True)
    assert list(tmp_path.glob("h*.svg"))


def test_export_leaves_noise_out_and_says_so(grid: Grid, tmp_path: Path) -> None:
    noisy = records(grid, change=lambda cell: {"reasons": [BUSY]} if cell.repeat == 2 else {})
    text = benchmark_json("speed", processes_of(noisy))
    one = next(b for b in json.loads(text)["benchmarks"] if b["name"].endswith("fp32 · trainer · devices=1"))
    assert one["stats"]["data"] == pytest.approx([8 / 100, 8 / 121])
    assert one["extra_info"]["not_quiet"] == {"2": [BUSY]}
    assert one["params"] == {"checkpoint": "embedded/tiny-bert", "precision": "fp32", "engine": "trainer", "devices": 1}
    assert str(tmp_path) not in text


@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 9, 12])
def test_statistics_are_pytest_benchmarks_own(n: int) -> None:
    stats = pytest.importorskip("pytest_benchmark.stats").Stats()
    values = [1.0 + (7 * k % 5) / 10 + (3.0 if k == 4 else 0.0) for k in range(n)]
    for value in values:
        stats.update(value)
    ours = statistics_of(values)
    for name, value in stats.as_dict().items():
        assert ours[name] == (value if isinstance(value, str) else pytest.approx(value)), name
    assert ours["data"] == values
