"""A grid's sessions: read back, where they change, whether the newest is in line."""

from __future__ import annotations

import math
import statistics
from pathlib import Path

import pytest
import scipy.stats

from harness.checks.nights.change import ALPHA, exact_changes, newest, tracks
from harness.checks.nights.line import read_history
from tests.checks.nights.made_up import line, steady, write


def test_a_torn_line_and_those_of_other_grids_are_passed_over(tmp_path: Path) -> None:
    lines = [line(1, [100.0, 50.0]), line(0, [99.0]), line(2, [1.0], grid="another")]
    path = write(tmp_path / "h.jsonl", lines)
    path.write_text(path.read_text(encoding="utf-8") + '{"grid": "night", "sess\n\n[]\n', encoding="utf-8")
    found = read_history(path, "night")
    assert (len(found.nights), found.torn) == (2, 2)
    assert [[value for _, value in one.values("samples_per_second")] for one in tracks(found)] == [
        [99.0, 100.0],
        [50.0],
    ]
    assert tracks(read_history(tmp_path / "none", "night")) == []


def test_other_weights_are_a_change_with_what_differs(tmp_path: Path) -> None:
    lines = [line(0, [1.0]), line(1, [1.0], fingerprint=None)]
    lines.append(line(2, [1.0], fingerprint="bbbb", environment={"torch": "2.14.0"}, driver="570.1"))
    (track,) = tracks(read_history(write(tmp_path / "h.jsonl", lines), "night"))
    (change,) = exact_changes(track)
    assert (change.what, change.since, change.at, change.before, change.after) == ("fingerprint", 0, 2, "aaaa", "bbbb")
    assert {name: (a, b) for name, a, b in change.differ} == {
        "commit": (f"{0:040x}", f"{2:040x}"), "torch": ("2.13.0", "2.14.0"), "driver": (None, "570.1"),
    }  # fmt: skip


def test_a_night_with_some_of_the_seeds_changes_no_weights(tmp_path: Path) -> None:
    every, some = [1, 2, 3, 4, 42], [1, 42]
    lines = [line(0, [1.0]), line(1, [1.0], seeds=every), line(2, [1.0], seeds=some, n=2, fingerprint="bbbb")]
    lines.append(line(3, [1.0], seeds=every))
    assert exact_changes(tracks(read_history(write(tmp_path / "h.jsonl", lines), "night"))[0]) == []
    lines.append(line(4, [1.0], seeds=every, fingerprint="cccc"))
    (change,) = exact_changes(tracks(read_history(write(tmp_path / "h.jsonl", lines), "night"))[0])
    assert (change.since, change.at) == (3, 4)
    # The first line that names its seeds is held against the last one that did not.
    (change,) = exact_changes(tracks(read_history(write(tmp_path / "h.jsonl", [lines[0], lines[4]]), "night"))[0])
    assert (change.since, change.at) == (0, 1)


def test_the_bound_is_that_of_a_prediction_interval(tmp_path: Path) -> None:
    speeds = steady(40)
    lines = [line(at, [speed]) for at, speed in enumerate([*speeds, 90.0])]
    (track,) = tracks(read_history(write(tmp_path / "h.jsonl", lines), "night"))
    found = newest(track)
    logs = [math.log(speed) for speed in speeds[-30:]]
    half = scipy.stats.t.ppf(1 - ALPHA, 29) * statistics.stdev(logs) * math.sqrt(1 + 1 / 30)
    assert found is not None
    assert found.expected.least == pytest.approx(math.exp(statistics.fmean(logs) - half))
    assert (found.expected.sessions, found.suspicious, found.again) == (30, True, False)
    shared = newest(track, configurations=4)
    assert shared is not None
    assert shared.expected.least < found.expected.least


def test_two_in_a_row_are_said_so_and_a_faster_one_is_none(tmp_path: Path) -> None:
    for last, expected in (([90.0, 90.0], (True, True)), ([90.0, 100.0], (False, False)), ([120.0], (False, False))):
        lines = [line(at, [speed]) for at, speed in enumerate([*steady(30), *last])]
        (track,) = tracks(read_history(write(tmp_path / "h.jsonl", lines), "night"))
        found = newest(track)
        assert found is not None
        assert (found.suspicious, found.again) == expected


@pytest.mark.parametrize(
    "other", [{"driver": "570.1"}, {"machine": "another"}, {"environment": {"cpu": "another"}}, {"speed": None}]
)
def test_other_hardware_is_not_compared(tmp_path: Path, other: dict[str, object]) -> None:
    other = dict(other)
    last = other.pop("speed", 50.0)
    lines = [*(line(at, [speed]) for at, speed in enumerate(steady(30))), line(30, [last], **other)]  # type: ignore[list-item]
    (track,) = tracks(read_history(write(tmp_path / "h.jsonl", lines), "night"))
    assert newest(track) is None
