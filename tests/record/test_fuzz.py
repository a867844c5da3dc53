"""Whatever the bytes of a store are: a clean reading or one of our errors, never another exception, and no other
record is lost. Valid bytes are mutated, as bytes and as JSON.
"""

from __future__ import annotations

import copy
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.cli.app import run_command
from harness.cli.console import PlainReporter
from harness.errors import HarnessError, StoreError
from harness.execution.host import read_event
from harness.execution.outcome import Heading, disk_trouble, finished_record, read_result
from harness.record.attempts import STATUSES, UNREADABLE
from harness.record.entry import parse_entry
from harness.record.model import Provenance, read_record, record_of
from harness.record.results import Results
from harness.record.series import read_series
from harness.record.store import Attempt, Store
from tests.record.made_up import cell, write
from tests.record.test_integrity import scored

RECORDS = Path(__file__).resolve().parents[1] / "data" / "records"
DEEP = "\x00deep\x00"
ODD: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2**31, 2**63, 2**70, 10**400, 0.5, 1e308, float("nan"), float("inf"), -float("inf"),
    "", "x", "nan", "inf", "\ud800", "\x00", "..", "/", "::error::x", "\x1b]0;x\x07", "x" * 5000,
    [], {}, [[]], [None], {"": None}, [1, "a", None], {"a": {"b": [{}]}}, DEEP,
)  # fmt: skip
"""Values that no writer has left in their place."""
EVENTS = [
    {"event": "ready", "pid": 3},
    {"event": "started", "id": "j", "pid": 4},
    {"event": "training", "id": "j", "steps": 3},
    {"event": "step", "id": "j", "step": 1, "steps": 3},
    {"event": "evaluated", "id": "j", "step": 3, "steps": 3, "scores": {"accuracy": 0.5, "f1": 0.25}},
    {"event": "window", "id": "j", "edge": "opens"},
    {"event": "exited", "id": "j", "status": -9},
]


BUDGET = pytest.mark.parametrize("more", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["few", "many"])
MANY = 10
"""How many times as many examples the slow run draws, others each time; the quick one draws the same each time."""


def fuzz(check: Callable[[Random], None], few: int, more: bool) -> None:
    """Call `check` with many sources of randomness, each of which can be replayed."""
    budget = settings(
        max_examples=few * (MANY if more else 1), derandomize=not more, deadline=None, database=None,
        suppress_health_check=list(HealthCheck),
    )  # fmt: skip
    budget(given(random=st.randoms(use_true_random=False))(lambda random: check(random)))()


def places(tree: Any) -> Iterator[tuple[Any, Any]]:
    """Every (table or list, key) in a decoded JSON."""
    children = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, child in children:
        yield tree, key
        yield from places(child)


def mutated(value: Any, random: Random) -> str:
    """JSON text of a value with one to three things in it replaced, left out, or put elsewhere."""
    tree = [copy.deepcopy(value)]
    for _ in range(random.randint(1, 3)):
        every = list(places(tree))
        holder, key = random.choice(every)
        what = random.randrange(6)
        if what == 0 and len(every) > 1 and isinstance(holder, dict):
            del holder[key]
        elif what == 1:
            other, name = random.choice(every)
            holder[key] = copy.deepcopy(other[name])
        elif what == 2 and isinstance(holder, dict):
            holder[random.choice(["x", "", "status", "\ud800"])] = random.choice(ODD)
        elif what == 3 and isinstance(holder[key], str):
            at = random.randrange(len(holder[key]) + 1)
            holder[key] = holder[key][:at] + random.choice(["0", "/", "\n", "é", ""]) + holder[key][at + 1 :]
        else:
            holder[key] = copy.deepcopy(random.choice(ODD))
    return json.dumps(tree[0] if tree else None).replace(json.dumps(DEEP), "[" * 20_000)


def damaged(content: bytes, random: Random) -> bytes:
    """Bytes with bits flipped, a part cut out, put in twice, or replaced."""
    found = bytearray(content)
    for _ in range(random.randint(1, 3)):
        first, last = sorted(random.randrange(len(found) + 1) for _ in range(2))
        what = random.randrange(4)
        if what == 0 and found:
            found[random.randrange(len(found))] ^= 1 << random.randrange(8)
        elif what == 1:
            del found[first:last]
        elif what == 2:
            found[first:first] = found[first : first + 200]
        else:
            found[first:last] = bytes(random.randrange(256) for _ in range(random.randrange(20)))
    return bytes(found)


def either(value: Any, random: Random) -> bytes:
    """A value as JSON, mutated as JSON or as bytes."""
    if random.random() < 0.3:
        return damaged(json.dumps(value).encode(), random)
    return mutated(value, random).encode()


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The results of a grid with three scored runs and one that failed."""
    root = tmp_path_factory.mktemp("stored")
    store = Store(root, "g")
    for seed in (1, 2, 3):
        scored(store, seed)
    write(store, 4)
    return root


def read_everything(root: Path) -> Store:
    """Read a store as the commands do."""
    store = Store(root, "g")
    cells = [cell(seed) for seed in (1, 2, 3, 4)]
    entries = store.reconcile(store.entries(), [one.cell_id for one in cells])
    found = Results(entries, store, cells)
    for entry in entries:
        assert entry.status in (*STATUSES, UNREADABLE)
        if entry.readable:
            assert parse_entry(entry.to_line()).to_line() == entry.to_line()
            with suppress(StoreError):  # the hash in the line may be what was changed
                store.record(entry)
                store.series(entry)
    list(found.errors())
    for one in cells:
        found.standing(one)
    return store


@BUDGET
def test_an_index_line_harms_no_other(stored: Path, more: bool) -> None:
    lines = (stored / "g" / "index.jsonl").read_text(encoding="utf-8").splitlines()
    kept = {parse_entry(line).path: parse_entry(line) for line in lines}

    def check(random: Random) -> None:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name) / "r"
            shutil.copytree(stored, root)
            number, forged = random.randrange(len(lines)), random.random() < 0.7
            value = json.loads(lines[number])
            if forged:
                del value["line"]  # as an older harness wrote it: nothing but its form speaks against it
            line = either(value, random).replace(b"\n", b" ")
            (root / "g" / "index.jsonl").write_bytes(
                b"\n".join(line if n == number else one.encode() for n, one in enumerate(lines)) + b"\n"
            )
            read_everything(root)
            found = {entry.path: entry for entry in Store(root, "g").entries()}
            left = {path: entry for n, (path, entry) in enumerate(kept.items()) if n != number}
            assert {path: found.get(path) for path in left} == left
            store = Store(root, "g")
            assert store.reindex() + len(store.unreadable) == len(lines)

    fuzz(check, 60, more)


@BUDGET
def test_a_record_harms_no_other(stored: Path, more: bool) -> None:
    every = sorted(stored.glob("g/cells/??/*/*/*/record.json"))

    def check(random: Random) -> None:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name) / "r"
            shutil.copytree(stored, root)
            path = root / random.choice(every).relative_to(stored)
            path.write_bytes(either(json.loads(path.read_bytes()), random))
            if random.random() < 0.5:
                (root / "g" / "index.jsonl").unlink()
            folder = path.parent.relative_to(root / "g").as_posix()
            try:
                store = read_everything(root)
            except HarnessError:
                return  # a newer harness's record is one that nobody may run again
            others = [entry for entry in store.entries() if entry.path != folder]
            assert [entry.readable for entry in others] == [True] * (len(every) - 1)
            store.reindex()
            assert len([entry for entry in Store(root, "g").entries() if entry.path != folder]) == len(every) - 1

    fuzz(check, 60, more)


@BUDGET
def test_any_record_is_read_or_named(more: bool) -> None:
    every = sorted(RECORDS.glob("v*/*.json"))
    assert every

    def check(random: Random) -> None:
        path = random.choice(every)
        try:
            record = record_of(either(json.loads(path.read_bytes()), random), "record.json")
        except HarnessError as error:
            if "record.json" not in str(error):
                raise
            return
        record.entry("p")
        assert record_of(record.to_json().encode(), "again").to_json() == record.to_json()

    fuzz(check, 150, more)


@BUDGET
def test_any_series_is_read_or_absent(more: bool) -> None:
    file = io.BytesIO()
    np.savez(file, loss=np.arange(30, dtype=np.float32), logits=np.ones((4, 2)), labels=np.array([0, 1, 1, 0]))

    def check(random: Random) -> None:
        with tempfile.TemporaryDirectory() as name:
            path = Path(name) / "series.npz"
            path.write_bytes(damaged(file.getvalue(), random))
            found = read_series(path, shapes={"loss": [30], "logits": [4, 2], "labels": [4]})
            assert all(isinstance(array, np.ndarray) and array.nbytes < 2**20 for array in found.values())

    fuzz(check, 200, more)


@BUDGET
def test_any_line_of_a_host_is_an_event_or_nothing(more: bool, cell_of: Callable[..., Any]) -> None:
    reporter, one = PlainReporter(io.StringIO()), cell_of()

    def check(random: Random) -> None:
        event = read_event(either(random.choice(EVENTS), random))
        if event is not None:
            assert isinstance(event, Mapping)
            assert hash(event.get("id", "")) is not None
            reporter.cell_event(one, event)
            if event["event"] == "exited":
                assert abs(event["status"]) < 2**31

    fuzz(check, 300, more)


@BUDGET
def test_any_result_is_a_record_that_can_be_read(more: bool, tmp_path: Path, cell_of: Callable[..., Any]) -> None:
    real = json.loads((RECORDS / "v1" / "ok.json").read_text(encoding="utf-8"))
    observed = {key: value for key, value in real["observed"].items() if key not in ("host", "device_busy")}
    failure = {"type": "E", "message": "m", "details": "d"}
    results = [
        {"status": "ok", "observed": observed, "measured": real["measured"], "series": real["series"]},
        {"status": "failed", "failure": failure, "disk_full": False},
        {"status": "failed", "died": {"rank": 1, "status": -9}},
    ]
    provenance, attempt = Provenance(harness="0"), Attempt(tmp_path, 1)
    heading = Heading(cell_of(), "g", "env0", "content0", provenance, attempt, real["started"])

    def check(random: Random) -> None:
        (tmp_path / "result.json").write_bytes(either(random.choice(results), random))
        result = read_result(tmp_path)
        assert result is not None
        disk_trouble(0, result)
        if "died" in result:
            assert isinstance(result["died"]["status"], int)
            return
        record = finished_record(heading, result, "fork")
        (tmp_path / "record.json").write_text(record.to_json(), encoding="utf-8")
        assert read_record(tmp_path / "record.json").status == record.status

    fuzz(check, 150, more)


@BUDGET
def test_no_command_ends_with_an_internal_error(tour: Any, more: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HARNESS_CACHE", "HF_HUB_OFFLINE", "CUDA_VISIBLE_DEVICES"):
        monkeypatch.setenv(name, tour.variables[name])
    monkeypatch.delenv("HARNESS_DEBUG", raising=False)
    monkeypatch.chdir(tour.folder)

    def check(random: Random) -> None:
        with tempfile.TemporaryDirectory() as name:
            root = Path(name) / "results"
            shutil.copytree(tour.folder / "results", root)
            grid = root / "tour"  # other tests leave grids of their own there
            path = random.choice([*grid.glob("cells/??/*/*/*/record.json"), grid / "index.jsonl"])
            if path.suffix == ".jsonl":
                lines = path.read_text(encoding="utf-8").splitlines()
                number = random.randrange(len(lines))
                value = json.loads(lines[number])
                del value["line"]
                lines[number] = either(value, random).decode(errors="replace").replace("\n", " ")
                path.write_text("\n".join(lines) + "\n", encoding="utf-8")
            else:
                path.write_bytes(either(json.loads(path.read_bytes()), random))
                (grid / "index.jsonl").unlink()
            commands = (["status"], ["plan", "tour.toml"], ["check", "tour.toml"], ["report", "tour.toml"])
            for command in commands:
                monkeypatch.setattr(sys, "argv", ["harness", *command, "--results", str(root)])
                with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()) as said:
                    code = run_command()
                assert code != 70, (command, path.name, said.getvalue())

    fuzz(check, 6, more)
