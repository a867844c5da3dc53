"""What a store makes of records, series and lines that are not what was written; and who is at work in it."""

from __future__ import annotations

import hashlib
import io
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from harness.record.attempts import Entry, last_outcome
from harness.record.entry import parse_entry
from harness.record.model import Record, Status
from harness.record.parts.measured import Confusion, Measured
from harness.record.series import read_series
from harness.record.store import Store
from tests.record.made_up import ENVIRONMENT, cell
from tests.record.made_up import record as failed_record

LOGITS = np.array([[0, 1], [0, 1], [1, 0], [1, 0], [0, 1]], dtype=np.float32)
LABELS = np.array([1, 1, 0, 1, 0])
COUNTS = Confusion.of_two(tp=2, fp=1, fn=1, tn=1)


def scored(store: Store, seed: int = 1, status: Status = "ok", started: str = "2026-01-01T00:00:00.000Z") -> Entry:
    attempt = store.begin(cell(seed).cell_id, ENVIRONMENT)
    path = attempt.folder / "series.npz"
    np.savez(path, logits=LOGITS, labels=LABELS)
    measured = Measured(metrics={"accuracy": 0.6, "f1": 2 / 3}, confusion=COUNTS, seconds={"total": 2.0})
    record = Record.model_validate(
        {
            **failed_record(seed, attempt, status).model_dump(by_alias=True),
            "failure": None,
            "started": started,
            "measured": measured.model_dump(),
            "series": {"logits": [5, 2], "labels": [5]},
            "series_sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        }
    )
    return store.write(record, attempt)


def again(store: Store) -> Store:
    return Store(store.folder.parent, "g")


def edited(pattern: str, new: str) -> Callable[[Path], None]:
    def edit(folder: Path) -> None:
        path = folder / "record.json"
        text, count = re.subn(pattern, new, path.read_text(encoding="utf-8"), count=1)
        assert count == 1
        path.write_text(text, encoding="utf-8")

    return edit


def flipped(folder: Path) -> None:
    path = folder / "series.npz"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGE: dict[str, tuple[Callable[[Path], object], str]] = {
    "accuracy": (edited(r'"accuracy": 0\.6', '"accuracy": 0.9'), "its confusion counts give 0.6"),
    "seconds": (edited(r'"total": 2\.0', '"total": 3.0'), "not the file that its attempt wrote"),
    "not finite": (edited(r'"total": 2\.0', '"total": "nan"'), r"measured\.seconds\.total"),
    "started": (edited('"started": "2026', '"started": "20x6'), "started: .*allowed a time in UTC"),
    "gone": (lambda folder: (folder / "record.json").unlink(), "the record is gone"),
    "folder gone": (lambda folder: shutil.rmtree(folder.parents[1]), "the record is gone"),
    "truncated": (lambda folder: os.truncate(folder / "record.json", 300), "not a readable record"),
    "foreign": (edited(r'"cell_id": "....', '"cell_id": "ffff'), "another cell's record"),
    "future": (edited('"started": "2026', '"started": "2126'), "it lies in the future"),
    "series flipped": (flipped, r"its series\.npz is not the file"),
    "series gone": (lambda folder: (folder / "series.npz").unlink(), r"its series\.npz is gone"),
}


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE)
@pytest.mark.parametrize("reindexed", [False, True])
def test_what_is_not_what_was_written_has_no_score_and_says_why(
    store: Store, damage: Callable[[Path], object], said: str, reindexed: bool
) -> None:
    bad, good = scored(store, 1), scored(store, 2)
    damage(store.folder / bad.path)
    if reindexed:
        again(store).reindex()
    found = {entry.cell_id: entry for entry in again(store).entries()}
    assert found.pop(good.cell_id) == good
    if reindexed and "record is gone" in said:
        assert found == {}  # a rebuilt index has the records that are there
        return
    lost = found[bad.cell_id]
    assert (lost.status, lost.metrics, lost.seconds, lost.measurement) == ("unreadable", {}, {}, 1)
    assert re.search(rf"{bad.path}/record\.json: .*{said}", lost.message)
    assert last_outcome([good, lost]) is None  # a later attempt that cannot be read may have had another outcome
    retry = scored(again(store), 1)
    assert retry.path != bad.path
    assert last_outcome([lost, retry]) == retry


@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_a_damaged_record_is_named_after_the_index_is_gone_too(
    store: Store, damage: Callable[[Path], object], said: str
) -> None:
    entry = scored(store)
    folder = store.folder / entry.path
    damage(folder)
    (store.folder / "index.jsonl").unlink()
    if "record is gone" in said:
        assert again(store).entries() == []  # nothing is there that could tell of it
        return
    if "its attempt wrote" in said:
        assert again(store).entries()[0].readable  # it contradicts nothing, and only the index knew its hash
        return
    for _ in ("without an index", "with the new one"):
        (lost,) = again(store).entries()
        assert (lost.path, lost.status) == (entry.path, "unreadable")
        assert str(folder) in lost.message
        assert again(store).reindex() == 0
    assert again(store).cell_entries(entry.cell_id)[0].status == "unreadable"
    shutil.rmtree(folder)
    again_scored = scored(again(store), started="2026-02-01T00:00:00.000Z")
    assert [one.status for one in again(store).entries()] == ["unreadable", "ok"]
    assert again(store).reindex() == 1
    assert again(store).entries() == [again_scored]


def test_a_flipped_bit_that_left_size_and_time_alone_is_found_by_reindex_and_stays_found(store: Store) -> None:
    entry = scored(store)
    path = store.folder / entry.path / "series.npz"
    before, content = path.stat(), path.read_bytes()
    flipped(path.parent)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert again(store).entries() == [entry]  # by size and time nothing has changed
    assert again(store).reindex() == 0
    assert [one.status for one in again(store).entries()] == ["unreadable"]
    path.write_bytes(content)
    assert again(store).entries() == [entry]


def test_a_copy_with_other_times_counts_and_is_stamped_anew(store: Store) -> None:
    entry = scored(store)
    record = store.folder / entry.path / "record.json"
    os.utime(record, ns=(1, 1))
    assert again(store).entries() == [entry]
    (line,) = (store.folder / "index.jsonl").read_text(encoding="utf-8").splitlines()
    stamp = parse_entry(line).stamp
    assert stamp is not None
    assert stamp.record.mtime_ns == 1


def test_a_line_of_an_older_harness_is_held_against_its_record(store: Store) -> None:
    entry = scored(store)
    index = store.folder / "index.jsonl"
    data = json.loads(index.read_text(encoding="utf-8"))
    older = {name: value for name, value in data.items() if name not in ("stamp", "line")}
    index.write_text(json.dumps({**older, "metrics": {"accuracy": 1.0, "f1": 1.0}}) + "\n", encoding="utf-8")
    assert again(store).entries() == [entry]
    assert json.loads(index.read_text(encoding="utf-8"))["metrics"] == entry.metrics


def test_a_line_without_a_hash_of_itself_is_held_against_its_record_whatever_its_stamp(store: Store) -> None:
    entry = scored(store)
    index = store.folder / "index.jsonl"
    data = json.loads(index.read_text(encoding="utf-8"))
    del data["line"]
    index.write_text(json.dumps({**data, "seed": entry.seed + 4}) + "\n", encoding="utf-8")
    assert again(store).entries() == [entry]


def test_an_edited_line_is_unreadable_until_the_index_is_made_anew(store: Store) -> None:
    entry = scored(store)
    index = store.folder / "index.jsonl"
    index.write_text(index.read_text(encoding="utf-8").replace('"accuracy":0.6', '"accuracy":0.9'), encoding="utf-8")
    (lost,) = again(store).entries()
    assert lost.status == "unreadable"
    assert "index.jsonl" in lost.message
    assert again(store).reindex() == 1
    assert again(store).entries() == [entry]


@pytest.mark.parametrize(
    ("name", "value"),
    [("path", []), ("path", 5), ("path", "../../x"), ("path", "cells/aa/bb/cc/001"), ("seed", "1"), ("axes", []),
     ("seconds", {"total": "text"}), ("seconds", {"total": "inf"}), ("samples_per_second", "fast"), ("attempt", True),
     ("started", "2026-13-01T00:00:00Z"), ("status", "wonderful")],
)  # fmt: skip
def test_a_line_of_wrong_types_is_passed_over(store: Store, name: str, value: object) -> None:
    entry = scored(store)
    index = store.folder / "index.jsonl"
    data = {**json.loads(index.read_text(encoding="utf-8")), name: value}
    index.write_text(json.dumps({key: data[key] for key in data if key != "line"}) + "\n", encoding="utf-8")
    assert again(store).entries() == []
    assert again(store).reconcile([], [entry.cell_id]) == [entry]


def test_a_clock_that_went_back_does_not_change_the_order_of_attempts(store: Store) -> None:
    first = scored(store, 1, "failed", started="2026-06-01T00:00:00.000Z")
    second = scored(store, 1, started="2026-01-01T00:00:00.000Z")
    other = scored(store, 2, started="2026-03-01T00:00:00.000Z")
    assert again(store).reindex() == 3
    assert again(store).entries() == [other, first, second]


def test_a_record_that_disappeared_is_not_taken_for_an_attempt_that_was_killed(store: Store) -> None:
    entry = scored(store)
    (store.folder / entry.path / "record.json").unlink()
    assert again(store).unfinished(entry.cell_id) == []


def test_a_series_is_held_against_its_hash_when_it_is_opened(store: Store) -> None:
    entry = scored(store)
    assert store.series(entry, ("labels",))["labels"].tolist() == LABELS.tolist()
    flipped(store.folder / entry.path)
    with pytest.raises(Exception, match=r"series\.npz: not the file that its record was written with"):
        store.series(entry)


def _forged(header: str, size: int = 8) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        text = header.encode().ljust(117) + b"\n"
        archive.writestr("loss.npy", b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(size))
    return file.getvalue()


def _encrypted() -> bytes:
    content = bytearray(_forged("{'descr': '<f4', 'fortran_order': False, 'shape': (2,), }"))
    content[content.index(b"PK\x01\x02") + 8] |= 1
    return bytes(content)


@pytest.mark.parametrize(
    "content",
    [b"", b"text", np.lib.format.magic(1, 0), _encrypted(),
     _forged("{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000,), }"),
     _forged("{'descr': '|O', 'fortran_order': False, 'shape': (1,), }"),
     _forged("{'descr': '<f4', 'fortran_order': False, 'shape': (-2,), }"), _forged("[" * 100)],
    ids=("empty", "text", "no zip", "encrypted", "shape", "pickle", "negative", "header"),
)  # fmt: skip
def test_a_damaged_series_is_absent_and_nothing_worse(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "series.npz"
    path.write_bytes(content)
    assert read_series(path) == {}


def test_an_array_of_another_shape_than_the_record_says_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "series.npz"
    np.savez(path, loss=np.arange(3.0))
    assert read_series(path, shapes={"loss": [3]})["loss"].tolist() == [0, 1, 2]
    assert read_series(path, shapes={"loss": [4]}) == {}
    assert read_series(tmp_path) == {}


def test_a_run_is_under_way_while_any_process_says_so(store: Store) -> None:
    assert not store.is_running()
    with store.under_way(), again(store).under_way():
        assert store.is_running()
    assert not store.is_running()
    code = (
        "import sys; from pathlib import Path; from harness.record.store import Store\n"
        "with Store(Path(sys.argv[1]), 'g').under_way(): print(flush=True); sys.stdin.read()"
    )
    command = [sys.executable, "-c", code, str(store.folder.parent)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        assert store.is_running()
        other.kill()  # the kernel gives it back
        other.wait()
    assert not store.is_running()


def test_an_entry_with_another_stamp_is_the_same_entry(store: Store) -> None:
    entry = scored(store)
    assert replace(entry, stamp=None) == entry
