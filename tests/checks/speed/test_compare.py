"""Speeds compared: pairs and sessions of made-up processes, noise, machines, counterparts, and what confirming does."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.speed.baseline import parse_speed_baseline, replicates_of, speed_baseline, speed_baseline_text
from harness.checks.speed.compare import Comparison, Memory, Replicate, compare_replicates, newest_pairs, watched
from harness.checks.speed.process import machine_changes, machine_key
from harness.checks.speed.sides import Lost, SpeedSide, after_holm, compare_sides, confirmed, exit_code, suspicious
from harness.errors import SpecError

MACHINE = {"cpu": "one", "architecture": "x86_64", "cores": 2, "memory_gib": 15.6, "system": "Linux 6.1"}
HERE = machine_key(MACHINE, 1)
BUSY = ("other processes kept 0.53 cores busy (at most 0.1)",)


def process(arm: str, rate: float, repeat: int = 1, session: str = "s1", **changes: Any) -> Replicate:
    """A process of the environment `arm`; session sN began in minute N."""
    values: dict[str, Any] = {
        "configuration_id": f"c-{arm}", "label": f"tiny · {arm}", "axes": {"checkpoint": "tiny", "environment": arm},
        "precision": "fp32", "devices": 1, "engine": "trainer", "environment": arm, "session": session,
        "repeat": repeat, "started": f"2026-11-22T10:{int(session[1:]):02d}:{repeat:02d}.000Z", "rate": rate,
        "reasons": (), "machine": HERE, "memory_mib": None, **changes,
    }  # fmt: skip
    return Replicate(**values)


def arm(name: str, rates: Sequence[float], session: str = "s1", **changes: Any) -> list[Replicate]:
    return [process(name, rate, number, session, **changes) for number, rate in enumerate(rates, start=1)]


EVEN = [400.0, 404.0, 396.0, 402.0, 398.0]
SLOWER = [352.0, 350.0, 349.0, 353.0, 347.0]
"""12 % below EVEN, pair by pair."""
BITS_LESS = [399.0, 405.0, 395.0, 401.0, 399.0]


def test_side_by_side() -> None:
    found = compare_replicates(arm("old", EVEN), arm("new", SLOWER), 0.05)
    assert (found.verdict, found.design, found.pairs, found.noisy) == ("FAIL", "side by side", 5, 0)
    assert found.speed is not None
    assert found.speed.ratio == pytest.approx(math.exp(np.mean(np.log(SLOWER) - np.log(EVEN))))
    assert (found.a, found.b) == ("tiny · old", "tiny · new")
    same = compare_replicates(arm("old", EVEN), arm("new", BITS_LESS), 0.05)
    assert (same.verdict, same.advice) == ("PASS", "")
    # Faster is never a FAIL.
    assert compare_replicates(arm("old", SLOWER), arm("new", EVEN), 0.05).verdict == "PASS"


def test_few_pairs_say_how_many_are_needed() -> None:
    found = compare_replicates(arm("old", EVEN[:4]), arm("new", SLOWER[:4]), 0.05)
    assert (found.verdict, found.why) == ("INCONCLUSIVE", "4 of at least 5 pairs of processes")
    assert found.advice.startswith("5 processes ([throughput] processes in the grid)")
    one = compare_replicates(arm("old", EVEN[:1]), arm("new", SLOWER[:1]), 0.05)
    assert one.advice == "at least 5 processes ([throughput] processes in the grid)"


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


def test_an_older_common_session_is_said() -> None:
    found = compare_replicates(arm("old", EVEN), [*arm("new", BITS_LESS), *arm("new", SLOWER, "s2")], 0.05)
    assert found.verdict == "PASS"
    assert "B has a newer session, without A: it is not compared" in found.notes


def test_a_busy_machine_decides_nothing() -> None:
    slow = [replace(one, reasons=BUSY if one.repeat < 3 else ()) for one in arm("new", SLOWER)]
    found = compare_replicates(arm("old", EVEN), slow, 0.05)
    assert (found.verdict, found.pairs, found.noisy, found.quiet) == ("INCONCLUSIVE", 3, 2, False)
    assert found.why == (
        "the machine was not quiet in 2 of 5 pairs, 5 quiet ones are needed: "
        "2 × other processes kept 0.53 cores busy (at most 0.1)"
    )
    for word in ("close other programs", "--time-again", "isolcpus", "taskset"):
        assert word in found.advice
    all_of_them = compare_replicates(arm("old", EVEN, reasons=BUSY), arm("new", SLOWER), 0.05)
    assert (all_of_them.verdict, all_of_them.speed, all_of_them.noisy) == ("INCONCLUSIVE", None, 5)


def test_busy_pairs_are_left_out_where_enough_are_quiet() -> None:
    old, new = arm("old", [*EVEN, 400.0]), arm("new", [*SLOWER, 400.0])
    new[5] = replace(new[5], reasons=BUSY)
    found = compare_replicates(old, new, 0.05)
    assert (found.verdict, found.pairs, found.noisy) == ("FAIL", 5, 1)
    assert any(note.startswith("1 of 6 pairs left out, for the machine was not quiet") for note in found.notes)


rates = st.floats(350, 450)
paired = st.integers(5, 9).flatmap(
    lambda n: st.tuples(st.lists(rates, min_size=n, max_size=n), st.lists(rates, min_size=n, max_size=n))
)


@given(paired, st.floats(0.01, 0.3))
def test_swapping_the_arms_inverts_the_ratio(both: tuple[list[float], list[float]], margin: float) -> None:
    a, b = arm("old", both[0]), arm("new", both[1])
    there, back = compare_replicates(a, b, margin).speed, compare_replicates(b, a, margin).speed
    assert there is not None
    assert back is not None
    assert there.ratio == pytest.approx(1 / back.ratio)
    if there.ci90 and back.ci90:
        assert there.ci90 == pytest.approx((1 / back.ci90[1], 1 / back.ci90[0]))


@given(paired, st.lists(st.floats(0.5, 2), min_size=9, max_size=9))
def test_a_drift_common_to_a_pair_changes_nothing(both: tuple[list[float], list[float]], drift: list[float]) -> None:
    plain = compare_replicates(arm("old", both[0]), arm("new", both[1]), 0.05)
    drifted = [[rate * factor for rate, factor in zip(side, drift, strict=False)] for side in both]
    found = compare_replicates(arm("old", drifted[0]), arm("new", drifted[1]), 0.05)
    assert plain.speed is not None
    assert found.speed is not None
    assert found.speed.ratio == pytest.approx(plain.speed.ratio)
    assert found.speed.sd == pytest.approx(plain.speed.sd, abs=1e-9)


@given(paired, st.sets(st.integers(1, 9)), st.booleans())
def test_what_is_not_quiet_never_fails(both: tuple[list[float], list[float]], busy: set[int], first: bool) -> None:
    a, b = arm("old", both[0]), arm("new", [rate / 2 for rate in both[1]])
    disturbed = [replace(one, reasons=BUSY if one.repeat in busy else ()) for one in (a if first else b)]
    found = compare_replicates(*((disturbed, b) if first else (a, disturbed)), 0.05)
    if len(a) - len(busy & {one.repeat for one in a}) < 5:
        assert found.verdict == "INCONCLUSIVE"
        assert not found.quiet or not busy
    # By the machine's state alone: their rates may be anything.
    mad = [replace(one, rate=one.rate * 7 if one.reasons else one.rate) for one in disturbed]
    assert compare_replicates(*((mad, b) if first else (a, mad)), 0.05).speed == found.speed


@pytest.mark.parametrize(("true", "fails"), [(1.0, (0, 0.05)), (0.9, (0.9, 1))])
def test_simulated_rates_of_alarms(true: float, fails: tuple[float, float]) -> None:
    generator = np.random.default_rng(7)
    repetitions, count = 2000, 0
    for logs in generator.normal(0, 0.015, (repetitions, 2, 5)):
        a, b = np.exp(logs[0]) * 400, np.exp(logs[1]) * 400 * true
        count += compare_replicates(arm("old", a.tolist()), arm("new", b.tolist()), 0.05).verdict == "FAIL"
    assert fails[0] <= count / repetitions <= fails[1]


# Sessions.


def history(*levels: float, name: str = "old") -> list[Replicate]:
    return [
        one
        for number, level in enumerate(levels, start=1)
        for one in arm(name, [level * rate / 400 for rate in EVEN], f"s{number}")
    ]


def test_sessions() -> None:
    old = history(400, 404, 396)
    slow = compare_replicates(old, arm("old", [rate * 0.85 for rate in EVEN], "s9"), 0.05)
    assert (slow.verdict, slow.design, slow.pairs) == ("FAIL", "sessions", 3)
    assert slow.speed is not None
    assert slow.speed.ratio == pytest.approx(0.85, abs=0.001)
    assert compare_replicates(old, arm("old", EVEN, "s9"), 0.05).verdict == "PASS"


def test_few_sessions_ask_for_side_by_side_or_more() -> None:
    found = compare_replicates(history(400, 404), arm("old", SLOWER, "s9"), 0.05)
    assert (found.verdict, found.pairs) == ("INCONCLUSIVE", 2)
    assert found.why == "A has 2 of at least 3 sessions: nothing is known of the spread between them"
    assert "side by side" in found.advice
    assert "harness run GRID --time-again" in found.advice
    assert found.quiet


def test_a_session_of_b_that_a_has_is_not_compared_with_itself() -> None:
    old = history(400, 404, 396, 350)
    found = compare_replicates(old, old, 0.05)
    assert (found.verdict, found.why) == ("INCONCLUSIVE", "B has no session that A does not have")


def test_sessions_that_were_not_quiet() -> None:
    old, new = history(400, 404, 396), arm("old", SLOWER, "s9")
    loud = [replace(one, reasons=BUSY) if one.repeat <= 3 else one for one in new]
    found = compare_replicates(old, loud, 0.05)
    assert (found.verdict, found.quiet) == ("INCONCLUSIVE", False)
    assert found.why.startswith("2 of at least 3 processes of B's newest session are there and quiet: 3 × other")
    one_loud = [replace(one, reasons=BUSY) if one.session == "s2" else one for one in old]
    found = compare_replicates(one_loud, new, 0.05)
    assert (found.verdict, found.quiet, found.pairs, found.noisy) == ("INCONCLUSIVE", False, 2, 5)
    assert "taskset" in found.advice
    # Interrupted after one process: quiet, yet not enough.
    short = compare_replicates(old, new[:1], 0.05)
    assert (short.verdict, short.quiet) == ("INCONCLUSIVE", True)
    assert short.advice == "for B, time it again: `harness run GRID --time-again`"


def test_another_machine_is_refused() -> None:
    other = machine_key({**MACHINE, "cores": 4, "memory_gib": 31.2}, 1)
    found = compare_replicates(history(400, 404, 396), arm("old", EVEN, "s9", machine=other), 0.05)
    assert (found.verdict, found.speed) == ("SKIP", None)
    assert found.why == "another machine, speeds are not comparable: cores 2 -> 4, memory_gib 16 -> 31"
    some = [*history(400, 404, 396), *arm("old", EVEN, "s4", machine=other)]
    found = compare_replicates(some, arm("old", EVEN, "s9"), 0.05)
    assert (found.verdict, found.pairs) == ("PASS", 3)
    assert "sessions of A left out, from another machine: 1" in found.notes


def test_what_makes_another_machine() -> None:
    assert machine_key({**MACHINE, "memory_gib": 15.8, "system": "Linux 6.2"}, 1) == HERE
    assert machine_changes(HERE, machine_key(MACHINE, 2)) == ["threads 1 -> 2"]
    gpu = {**MACHINE, "accelerators": ["H100"], "cuda": "12.8"}
    assert machine_changes(HERE, machine_key(gpu, 1)) == ["accelerators (none) -> ['H100']", "cuda (none) -> 12.8"]
    # One session is one machine: two builds of CUDA, or two devices in sight, are what is compared there.
    new = machine_key({**gpu, "cuda": "13.0", "accelerators": ["H100", "H100"]}, 1)
    both = arm("old", EVEN, machine=machine_key(gpu, 1)), arm("new", BITS_LESS, machine=new)
    assert compare_replicates(*both, 0.05).verdict == "PASS"
    slower_model = arm("new", BITS_LESS, machine=machine_key({**gpu, "accelerators": ["T4"]}, 1))
    assert compare_replicates(both[0], slower_model, 0.05).verdict == "SKIP"


def test_device_memory_is_deterministic() -> None:
    old = arm("old", EVEN, memory_mib=1000.0, process_mib=500.0)
    grown = compare_replicates(old, arm("new", BITS_LESS, memory_mib=1020.0, process_mib=900.0), 0.05)
    assert grown.verdict == "FAIL"
    assert grown.why.startswith("device memory 1000.0 -> 1020.0 MiB (+2.00 %), more than 1 %; speed: PASS")
    within = compare_replicates(old, arm("new", BITS_LESS, memory_mib=1009.0, process_mib=900.0), 0.05)
    assert within.verdict == "PASS"
    assert "process memory 500.0 -> 900.0 MiB (+80.00 %), which no verdict goes by" in within.notes
    assert within.process_memory == Memory(500.0, 900.0)
    assert compare_replicates(old, arm("new", BITS_LESS, memory_mib=900.0), 0.05).verdict == "PASS"
    noisy = compare_replicates(old, arm("new", BITS_LESS, memory_mib=1020.0, reasons=BUSY), 0.05)
    assert (noisy.verdict, noisy.memory) == ("INCONCLUSIVE", Memory(1000.0, 1020.0))
    assert any(note.startswith("device memory 1000.0") for note in noisy.notes)


# Sides.


def side(name: str, *every: Sequence[Replicate], named: Sequence[str] = ("environment",)) -> SpeedSide:
    return SpeedSide(name, tuple(one for each in every for one in each), (), frozenset(named))


def at(name: str, rates: Sequence[float], precision: str, **changes: Any) -> list[Replicate]:
    return [
        replace(
            one, precision=precision, configuration_id=f"{one.configuration_id}-{precision}",
            label=f"tiny · {precision} · {name}", axes={**one.axes, "precision": precision},
        )
        for one in arm(name, rates, **changes)
    ]  # fmt: skip


def test_counterparts_missing_and_new() -> None:
    a = side("A", at("old", EVEN, "fp32"), at("old", EVEN, "bf16"))
    b = side("B", at("new", SLOWER, "fp32"), at("new", EVEN, "fp16"))
    found = compare_sides(a, b, 0.05)
    assert [(one.verdict, one.a, one.b) for one in found] == [
        ("FAIL", "tiny · fp32 · old", "tiny · fp32 · new"),
        ("ERROR", "tiny · bf16 · old", ""),
        ("SKIP", "", "tiny · fp16 · new"),
    ]
    assert found[1].why == "missing: B has no timing of it"
    assert found[2].why == "new: A has no timing of it"
    assert exit_code(found) == 1
    assert exit_code(found[1:]) == 4
    assert exit_code(found[2:]) == 5
    place = {"checkpoint": "tiny", "precision": "bf16", "environment": "new", "devices": 1, "engine": "trainer"}
    b = replace(b, lost=(Lost("tiny · bf16 · new", place, "oom: out of memory"),))
    assert compare_sides(a, b, 0.05)[1].why == "not timed in B: oom: out of memory"
    b = replace(b, lost=(Lost("tiny · bf16 · new", place, "skipped: no bf16 here"),))
    assert compare_sides(a, b, 0.05)[1].verdict == "SKIP"


def test_other_settings_are_no_counterpart() -> None:
    asked = {"precision": "fp32", "environment": "old", "recipe": {"max_steps": 4}}
    a = side("A", arm("old", EVEN, asked=asked))
    same = side("B", arm("new", EVEN, asked={**asked, "environment": "new"}))
    assert compare_sides(a, same, 0.05)[0].verdict == "INCONCLUSIVE"  # compared, and sd = 0
    other = side("B", arm("new", EVEN, asked={**asked, "recipe": {"max_steps": 8}}))
    (found,) = compare_sides(a, other, 0.05)
    assert found.verdict == "ERROR"
    assert found.why == "missing: what B calls so asks for something else: recipe.max_steps 4 -> 8"


def test_a_named_axis_of_the_recipe_may_differ() -> None:
    def of(optim: str, rates: Sequence[float]) -> list[Replicate]:
        asked = {"recipe": {"optim": optim, "max_steps": 4}}
        return [
            replace(one, configuration_id=optim, axes={"checkpoint": "tiny", "optim": optim}, asked=asked)
            for one in arm("current", rates)
        ]

    a, b = (side(name, of(name, rates), named=["optim"]) for name, rates in (("adam", EVEN), ("sgd", BITS_LESS)))
    assert [one.verdict for one in compare_sides(a, b, 0.05)] == ["PASS"]


def test_an_ambiguous_counterpart_is_an_error() -> None:
    a = side("A", at("old", EVEN, "fp32"), at("older", EVEN, "fp32"))
    with pytest.raises(SpecError, match=r"A: several .* allowed one value of environment, as in A:environment=VALUE"):
        compare_sides(a, side("B", at("new", EVEN, "fp32")), 0.05)


def test_the_newest_settings_of_a_place_are_compared() -> None:
    a = side("A", history(400, 404, 396), named=())
    changed = [replace(one, configuration_id="changed") for one in arm("old", SLOWER, "s8")]
    b = side("B", changed, arm("old", EVEN, "s9"), named=())
    assert [one.verdict for one in compare_sides(a, b, 0.05)] == ["PASS"]


def test_holm_over_the_family() -> None:
    def draft(p: float, verdict: str = "FAIL", pairs: int = 5) -> Comparison:
        one = compare_replicates(arm("old", EVEN), arm("new", SLOWER), 0.05)
        assert one.speed is not None
        return replace(one, verdict=verdict, speed=replace(one.speed, p_slower=p), pairs=pairs)  # type: ignore[arg-type]

    alone = after_holm([draft(0.03)])
    assert [one.verdict for one in alone] == ["FAIL"]
    family = after_holm([draft(0.03), draft(0.5, "PASS"), draft(0.001)])
    assert [one.verdict for one in family] == ["INCONCLUSIVE", "PASS", "FAIL"]
    assert [one.adjusted_p for one in family] == pytest.approx([0.06, 0.5, 0.003])
    assert "p = 0.0600 after Holm over 3" in family[0].why
    # What could not block is no part of it.
    small = after_holm([draft(0.03), draft(0.5, "INCONCLUSIVE", pairs=3)])
    assert ([one.verdict for one in small], small[1].adjusted_p) == (["FAIL", "INCONCLUSIVE"], None)


def test_false_alarms_over_many_configurations() -> None:
    generator = np.random.default_rng(11)
    alarms = 0
    for _ in range(150):
        old, new = [], []
        for number in range(8):
            logs = generator.normal(0, 0.05, (2, 5))  # a spread whose MDE lies above the margin
            for name, values, into in (("old", logs[0], old), ("new", logs[1], new)):
                into += at(name, (400 * np.exp(values)).tolist(), f"p{number}")
        alarms += any(one.verdict == "FAIL" for one in compare_sides(side("A", old), side("B", new), 0.05))
    assert alarms / 150 <= 0.05 + 0.04


# Confirming.


def test_confirming() -> None:
    fail = compare_replicates(arm("old", EVEN), arm("new", SLOWER), 0.05)
    passed = compare_replicates(arm("old", EVEN), arm("new", BITS_LESS), 0.05)
    busy = compare_replicates(arm("old", EVEN), arm("new", SLOWER, reasons=BUSY), 0.05)
    few = compare_replicates(arm("old", EVEN[:3]), arm("new", SLOWER[:3]), 0.05)
    assert [suspicious(one, 0.05) for one in (fail, passed, busy, few)] == [True, False, False, True]
    both = confirmed(fail, fail)
    assert (both.verdict, both.confirmed) == ("FAIL", "confirmed")
    assert both.why.startswith("confirmed: ratio 0.87")
    for first, fresh, verdict in (
        (fail, passed, "PASS"), (fail, busy, "INCONCLUSIVE"), (fail, few, "INCONCLUSIVE"), (fail, None, "INCONCLUSIVE"),
        (few, fail, "INCONCLUSIVE"), (few, passed, "PASS"),
    ):  # fmt: skip
        found = confirmed(first, fresh)
        assert (found.verdict, found.confirmed) == (verdict, "not confirmed")
        assert found.why.startswith("not confirmed: ")
        assert f"at first {first.verdict}: " in found.why


# The file.


def test_a_baseline_gives_its_processes_back() -> None:
    every = [
        *at("old", EVEN, "fp32", memory_mib=10.5, process_mib=500.0, asked={"recipe": {"learning_rate": 5e-5}}),
        *at("old", SLOWER, "bf16", session="s2", reasons=BUSY, machine=machine_key(MACHINE, 2)),
    ]
    saved = speed_baseline(every, harness="0.1.0", date="2026-11-22T10:00:00.000Z")
    text = speed_baseline_text(saved)
    back = replicates_of(parse_speed_baseline(text.encode(), "x.json"))
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


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed"):
        compare_replicates([], arm("new", EVEN), 0.05)


def test_a_process_whose_speed_moved_within_its_window_is_not_quiet() -> None:
    steady = [process("a", 100.0, n, spread=1.04) for n in range(1, 6)]
    bumpy = [process("b", 99.0, n, spread=1.05 if n < 5 else 1.5) for n in range(1, 6)]
    found = watched([*steady, *bumpy])
    assert [bool(one.reasons) for one in found] == [False] * 9 + [True]
    assert "the median step took 1.50 times as long as the fast ones (1.05 in the steadiest process)" in str(found[-1])
    assert compare_replicates(found[:5], found[5:], 0.05).verdict == "INCONCLUSIVE"
    # What all processes of a configuration do is how it is, and no reason; nor is there one where nothing is known.
    assert watched([replace(one, spread=1.5) for one in bumpy]) == [replace(one, spread=1.5) for one in bumpy]
    assert watched([replace(one, spread=None) for one in bumpy]) == [replace(one, spread=None) for one in bumpy]
    assert watched(found) == found


def test_ten_pairs_have_their_robust_twin() -> None:
    found = compare_replicates(arm("old", EVEN * 2), arm("new", SLOWER * 2), 0.05)
    assert "median over pairs 0.878, 90 % bootstrap [" in found.notes[-1]
    assert not any("bootstrap" in note for note in compare_replicates(arm("old", EVEN), arm("new", SLOWER), 0.05).notes)


def test_a_baseline_in_which_a_merge_kept_both_sides() -> None:
    with pytest.raises(SpecError, match='got the key "kind" twice'):
        parse_speed_baseline(b'{"kind": "harness-speed", "kind": "harness-speed"}', "x.json")
