"""What a prune takes of a store, what it never takes, and what is left when it is killed."""

from __future__ import annotations

import json
import os
import signal
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from harness.errors import SpecError, StoreError
from harness.grid.grid import load_grid
from harness.pipelines.accept import accept
from harness.pipelines.check import Judging, check_grid
from harness.pipelines.keep.inventory import inventory
from harness.pipelines.keep.prune import Prunable, Pruned, bytes_of, prunable, prune, unforgotten
from harness.pipelines.keep.retire import retired
from harness.pipelines.keep.verify import verify_store
from harness.pipelines.named.places import Place, places_of
from harness.record.store import Store
from tests.cli.made_up_sessions import ALIKE, MOMENT, session
from tests.cli.made_up_sessions import GRID as SPEED
from tests.pipelines.keep.conftest import BAD, Nights
from tests.record.faulty import Faulty

LATER = "2026-11-20T00:00:00.000Z"


def pruned(place: Place, oldest: str | None = LATER, environment_id: str | None = None) -> tuple[Prunable, Pruned]:
    unforgotten(place.store)
    what = prunable(place, oldest, environment_id)
    return what, prune(Store(place.store.folder.parent, place.name), what)


def outcomes(nights: Nights) -> dict[str, int]:
    found = check_grid(nights.grid, nights.store, Judging())
    return dict(Counter(f"{one.outcome} {one.check}" for one in found.verdicts))


def test_the_newest_and_the_last_that_passed_stay(nights: Nights) -> None:
    for number in range(1, 8):
        nights.night(number, BAD if number > 3 else {seed: 172 + seed % 2 for seed in range(1, 6)})
    before, said = bytes_of(nights.store.folder / "cells"), outcomes(nights)
    assert "FAIL quality" in said
    what, done = pruned(nights.place)
    assert nights.left == {"env0": {3, 7}}
    assert (done.measurements, done.records, done.held) == (5, 25, [])
    assert before - bytes_of(nights.store.folder / "cells") >= done.bytes == what.bytes > 25 * 4096
    assert what.kept == {"newest": 1, "passed": 1}
    assert outcomes(nights) == said
    assert verify_store(nights.place).findings == []
    assert pruned(nights.place)[1].records == 0


def test_what_is_young_stays(nights: Nights) -> None:
    for number in (1, 2, 3, 4):
        nights.night(number)
    what, _ = pruned(nights.place, "2026-11-02T00:00:00.000Z")
    assert nights.left == {"env0": {2, 3, 4}}
    assert what.kept == {"newest": 1, "young": 2}


def test_a_cell_that_the_newest_measurement_has_not_reached_keeps_its_own(nights: Nights) -> None:
    for number in (1, 2, 3):
        nights.night(number)
    nights.put(nights.grid.cells()[0], 172, measurement=4, started="2026-11-04T02:00:00.000Z")
    pruned(nights.place)
    assert nights.left == {"env0": {3, 4}}


def test_without_the_grid_the_last_of_which_every_run_went_well_stays(nights: Nights) -> None:
    for number in (1, 2, 3, 4):
        nights.night(number)
    nights.night(5, status="collapsed")
    nights.night(6)
    pruned(Place(nights.store))
    assert nights.left == {"env0": {4, 6}}


def test_what_a_file_names_stays_and_the_file_is_told(nights: Nights) -> None:
    nights.night(1)
    accept(nights.grid, nights.store, (), None, "a note", None)
    for number in (2, 3, 4, 5):
        nights.night(number)
    row = {"cell_id": nights.grid.cells()[2].cell_id, "attempt": 2}
    Path("reports/mine.json").write_text(json.dumps({"rows": [{"environment_id": "env0", "scores": [row]}]}))
    what, _ = pruned(Place(nights.store))
    assert nights.left == {"env0": {1, 2, 4, 5}}
    assert {str(path): number for path, number in what.named.items()} == {
        "reports/baselines/night.json": 5, "reports/mine.json": 1,
    }  # fmt: skip


def test_reports_beside_the_results_count_wherever_the_command_is_given(
    nights: Nights, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nights.night(1)
    accept(nights.grid, nights.store, (), None, "a note", None)
    for number in (2, 3, 4, 5):
        nights.night(number)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    what, _ = pruned(Place(nights.store))
    assert nights.left == {"env0": {1, 4, 5}}
    assert list(what.named.values()) == [5]


def test_a_report_that_cannot_be_read_stops_a_prune(nights: Nights) -> None:
    for number in (1, 2):
        nights.night(number)
    (Path("reports")).mkdir()
    Path("reports/broken.json").write_text("{")
    with pytest.raises(
        StoreError, match=r"reports/broken\.json: cannot be read .* which records it names is not known"
    ):
        pruned(nights.place)
    assert nights.left == {"env0": {1, 2}}


def test_a_damaged_record_stays_for_a_person_to_look_at(nights: Nights) -> None:
    for number in (1, 2, 3):
        nights.night(number)
    entry = next(one for one in nights.store.entries() if one.measurement == 1)
    (nights.store.folder / entry.path / "record.json").write_text("{")
    what, done = pruned(nights.place)
    assert (what.kept["unreadable"], done.measurements) == (1, 1)
    assert str(nights.store.folder / entry.path) in verify_store(nights.place).findings[0]


def test_a_record_that_no_prune_took_is_still_told_as_missing(nights: Nights) -> None:
    for number in (1, 2):
        nights.night(number)
    pruned(nights.place)
    entry = nights.store.entries()[0]
    (nights.store.folder / entry.path / "record.json").unlink()
    store = nights.store
    assert [one.status for one in store.entries()].count("unreadable") == 1
    assert store.unreadable[entry.path].endswith("record.json: the record is gone")


def test_the_last_30_timing_sessions_of_a_configuration_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    grid = tmp_path / "speed.toml"
    grid.write_text(SPEED.format(processes=1, margin=5))
    for number in range(1, 34):
        session(
            tmp_path / "results", grid, {("fp32", "adamw_torch"): ALIKE["fp32", "adamw_torch"]}, f"s{number}", number
        )
    store = Store(tmp_path / "results", "speed")
    for number, folder in enumerate(store.folders.every(), start=1):
        path = folder / "record.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "schema": 2, "measurement": number}))
    store.reindex()
    what, done = pruned(Place(store, load_grid(grid)), "2027-01-01T00:00:00.000Z")
    assert (done.records, what.kept) == (3, {"session": 30})
    starts = [entry.started for entry in Store(tmp_path / "results", "speed").entries()]
    assert min(starts) == f"{MOMENT:%Y-%m-%dT%H}:04:01.000Z"


# Environments.


def test_a_retired_environment_goes_but_for_what_a_file_names(nights: Nights) -> None:
    for number in (1, 2, 3):
        nights.night(number)
    accept(nights.grid, nights.store, (), None, "a note", None)
    nights.night(4)
    nights.upgraded(transformers="6.0.0")
    nights.means()
    nights.night(1, environment_id="env1upgraded", started="2026-11-21T02:00:00.000Z")
    ((place, environment_id),) = retired([nights.place], "env0")
    what, _ = pruned(place, None, environment_id)
    assert nights.left == {"env0": {3}, "env1upgraded": {1}}
    assert {str(path): number for path, number in what.named.items()} == {"reports/baselines/night.json": 5}
    Path("reports/baselines/night.json").unlink()
    pruned(place, None, environment_id)
    assert nights.left == {"env1upgraded": {1}}
    assert not list(nights.store.folder.glob("cells/*/*/env0"))


@pytest.mark.parametrize(
    ("choice", "said"),
    [("env0", 'got "env0", which night means .as "current".; allowed env9old'),
     ("current", 'got "current", which night means'),
     ("env", 'got "env"; allowed env9old'), ("e999", 'got "e999"; allowed env9old')],
)  # fmt: skip
def test_an_environment_that_is_meant_or_is_not_there_is_refused(nights: Nights, choice: str, said: str) -> None:
    nights.night(1, environment_id="env9old")
    nights.night(1)
    with pytest.raises(SpecError, match=f"--environment: {said}"):
        retired([nights.place], choice)


def test_a_label_that_the_grid_has_no_more_can_be_retired(nights: Nights) -> None:
    nights.night(1, environment_id="env9old")
    nights.night(1)
    old = nights.upgraded(transformers="4.0.0")
    nights.means(old=old, current=nights.environments["current"])
    meant = nights.store.folder / "environments.json"
    meant.write_text("env9old".join(meant.read_text().rsplit("env1upgraded", 1)))
    assert [one for _, one in retired([nights.place], "old")] == ["env9old"]
    with pytest.raises(SpecError, match=r'got "old", which night means .as "old".'):
        retired([Place(nights.store)], "old")


def test_where_no_run_said_what_it_means_the_newest_is_meant(nights: Nights) -> None:
    nights.night(1, environment_id="env9old")
    nights.night(2)
    (nights.store.folder / "environments.json").unlink()
    assert [one for _, one in retired([nights.place], "env9old")] == ["env9old"]
    with pytest.raises(SpecError, match=r'got "env0", which night means .as "the newest".; allowed env9old'):
        retired([nights.place], "env0")
    held = {one.environment_id: one.labels for one in inventory(nights.place, LATER).environments}
    assert held == {"env0": None, "env9old": None}
    nights.means()
    held = {one.environment_id: one.labels for one in inventory(nights.place, LATER).environments}
    assert held == {"env0": ("current",), "env9old": ()}


# Whoever else is at work, and kills.


def test_what_a_run_holds_stays_until_the_next_prune(nights: Nights) -> None:
    for number in (1, 2, 3):
        nights.night(number)
    lock = Store(nights.store.folder.parent, "night").lock(nights.grid.cells()[0].cell_id)
    assert lock is not None
    _, done = pruned(nights.place)
    assert (done.records, len(done.held)) == (0, 2)
    lock.release()
    assert pruned(nights.place)[1].records == 10
    assert nights.left == {"env0": {3}}


@pytest.mark.slow
def test_killed_at_any_point_it_leaves_a_sound_store_and_the_next_prune_finishes(nights: Nights) -> None:
    for number in (1, 2, 3):
        nights.night(number)
    whole, said, died = nights.store.folder, outcomes(nights), 0
    keep = whole.with_name("kept")
    os.system(f"cp -a {whole} {keep}")
    for at in range(1, 400):
        os.system(f"rm -r {whole} && cp -a {keep} {whole}")
        pid = os.fork()
        if pid == 0:
            with pytest.MonkeyPatch.context() as patch:
                faulty = Dying(patch, at)
                pruned(nights.place)
                os._exit(0 if faulty.count < at else 1)
        _, status = os.waitpid(pid, 0)
        assert verify_store(nights.place).findings == []
        assert outcomes(nights) == said
        if os.waitstatus_to_exitcode(status) == 0:
            break
        died += 1
        pruned(nights.place)
        assert nights.left == {"env0": {3}}
        assert not (whole / "pruned").exists()
        cells = [cell.name for cell in nights.store.folders.cells()]
        assert [left for cell in cells for left in nights.store.unfinished(cell)] == []
    assert died > 20


class Dying(Faulty):
    """Also where files and folders go."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        super().__init__(monkeypatch, lambda: os.kill(os.getpid(), signal.SIGKILL), at)
        for name in ("unlink", "rmdir"):
            monkeypatch.setattr(os, name, self._wrap(getattr(os, name)))


# Which stores are meant.


def test_a_grid_a_folder_or_nothing(nights: Nights) -> None:
    nights.night(1)
    results = nights.folder / "results"
    file = str(nights.folder / "night.toml")
    found: dict[str, Any] = {
        name: [(place.name, place.grid is not None) for place in places_of(name, results)]
        for name in (file, "night", "results", "results/night")
    }
    assert list(found.values()) == [[("night", True)]] * 4
    assert [place.name for place in places_of(None, results)] == ["night"]
    (nights.folder / "night.toml").rename(nights.folder / "elsewhere.toml")
    assert [place.grid for place in places_of("results", results)] == [None]
    with pytest.raises(SpecError, match=r'"nigth": no such grid; allowed .* night, .*; did you mean night\?'):
        places_of("nigth", results)
