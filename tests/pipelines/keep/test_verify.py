"""What `store verify` finds, and that a damaged record is named whatever became of the index."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from harness.pipelines.check import Judging, check_grid
from harness.pipelines.keep.verify import verify_store
from harness.pipelines.named.places import Place
from harness.record.store import Store
from harness.report.phrases.say import say
from tests.pipelines.keep.conftest import Nights
from tests.record.test_integrity import DAMAGE, flipped, scored


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return Store(tmp_path / "results", "g")


@pytest.mark.parametrize("index", ["kept", "deleted", "made anew", "deleted and made anew"])
@pytest.mark.parametrize(("damage", "said"), DAMAGE.values(), ids=DAMAGE)
def test_each_damage_is_a_finding_that_names_the_file(
    store: Store, damage: Callable[[Path], object], said: str, index: str
) -> None:
    entry = scored(store)
    good = scored(store, 2)
    damage(store.folder / entry.path)
    if index.startswith("deleted"):
        (store.folder / "index.jsonl").unlink()
    if index.endswith("made anew"):
        Store(store.folder.parent, "g").reindex()
    found = verify_store(Place(store))
    if index != "kept" and "record is gone" in said:
        assert found.findings == []
        return
    if index.startswith("deleted") and "attempt wrote" in said:
        assert found.findings == []  # a change that contradicts nothing: only the index knew the hash
        return
    (finding,) = found.findings
    assert str(store.folder / entry.path) in finding
    assert good.path not in finding
    assert (found.records, found.unknown) == (2, 2 if index == "deleted" else 0)


def test_what_keeps_size_and_time_is_found(store: Store) -> None:
    entry = scored(store)
    path = store.folder / entry.path / "series.npz"
    times = path.stat()
    flipped(store.folder / entry.path)
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert [one.status for one in Store(store.folder.parent, "g").entries()] == ["ok"]
    assert "its series.npz is not the file" in verify_store(Place(store)).findings[0]


def test_a_line_that_says_otherwise_and_one_that_is_none(store: Store) -> None:
    entry = scored(store)
    index = store.folder / "index.jsonl"
    line = json.loads(index.read_text())
    line["metrics"]["accuracy"] = 0.9
    del line["line"], line["stamp"]
    index.write_text(json.dumps(line) + "\n{torn\n")
    first, second = verify_store(Place(store)).findings
    assert first.endswith("record.json: its line in the index says otherwise; `harness store reindex` renews it")
    assert str(store.folder / entry.path) in first
    assert second == f"{index}: line 2: no entry; `harness store reindex g` puts it right"


def test_what_a_killed_harness_leaves_is_no_finding(store: Store) -> None:
    entry = scored(store)
    store.begin(entry.cell_id, "e" * 20)
    (store.folder / "index.jsonl").unlink()
    found = verify_store(Place(store))
    assert (found.records, found.series, found.unknown, found.unfinished, found.findings) == (1, 1, 1, 1, [])


def test_a_record_of_a_newer_harness_is_a_finding(store: Store) -> None:
    entry = scored(store)
    path = store.folder / entry.path / "record.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 99}))
    assert "schema: 99 was written by a newer harness" in verify_store(Place(store)).findings[0]


def test_foreign_cells_are_counted(nights: Nights) -> None:
    nights.night(1)
    assert verify_store(nights.place).foreign == 0
    nights.write((nights.folder / "night.toml").read_text().replace("seed = [1, 2, 3, 4, 5]", "seed = [1, 2, 3]"))
    assert verify_store(nights.place).foreign == 2


@pytest.mark.parametrize("reindexed", [False, True])
def test_check_names_a_damaged_record_after_the_index_is_deleted(nights: Nights, reindexed: bool) -> None:
    nights.night(1)
    nights.night(2)
    entry = next(one for one in nights.store.entries() if one.measurement == 2)
    path = nights.store.folder / entry.path / "record.json"
    path.write_text(path.read_text().replace('"seed": ', '"seed": "x", "sed": ', 1))
    (nights.store.folder / "index.jsonl").unlink()
    if reindexed:
        nights.store.reindex()
    found = check_grid(nights.grid, nights.store, Judging())
    errors = [one for one in found.verdicts if one.outcome == "ERROR"]
    assert found.exit_code == 4
    told = " ".join(say(fact) for one in errors for fact in (one.reason, *one.notes))
    assert str(path) in told
    assert "asked.seed" in told
