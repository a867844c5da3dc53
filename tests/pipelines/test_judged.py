"""Whose runs are judged: on the machine that ran them what it is now, elsewhere what the run meant."""

from __future__ import annotations

from typing import Any

import pytest

from harness.errors import SpecError, StoreError
from harness.fact import Fact
from harness.pipelines.judged import Judged, judged
from harness.record.attempts import Entry
from tests.conftest import environment_of
from tests.pipelines.made_up import OTHER, RAN, Night

TWO = """
name = "night"
task = "embedded/paraphrase"
[recipe]
max_steps = 4
[matrix]
checkpoint = ["embedded/tiny-bert"]
environment = ["old", "new"]
seed = [1, 2]
[environment.old]
python = "old/bin/python"
[environment.new]
python = "new/bin/python"
"""


def of(night: Night, choice: str | None = None) -> Judged:
    return judged(night.grid, night.store, choice).of(night.grid.cells())


def counting(found: Judged) -> list[Entry]:
    return [entry for one in found.results.configurations for entry in one.entries]


def environments(found: Judged) -> set[str]:
    return {entry.environment_id for entry in counting(found)}


def codes(found: Judged) -> list[str]:
    return [note.code for note in found.notes]


def test_what_the_last_run_meant_counts_without_a_word(night: Night) -> None:
    night.fill()
    night.means()
    found = of(night)
    assert (len(counting(found)), found.notes, found.run) == (10, (), RAN)


def test_here_an_upgrade_leaves_nothing_that_counts_and_names_the_package(night: Night) -> None:
    night.fill()
    night.means()
    night.upgraded(torch="2.14.0", newcomer="1.0")
    found = of(night)
    assert counting(found) == []
    changed = [
        {"package": "torch", "a": "2.13.0", "b": "2.14.0"},
        {"package": "newcomer", "a": None, "b": "1.0"},
    ]
    assert found.notes == (Fact.of("whose.changed", environment="current", changed=changed),)
    night.fill(environment_id="env1upgraded")
    assert environments(of(night)) == {"env1upgraded"}
    night.means()
    assert of(night).notes == ()


def test_elsewhere_an_upgrade_is_no_matter_and_the_machine_is_told(night: Night) -> None:
    night.fill()
    night.means(machine=OTHER)
    night.upgraded(torch="2.14.0")
    found = of(night)
    assert (len(counting(found)), environments(found)) == (10, {"env0"})
    assert found.notes == (Fact.of("whose.elsewhere", machine="runner-7"),)


def test_an_older_environment_is_history(night: Night) -> None:
    night.fill(environment_id="older")
    for cell in night.grid.cells()[:1]:
        night.put(cell, 172)
    night.means()
    found = of(night)
    assert (len(counting(found)), environments(found)) == (1, {"env0"})


def test_the_content_of_now_counts_and_not_the_newest(night: Night) -> None:
    night.fill()
    night.fill(content_id="c1")
    night.means()
    assert {entry.content_id for entry in counting(of(night))} == {"c0"}
    night.content = None  # the hub's: what it has now is not asked, and the newest counts
    assert {entry.content_id for entry in counting(of(night))} == {"c1"}
    night.problem = "task data: no such folder"
    found = of(night)
    assert counting(found) == []
    assert found.notes == (Fact.of("whose.material", environment="current", problem="task data: no such folder"),)


def test_a_store_that_says_nothing_counts_its_newest_environment(night: Night) -> None:
    night.fill(environment_id="older")
    night.fill(environment_id="newer", started="2026-11-23T10:00:00.000Z")
    found = of(night)
    assert (environments(found), codes(found), found.run) == ({"newer"}, ["whose.unknown"], None)


def test_what_a_store_says_and_cannot_be_read_is_an_error(night: Night) -> None:
    night.fill()
    night.means()
    path = night.store.folder / "environments.json"
    path.write_text(path.read_text(encoding="utf-8").replace('"schema": 1', '"schema": 7'), encoding="utf-8")
    with pytest.raises(StoreError, match=r"environments\.json: schema: .*; `harness run` writes it anew"):
        of(night)
    path.write_text("{", encoding="utf-8")
    with pytest.raises(StoreError, match=r"environments\.json: not readable"):
        of(night)
    night.means()  # what cannot be read is put right
    assert of(night).notes == ()


def test_an_environment_by_its_id_its_beginning_or_all(night: Night) -> None:
    night.fill(environment_id="aaaa1111")
    night.fill(environment_id="aaaa2222")
    night.fill()
    night.means()
    for choice in ("aaaa1111", "aaaa1"):
        found = of(night, choice)
        assert environments(found) == {"aaaa1111"}
        assert found.notes == (Fact.of("whose.chosen", choice=choice),)
    assert environments(of(night, "all")) == {"aaaa1111", "aaaa2222", "env0"}
    assert environments(of(night, "current")) <= {"aaaa2222", "env0"}


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ("aaaa", "2 environments begin so; allowed all, current, aaaa1111, aaaa2222"),
        ("aaa", 'got "aaa"; allowed all, current'),
        ("", 'got ""; allowed all, current'),
        ("bbbb", 'got "bbbb"; allowed all, current'),
    ],
)
def test_a_choice_that_fits_nothing_or_several_is_named(night: Night, choice: str, said: str) -> None:
    for environment_id in ("aaaa1111", "aaaa2222"):
        night.fill(environment_id=environment_id)
    with pytest.raises(SpecError, match="--environment: ") as caught:
        of(night, choice)
    assert said in str(caught.value)


def test_of_an_axis_of_environments_each_label_has_its_own(night: Night) -> None:
    night.write(TWO)
    old, new = environment_of(), environment_of()
    night.environments = {"old": _named(old, "eold"), "new": _named(new, "enew")}
    for cell in night.grid.cells():
        night.put(cell, 172, environment_id=f"e{cell.environment}")
        night.put(cell, 172, environment_id="eolder")
    night.means()
    assert environments(of(night)) == {"eold", "enew"}
    chosen = of(night, "eolder")
    assert (environments(chosen), len(counting(chosen))) == ({"eolder"}, 4)
    # A label's newest is that of its own cells.
    night.put(next(c for c in night.grid.cells() if c.environment == "old"), 172, environment_id="eold",
              started="2026-11-24T10:00:00.000Z")  # fmt: skip
    label = of(night, "old")
    assert environments(label) == {"eold"}
    assert {entry.axes["environment"] for entry in counting(label)} == {"old"}


def _named(environment: Any, environment_id: str) -> Any:
    from dataclasses import replace

    return replace(environment, environment_id=environment_id)
