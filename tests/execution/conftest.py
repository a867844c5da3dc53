"""A house to run grids of tiny cells in: real subprocesses, its own results, a mark; and materials and plans."""

from __future__ import annotations

import fcntl
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.errors import MaterialError
from harness.execution.environment import Environment
from harness.execution.inputs import Materials
from harness.execution.plan import Plan, make_plan
from harness.grid.cell import Cell
from harness.record.attempts import Entry
from harness.record.model import Record
from harness.record.results import Results
from harness.record.store import Store

Make = Callable[..., Any]
REPOSITORY = Path(__file__).resolve().parents[2]
FAULTS = Path(__file__).resolve().parent / "faults"
MARK = "HARNESS_TEST_MARK"
TIMEOUT_S = 540
"""Against hangs alone, below pytest's own limit: on a busy machine a run takes many times its usual seconds."""
GRIDLESS = ("status", "watch", "diff")
"""Commands that are given no grid."""
UNLIKE = ("step_seconds", "data_seconds")
"""Series that are times."""


class House:
    """A folder with a grid `g` of cells (embedded tiny BERT, one a seed) and its results."""

    def __init__(self, folder: Path, cache: Path) -> None:
        self.folder, self.cache = folder, cache
        self.results = folder / "results"
        self.mark = uuid.uuid4().hex
        self.started: list[Any] = []
        self.variables: Mapping[str, str] = {}
        self.program: Sequence[str] = ("-m", "harness")
        folder.mkdir(parents=True, exist_ok=True)

    def grid(self, seeds: Sequence[int], max_steps: int = 3, more: str = "", recipe: str = "") -> None:
        (self.folder / "g.toml").write_text(
            f'name = "g"\ntask = "embedded/paraphrase"\n[recipe]\nmax_steps = {max_steps}\n{recipe}\n'
            f'[matrix]\ncheckpoint = ["embedded/tiny-bert"]\nseed = {list(seeds)}\n{more}\n',
            encoding="utf-8",
        )

    def start(self, *arguments: str, faults: Mapping[int, Any] | None = None, command: str = "run") -> Any:
        if command == "run" and "--retries" not in arguments:
            arguments = (*arguments, "--retries", "0")  # a planted fault is met once, unless a test wants more
        planted = {seed: fault if isinstance(fault, list) else [fault, None] for seed, fault in (faults or {}).items()}
        variables = {
            **os.environ,
            MARK: self.mark,
            "HARNESS_CACHE": str(self.cache),
            "HF_HUB_OFFLINE": "1",
            "PYTHONPATH": f"{FAULTS}{os.pathsep}{REPOSITORY}",
            "HARNESS_TEST_FAULTS": json.dumps(planted) if planted else "",
            "HARNESS_DEBUG": "1",
            **self.variables,
        }
        process = subprocess.Popen(
            [sys.executable, *self.program, command, *(["g.toml"] if command not in GRIDLESS else []), *arguments],
            cwd=self.folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.started.append(process)
        return process

    def end_of(self, process: Any) -> str:
        """The output of a started harness, once it has ended."""
        output, _ = process.communicate(timeout=TIMEOUT_S)
        return str(output)

    def planted(self, word: str = "planted") -> int:
        """How many attempts' logs have the word: so many cells have come to their fault."""
        logs = self.results.glob("g/cells/??/*/*/*/log.txt")
        return sum(word in path.read_text(errors="replace") for path in logs)

    def run(
        self,
        *arguments: str,
        faults: Mapping[int, Any] | None = None,
        command: str = "run",
        timeout: float = TIMEOUT_S,
    ) -> tuple[int, str]:
        process = self.start(*arguments, faults=faults, command=command)
        output, _ = process.communicate(timeout=timeout)
        return process.returncode, output

    @property
    def store(self) -> Store:
        return Store(self.results, "g")

    def records(self, seed: int | None = None) -> list[Record]:
        """Every attempt's record, oldest first within a cell."""
        store = self.store
        found = [store.record(entry) for entry in self.scanned()]
        return [record for record in found if seed is None or record.asked.seed == seed]

    def scanned(self) -> list[Entry]:
        store = self.store
        return [e for cell in sorted(store.folder.glob("cells/??/*")) for e in store.cell_entries(cell.name)]

    def processes(self, but: Sequence[int] = ()) -> dict[int, str]:
        """Live processes of this house (zombies are dead), by id: their command line."""
        found = {}
        for folder in Path("/proc").iterdir():
            if not folder.name.isdigit() or int(folder.name) in but:
                continue
            try:
                state = (folder / "stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0]
                if state not in "ZX" and f"{MARK}={self.mark}".encode() in (folder / "environ").read_bytes():
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
        return found

    @staticmethod
    def parent_of(pid: int) -> int:
        """A process's parent; 0 where there is no such process."""
        try:
            return int(Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[1])
        except (OSError, IndexError):
            return 0

    def hosts(self) -> list[int]:
        """Host processes: those that were started as one and whose parent is not one too (a forked child)."""
        found = {
            pid: self.parent_of(pid) for pid, command in self.processes().items() if "start.py process.host" in command
        }
        return sorted(pid for pid, parent in found.items() if parent not in found)

    def children(self) -> list[int]:
        """Processes that run jobs: whatever a host has for children."""
        hosts = self.hosts()
        return sorted(pid for pid in self.processes() if self.parent_of(pid) in hosts)

    def wait_for(self, condition: Callable[[], Any], seconds: float = 240.0, every: float = 0.02) -> Any:
        end = time.monotonic() + seconds
        while True:
            value = condition()
            if value:
                return value
            if time.monotonic() > end:
                outputs = [process.stdout.read() for process in self.started if process.poll() is not None]
                pytest.fail(f"waited {seconds} s in vain; running: {self.processes()}; said: {outputs}")
            time.sleep(every)

    def wait_until_empty(self, seconds: float) -> None:
        self.wait_for(lambda: not self.processes(), seconds)

    def locked(self) -> list[Path]:
        """Cells (and the index) whose lock somebody still holds."""
        held = []
        for path in [*self.results.glob("g/cells/??/*/lock"), *self.results.glob("g/index.lock")]:
            with path.open("r+b") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    held.append(path)
        return held

    def assert_index_is_true(self) -> None:
        """What the index says is what the records say, before it is rebuilt and after."""
        scanned = {entry.path: entry for entry in self.scanned()}
        assert {entry.path: entry for entry in self.store.entries()} == scanned
        assert self.store.reindex() == len(scanned)
        assert {entry.path: entry for entry in self.store.entries()} == scanned

    def series(self, record: Record) -> dict[str, Any]:
        """A record's arrays by name."""
        folder = self.store.cell_folder(record.cell_id) / record.environment_id / f"{record.attempt:03d}"
        with np.load(folder / "series.npz", allow_pickle=False) as series:
            return {name: series[name] for name in series.files}

    def facts(self, record: Record) -> dict[str, Any]:
        """All of a record and its series but times, the attempt's number, the command and memory, as plain values."""
        plain = json.loads(record.to_json())
        for name in ("attempt", "started", "finished", "series_sha256", "provenance"):
            del plain[name]
        for name in ("seconds", "train_samples_per_second", "peak_memory_mib"):
            del plain["measured"][name]
        folder = self.store.cell_folder(record.cell_id) / record.environment_id / f"{record.attempt:03d}"
        with np.load(folder / "series.npz", allow_pickle=False) as series:
            assert {name: list(series[name].shape) for name in series.files} == record.series
            plain["arrays"] = {
                name: (str(series[name].dtype), series[name].tobytes()) for name in series.files if name not in UNLIKE
            }
        return plain

    def close(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()
        for pid in self.processes():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


@pytest.fixture(scope="session")
def tiny_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache that every house shares: the probe and the tokenized task are made once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def house(tmp_path: Path, tiny_cache: Path) -> Iterator[House]:
    found = House(tmp_path / "house", tiny_cache)
    yield found
    found.close()


@pytest.fixture
def new_house(tmp_path: Path, tiny_cache: Path) -> Iterator[Callable[..., House]]:
    """Further houses by name, with the shared cache or one of their own."""
    made: list[House] = []

    def make(name: str, cache: Path | None = None) -> House:
        made.append(House(tmp_path / name, cache or tiny_cache))
        return made[-1]

    yield make
    for found in made:
        found.close()


@pytest.fixture(scope="module")
def lasting_house(tmp_path_factory: pytest.TempPathFactory, tiny_cache: Path) -> Iterator[House]:
    """A house that all tests of a module share."""
    found = House(tmp_path_factory.mktemp("lasting"), tiny_cache)
    yield found
    found.close()


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def find(tmp_path: Path, environment_of: Make) -> Callable[..., Materials]:
    def make(*cells: Cell, environment: Environment | None = None) -> Materials:
        found = Materials(tmp_path, environment or environment_of(), "$HARNESS_FILES")
        found.find(cells)
        return found

    return make


class FakeMaterials:
    """Contents by checkpoint source; a MaterialError where it cannot be had."""

    def __init__(self, **missing: str) -> None:
        self.missing = missing
        self.asked = 0

    def content_id(self, cell: Cell) -> str:
        self.asked += 1
        if cell.checkpoint.source in self.missing:
            raise MaterialError(self.missing[cell.checkpoint.source])
        return "content0"

    def problem(self, cell: Cell) -> str | None:
        return self.missing.get(cell.checkpoint.source)


@pytest.fixture
def plan_of(environment_of: Make) -> Callable[..., Plan]:
    def make(cells: list[Cell], entries: list[Entry] = [], **options: Any) -> Plan:  # noqa: B006
        environment = options.pop("environment", environment_of())
        materials: Any = options.pop("materials", FakeMaterials())
        return make_plan(cells, Results(entries), {"current": environment}, {"current": materials}, **options)

    return make
