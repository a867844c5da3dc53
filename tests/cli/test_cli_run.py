"""`harness run` as a user meets it: one small real run that many tests read."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.record.store import Store
from harness.subject.data import corpus

Make = Callable[..., Any]


def test_a_run_with_a_failed_cell_is_exit_4_and_says_what_happened(tour: Any) -> None:
    assert tour.code == 4, tour.output
    lines = tour.output.splitlines()
    assert lines[0].startswith("2 cells to do, 0 done, 2 skipped, ")
    assert lines[0].endswith(" at a time, expected time unknown")
    assert "Traceback" not in tour.output
    assert any("failed (" in line and "bitsandbytes" in line for line in lines)
    (found,) = [line for line in lines if " measured now " in line]
    assert re.fullmatch(
        r"1 of 4 cells measured now \((1 collapsed, 1 failed|1 failed, 1 ok), 2 skipped\), 0 reused, in .*", found
    )
    assert any(line.startswith("skipped, 2 cells: fp16 needs a CUDA device") for line in lines)
    (told,) = [line for line in lines if line.startswith("errored, ")]
    assert re.match(r"errored, seed 42: failed \(.*bitsandbytes.*\); log: results/tour/cells/.*/001/log.txt", told)
    # At the end: the table of results, and what is to be typed next.
    assert any(re.match(r"fp32 · optim=adamw_torch +[01] of 1 ", line) for line in lines)
    assert lines[-2:] == ["  judge   harness check tour.toml", "  write   harness report tour.toml"]


def test_where_there_is_no_terminal_the_output_is_plain(tour: Any) -> None:
    assert [char for char in tour.output if not char.isprintable() and char != "\n"] == []
    started = [line for line in tour.output.splitlines() if line.startswith("start  ")]
    finished = [line for line in tour.output.splitlines() if line.startswith("done   ")]
    assert len(started) == len(finished) == 2
    assert {line.split("]")[0] for line in finished} == {"done   [1/2", "done   [2/2"}


def test_running_again_runs_nothing(tour: Any) -> None:
    done = tour.harness("run", "tour.toml", "--keep-errored")
    assert done.returncode == 4
    assert "start " not in done.stdout
    assert "0 of 4 cells measured now (2 skipped), 1 reused (all of 20" in done.stdout
    assert "errored before and kept, seed 42: failed (" in done.stdout


def test_a_selection_without_the_failed_cell_is_fine(tour: Any) -> None:
    done = tour.harness("run", "tour.toml", "-s", "optim=adamw_torch", "-s", "precision=fp32")
    assert (done.returncode, done.stderr) == (0, "")
    assert "nothing left to do: every cell has its outcome; --fresh measures anew" in done.stdout


def test_no_output_of_a_real_process_is_lost_to_a_reader_that_leaves(tour: Any) -> None:
    for arguments in (["plan", "tour.toml", "--json"], ["schema"], ["--help"], ["run", "tour.toml", "--keep-errored"]):
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


def test_a_terminal_of_another_alphabet_gets_what_means_the_same(tour: Any) -> None:
    done = tour.harness("plan", "tour.toml", PYTHONIOENCODING="ascii", PYTHONUTF8="0")
    assert (done.returncode, done.stderr) == (0, "")
    assert "fp32 - optim=" in done.stdout


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
    assert "0 of 2 cells measured now (2 skipped), 0" in text
    assert text.count("\x1b[?25l") == text.count("\x1b[?25h") == 1


FOLDER_GRID = """
name = "{name}"
task = "{task}"
{key}
[recipe]
max_steps = 2
[matrix]
checkpoint = "embedded/tiny-bert"
seed = 42
"""


@pytest.mark.slow
def test_a_run_of_a_hubs_task_from_ones_own_files(here: Path, harness: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Offline from plan to report; where the files lie is in no record and no report."""
    given = here / "secret place"
    given.mkdir()
    pairs = corpus.generate("train", 30)
    columns = (pairs[name] for name in ("label", "sentence1", "sentence2"))
    rows = [f"{label}\t1\t2\t{first}\t{second}" for label, first, second in zip(*columns, strict=True)]

    def write(file: str, lines: list[str]) -> None:
        (given / file).write_text("\n".join(["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", *lines]), encoding="utf-8")

    write("train.tsv", rows[:20])
    write("dev.tsv", rows[20:])
    key = 'task_folder = "$HARNESS_FILES"'
    (here / "mine.toml").write_text(FOLDER_GRID.format(name="mine", task="glue/mrpc", key=key))
    (here / "path.toml").write_text(FOLDER_GRID.format(name="path", task="secret place", key=""))
    monkeypatch.setenv("HF_HOME", str(here / "empty"))
    assert "task: glue/mrpc, from the folder that $HARNESS_FILES names" in harness("validate", "mine.toml")[1]
    (blocked,) = [line for line in harness("plan", "mine.toml")[1].splitlines() if line.startswith("blocked, ")]
    assert blocked.startswith("blocked, 1 cell: task glue/mrpc (hub nyu-mll/glue): ")
    assert blocked.endswith("; or let $HARNESS_FILES name a folder with train.tsv and dev.tsv")
    monkeypatch.setenv("HARNESS_FILES", "secret place")
    for name in ("mine", "path"):
        assert harness("run", f"{name}.toml")[0] == 0
    assert "1 cell: 0 to do, 1 done" in harness("plan", "mine.toml")[1]
    assert harness("report", "mine.toml")[0] == 0
    store, by_path = Store(here / "results", "mine"), Store(here / "results", "path")
    (entry,), (other,) = store.entries(), by_path.entries()
    observed = store.record(entry).observed
    assert observed is not None
    data = observed.data
    assert data is not None
    assert (data.source, data.revision, data.train.examples, data.validation.examples) == ("glue/mrpc", None, 20, 10)
    # The same run of the same bytes, and another cell: it asks for the task by another name.
    assert (entry.content_id, entry.metrics) == (other.content_id, other.metrics)
    assert entry.cell_id != other.cell_id
    assert store.record(entry).asked.task == "glue/mrpc"
    assert by_path.record(other).asked.task == "secret place"
    report = (store.folder / "report.md").read_text(encoding="utf-8")
    assert "1 configuration of grid `mine` on `glue/mrpc`, 1 scored run" in report
    assert "Data: a local copy of GLUE MRPC: train 20 pairs, " in report
    left = [path for path in store.folder.rglob("*") if path.suffix in (".json", ".jsonl", ".md", ".txt", ".svg")]
    assert {"record.json", "index.jsonl", "log.txt", "report.md", "report.json"} <= {path.name for path in left}
    assert [path.name for path in left if "secret" in path.read_text(encoding="utf-8")] == []
    write("dev.tsv", rows[20:29])
    assert "1 cell: 1 to do" in harness("plan", "mine.toml")[1]
