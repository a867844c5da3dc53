"""Levels of a history by the real apache-otava: a step is found where it is, and nothing where there is none."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.checks.nights.change import level_changes, tracks
from harness.checks.nights.line import read_history
from tests.checks.nights.made_up import line, steady, write
from tests.cli.made_up_nights import Night

Make = Callable[..., Any]


def test_a_step_in_speed_and_one_in_score_are_placed(night: Night, harness: Make, tmp_path: Path) -> None:
    pytest.importorskip("otava", reason="apache-otava is installed by `tox -e exports`")
    speeds = [*steady(30), *(0.95 * speed for speed in steady(20))]
    lines = [line(at, [speed], accuracy_points=80.0 if at < 20 else 79.0) for at, speed in enumerate(speeds)]
    path = write(tmp_path / "history.jsonl", lines)
    (track,) = tracks(read_history(path, "night"))
    found = {one.what: one for one in level_changes(track)}
    assert {what: (one.since, one.at) for what, one in found.items()} == {
        "accuracy": (19, 20), "samples_per_second": (29, 30),
    }  # fmt: skip
    speed = found["samples_per_second"]
    assert float(speed.after) / float(speed.before) == pytest.approx(0.95)
    assert [name for name, _, _ in speed.differ] == ["commit"]
    code, out, _ = harness("history", "night.toml")
    assert (code, out.splitlines()[0]) == (0, "night: 2 changes in 50 sessions")
    assert "samples per second 100 -> 95.0 (-5.0 %, p < 0.0001)" in out
    # One slow session is no level yet.
    lines.append(line(50, [50.0], accuracy_points=79.0))
    (track,) = tracks(read_history(write(path, lines), "night"))
    assert [one.at for one in level_changes(track)] == [20, 30]
    (still,) = tracks(read_history(write(path, [line(at, [speed]) for at, speed in enumerate(steady(50))]), "night"))
    assert level_changes(still) == []
