"""The command as a user meets it. One small run is shared by every test that only reads its results."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.cli import app as app_module
from harness.cli import bench as bench_module
from harness.cli import doctor as doctor_module
from harness.cli.app import run_command
from harness.errors import HarnessError, RequirementError, RunFailed, SpecError, StoreError
from harness.execution import session as session_module
from harness.execution.environment import Environment
from harness.execution.progress import Summary
from harness.record import SCORED, STATUSES

Make = Callable[..., Any]
REPOSITORY = Path(__file__).resolve().parents[2]
SKIPPED_ONLY = """
name = "nothing"
task = "embedded/paraphrase"
[matrix]
checkpoint = ["embedded/tiny-bert"]
seed = [1, 2]
precision = ["fp16"]
"""
BAD = (
    'name = "bad"\ntask = "embedded/paraphrase"\n[recipe]\nlearning_rat = 1\n[matrix]\ncheckpoint = "x"\nseed = "one"\n'
)


@pytest.fixture
def harness(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """The command in this process: exit code, standard output, standard error."""

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["harness", *arguments])
        code = run_command()
        out, err = capsys.readouterr()
        assert "Traceback" not in out + err
        return code, out, err

    return call


@pytest.fixture
def here(tour: Any, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process in the shared run's folder, with its cache."""
    monkeypatch.chdir(tour.folder)
    for name in ("HARNESS_CACHE", "HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, tour.variables[name])
    for name in ("HARNESS_REQUIRE", "HARNESS_DEBUG"):
        monkeypatch.delenv(name, raising=False)
    return Path(tour.folder)


@pytest.fixture
def fake_machine(monkeypatch: pytest.MonkeyPatch) -> Callable[[Environment], None]:
    def install(environment: Environment) -> None:
        for module in (bench_module, doctor_module, session_module):
            monkeypatch.setattr(module, "probe_environment", lambda *_: environment)

    return install


# The shared run.


def test_a_run_with_a_failed_cell_is_exit_4_and_says_what_happened(tour: Any) -> None:
    assert tour.code == 4, tour.output
    lines = tour.output.splitlines()
    assert lines[0].startswith("2 cells to do, 0 done, 2 skipped, ")
    assert lines[0].endswith(" at a time, expected time unknown")
    assert "Traceback" not in tour.output
    assert any("failed (" in line and "bitsandbytes" in line for line in lines)
    assert lines[-1].startswith(("1 collapsed, 1 failed, 2 skipped in ", "1 failed, 1 ok, 2 skipped in "))


def test_where_there_is_no_terminal_the_output_is_plain(tour: Any) -> None:
    assert [char for char in tour.output if not char.isprintable() and char != "\n"] == []
    started = [line for line in tour.output.splitlines() if line.startswith("start  ")]
    finished = [line for line in tour.output.splitlines() if line.startswith("done   ")]
    assert len(started) == len(finished) == 2
    assert {line.split("]")[0] for line in finished} == {"done   [1/2", "done   [2/2"}


def test_running_again_runs_nothing(tour: Any) -> None:
    done = tour.harness("run", "tour.toml")
    assert done.returncode == 4
    assert "start " not in done.stdout
    assert "2 done before or elsewhere" in done.stdout


def test_a_selection_without_the_failed_cell_is_fine(tour: Any) -> None:
    done = tour.harness("run", "tour.toml", "-s", "optim=adamw_torch", "-s", "precision=fp32")
    assert (done.returncode, done.stderr) == (0, "")


def test_no_output_of_a_real_process_is_lost_to_a_reader_that_leaves(tour: Any) -> None:
    for arguments in (["plan", "tour.toml", "--json"], ["schema"], ["--help"], ["run", "tour.toml"]):
        process = subprocess.Popen(
            [sys.executable, "-m", "harness", *arguments],
            cwd=tour.folder, env=tour.variables, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()  # before the first word
        said = process.stderr.read()
        process.stderr.close()
        assert process.wait(120) == (4 if arguments[0] == "run" else 0), said
        assert said == ""


def test_plan_into_head(tour: Any) -> None:
    command = f"set -o pipefail; {sys.executable} -m harness plan tour.toml | head -1"
    done = subprocess.run(
        ["bash", "-c", command], cwd=tour.folder, env=tour.variables, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("configuration ")


def test_a_terminal_of_another_alphabet_gets_escapes(tour: Any) -> None:
    done = tour.harness("plan", "tour.toml", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert "embedded/tiny-bert \\xb7 fp32" in done.stdout


def test_on_a_terminal(tour: Any, tmp_path: Path) -> None:
    """A real one, for what no fake has: the live table starts, and leaves the terminal as it was."""
    screen, ours = os.openpty()
    command = [sys.executable, "-m", "harness", "run", "tour.toml", "-s", "precision=fp16", "--results", str(tmp_path)]
    process = subprocess.Popen(
        command, cwd=tour.folder, env={**tour.variables, "TERM": "xterm"}, stdin=ours, stdout=ours, stderr=ours
    )
    os.close(ours)
    written = b""
    with contextlib.suppress(OSError):  # the kernel's way to say that the other end is closed
        while chunk := os.read(screen, 4096):
            written += chunk
    os.close(screen)
    text = written.decode()
    assert process.wait(120) == 5, text
    assert "Traceback" not in text
    assert "2 skipped in " in text.splitlines()[-1]
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


# Reading commands.


@pytest.mark.usefixtures("here")
def test_plan(harness: Make) -> None:
    code, out, err = harness("plan", "tour.toml")
    assert (code, err) == (0, "")
    assert "4 cells: 0 to do, 2 done, 2 skipped." in out
    assert "fp16 needs a CUDA device" in out
    facts = json.loads(harness("plan", "tour.toml", "--json")[1])
    assert facts["counts"] == {"done": 2, "skip": 2}
    assert {cell["state"] for cell in facts["cells"]} == {"done", "skip"}
    retried = json.loads(harness("plan", "tour.toml", "--json", "--retry-errored")[1])
    assert retried["counts"] == {"done": 1, "to do": 1, "skip": 2}
    assert json.loads(harness("plan", "tour.toml", "--json", "--slots", "3")[1])["slots"] == 3
    (cell,) = json.loads(harness("plan", "tour.toml", "--json", "-s", "precision=fp32", "-s", "optim=adamw_torch")[1])[
        "cells"
    ]
    assert cell["label"] == "embedded/tiny-bert · fp32 · optim=adamw_torch · seed 42"


@pytest.mark.usefixtures("here")
def test_validate(harness: Make) -> None:
    code, out, _ = harness("validate", "tour.toml")
    assert code == 0
    assert "tour.toml: ok, 4 cells in 4 configurations; axes: checkpoint (1), seed (1), precision (2), optim (2)" in out
    assert "set by the harness" in out
    (facts,) = json.loads(harness("validate", "tour.toml", "--json")[1])
    assert (facts["name"], facts["cells"]) == ("tour", 4)


def test_validate_reports_every_file(harness: Make, here: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(BAD)
    code, out, err = harness("validate", str(tmp_path / "bad.toml"), "tour.toml", str(tmp_path / "none.toml"))
    assert (code, out) == (2, "")
    assert "recipe.learning_rat" in err
    assert "matrix.seed" in err
    assert "none.toml: no such file" in err


@pytest.mark.usefixtures("here")
def test_status(harness: Make) -> None:
    code, out, _ = harness("status")
    assert code == 0
    assert out.splitlines()[0].split()[:2] == ["grid", "cells"]
    assert "tour: 1 x failed: " in out
    facts = json.loads(harness("status", "--json", "tour")[1])["tour"]
    assert facts["cells"] == 4
    assert (facts["statuses"]["failed"], facts["statuses"]["skipped"]) == (1, 2)
    assert sum(facts["statuses"].get(status, 0) for status in SCORED) == 1
    assert set(facts["statuses"]) <= set(STATUSES)
    code, out, err = harness("status", "elsewhere")
    assert (code, err) == (2, "error: status: got 'elsewhere'; allowed: tour\n")
    assert harness("status", "--results", "nowhere")[:2] == (0, "nowhere: no results yet\n")
    assert harness("status", "x", "--results", "nowhere")[0] == 2


def test_report(harness: Make, here: Path, tmp_path: Path) -> None:
    code, out, _ = harness("report", "tour.toml", "-o", str(tmp_path / "sub" / "mine.md"), "--title", "A title")
    assert code == 0
    assert str(tmp_path / "sub" / "mine.md") in out
    text = (tmp_path / "sub" / "mine.md").read_text()
    assert text.startswith("# A title")
    assert "bitsandbytes" in text
    code, out, _ = harness("report", "tour.toml", "--json")
    assert (code, bool(json.loads(out))) == (0, True)
    (tmp_path / "file").write_text("")
    code, _, err = harness("report", "tour.toml", "-o", str(tmp_path / "file" / "x.md"))
    assert code == 4
    assert "cannot write the report" in err


def test_report_of_nothing_is_exit_5(harness: Make, here: Path, tmp_path: Path) -> None:
    code, _, err = harness("report", "tour.toml", "--results", str(tmp_path))
    assert code == 5
    assert "run it first: harness run tour.toml" in err


def test_report_without_its_arrays(harness: Make, here: Path, tmp_path: Path) -> None:
    """Series that are gone, torn or empty cost the loss curve, not the report."""
    for number, damage in enumerate((None, b"", b"PK\x03\x04 torn", "half")):
        results = Path(shutil.copytree(here / "results", tmp_path / str(number)))
        (series,) = results.rglob("series.npz")
        content = series.read_bytes()
        series.unlink()
        if damage is not None:
            series.write_bytes(content[: len(content) // 2] if isinstance(damage, str) else damage)
        code, _, err = harness("report", "tour.toml", "--results", str(results))
        assert (code, err) == (0, "")


@pytest.mark.usefixtures("here")
def test_doctor(harness: Make) -> None:
    code, out, _ = harness("doctor", "tour.toml")
    assert code == 0
    assert "precisions: fp32" in out
    assert "tour.toml: 2 of 4 cells can run here" in out
    facts = json.loads(harness("doctor", "tour.toml", "--json")[1])
    assert facts["grid"]["can_run"] == 2
    assert facts["problems"] == facts["grid"]["problems"] == []
    assert facts["precisions"]["fp16"] is False


def test_schema(harness: Make, here: Path) -> None:
    code, out, _ = harness("schema")
    assert code == 0
    validator = jsonschema.Draft202012Validator(json.loads(out))
    records = [json.loads(path.read_text()) for path in (here / "results").rglob("record.json")]
    assert len(records) == 4
    for record in records:
        validator.validate(record)


def test_store_reindex(harness: Make, here: Path, tmp_path: Path) -> None:
    results = Path(shutil.copytree(here / "results", tmp_path / "results"))
    index = results / "tour" / "index.jsonl"
    before = sorted(index.read_text().splitlines())
    index.write_text("torn")
    assert harness("store", "reindex", "--results", str(results))[:2] == (0, "tour: 4 records\n")
    assert sorted(index.read_text().splitlines()) == before
    code, _, err = harness("store", "reindex", "other", "--results", str(results))
    assert (code, err) == (2, "error: store reindex: got 'other'; allowed: tour\n")


# Exit codes.


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
        (["plan", "nothing.toml"], "nothing.toml: no such file"),
        (["plan", "."], "."),
        (["plan", "tour.toml", "-s", "precision"], '--select: got "precision"; allowed AXIS=VALUE'),
        (["plan", "tour.toml", "-s", "colour=red"], "colour"),
        (["plan", "tour.toml", "-s", "precision=fp61"], "did you mean fp16?"),
        (["plan", "tour.toml", "-s", "="], "--select"),
        (["validate"], "Missing argument"),
        (["bench", "nothing.toml"], "nothing.toml: no such file"),
        (["store"], ""),
        ([], ""),
    ],
)
def test_usage_errors_are_exit_2(harness: Make, arguments: list[str], said: str) -> None:
    code, out, err = harness(*arguments)
    assert code == 2
    assert said in err
    assert "internal error:" not in out + err


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
    assert out.splitlines()[-1].startswith("2 skipped in ")
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
        assert "tour.toml: 2 of 4 cells can run here" in err  # the doctor's text
        assert "skipped, 2 cells: fp16 needs a CUDA device" in err


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
    assert harness("plan", str(tmp_path / "gpu.toml"), "--results", str(tmp_path))[0] == 0


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
    assert "2 cells still to do (out of time); go on with: harness run tour.toml" in out


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
        ({"ok": 3, "nonfinite": 1}, 4),
        ({"ok": 3, "interrupted": True}, 130),
        ({"failed": 3, "interrupted": True}, 130),
        ({"ok": 3, "blocked": {"why": 1}}, 4),
        ({"ok": 3, "missing": 1}, 4),
        ({"ok": 3, "missing": 1, "budget_spent": True}, 3),
        ({"failed": 3, "missing": 1, "budget_spent": True}, 4),
        ({"skipped": 3, "missing": 1, "budget_spent": True}, 5),
        ({"ok": 3, "budget_spent": True}, 0),
        ({"scored_before": 3}, 0),
        ({"errored_before": 1, "ok": 1}, 4),
        ({"scored_before": 3, "missing": 2, "budget_spent": True}, 3),
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
        (BrokenPipeError(), 0),
    ],
)
def test_errors_become_exit_codes(
    harness: Make, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int
) -> None:
    def fail(**_: Any) -> None:
        raise error

    monkeypatch.setattr(app_module, "app", fail)
    monkeypatch.setattr(app_module, "mute_output", lambda: None)
    found, out, err = harness("plan")
    assert (found, out) == (code, "")
    assert err == ("error: what\n" if isinstance(error, HarnessError) else "")


@pytest.mark.parametrize("debug", [False, True])
def test_a_defect_of_ours_is_exit_70(tour: Any, debug: bool) -> None:
    code = (
        "import sys, harness.cli.app as a\n"
        "def fail(**_): raise ZeroDivisionError('oops')\n"
        "a.app = fail\nsys.argv = ['harness', 'plan']\na.main()\n"
    )
    variables = {**tour.variables, "HARNESS_DEBUG": "1"} if debug else tour.variables
    done = subprocess.run([sys.executable, "-c", code], env=variables, capture_output=True, text=True, check=False)
    assert done.returncode == 70
    assert "internal error: ZeroDivisionError: oops" in done.stderr
    assert ("Traceback" in done.stderr) == debug


# bench.


@pytest.fixture
def project(tmp_path: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the two default grids, whose cells are never run."""
    (tmp_path / "benchmarks").mkdir()
    for name in ("mrpc", "quickstart"):
        (tmp_path / "benchmarks" / f"{name}.toml").write_text(SKIPPED_ONLY.replace("nothing", name))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(bench_module, "run_session", lambda session, **_: session_summary)
    session_summary = Summary()
    session_summary.statuses["ok"] = 1
    return tmp_path


@pytest.mark.usefixtures("project")
def test_the_default_grid(harness: Make, fake_machine: Make, environment_of: Make) -> None:
    fake_machine(environment_of((9, 0)))
    assert harness("bench")[:2] == (0, "CUDA is available: running benchmarks/mrpc.toml\n")
    fake_machine(environment_of())
    assert harness("bench")[:2] == (0, "no CUDA device: running benchmarks/quickstart.toml\n")


@pytest.mark.usefixtures("project")
def test_a_device_that_torch_cannot_use_is_never_a_quiet_fall_back(
    harness: Make, fake_machine: Make, environment_of: Make
) -> None:
    fake_machine(environment_of(driver=1))
    code, out, err = harness("bench")
    assert (code, out) == (4, "")
    assert "the driver shows GPU number 0, but torch cannot use it: torch 2.13.0 is built without CUDA" in err
    assert harness("doctor")[0] == 4


def test_a_default_grid_that_is_not_there(
    harness: Make, fake_machine: Make, environment_of: Make, project: Path
) -> None:
    (project / "benchmarks" / "quickstart.toml").unlink()
    fake_machine(environment_of())
    code, _, err = harness("bench")
    assert code == 2
    assert "run this in the project's folder, or name a grid: harness bench FILE" in err


@pytest.mark.parametrize(
    ("codes", "code"),
    [([0], 0), ([0, 3], 3), ([3, 5], 5), ([5, 4, 0], 4), ([4, 1], 1), ([1, 2], 2), ([2, 130], 130), ([0, 0], 0)],
)
def test_exit_codes_of_several_grids_are_merged(codes: list[int], code: int) -> None:
    assert bench_module.worst(codes) == bench_module.worst(codes[::-1]) == code


def test_one_grid_that_cannot_run_does_not_stop_the_others(
    harness: Make, fake_machine: Make, environment_of: Make, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_machine(environment_of())
    ran = []

    def run(session: Any, **_: Any) -> Summary:
        ran.append(session.grid.name)
        if session.grid.name == "mrpc":
            raise RequirementError("requires CUDA: none")
        found = Summary()
        found.statuses["skipped"] = 1
        return found

    monkeypatch.setattr(bench_module, "run_session", run)
    code, _, err = harness("bench", "benchmarks/mrpc.toml", "benchmarks/quickstart.toml")
    assert (code, ran) == (4, ["mrpc", "quickstart"])
    assert "error: benchmarks/mrpc.toml: requires CUDA: none" in err
    assert "benchmarks/mrpc.toml: 0 of 2 cells can run here" in err


@pytest.mark.usefixtures("project")
def test_every_grid_is_read_before_the_first_one_runs(
    harness: Make, fake_machine: Make, environment_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_machine(environment_of())
    monkeypatch.setattr(bench_module, "run_session", lambda *_, **__: pytest.fail("ran"))
    Path("bad.toml").write_text(BAD)
    assert harness("bench", "benchmarks/quickstart.toml", "bad.toml")[0] == 2
    code, _, err = harness("bench", "benchmarks/quickstart.toml", "benchmarks/quickstart.toml")
    assert code == 2
    assert "allowed a name of its own" in err


# No grid, however broken, gives a traceback.

PIECES = st.sampled_from([
    'name = "x"', "name = 3", 'task = "embedded/paraphrase"', "task = []", "[recipe]", "learning_rate = nan",
    "seed = 1", "[matrix]", 'checkpoint = ["a", "a"]', 'checkpoint = "embedded/tiny-bert"', "seed = [1, 2]",
    "seed = []",
    'precision = ["fp8"]', "exclude = [{seed = 1}]", "include = 7", "[matrix.seed]", "[[reference]]", 'id = "x"',
    "[require]", 'accelerator = "tpu"', "devices = -1", "[execution]", "slots = 0", "[[matrix]]", "= 1", '"', "\x00",
    "[checkpoint.x]", 'from = "pypi:"', "output_dir = '/'", "\ufeff", "a.b.c = 1979-05-27",
    "x = 0x" + "f" * 5000, "y = [[[[[[[[",
])  # fmt: skip


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(content=st.lists(PIECES, max_size=12).map("\n".join).map(str.encode) | st.binary(max_size=60))
def test_broken_grids_never_show_a_traceback(harness: Make, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "broken.toml"
    path.write_bytes(content)
    code, out, err = harness("validate", str(path))
    assert code in (0, 2), err
    if code == 2:
        assert out == ""
        assert err.startswith("error: ")
        assert "broken.toml" in err


# Lightness.


def test_the_package_imports_nothing_of_others() -> None:
    code = (
        "import sys; before = set(sys.modules); import harness; from pathlib import Path; import sysconfig\n"
        "paths = [sysconfig.get_paths()[k] for k in ('purelib', 'platlib')]\n"
        "new = [m for m in set(sys.modules) - before if any(str(getattr(sys.modules[m], '__file__', None) or '')"
        ".startswith(p) for p in paths)]\n"
        "print(new)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.strip() == "[]"


def test_help_imports_no_torch() -> None:
    code = (
        "import sys\nfrom harness.cli.app import app\napp(['--help'], standalone_mode=False)\n"
        "print([m for m in ('torch', 'transformers', 'datasets', 'evaluate', 'accelerate') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "harness bench benchmarks/quickstart.toml" in done.stdout


@pytest.mark.parametrize("command", ["validate", "plan", "run", "bench", "status", "report", "doctor", "schema"])
def test_every_commands_help_has_an_example(harness: Make, command: str) -> None:
    code, out, _ = harness(command, "--help")
    assert code == 0
    assert "Example: harness" in " ".join(out.split())


def test_version(harness: Make) -> None:
    from harness import __version__

    assert harness("--version")[:2] == (0, f"finetune-harness {__version__}\n")
