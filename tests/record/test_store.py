"""The store: what it keeps through torn files, garbage, full disks and crashes at any point of a write."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import StoreError
from harness.grid.cell import Cell, Checkpoint
from harness.record.attempts import Entry
from harness.record.model import Failure, Provenance, Record, Status, asked_of
from harness.record.store import Attempt, Store, store_grids

ENVIRONMENT = "e" * 20


def cell(seed: int) -> Cell:
    return Cell("embedded/paraphrase", Checkpoint("tiny", "embedded/tiny-bert"), seed, {"max_steps": 3})


def record(seed: int, attempt: Attempt, status: Status = "failed", details: str = "") -> Record:
    return Record(
        grid="g",
        cell_id=cell(seed).cell_id,
        configuration_id=cell(seed).configuration_id,
        environment_id=ENVIRONMENT,
        content_id="c" * 20,
        attempt=attempt.number,
        status=status,
        started=f"2026-01-01T00:{seed // 60:02d}:{seed % 60:02d}.000Z",
        finished="2026-01-01T00:01:00.000Z",
        asked=asked_of(cell(seed)),
        failure=Failure(type="planted", message="for the test", details=details),
        provenance=Provenance(harness="0"),
    )


def write(store: Store, seed: int, status: Status = "failed") -> Entry:
    attempt = store.begin(cell(seed).cell_id, ENVIRONMENT)
    return store.write(record(seed, attempt, status), attempt)


def paths(entries: list[Entry]) -> set[str]:
    return {entry.path for entry in entries}


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", "g")


def test_a_record_comes_back_as_it_was_written(store: Store) -> None:
    entry = write(store, 1)
    assert store.record(entry) == record(1, Attempt(Path(), 1))
    assert store.entries() == [entry]
    assert Store(store.folder.parent, "g").entries() == [entry]
    assert store_grids(store.folder.parent) == ["g"]


def test_attempts_are_numbered_and_ordered_as_numbers(store: Store) -> None:
    parent = store.cell_folder(cell(1).cell_id) / ENVIRONMENT
    (parent / "999").mkdir(parents=True)
    (parent / "²").mkdir()  # a digit to str.isdigit, no number to int
    assert store.begin(cell(1).cell_id, ENVIRONMENT).number == 1000
    assert [attempt.number for attempt in store.unfinished(cell(1).cell_id)] == [999, 1000]


def test_an_index_that_was_deleted_comes_back_whole_with_the_next_record(store: Store) -> None:
    before = [write(store, seed) for seed in (1, 2, 3)]
    (store.folder / "index.jsonl").unlink()
    assert Store(store.folder.parent, "g").entries() == before
    new = write(Store(store.folder.parent, "g"), 4)
    assert Store(store.folder.parent, "g").entries() == [*before, new]


def test_a_torn_last_line_hides_one_record_until_it_is_reconciled(store: Store) -> None:
    first, second = write(store, 1), write(store, 2)
    index = store.folder / "index.jsonl"
    index.write_bytes(index.read_bytes()[:-20])
    fresh = Store(store.folder.parent, "g")
    assert fresh.entries() == [first]
    assert fresh.reconcile(fresh.entries(), [cell(1).cell_id, cell(2).cell_id, cell(3).cell_id]) == [first, second]
    third = write(fresh, 3)
    assert Store(store.folder.parent, "g").entries() == [first, second, third]
    assert fresh.reindex() == 3


def test_garbage_in_the_middle_of_an_index_is_passed_over(store: Store) -> None:
    first = write(store, 1)
    index = store.folder / "index.jsonl"
    with index.open("ab") as file:
        file.write(b'\0\xff\xfe{"cell_id": 1}\n[1]\nnull\n"x"\n' + b"[" * 100_000 + b"\n")
    second = write(store, 2)
    assert Store(store.folder.parent, "g").entries() == [first, second]
    assert store.reindex() == 2
    assert index.read_text(encoding="utf-8") == first.to_line() + second.to_line()


def test_a_record_that_a_crash_kept_out_of_the_index_is_adopted(store: Store) -> None:
    # The cell has another attempt in the index, so nothing about it looks missing.
    killed = write(store, 1, "killed")
    index = store.folder / "index.jsonl"
    content = index.read_bytes()
    final = write(store, 1, "failed")
    index.write_bytes(content)
    fresh = Store(store.folder.parent, "g")
    assert fresh.entries() == [killed]
    assert fresh.adopt(cell(1).cell_id) == [killed, final]
    assert Store(store.folder.parent, "g").entries() == [killed, final]
    content = index.read_bytes()
    assert fresh.adopt(cell(1).cell_id) == [killed, final]
    assert index.read_bytes() == content


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_damage_to_an_index_loses_a_record(tmp_path: Path, data: st.DataObject) -> None:
    root = tmp_path / "results"
    if not root.exists():
        made = Store(root, "g")
        for seed in (1, 1, 2, 3, 4):
            write(made, seed)
    index = root / "g" / "index.jsonl"
    store = Store(root, "g")
    store.reindex()
    whole = index.read_bytes()
    expected = store.entries()
    kept = whole[: data.draw(st.integers(0, len(whole)), label="kept")]
    # Between lines or after the torn one: what a crash can do. A flipped bit within a line is another matter.
    ends = [0, *(place + 1 for place, byte in enumerate(kept) if byte == 10), len(kept)]
    place = data.draw(st.sampled_from(ends), label="place")
    garbage = data.draw(st.binary(max_size=60) | st.sampled_from([b"\n", b"\r", b"{}\n", b"\x0b", whole[:99]]))
    index.write_bytes(kept[:place] + garbage + kept[place:])

    damaged = Store(root, "g")
    cells = [cell(seed).cell_id for seed in (1, 2, 3, 4)]
    seen = damaged.entries()
    assert paths(seen) <= paths(expected)
    assert all(entry in expected for entry in seen)
    assert paths(damaged.reconcile(seen, cells)) == paths(expected)
    assert paths(Store(root, "g").entries()) == paths(expected)
    assert damaged.reindex() == len(expected)
    assert Store(root, "g").entries() == expected
    assert index.read_bytes() == whole


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "null", '{"schema": 1}', '{"schema": "1"}', "\0" * 4096, "[" * 10**5]
)
def test_a_damaged_record_counts_for_nothing_and_hinders_no_other(store: Store, content: str) -> None:
    bad, good = write(store, 1), write(store, 2)
    path = store.folder / bad.path / "record.json"
    path.write_text(content, encoding="utf-8")
    (lost,) = store.cell_entries(cell(1).cell_id)
    assert (lost.status, lost.metrics) == ("unreadable", {})
    assert str(path) in lost.message or content.startswith("[[")
    assert store.reindex() == 1
    assert list(store.unreadable) == [bad.path]
    assert str(path) in store.unreadable[bad.path] or content.startswith("[[")
    assert [entry.status for entry in store.entries()] == ["unreadable", good.status]
    assert store.unfinished(cell(1).cell_id) == []  # never overwritten
    assert store.begin(cell(1).cell_id, ENVIRONMENT).number == 2
    with pytest.raises(StoreError, match=r"store reindex g") as caught:
        store.record(bad)
    assert str(path) in str(caught.value)


def test_a_record_of_a_newer_harness_is_a_clear_error(store: Store) -> None:
    entry = write(store, 1)
    path = store.folder / entry.path / "record.json"
    data = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({**data, "schema": 99, "something": "new"}), encoding="utf-8")
    index = (store.folder / "index.jsonl").read_bytes()
    for read in (lambda: store.record(entry), lambda: store.cell_entries(cell(1).cell_id), store.reindex):
        with pytest.raises(
            StoreError, match=r"record\.json: schema: 99 was written by a newer harness \(allowed: 1 to 3\)"
        ):
            read()
    assert (store.folder / "index.jsonl").read_bytes() == index
    assert store.unreadable == {}


def test_every_folder_that_names_a_new_one_is_flushed(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    flushed: list[Path] = []
    monkeypatch.setattr("harness.record.store.flush_folder", flushed.append)
    entry = write(store, 1)
    assert set((store.folder / entry.path).parents) - set(store.folder.parents) < set(flushed)
    assert store.folder.parent in flushed  # the results folder, which names the grid's


def test_stale_scratch_files_change_nothing(store: Store) -> None:
    entry = write(store, 1)
    for name in ("index.jsonl.77.tmp", f"{entry.path}/record.json.77.tmp"):
        (store.folder / name).write_text("half of a", encoding="utf-8")
    attempt = store.begin(cell(2).cell_id, ENVIRONMENT)
    (attempt.folder / "record.json.77.tmp").write_text("{", encoding="utf-8")
    assert store.cell_entries(cell(2).cell_id) == []
    assert [found.folder for found in store.unfinished(cell(2).cell_id)] == [attempt.folder]
    assert store.reindex() == 1
    assert not (store.folder / "index.jsonl.77.tmp").exists()


def test_a_lock_is_held_once_and_by_whoever_holds_its_descriptor(store: Store) -> None:
    one = store.lock("ab" * 10)
    assert one is not None
    assert store.lock("ab" * 10) is None
    heir = subprocess.Popen(["sleep", "60"], pass_fds=[one.descriptor])
    one.release()
    one.release()
    assert store.lock("ab" * 10) is None  # as when a harness is killed while its child still lives
    heir.kill()
    heir.wait()
    two = store.lock("ab" * 10)
    assert two is not None
    two.release()


# Disks that fail.


class Faulty:
    """Counts the calls that write, and has the n-th fail or kill this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fail: Callable[[], None], at: int) -> None:
        self.count, self.at, self.fail = 0, at, fail
        for name in ("open", "mkdir", "fsync", "rename", "replace"):
            monkeypatch.setattr(os, name, self._wrap(getattr(os, name)))
        monkeypatch.setattr(Path, "open", self._wrap(Path.open))

    def _wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if not self._reads(call, arguments):
                self.count += 1
                if self.count == self.at:
                    self.fail()
            return call(*arguments, **options)

        return wrapped

    @staticmethod
    def _reads(call: Callable[..., Any], arguments: tuple[Any, ...]) -> bool:
        return call.__name__ == "open" and len(arguments) > 1 and arguments[1] in ("r", os.O_RDONLY)


SAID = "No space left on device; free some disk space and run the same command again: finished cells are kept"


def full() -> None:
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_at_any_point_is_a_clear_error_and_loses_nothing(tmp_path: Path) -> None:
    outcomes: list[str] = []
    said: list[bool] = []
    for at in range(1, 100):
        root = tmp_path / str(at)
        before = write(Store(root, "g"), 1)
        store = Store(root, "g")
        store.entries()
        lock = entry = None
        with pytest.MonkeyPatch.context() as patch:
            faulty = Faulty(patch, full, at)
            try:
                lock = store.lock(cell(2).cell_id)
                entry = write(store, 2)
                outcomes.append("written")
            except StoreError as error:
                outcomes.append("refused")
                said.append(str(error).startswith(str(root)) and SAID in str(error))
        if lock is not None:
            lock.release()
        again = Store(root, "g")
        found = again.reconcile(again.entries(), [cell(1).cell_id, cell(2).cell_id])
        assert found[0] == before
        assert len(found) == len(again.cell_entries(cell(1).cell_id)) + len(again.cell_entries(cell(2).cell_id))
        assert again.unreadable == {}
        assert list(root.rglob("*.tmp")) == []
        assert again.reindex() == len(found)
        if faulty.count < at:
            assert entry in found
            break
    assert outcomes.count("refused") >= 10
    assert all(said)
    assert outcomes[-1] == "written"


def test_a_crash_at_any_point_of_a_write_loses_nothing(tmp_path: Path) -> None:
    survived = died = 0
    for at in range(1, 100):
        root = tmp_path / str(at)
        before = write(Store(root, "g"), 1)
        index = (root / "g" / "index.jsonl").read_bytes()
        old = (root / "g" / before.path / "record.json").read_bytes()
        pid = os.fork()
        if pid == 0:
            with pytest.MonkeyPatch.context() as patch:
                faulty = Faulty(patch, lambda: os.kill(os.getpid(), signal.SIGKILL), at)
                store = Store(root, "g")
                store.lock(cell(2).cell_id)
                write(store, 2)
                store.reindex()
                os._exit(0 if faulty.count < at else 1)
        _, status = os.waitpid(pid, 0)
        again = Store(root, "g")
        assert (root / "g" / before.path / "record.json").read_bytes() == old
        assert before in again.entries()
        assert (root / "g" / "index.jsonl").read_bytes().startswith(index)
        lock = again.lock(cell(2).cell_id)
        assert lock is not None
        lock.release()
        left, done = again.unfinished(cell(2).cell_id), again.cell_entries(cell(2).cell_id)
        assert len(left) + len(done) <= 1
        assert paths(again.reconcile(again.entries(), [cell(2).cell_id])) == paths([before, *done])
        if os.waitstatus_to_exitcode(status) == 0:
            survived += 1
            assert len(done) == 1
            break
        died += 1
    assert survived == 1
    assert died >= 10


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount a tmpfs of so many bytes; needs root and the right to mount."""
    mounted: list[Path] = []

    def make(options: str) -> Path:
        folder = tmp_path / f"disk{len(mounted)}"
        folder.mkdir()
        if shutil.which("mount") is None:
            pytest.skip("no mount command")
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", options, "tmpfs", str(folder)], capture_output=True, text=True
        )
        if done.returncode:
            pytest.skip(f"a tmpfs cannot be mounted here: {done.stderr.strip()}")
        mounted.append(folder)
        return folder

    yield make
    for folder in mounted:
        subprocess.run(["umount", "-l", str(folder)], check=False)


def test_a_disk_that_is_really_full(mount: Callable[[str], Path]) -> None:
    folder = mount("size=256k")
    store = Store(folder, "g")
    before: list[Entry] = []
    with pytest.raises(StoreError, match=SAID) as caught:  # noqa: PT012 - which write fails is the disk's affair
        for seed in range(60):
            before.append(write(store, seed))
    assert len(before) > 5
    assert str(folder) in str(caught.value)
    again = Store(folder, "g")
    cells = [cell(seed).cell_id for seed in range(60)]
    found = again.reconcile(again.entries(), cells)
    assert paths(before) <= paths(found)
    assert len(found) <= len(before) + 1
    assert again.unreadable == {}
    assert list(folder.rglob("*.tmp")) == []
    subprocess.run(["mount", "-o", "remount,size=8m", str(folder)], check=True)
    assert again.reindex() == len(found)
    after = write(again, 61)
    assert paths(Store(folder, "g").entries()) == paths([*found, after])


def test_a_store_that_can_only_be_read_is_read_and_not_written(mount: Callable[[str], Path]) -> None:
    folder = mount("size=1m")
    entry, hidden = write(Store(folder, "g"), 1), write(Store(folder, "g"), 2)
    (folder / "g" / "index.jsonl").write_text(entry.to_line(), encoding="utf-8")
    subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
    store = Store(folder, "g")
    assert store.entries() == [entry]
    assert store.reconcile(store.entries(), [cell(2).cell_id]) == [entry, hidden]
    for change in (
        store.reindex,
        lambda: write(store, 3),
        lambda: store.lock(cell(1).cell_id),
        lambda: write(store, 1),
    ):
        with pytest.raises(StoreError, match=r"read-only; choose another place with --results"):
            change()


@pytest.fixture
def closed_folder() -> Iterator[Path]:
    """A folder that this process may read and not write; root, who may write anywhere, is nobody meanwhile."""
    with tempfile.TemporaryDirectory() as name:
        folder, user = Path(name), os.geteuid()
        folder.chmod(0o555)
        os.seteuid(user or 65534)
        yield folder
        os.seteuid(user)


def test_a_folder_without_permission(closed_folder: Path) -> None:
    with pytest.raises(StoreError, match=r"choose another place with --results, or change its permissions"):
        write(Store(closed_folder, "g"), 1)


def test_a_folder_of_cells_that_cannot_be_listed_is_named(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    write(store, 1)

    def refuse(path: Path) -> Any:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(Path, "iterdir", refuse)
    with pytest.raises(StoreError, match=r"cells/..: cannot list it: Permission denied"):
        store.reconcile([], [cell(1).cell_id])


def test_a_results_place_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("mine", encoding="utf-8")
    store = Store(tmp_path / "results", "g")
    for use in (store.entries, lambda: write(store, 1), lambda: store.lock(cell(1).cell_id)):
        with pytest.raises(StoreError, match=r"results/g.*: cannot .* it: Not a directory"):
            use()
    assert (tmp_path / "results").read_text(encoding="utf-8") == "mine"
