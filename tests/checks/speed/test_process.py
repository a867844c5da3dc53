"""Timing processes: pairs, machines, noise, and those whose own speed moved."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from harness.checks.speed.process import (
    changes,
    machine_changes,
    machine_key,
    newest_pairs,
    noise_kind,
    noise_of,
    place_of,
    session_starts,
    watched,
)
from harness.checks.verdict import Fact
from tests.checks.speed.made_up import BUSY, EVEN, HERE, MACHINE, SLOWER, arm, process


def test_pairs_share_session_and_repeat_and_are_the_newest() -> None:
    old = [*arm("old", EVEN, "s1"), *arm("old", EVEN, "s2"), *arm("old", EVEN, "s4")]
    new = [*arm("new", EVEN, "s1"), *arm("new", SLOWER, "s2")[1:], *arm("new", EVEN, "s3")]
    pairs = newest_pairs(old, new)
    assert [(a.session, a.repeat, b.session, b.repeat) for a, b in pairs] == [("s2", n, "s2", n) for n in (2, 3, 4, 5)]
    assert newest_pairs(arm("old", EVEN, "s1"), arm("new", EVEN, "s2")) == []
    # A process is no pair with itself, and of one that was tried again the last attempt counts.
    assert newest_pairs(old, old) == []
    again = process("new", 390.0, 3, "s2", started="2026-11-22T10:02:59.000Z")
    assert newest_pairs(old, [again, *new])[1][1] is again


def test_what_makes_another_machine() -> None:
    assert machine_key({**MACHINE, "memory_gib": 15.8, "system": "Linux 6.2"}, 1) == HERE
    assert machine_changes(HERE, machine_key(MACHINE, 2)) == (Fact.of("changed", field="threads", a=1, b=2),)
    gpu = {**MACHINE, "accelerators": ["H100"], "cuda": "12.8"}
    assert machine_changes(HERE, machine_key(gpu, 1)) == (
        Fact.of("changed", field="accelerators", a=None, b=["H100"]),
        Fact.of("changed", field="cuda", a=None, b="12.8"),
    )


def test_changes_by_dotted_field() -> None:
    a: dict[str, Any] = {"recipe": {"max_steps": 1, "optim": "adam"}, "seed": None, "same": [1]}
    b: dict[str, Any] = {"recipe": {"max_steps": True, "warmup": 0.1}, "seed": 1, "same": [1]}
    assert [tuple(fact.values.values()) for fact in changes(a, b)] == [
        ("recipe.max_steps", 1, True),
        ("recipe.optim", "adam", None),
        ("seed", None, 1),
        ("recipe.warmup", None, 0.1),
    ]


def test_noise_is_grouped_by_its_sentence_without_numbers() -> None:
    assert noise_kind(BUSY[0]) == "other processes kept # cores busy (at most #)"
    steal = "the hypervisor took 2.0 % of the CPU time (at most 1 %)"
    one, two = process("a", 1.0, reasons=BUSY), process("a", 1.0, reasons=(BUSY[0].replace("0.53", "1.20"), steal))
    found = noise_of([process("a", 1.0), one, two])
    assert [(fact.code, fact.values) for fact in found] == [
        ("speed.noise", {"count": 2, "example": BUSY[0]}),
        ("speed.noise", {"count": 1, "example": steal}),
    ]


def test_a_process_whose_speed_moved_within_its_window_is_not_quiet() -> None:
    steady = [process("a", 100.0, n, spread=1.04) for n in range(1, 6)]
    bumpy = [process("b", 99.0, n, spread=1.05 if n < 5 else 1.5) for n in range(1, 6)]
    found = watched([*steady, *bumpy])
    assert [one.quiet for one in found] == [True] * 9 + [False]
    assert "the median step took 1.50 times as long as the fast ones (1.05 in the steadiest process)" in str(found[-1])
    # What all processes of a configuration do is how it is, and no reason; nor is there one where nothing is known.
    assert watched([replace(one, spread=1.5) for one in bumpy]) == [replace(one, spread=1.5) for one in bumpy]
    assert watched([replace(one, spread=None) for one in bumpy]) == [replace(one, spread=None) for one in bumpy]
    assert watched(found) == found


def test_the_newest_session_comes_first() -> None:
    every = [*arm("a", EVEN, "s2"), *arm("a", EVEN, "s1"), process("a", 1.0, 9, "s1", started="2026-11-22T11:00:00Z")]
    assert list(session_starts(every)) == ["s1", "s2"]
    assert session_starts(every)["s1"] == "2026-11-22T10:01:01.000Z"


def test_a_place_has_the_axes_that_every_configuration_has() -> None:
    found = process("new", 1.0, axes={"optim": "sgd", "devices": 1, "seed": 3})
    assert place_of(found) == {
        "optim": "sgd", "devices": 1, "precision": "fp32", "environment": "new", "engine": "trainer",
    }  # fmt: skip


def test_a_baselines_process_has_no_record() -> None:
    found = process("new", 1.0, 2)
    assert found.cell_id == "c-new#2"
    with pytest.raises(ValueError, match="repeat 2: got a baseline's process"):
        found.timing  # noqa: B018 - the property is what raises
    kept: Any = SimpleNamespace(cell_id="c1")
    assert replace(found, source=kept).cell_id == "c1"
    assert replace(found, source=kept) == found
