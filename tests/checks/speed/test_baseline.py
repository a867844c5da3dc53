"""The speed baseline's file: what it gives back, and what it refuses."""

from __future__ import annotations

import json
from typing import Any

import pytest

from harness.checks.speed.baseline import (
    parse_speed_baseline,
    processes_of_baseline,
    speed_baseline,
    speed_baseline_text,
)
from harness.checks.speed.process import machine_key
from harness.errors import SpecError
from tests.checks.speed.made_up import BUSY, EVEN, MACHINE, SLOWER, arm, at


def test_a_baseline_gives_its_processes_back() -> None:
    every = [
        *at("old", EVEN, "fp32", memory_mib=10.5, process_mib=500.0, asked={"recipe": {"learning_rate": 5e-5}}),
        *at("old", SLOWER, "bf16", session="s2", reasons=BUSY, machine=machine_key(MACHINE, 2)),
    ]
    saved = speed_baseline(every, harness="0.1.0", date="2026-11-22T10:00:00.000Z")
    text = speed_baseline_text(saved)
    back = processes_of_baseline(parse_speed_baseline(text.encode(), "x.json"))
    assert back == sorted(every, key=lambda one: one.started)
    assert text == speed_baseline_text(speed_baseline(back, harness="0.1.0", date="2026-11-22T10:00:00.000Z"))
    assert max(map(len, text.splitlines())) < 400
    # A process that is known already counts once.
    twice = speed_baseline([*back, *every], harness="0.1.0", date="2026-11-22T10:00:00.000Z")
    assert twice == saved


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda data: data.update(kind="other"), 'kind: got "other"; allowed "harness-speed"'),
        (lambda data: data.update(schema=2), "schema: got 2, of a newer harness; allowed 1 to 1"),
        (lambda data: data["configurations"][0].update(devices=0), "configurations[0].devices: got 0"),
        (lambda data: data["configurations"][0]["processes"][1].update(rate=-1.0), "processes[1].rate: got -1.0"),
        (lambda data: data["configurations"][0]["processes"][1].update(machine="m7"), 'machine: got "m7"'),
        (lambda data: data["configurations"][0]["processes"][1].update(repeat=1), "repeat 1 comes twice; allowed once"),
        (lambda data: data.update(configurations=[]), "configurations: got []"),
    ],
)
def test_a_bad_file_is_refused(change: Any, said: str) -> None:
    saved = speed_baseline(arm("old", EVEN), harness="0.1.0", date="2026-11-22T10:00:00.000Z")
    data = json.loads(speed_baseline_text(saved))
    change(data)
    with pytest.raises(SpecError) as caught:
        parse_speed_baseline(json.dumps(data).encode(), "x.json")
    assert str(caught.value).startswith("x.json: ")
    assert said in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"[1]", b"{", b"\xff\xfe{}", b"[" * 100000, b'{"a": NaN}'])
def test_what_is_no_such_file_is_refused(content: bytes) -> None:
    with pytest.raises(SpecError, match=r"^x.json: "):
        parse_speed_baseline(content, "x.json")


def test_a_baseline_in_which_a_merge_kept_both_sides() -> None:
    with pytest.raises(SpecError, match='got the key "kind" twice'):
        parse_speed_baseline(b'{"kind": "harness-speed", "kind": "harness-speed"}', "x.json")
