from __future__ import annotations

import configparser
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pynvml
import pytest

from harness.execution.attempt import Running, wait_until_gone
from harness.execution.health import HeldDevices
from harness.execution.outcome import (
    DETAILS_CHARACTERS,
    MOST_RESULT,
    VARIABLES,
    Heading,
    clean_log,
    disk_trouble,
    failed_record,
    finished_record,
    log_tail,
    read_result,
    switches,
)
from harness.record.model import Provenance, Record, read_record
from harness.record.store import Attempt
from harness.subject.process import child, isolation

Make = Callable[..., Any]
BEGAN = "2026-11-22T10:00:00.000Z"
OLD = Path(__file__).parents[1] / "data" / "records" / "v1" / "ok.json"
REAL = read_record(OLD).model_dump(mode="json", by_alias=True, exclude_unset=True)


def result_of(status: str = "ok", **changes: Any) -> dict[str, Any]:
    """What a child leaves: a real record's own parts."""
    observed = {key: value for key, value in REAL["observed"].items() if key not in ("host", "device_busy")}
    return {"status": status, "observed": observed, "measured": REAL["measured"], "series": REAL["series"], **changes}


@pytest.fixture
def heading(tmp_path: Path, cell_of: Make) -> Heading:
    provenance = Provenance(harness="0.1.0")
    return Heading(cell_of(), "g", "env0", "content0", provenance, Attempt(tmp_path, 3), BEGAN)


@pytest.fixture
def file_it(heading: Heading) -> Callable[..., Record]:
    def make(result: dict[str, Any], *busy: str) -> Record:
        return finished_record(heading, result, "fork", HeldDevices(busy=list(busy)), switches())

    return make


def confusion(tp: int, fp: int, fn: int, tn: int) -> dict[str, Any]:
    scores = {"accuracy": (tp + tn) / (tp + fp + fn + tn), "f1": 2 * tp / (2 * tp + fp + fn)}
    counts = {"counts": [[tn, fp], [fn, tp]]}
    return {**REAL["measured"], "metrics": {**REAL["measured"]["metrics"], **scores}, "confusion": counts}


def test_a_finished_cell(file_it: Make, tmp_path: Path, cell_of: Make) -> None:
    (tmp_path / "series.npz").write_bytes(b"arrays")
    record = file_it(result_of(), "a GPU is used by process 7")
    assert (record.status, record.attempt, record.started) == ("ok", 3, BEGAN)
    assert (record.cell_id, record.environment_id, record.content_id) == (cell_of().cell_id, "env0", "content0")
    assert record.observed.host == "fork"
    assert record.observed.device_busy == ["a GPU is used by process 7"]
    assert record.series == REAL["series"]
    assert record.series_sha256 == hashlib.sha256(b"arrays").hexdigest()
    assert record.failure is None


def test_how_the_driver_had_set_its_devices(heading: Heading, monkeypatch: pytest.MonkeyPatch) -> None:
    told = {"driver": "570.86.15", "boards": {"mig": [False], "power_limit_watts": [700.0]}}
    monkeypatch.setattr("harness.execution.health.settings", lambda uuids: told if uuids == ["GPU-1"] else {})
    observed = finished_record(heading, result_of(), "fork", HeldDevices(["GPU-1"])).observed
    assert observed is not None
    assert {name: observed.machine[name] for name in told} == told
    assert observed.machine["cpu"] == REAL["observed"]["machine"]["cpu"]


@pytest.mark.parametrize("call", ["nvmlInit", "nvmlSystemGetDriverVersion", "nvmlDeviceGetHandleByUUID"])
def test_a_driver_that_dies_before_the_record_is_written_costs_no_record(
    heading: Heading, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def dead(*arguments: object) -> None:
        raise pynvml.NVMLError(pynvml.NVML_ERROR_UNKNOWN)

    for name in ("nvmlInit", "nvmlShutdown"):
        monkeypatch.setattr(pynvml, name, lambda: None)
    monkeypatch.setattr(pynvml, "nvmlDeviceGetHandleByUUID", lambda uuid: None)
    monkeypatch.setattr(pynvml, "nvmlSystemGetDriverVersion", lambda: "570.86.15")
    monkeypatch.setattr(pynvml, call, dead)
    held = HeldDevices(["GPU-1"])
    held.at_edge("opens")
    held.at_edge("closes")
    record = finished_record(heading, result_of(), "fork", held)
    assert (record.status, record.failure) == ("ok", None)


def test_without_its_arrays_a_record_names_none(file_it: Make) -> None:
    record = file_it(result_of())
    assert (record.series, record.series_sha256) == ({}, None)


@pytest.mark.parametrize(
    ("counts", "status"),
    [
        ((260, 39, 19, 90), "ok"),
        ((279, 129, 0, 0), "collapsed"),  # always positive
        ((0, 0, 279, 129), "collapsed"),  # always negative
        ((278, 128, 1, 1), "collapsed"),  # 279 of 408: no better than always positive
        ((279, 128, 0, 1), "ok"),
    ],
)
def test_a_run_no_better_than_a_constant_is_collapsed(file_it: Make, counts: Any, status: str) -> None:
    assert file_it(result_of(measured=confusion(*counts))).status == status


@pytest.mark.parametrize("status", ["nonfinite", "failed", "oom"])
def test_only_what_is_ok_can_be_collapsed(file_it: Make, status: str) -> None:
    assert file_it(result_of(status, measured=confusion(279, 129, 0, 0))).status == status


def test_a_failure(file_it: Make) -> None:
    failure = {"type": "ValueError", "message": "no", "details": "Traceback"}
    record = file_it({"status": "failed", "failure": failure})
    assert record.failure.model_dump() == failure
    assert (record.observed, record.measured) == (None, None)


@pytest.mark.parametrize("part", ["observed", "measured"])
def test_a_result_of_another_form_is_a_failure_that_names_the_field(file_it: Make, part: str) -> None:
    record = file_it(result_of(**{part: {**result_of()[part], "surprise": "x" * 5000}}))
    assert record.status == "failed"
    assert record.failure.type == "InvalidResult"
    assert record.failure.message.startswith("surprise: Extra inputs are not permitted (got 'xxx")
    assert len(record.failure.message) < 500
    assert (record.observed, record.measured) == (None, None)


def test_what_left_no_result_keeps_the_end_of_its_log(tmp_path: Path, heading: Heading) -> None:
    (tmp_path / "log.txt").write_text("x" * 50_000 + "the end", encoding="utf-8")
    killed = failed_record(heading, "killed", "killed by SIGKILL")
    assert killed.failure is not None
    assert killed.failure.details.endswith("the end")
    assert len(killed.failure.details) == DETAILS_CHARACTERS
    for status in ("skipped", "interrupted"):
        record = failed_record(heading, status, "why")  # type: ignore[arg-type]
        assert record.failure is not None
        assert (record.failure.type, record.failure.message, record.failure.details) == (status, "why", "")


def test_the_end_of_a_log_needs_no_more_than_its_end(tmp_path: Path) -> None:
    path = tmp_path / "log.txt"
    with path.open("wb") as file:
        file.seek(10**10)  # ten sparse gigabytes
        file.write("漢".encode() * 5000)
    assert log_tail(path) == "漢" * DETAILS_CHARACTERS
    path.write_bytes(b"\xff bad \xff")
    assert log_tail(path) == "\ufffd bad \ufffd"
    assert log_tail(tmp_path / "nothing") == ""


def test_reading_a_result(tmp_path: Path) -> None:
    assert read_result(tmp_path) is None
    (tmp_path / "result.json").write_text('{"status": "ok", "x": 1}')
    assert read_result(tmp_path) == {"status": "ok", "x": 1}


FAILURE = {"type": "E", "message": "m"}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "JSONDecodeError"),
        (b"{", "JSONDecodeError"),
        (b"\xff\xfe", "JSONDecodeError"),
        (b"[" * 20_000, "RecursionError"),
        (b" " * (MOST_RESULT + 1), "longer than 16 MiB"),
        (b"[]", "got []; allowed a table"),
        (b"null", "got None; allowed a table"),
        (b"{}", "status: got None; allowed ok, nonfinite, failed, oom"),
        (b'{"status": "wonderful"}', "status: got 'wonderful'"),
        (b'{"status": ["ok"]}', "status: got ['ok']"),
        (b'{"status": "killed"}', "status: got 'killed'"),
        (b'{"status": "failed"}', "failure: missing; required where the status is failed"),
        (b'{"status": "failed", "failure": "x"}', "failure: got 'x'; allowed a type and a message"),
        (b'{"status": "oom", "failure": {"type": "E"}}', "failure: got {'type': 'E'}"),
        (b'{"status": "failed", "died": 3}', "died: got 3; allowed a rank and a status"),
        (b'{"status": "failed", "died": {"rank": "0", "status": 1}}', "died: got"),
    ],
)
def test_a_result_that_says_nothing_is_a_failure_of_its_cell_and_no_end_of_the_run(
    tmp_path: Path, file_it: Make, content: bytes, said: str
) -> None:
    (tmp_path / "result.json").write_bytes(content)
    result = read_result(tmp_path)
    assert result is not None
    assert disk_trouble(0, result) is None
    record = file_it(result)
    assert (record.status, record.failure.type) == ("failed", "InvalidResult")
    assert said in record.failure.message


@pytest.mark.parametrize(
    "result",
    [
        {"status": "ok"},
        {"status": "ok", "measured": {}},
        {"status": "ok", "measured": {"metrics": {}}, "observed": None},
        {"status": "ok", "measured": [1]},
        {"status": "ok", "measured": {"timing": 3, "metrics": {"accuracy": 1.0}}},
        {"status": "failed", "failure": FAILURE, "series": {"loss": ["a"]}},
        {"status": "failed", "failure": FAILURE, "series": 3},
        {"status": "failed", "failure": FAILURE, "observed": {"python": "\ud800"}},
        {"status": "failed", "failure": {"type": "E", "message": "m", "more": 1}},
    ],
)
def test_an_ok_without_anything_measured_is_none(tmp_path: Path, file_it: Make, result: dict[str, Any]) -> None:
    (tmp_path / "series.npz").write_bytes(b"arrays")
    record = file_it(result)
    assert (record.status, record.failure.type) == ("failed", "InvalidResult")
    assert record.measured is None


def test_secrets_of_the_environment_are_in_no_record_and_no_log(
    file_it: Make, heading: Heading, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "HF_TOKEN": "hf_abcdefgh",
        "MY_API_KEY": "k" * 9,
        "KEYBOARD": "qwertz-us",
        "A_SECRET": "false",
    }.items():
        monkeypatch.setenv(name, value)
    text = f"got hf_abcdefgh and {'k' * 9} and qwertz-us, false"
    masked = "got *** and *** and qwertz-us, false"
    record = file_it({"status": "failed", "failure": {"type": "ValueError", "message": text, "details": text}})
    assert (record.failure.message, record.failure.details) == (masked, masked)
    (tmp_path / "log.txt").write_text(text)
    failure = failed_record(heading, "killed", text).failure
    assert failure is not None
    assert (failure.message, failure.details) == (masked, masked)
    (tmp_path / "log.txt").write_bytes(text.encode() + b"\xff")
    clean_log(tmp_path / "log.txt")
    assert (tmp_path / "log.txt").read_bytes() == masked.encode() + b"\xff"


def test_what_sets_torch_is_in_the_record_where_it_is_set(file_it: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith(VARIABLES)]:
        monkeypatch.delenv(name)
    result = result_of()
    bare = file_it(result).observed
    assert bare is not None
    assert "variables" not in bare.determinism
    monkeypatch.setenv("PYTORCH_ALLOC_CONF", "expandable_segments:True")
    monkeypatch.setenv("NVIDIA_REQUIRE_CUDA", "cuda>=13.0 " * 90)
    monkeypatch.setenv("TORCH_API_KEY", "0123456789")
    monkeypatch.setenv("PATH_OF_TORCH_", "no")
    found = file_it(result).observed
    assert found is not None
    variables = found.determinism["variables"]
    assert list(variables) == ["NVIDIA_REQUIRE_CUDA", "PYTORCH_ALLOC_CONF", "TORCH_API_KEY"]
    assert variables["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
    assert (len(variables["NVIDIA_REQUIRE_CUDA"]), variables["TORCH_API_KEY"]) == (200, "***")


def test_tox_lets_through_what_records_name() -> None:
    tox = configparser.ConfigParser(interpolation=None)
    tox.read(Path(__file__).parents[2] / "tox.ini", encoding="utf-8")
    passed = tox["testenv"]["pass_env"].split()
    assert set(passed) >= {f"{name}*" for name in VARIABLES}


def run_child(folder: Path, error: BaseException, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    def fail(job: Any) -> Any:
        raise error

    monkeypatch.setattr(isolation, "tie_descendants", lambda: None)
    monkeypatch.setattr(isolation, "set_threads", lambda threads: None)
    monkeypatch.setattr(child, "_prepare", fail)
    assert child.run_job({"folder": str(folder), "threads": 1, "kind": "prepare"}, lambda event: None) == 0
    result = read_result(folder)
    assert result is not None
    return dict(result)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError("bad\nand more"), "failed"),
        (MemoryError(), "oom"),
        (RuntimeError("CUDA out of memory. Tried to allocate 2 GiB"), "oom"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), "oom"),
        (RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED"), "oom"),
        (RuntimeError("CUDA error: CUBLAS_STATUS_NOT_INITIALIZED"), "failed"),
        (RuntimeError("[enforce fail at alloc_cpu.cpp] DefaultCPUAllocator: can't allocate memory"), "oom"),
        (SystemExit(3), "failed"),
        (KeyboardInterrupt(), "failed"),
    ],
)
def test_a_childs_error_becomes_a_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_it: Make, error: BaseException, status: str
) -> None:
    record = file_it(run_child(tmp_path, error, monkeypatch))
    assert record.status == status
    assert record.failure.type == type(error).__name__
    assert record.failure.message == str(error).partition("\n")[0]
    assert "Traceback" in record.failure.details


def test_an_error_that_names_a_file_in_other_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file_it: Make
) -> None:
    """A lone surrogate is how Python carries bytes that are no UTF-8; a record must not."""
    record = file_it(run_child(tmp_path, FileNotFoundError("caf\udce9.txt"), monkeypatch))
    assert record.status == "failed"
    assert record.failure.message == "caf\\udce9.txt"
    assert json.loads(record.to_json())


def test_what_is_dying_is_waited_for(tmp_path: Path) -> None:
    """A rank may write its failure after its cell's process has ended; what was filed is not tidied again."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.4)"]) as rank:
        (tmp_path / "rank-1.pid").write_text(str(rank.pid), encoding="ascii")
        wait_until_gone(Running("cell-k", "current", False, tmp_path, "", 0.0, pid=2**22 + 1))
        assert rank.poll() is not None
