"""`harness show`, and `import harness`: what its functions give is what the commands say of the same."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import harness as package
from harness.errors import SpecError
from harness.report.run.steps import curves_of, steps_csv, steps_figure
from harness.stats.decision import Decision
from tests.checks.conftest import build_run, plant
from tests.cli.made_up_nights import Night
from tests.pipelines.test_find import keep

ROOT = Path(__file__).resolve().parents[2]
Harness = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seeds in fp32 and in bf16; the runs in bf16 have losses and gradients twice as large."""
    root = tmp_path_factory.mktemp("show") / "results"
    for at, (precision, excess) in enumerate((("fp32", 1.0), ("bf16", 2.0))):
        for seed in (1, 2):
            axes = {"checkpoint": "tiny", "precision": precision, "seed": seed}
            asked = {"asked.axes": axes, "asked.seed": seed, "asked.precision": precision}
            keep(root, "g", plant(build_run(seed=seed, excess=excess), asked), f"{precision}{seed}aaaaaaaa{at}")
    return root


def test_runs_are_selected_by_value_and_by_list(results: Path) -> None:
    runs = package.load("g", results)
    fp32 = package.select(runs, precision="fp32")
    assert [(one.axes["precision"], one.axes["seed"]) for one in fp32] == [("fp32", 1), ("fp32", 2)]
    assert len(package.select(runs, precision=["fp32", "bf16"], seed=2)) == 2
    assert [one.folder for one in package.load("g:precision=fp32", results)] == [one.folder for one in fp32]
    assert str(runs[1:]).splitlines()[0].startswith(runs[1].run_id)
    with pytest.raises(SpecError, match=r'got "precison"; allowed axes .*did you mean precision'):
        package.select(runs, precison="fp32")
    with pytest.raises(SpecError, match='precision: got "fp8"; allowed bf16, fp32'):
        package.select(runs, precision="fp8")
    with pytest.raises(SpecError, match="no run has all of these"):
        package.select(runs, precision=[])


def test_diff_says_what_the_command_says(results: Path, harness: Harness) -> None:
    runs = package.load("g", results)
    found = package.diff(package.select(runs, precision="fp32"), package.select(runs, precision="bf16"))
    assert (found.state, found.first_step, found.exit_code, len(found.verdicts)) == ("different", 0, 1, 2)
    assert [fact.values["field"] for fact in found.causes] == ["precision"]
    assert [line for line in str(found).splitlines() if line[:3] in ("A  ", "B  ")] == [
        "A  g:precision=fp32 (2 runs)",
        "B  g:precision=bf16 (2 runs)",
    ]
    code, out, _ = harness("diff", "g:precision=fp32", "g:precision=bf16", "--results", str(results))
    assert (code, out.splitlines()[0]) == (1, str(found).splitlines()[0])
    assert str(found).splitlines()[0] in found._repr_markdown_()
    same = package.diff(runs[0], runs[0])
    assert (same.state, same.first_step, same.causes, same.exit_code) == ("identical", None, (), 0)
    drawn = [[line.get_ydata()[0] for line in axes.get_lines()] for axes in package.plot(found).axes]
    assert np.allclose([b / a for a, b in drawn[:2]], 2, rtol=1e-3)  # of A and B: the loss, and the gradient norm


def test_check_says_what_the_command_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, harness: Harness) -> None:
    monkeypatch.chdir(tmp_path)
    night = Night(tmp_path)
    for cell in night.cells():
        night.put(cell, 40 + cell.seed % 3 + (cell.precision == "bf16" and cell.seed == 1))
    found = package.check("night.toml")
    code, out, _ = harness("check", "night.toml")
    assert (found.exit_code, str(found).splitlines()[0]) == (code, out.splitlines()[0])
    (parity,) = [one for one in found if one.check == "parity" and one.item == "accuracy"]
    assert (parity.outcome, len(found)) == ("PASS", len(found[:]))
    assert isinstance(parity.numbers, Decision)
    assert parity.numbers.difference == pytest.approx(-100 / 240 / 5)
    assert parity.numbers.ci90 is not None
    assert -1.5 < parity.numbers.ci90[0] < parity.numbers.difference < parity.numbers.ci90[1] < parity.numbers.delta


def test_a_step_is_a_row_and_its_numbers_read_back_to_the_bit(
    results: Path, harness: Harness, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    name = "g:precision=fp32,seed=1"
    (one,) = package.load(name, results)
    run = one.read()
    code, out, _ = harness("show", name, "--results", str(results), "--csv", "-")
    rows = list(csv.DictReader(io.StringIO(out)))
    assert (code, [int(row["step"]) for row in rows]) == (0, [*range(12)])
    for series in ("loss", "grad_norm", "learning_rate"):
        kept = run.series[series]
        assert np.array_equal(np.array([row[series] for row in rows], dtype=kept.dtype), kept)
    shown = json.loads(harness("show", name, "--results", str(results), "--json")[1])
    assert (shown["id"], shown["record"]["cell_id"]) == (one.run_id, one.cell_id)
    assert shown["steps"]["loss"] == [float(row["loss"]) for row in rows]
    code, text, _ = harness("show", name, "--results", str(results), "--plot", "a.png", "--csv", "a.csv")
    assert (tmp_path / "a.png").read_bytes().startswith(b"\x89PNG")
    assert (tmp_path / "a.csv").read_text(encoding="utf-8") == out
    assert text.splitlines()[0] == f"{one.run_id}  {one.label}: ok"
    assert [line.split()[0] for line in text.splitlines()[-11:]] == [*"01234", "…", *"789", "10", "11"]


def test_what_cannot_be_shown_is_one_error(results: Path, harness: Harness) -> None:
    code, _, error = harness("show", "g", "--results", str(results))
    assert (code, "4 runs; allowed one of them: " in error) == (2, True)
    named = ("show", "g:precision=fp32,seed=1", "--results", str(results))
    code, _, error = harness(*named, "--plot", "a.gif")
    assert (code, "allowed names that end in .svg, .png, .pdf" in error) == (2, True)
    assert harness(*named, "--csv", "-", "--json")[0] == 2
    assert harness("show", "nowhere!")[0] == 2
    with pytest.raises(SpecError, match="no run has a value by step"):
        steps_figure([])


def test_a_resumed_run_counts_its_steps_from_where_it_went_on() -> None:
    run = plant(build_run(), {"asked.resume_at": 2})
    assert steps_csv(run).splitlines()[1].startswith("2,")
    assert next(iter(steps_figure([("resumed", curves_of(run))]).axes[0].get_lines()[0].get_xdata())) == 2


def test_what_is_offered_is_documented_and_light() -> None:
    for name in ("load", "select", "frame", "diff", "check", "verify", "plot"):
        assert "Raises\n" in getattr(package, name).__doc__, name
    code = (
        "import sys, harness\n"
        "[getattr(harness, n) for n in ('load', 'select', 'diff', 'check', 'verify', 'plot')]\n"
        "print([m for m in ('torch', 'transformers', 'pandas', 'matplotlib') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True)
    assert done.stdout.strip() == "[]"
