"""The store: what it keeps through torn files, garbage and damaged records."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from harness.errors import StoreError
from harness.record.store import Attempt, Store, store_grids
from tests.record.made_up import ENVIRONMENT, cell, paths, record, write


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
            StoreError, match=r"record\.json: schema: 99 was written by a newer harness \(allowed: 1 to 4\)"
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
    flushed.clear()
    entry = write(store, 2)
    new = {path for path in (store.folder / entry.path).parents if path.is_relative_to(store.folder / "cells")}
    assert set(flushed) == new  # what names new folders, and no more


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
