"""What a store says of the runs that it was meant for; ages as people write them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.errors import HarnessError, SpecError
from harness.record.meant import Machine, MeantEnvironment, labels_in, read_meant, write_meant
from harness.record.provenance import ago, now, read_age

HERE, THERE = Machine(id="a", name="here"), Machine(id="b", name="there")


def environment(environment_id: str) -> MeantEnvironment:
    return MeantEnvironment(
        environment_id=environment_id, python="3.11.7", packages={"torch": "2.13.0"}, accelerator="cpu",
        devices=2, memory_gib=16.0,
    )  # fmt: skip


def test_nothing_was_said(tmp_path: Path) -> None:
    assert read_meant(tmp_path) is None


def test_a_run_replaces_its_own_labels_and_keeps_the_others(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "grid"
    write_meant(folder, HERE, "1", {"old": environment("e0"), "new": environment("e1")}, {})
    write_meant(folder, HERE, "2", {"new": environment("e2")}, {})
    found = read_meant(folder)
    assert found is not None
    assert (found.machine, found.run, found.ids) == (HERE, "2", {"old": "e0", "new": "e2"})


def test_another_machine_keeps_nothing_of_the_first_one(tmp_path: Path) -> None:
    write_meant(tmp_path, HERE, "1", {"old": environment("e0")}, {})
    write_meant(tmp_path, THERE, "2", {"new": environment("e1")}, {})
    found = read_meant(tmp_path)
    assert found is not None
    assert (found.machine.name, found.ids) == ("there", {"new": "e1"})


@given(st.binary(max_size=40))
def test_any_file_is_read_or_named(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    path = folder / "environments.json"
    path.write_bytes(content)
    try:
        with pytest.raises(HarnessError, match=r"environments\.json"):
            read_meant(folder)
    finally:
        path.unlink()


@pytest.mark.parametrize(
    ("text", "hours"), [("90m", 1.5), ("20h", 20), ("7d", 168), (" 0.5 h ", 0.5), ("1.25d", 30), ("876000h", 876_000)]
)
def test_ages(text: str, hours: float) -> None:
    assert read_age(text, "--max-age") == timedelta(hours=hours)


@pytest.mark.parametrize(
    "text", ["", "20", "h", "0h", "-1h", "20 hours", "1e3h", "nan h", "876001h", "9" * 30 + "d", "٣h x"]
)
def test_what_is_no_age(text: str) -> None:
    with pytest.raises(SpecError, match=r"--max-age: got .*; allowed an age such as 90m, 20h or 7d, up to 100 years"):
        read_age(text, "--max-age")


def test_so_long_ago_in_the_form_in_which_times_sort() -> None:
    before, long_ago = ago(timedelta(hours=20)), ago(timedelta(days=36_500))
    assert long_ago < before < now()
    assert len(long_ago) == len(before) == len(now())
    passed = datetime.now(UTC) - datetime.fromisoformat(before)
    assert timedelta(hours=20) <= passed < timedelta(hours=20, minutes=1)


def test_a_run_says_what_its_grid_calls_values(tmp_path: Path) -> None:
    assert labels_in(tmp_path) == {}
    write_meant(tmp_path, HERE, "1", {}, {"org/long-name": "short"})
    assert labels_in(tmp_path) == {"org/long-name": "short"}
    path = tmp_path / "environments.json"
    path.write_text(path.read_text().replace('"label"', '"lable"'))
    assert labels_in(tmp_path) == {}
