"""A store on disks that fail: full, read-only, closed, or gone in the middle of a write."""

from __future__ import annotations

import errno
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from harness.errors import StoreError
from harness.record.attempts import Entry
from harness.record.store import Store
from tests.record.faulty import Faulty
from tests.record.made_up import cell, paths, write

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
