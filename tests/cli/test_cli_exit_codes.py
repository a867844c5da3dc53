"""Every way out has its documented exit code."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.cli import app as app_module
from harness.errors import HarnessError, RequirementError, RunFailed, SpecError, StoreError
from harness.execution.progress import Summary
from harness.record.attempts import STATUSES

Make = Callable[..., Any]
GRIDS = Path(__file__).resolve().parents[1] / "data" / "grids"
SKIPPED_ONLY = (GRIDS / "skipped_only.toml").read_text(encoding="utf-8")
BAD = (GRIDS / "bad.toml").read_text(encoding="utf-8")


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["plan", "--nope", "tour.toml"], "No such option: --nope"),
        (["frobnicate"], "No such command 'frobnicate'"),
        (["plan"], "Missing argument"),
        (["run", "tour.toml", "--slots", "0"], "--slots"),
        (["run", "tour.toml", "--slots", "many"], "--slots"),
        (["run", "tour.toml", "--max-hours", "-1"], "--max-hours"),
        (["run", "tour.toml", "--host", "thread"], "--host: got 'thread'; allowed: fork, spawn"),
        (["plan", "nothing.toml"], '"nothing.toml": no such grid'),
        (["plan", "."], "."),
        (["plan", "tour.toml", "-s", "precision"], '--select: got "precision"; allowed AXIS=VALUE'),
        (["plan", "tour.toml", "-s", "colour=red"], "colour"),
        (["plan", "tour.toml", "-s", "precision=fp61"], "did you mean fp16?"),
        (["plan", "tour.toml", "-s", "="], "--select"),
        (["validate"], "Missing argument"),
        (["bench", "nothing.toml"], '"nothing.toml": no such grid'),
        (["store"], ""),
        ([], ""),
    ],
)
def test_usage_errors_are_exit_2(harness: Make, arguments: list[str], said: str) -> None:
    code, _, err = harness(*arguments)
    assert code == 2
    assert said in err
    assert "This is a defect" not in err


def test_an_invalid_grid_is_exit_2_for_every_command(harness: Make, here: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(BAD)
    for command in ("validate", "plan", "run", "bench", "report", "doctor"):
        code, _, err = harness(command, str(tmp_path / "bad.toml"))
        assert code == 2
        assert "recipe.learning_rat" in err
        assert "learning_rate" in err


def test_all_skipped_is_exit_5(harness: Make, here: Path, tmp_path: Path) -> None:
    (tmp_path / "skipped.toml").write_text(SKIPPED_ONLY)
    code, out, _ = harness("run", str(tmp_path / "skipped.toml"), "--results", str(tmp_path / "results"))
    assert code == 5
    assert out.splitlines()[-2].startswith("0 of 2 cells measured now (2 skipped), 0 reused, in ")
    assert out.splitlines()[-1].startswith("skipped, 2 cells: fp16 needs a CUDA device")
    code, out, _ = harness("bench", str(tmp_path / "skipped.toml"), "--results", str(tmp_path / "results"))
    assert code == 5
    assert "report: " in out


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", ["run", "bench", "doctor"])
def test_an_unmet_requirement_is_exit_4(harness: Make, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("HARNESS_REQUIRE", "cuda,devices>=2")
    code, out, err = harness(command, "tour.toml")
    assert code == 4
    assert "requires CUDA: torch" in out + err
    assert "requires 2 devices: 0 here" in out + err
    if command == "bench":
        assert "tour.toml: 2 of 4 cells can run here" in out + err  # the doctor's text


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", ["run", "bench", "doctor"])
def test_a_mistyped_requirement_is_exit_2(harness: Make, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("HARNESS_REQUIRE", "cude")
    code, _, err = harness(command, "tour.toml")
    assert code == 2
    assert "HARNESS_REQUIRE: got 'cude'; allowed: cuda, cpu, devices>=N" in err


def test_a_grids_own_requirement(harness: Make, here: Path, tmp_path: Path) -> None:
    (tmp_path / "gpu.toml").write_text(SKIPPED_ONLY + '[require]\naccelerator = "cuda"\n')
    assert harness("run", str(tmp_path / "gpu.toml"), "--results", str(tmp_path))[0] == 4
    assert harness("doctor", str(tmp_path / "gpu.toml"), "--results", str(tmp_path))[0] == 4
    assert harness("plan", str(tmp_path / "gpu.toml"), "--results", str(tmp_path))[0] == 4


def test_a_missing_checkpoint_is_exit_4_and_named(harness: Make, here: Path, tmp_path: Path) -> None:
    text = 'name = "gone"\ntask = "embedded/paraphrase"\n[matrix]\ncheckpoint = ["./gone"]\nseed = 1\n'
    (tmp_path / "gone.toml").write_text(text)
    code, out, _ = harness("run", str(tmp_path / "gone.toml"), "--results", str(tmp_path))
    assert code == 4
    assert "blocked, 1 cells: checkpoint ./gone: " in out or "blocked, 1 cell: checkpoint ./gone: " in out
    assert harness("doctor", str(tmp_path / "gone.toml"), "--results", str(tmp_path))[0] == 4


def test_out_of_time_before_the_first_cell_is_nothing_measured(harness: Make, here: Path, tmp_path: Path) -> None:
    code, out, _ = harness("run", "tour.toml", "--max-hours", "0", "--results", str(tmp_path))
    assert code == 5
    assert "2 cells still to do (out of time); go on with:\n  harness run tour.toml --max-hours 0 --results " in out


@pytest.mark.parametrize(
    ("summary", "code"),
    [
        ({"ok": 3}, 0),
        ({"collapsed": 1}, 0),
        ({"ok": 1, "skipped": 2}, 0),
        ({"skipped": 2}, 5),
        ({}, 5),
        ({"ok": 3, "failed": 1}, 4),
        ({"ok": 3, "killed": 1}, 4),
        ({"ok": 3, "nonfinite": 1}, 0),
        ({"nonfinite": 1}, 0),
        ({"ok": 3, "timeout": 1}, 4),
        ({"ok": 3, "interrupted": True}, 130),
        ({"failed": 3, "interrupted": True}, 130),
        ({"ok": 3, "blocked": {"why": 1}}, 4),
        ({"ok": 3, "missing": 1}, 4),
        ({"ok": 3, "missing": 1, "budget_spent": True}, 3),
        ({"failed": 3, "missing": 1, "budget_spent": True}, 4),
        ({"skipped": 3, "missing": 1, "budget_spent": True}, 5),
        ({"ok": 3, "budget_spent": True}, 0),
        ({"reused": [None] * 3}, 0),
        ({"kept": [None], "ok": 1}, 4),
        ({"reused": [None] * 3, "missing": 2, "budget_spent": True}, 3),
    ],
)
def test_the_exit_code_of_a_run(summary: dict[str, Any], code: int) -> None:
    found = Summary()
    for key, value in summary.items():
        if key in STATUSES and not isinstance(value, bool):
            found.statuses[key] = value
        else:
            setattr(found, key, value)
    assert found.exit_code == code


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (SpecError("what"), 2),
        (StoreError("what"), 4),
        (RequirementError("what"), 4),
        (RunFailed("what"), 4),
        (KeyboardInterrupt(), 130),
        (BrokenPipeError(), 70),  # no stream of ours: those fall silent
    ],
)
def test_errors_become_exit_codes(
    harness: Make, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr(app_module, "application", lambda arguments: fail)
    found, out, err = harness("plan")
    assert (found, out) == (code, "")
    if isinstance(error, HarnessError):
        assert err == "error: what\n"
    else:
        assert err.startswith("internal error: BrokenPipeError") if code == 70 else err == ""


@pytest.mark.parametrize("debug", [False, True])
def test_a_defect_of_ours_is_exit_70(tour: Any, debug: bool) -> None:
    code = (
        "import sys, harness.cli.app as a\n"
        "def fail(**_): raise ZeroDivisionError('oops')\n"
        "a.application = lambda _: fail\nsys.argv = ['harness', 'plan']\na.main()\n"
    )
    variables = {**tour.variables, "HARNESS_DEBUG": "1"} if debug else tour.variables
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert "internal error: ZeroDivisionError: oops" in done.stderr
    assert ("Traceback" in done.stderr) == debug
