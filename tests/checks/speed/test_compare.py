"""One configuration against its counterpart: pairs and sessions of made-up processes, noise, machines, memory."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.speed.compare import QUIETER, compare_processes, finding, unit_of
from harness.checks.speed.process import machine_key, watched
from harness.checks.verdict import Fact, Verdict
from harness.report.phrases.say import say
from harness.stats.throughput import Speed
from tests.checks.speed.made_up import BITS_LESS, BUSY, EVEN, MACHINE, SLOWER, arm, history, process


def speed_of(verdict: Verdict) -> Speed:
    assert isinstance(verdict.numbers, Speed)
    return verdict.numbers


def codes(facts: tuple[Fact, ...]) -> list[str]:
    return [fact.code for fact in facts]


def compared(verdict: Verdict) -> tuple[str, object, object]:
    """Outcome, what was compared, and what was left out."""
    processes = finding(verdict, "processes")
    assert processes is not None
    return verdict.outcome, processes.fact.values["counted"], processes.fact.values["left_out"]


def test_side_by_side() -> None:
    found = compare_processes(arm("old", EVEN), arm("new", SLOWER), 0.05)
    assert (*compared(found), unit_of(found), found.reason.code) == ("FAIL", 5, 0, "pair", "speed.interval")
    ratio = math.exp(np.mean(np.log(SLOWER) - np.log(EVEN)))
    assert speed_of(found).ratio == found.reason.values["ratio"] == pytest.approx(ratio)
    assert found.against is not None
    assert (found.check, found.item) == ("speed", "speed")
    assert (found.against.label, found.subject.label) == ("tiny · old", "tiny · new")
    assert (found.against.configuration_id, found.subject.configuration_id) == ("c-old", "c-new")
    assert found.subject.cell_ids == tuple(f"c-new#{repeat}" for repeat in range(1, 6))
    same = compare_processes(arm("old", EVEN), arm("new", BITS_LESS), 0.05)
    assert (same.outcome, same.todo, same.more_seeds) == ("PASS", (), None)
    # Faster is never a FAIL.
    assert compare_processes(arm("old", SLOWER), arm("new", EVEN), 0.05).outcome == "PASS"


def test_few_pairs_say_how_many_are_needed() -> None:
    found = compare_processes(arm("old", EVEN[:4]), arm("new", SLOWER[:4]), 0.05)
    assert (found.outcome, found.reason) == ("INCONCLUSIVE", Fact.of("speed.few_pairs", pairs=4, needed=5))
    assert found.todo == (Fact.of("speed.enough", needed=5, margin=0.05, unit="pair"),)
    assert found.more_seeds == 1
    one = compare_processes(arm("old", EVEN[:1]), arm("new", SLOWER[:1]), 0.05)
    assert (one.todo, one.more_seeds) == ((Fact.of("speed.at_least", needed=5, unit="pair"),), 4)


def test_a_wide_spread_asks_for_more_or_for_quiet() -> None:
    wide = compare_processes(arm("old", [400, 380, 420, 410, 390]), arm("new", [330, 390, 350, 400, 310]), 0.05)
    assert (wide.outcome, wide.reason.code, codes(wide.todo)) == (
        "INCONCLUSIVE", "speed.margin_below_mde", ["speed.enough"],
    )  # fmt: skip
    assert wide.reason.values["interval"].code == "speed.interval"
    hopeless = compare_processes(arm("old", [400, 100, 420, 910, 390]), arm("new", [330, 390, 350, 100, 310]), 0.05)
    assert codes(hopeless.todo) == ["speed.never_enough"]
    equal = compare_processes(arm("old", EVEN), arm("new", EVEN), 0.05)
    assert (equal.outcome, equal.reason, equal.todo) == ("INCONCLUSIVE", Fact.of("speed.no_spread"), ())
    near = [rate * factor for rate, factor in zip(EVEN, (0.97, 0.945, 0.965, 0.945, 0.955), strict=True)]
    undecided = compare_processes(arm("old", EVEN), arm("new", near), 0.05)
    assert (undecided.outcome, codes(undecided.todo)) == ("INCONCLUSIVE", ["speed.more"])


def test_an_older_common_session_is_said() -> None:
    found = compare_processes(arm("old", EVEN), [*arm("new", BITS_LESS), *arm("new", SLOWER, "s2")], 0.05)
    assert (found.outcome, codes(found.notes)) == ("PASS", ["speed.newer_session"])


def test_a_busy_machine_decides_nothing() -> None:
    slow = [replace(one, reasons=BUSY if one.repeat < 3 else ()) for one in arm("new", SLOWER)]
    found = compare_processes(arm("old", EVEN), slow, 0.05)
    noise = (Fact.of("speed.noise", count=2, example=BUSY[0]),)
    assert compared(found) == ("INCONCLUSIVE", 3, 2)
    assert found.reason == Fact.of("speed.not_quiet", left_out=2, total=5, needed=5, noise=noise)
    assert found.todo == (QUIETER,)
    assert (speed_of(found).n, found.notes[0].values["disturbed"]) == (3, False)
    all_of_them = compare_processes(arm("old", EVEN, reasons=BUSY), arm("new", SLOWER), 0.05)
    assert compared(all_of_them) == ("INCONCLUSIVE", 0, 5)


def test_an_estimate_is_told_whatever_disturbed_it_and_marked_as_undecided() -> None:
    """Slower in five of five pairs, on a machine that never was quiet."""
    found = compare_processes(arm("old", EVEN, reasons=BUSY), arm("new", SLOWER), 0.05)
    speed = speed_of(found)
    mean = math.exp(math.fsum(math.log(y / x) for x, y in zip(EVEN, SLOWER, strict=True)) / 5)
    assert (speed.outcome, speed.n, speed.ratio) == ("INCONCLUSIVE", 5, pytest.approx(mean))
    assert speed.ci90 is not None
    assert speed.ci90[0] < mean < speed.ci90[1]
    estimate, each = found.notes[:2]
    assert say(estimate).startswith(
        f"undecided; an estimate over all 5 pairs, disturbed ones too: ratio {mean:.3f}, 90"
    )
    assert [pair[:2] for pair in each.values["pairs"]] == [*zip(EVEN, SLOWER, strict=True)]
    assert say(each).count("disturbed") == 5


def test_busy_pairs_are_left_out_where_enough_are_quiet() -> None:
    old, new = arm("old", [*EVEN, 400.0]), arm("new", [*SLOWER, 400.0])
    new[5] = replace(new[5], reasons=BUSY)
    found = compare_processes(old, new, 0.05)
    assert (*compared(found), codes(found.notes)) == ("FAIL", 5, 1, ["speed.pairs_left_out"])


@pytest.mark.parametrize(
    ("old", "new", "outcome"),
    [
        ((1.0,) * 5, (0.9,) * 5, "FAIL"),  # both are held at their power limit: so this board works
        ((0.0,) * 5, (0.005,) * 5, "FAIL"),
        ((0.0,) * 5, (1.0,) * 5, "INCONCLUSIVE"),
        ((1.0,) * 5, (0.0,) * 5, "INCONCLUSIVE"),
        ((None,) * 5, (1.0,) * 5, "FAIL"),  # nobody knows
        ((1.0, 0.0, 1.0, 0.0, 1.0), (1.0, 0.0, 1.0, 0.0, 1.0), "FAIL"),
        ((1.0, 0.0, 1.0, 0.0, 1.0), (1.0, 0.0, 1.0, 0.0, 0.0), "INCONCLUSIVE"),
    ],
)
def test_a_power_cap_counts_where_one_side_has_it(old: tuple[Any, ...], new: tuple[Any, ...], outcome: str) -> None:
    a, b = (
        [replace(one, power_capped=capped) for one, capped in zip(side, cap, strict=True)]
        for side, cap in ((arm("old", EVEN), old), (arm("new", SLOWER), new))
    )
    found = compare_processes(a, b, 0.05)
    assert found.outcome == outcome
    if outcome == "INCONCLUSIVE":
        assert "held at its power limit, what it is compared with was" in say(found.reason)


@pytest.mark.parametrize(
    ("engine", "recipe", "memory", "said"),
    [
        ("loop", {}, 900.0, True),
        ("loop", {}, None, False),  # a processor has nothing to wait for
        ("loop", {"logging_nan_inf_filter": False}, 900.0, False),
        ("trainer", {}, 900.0, False),
    ],
)
def test_a_trainer_that_waits_for_the_device(
    engine: str, recipe: dict[str, Any], memory: float | None, said: bool
) -> None:
    a = arm("old", EVEN, memory_mib=memory, asked={"recipe": recipe})
    b = arm("new", EVEN, memory_mib=memory, asked={"recipe": recipe}, engine=engine)
    assert ("speed.nan_filter" in codes(compare_processes(a, b, 0.05).notes)) is said


def test_a_power_cap_between_sessions() -> None:
    new = arm("new", SLOWER, "s9")
    capped = [replace(one, power_capped=1.0) for one in history(400, 401, 399)]
    assert compare_processes(capped, new, 0.05).outcome == "FAIL"  # of B it is not known
    free = compare_processes(capped, [replace(one, power_capped=0.0) for one in new], 0.05)
    assert (free.outcome, free.reason.code, free.reason.values["left_out"]) == ("INCONCLUSIVE", "speed.few_sessions", 3)
    assert compare_processes(capped, [replace(one, power_capped=0.6) for one in new], 0.05).outcome == "FAIL"


rates = st.floats(350, 450)
paired = st.integers(5, 9).flatmap(
    lambda n: st.tuples(st.lists(rates, min_size=n, max_size=n), st.lists(rates, min_size=n, max_size=n))
)


@given(paired, st.floats(0.01, 0.3))
def test_swapping_the_arms_inverts_the_ratio(both: tuple[list[float], list[float]], margin: float) -> None:
    a, b = arm("old", both[0]), arm("new", both[1])
    there, back = speed_of(compare_processes(a, b, margin)), speed_of(compare_processes(b, a, margin))
    assert there.ratio == pytest.approx(1 / back.ratio)
    if there.ci90 and back.ci90:
        assert there.ci90 == pytest.approx((1 / back.ci90[1], 1 / back.ci90[0]))


@given(paired, st.lists(st.floats(0.5, 2), min_size=9, max_size=9))
def test_a_drift_common_to_a_pair_changes_nothing(both: tuple[list[float], list[float]], drift: list[float]) -> None:
    plain = speed_of(compare_processes(arm("old", both[0]), arm("new", both[1]), 0.05))
    drifted = [[rate * factor for rate, factor in zip(side, drift, strict=False)] for side in both]
    found = speed_of(compare_processes(arm("old", drifted[0]), arm("new", drifted[1]), 0.05))
    assert found.ratio == pytest.approx(plain.ratio)
    assert found.sd == pytest.approx(plain.sd, abs=1e-9)


@given(paired, st.sets(st.integers(1, 9)), st.booleans())
def test_what_is_not_quiet_never_fails(both: tuple[list[float], list[float]], busy: set[int], first: bool) -> None:
    a, b = arm("old", both[0]), arm("new", [rate / 2 for rate in both[1]])
    disturbed = [replace(one, reasons=BUSY if one.repeat in busy else ()) for one in (a if first else b)]
    found = compare_processes(*((disturbed, b) if first else (a, disturbed)), 0.05)
    if len(a) - len(busy & {one.repeat for one in a}) < 5:
        assert found.outcome == "INCONCLUSIVE"
    # By the machine's state alone: their rates may be anything, but where nothing else is left to estimate from.
    mad = [replace(one, rate=one.rate * 7 if one.reasons else one.rate) for one in disturbed]
    again = compare_processes(*((mad, b) if first else (a, mad)), 0.05)
    assert again.outcome == found.outcome
    if not any(fact.values.get("disturbed") for fact in found.notes):
        assert again.numbers == found.numbers


@pytest.mark.parametrize(("true", "fails"), [(1.0, (0, 0.05)), (0.9, (0.9, 1))])
def test_simulated_rates_of_alarms(true: float, fails: tuple[float, float]) -> None:
    generator = np.random.default_rng(7)
    repetitions, count = 2000, 0
    for logs in generator.normal(0, 0.015, (repetitions, 2, 5)):
        a, b = np.exp(logs[0]) * 400, np.exp(logs[1]) * 400 * true
        count += compare_processes(arm("old", a.tolist()), arm("new", b.tolist()), 0.05).outcome == "FAIL"
    assert fails[0] <= count / repetitions <= fails[1]


def test_ten_pairs_have_their_robust_twin() -> None:
    found = compare_processes(arm("old", EVEN * 2), arm("new", SLOWER * 2), 0.05)
    (robust,) = found.notes
    assert (robust.code, robust.values["median"]) == ("speed.robust", pytest.approx(0.878, abs=5e-4))
    assert robust.values["low"] <= robust.values["median"] <= robust.values["high"]
    assert compare_processes(arm("old", EVEN), arm("new", SLOWER), 0.05).notes == ()


# Sessions.


def test_sessions() -> None:
    old = history(400, 404, 396)
    slow = compare_processes(old, arm("old", [rate * 0.85 for rate in EVEN], "s9"), 0.05)
    assert (*compared(slow), unit_of(slow)) == ("FAIL", 3, 0, "session")
    assert speed_of(slow).ratio == pytest.approx(0.85, abs=0.001)
    assert compare_processes(old, arm("old", EVEN, "s9"), 0.05).outcome == "PASS"


def test_few_sessions_ask_for_side_by_side_or_more() -> None:
    found = compare_processes(history(400, 404), arm("old", SLOWER, "s9"), 0.05)
    assert compared(found) == ("INCONCLUSIVE", 2, 0)
    assert found.reason == Fact.of("speed.few_sessions", sessions=2, needed=3, left_out=0, processes=3)
    assert found.todo == (Fact.of("speed.side_by_side_or_sessions", pairs=5, sessions=3),)


def test_a_session_of_b_that_a_has_is_not_compared_with_itself() -> None:
    old = history(400, 404, 396, 350)
    found = compare_processes(old, old, 0.05)
    assert (found.outcome, found.reason.code, unit_of(found)) == ("INCONCLUSIVE", "speed.no_other_session", None)


def test_sessions_that_were_not_quiet() -> None:
    old, new = history(400, 404, 396), arm("old", SLOWER, "s9")
    loud = [replace(one, reasons=BUSY) if one.repeat <= 3 else one for one in new]
    found = compare_processes(old, loud, 0.05)
    noise = (Fact.of("speed.noise", count=3, example=BUSY[0]),)
    assert (found.outcome, found.numbers, found.todo) == ("INCONCLUSIVE", None, (QUIETER,))
    assert found.reason == Fact.of("speed.few_processes", quiet=2, needed=3, noise=noise)
    one_loud = [replace(one, reasons=BUSY) if one.session == "s2" else one for one in old]
    found = compare_processes(one_loud, new, 0.05)
    assert (*compared(found), QUIETER in found.todo) == ("INCONCLUSIVE", 2, 5, True)
    assert found.reason.values["left_out"] == 1
    # Interrupted after one process: quiet, yet not enough.
    short = compare_processes(old, new[:1], 0.05)
    assert (short.outcome, short.todo) == ("INCONCLUSIVE", (Fact.of("speed.time_again", side="B"),))


def test_another_machine_is_refused() -> None:
    other = machine_key({**MACHINE, "cores": 4, "memory_gib": 31.2}, 1)
    found = compare_processes(history(400, 404, 396), arm("old", EVEN, "s9", machine=other), 0.05)
    assert (found.outcome, found.numbers, found.reason.code) == ("SKIP", None, "speed.other_machine")
    assert [fact.values["field"] for fact in found.reason.values["changes"]] == ["cores", "memory_gib"]
    some = [*history(400, 404, 396), *arm("old", EVEN, "s4", machine=other)]
    found = compare_processes(some, arm("old", EVEN, "s9"), 0.05)
    assert compared(found) == ("PASS", 3, 0)
    assert found.notes == (Fact.of("speed.other_machines", sessions=1),)


def test_within_a_session_only_hardware_makes_another_machine() -> None:
    # One session is one machine: two builds of CUDA, or two devices in sight, are what is compared there.
    gpu = {**MACHINE, "accelerators": ["H100"], "cuda": "12.8"}
    new = machine_key({**gpu, "cuda": "13.0", "accelerators": ["H100", "H100"]}, 1)
    old = arm("old", EVEN, machine=machine_key(gpu, 1))
    assert compare_processes(old, arm("new", BITS_LESS, machine=new), 0.05).outcome == "PASS"
    slower_model = arm("new", BITS_LESS, machine=machine_key({**gpu, "accelerators": ["T4"]}, 1))
    assert compare_processes(old, slower_model, 0.05).outcome == "SKIP"


# Memory.


def test_device_memory_is_deterministic() -> None:
    old = arm("old", EVEN, memory_mib=1000.0, process_mib=500.0)
    grown = compare_processes(old, arm("new", BITS_LESS, memory_mib=1020.0, process_mib=900.0), 0.05)
    peaks = Fact.of("speed.device_memory", a=1000.0, b=1020.0)
    memory = finding(grown, "device memory")
    assert memory is not None
    assert (memory.outcome, memory.fact, memory.ratio) == ("FAIL", peaks, 1.02)
    assert (grown.outcome, grown.reason.code, grown.failures) == ("FAIL", "speed.memory_grew", (memory,))
    assert (grown.reason.values["outcome"], grown.reason.values["why"].code) == ("PASS", "speed.interval")
    within = compare_processes(old, arm("new", BITS_LESS, memory_mib=1009.0, process_mib=900.0), 0.05)
    assert (within.outcome, codes(within.notes)) == ("PASS", ["speed.process_memory", "speed.device_memory"])
    process_memory = finding(within, "process memory")
    assert process_memory is not None
    assert (process_memory.outcome, process_memory.ratio) == ("SKIP", 1.8)
    assert compare_processes(old, arm("new", BITS_LESS, memory_mib=900.0), 0.05).outcome == "PASS"
    noisy = compare_processes(old, arm("new", BITS_LESS, memory_mib=1020.0, reasons=BUSY), 0.05)
    assert (noisy.outcome, noisy.notes[-1], noisy.failures) == ("INCONCLUSIVE", peaks, ())


def test_memory_may_fail_what_is_too_short_to_be_fast() -> None:
    old = [replace(one, memory_mib=1000.0) for one in history(400, 404, 396)]
    found = compare_processes(old, [process("old", 400.0, session="s9", memory_mib=2000.0)], 0.05)
    assert (found.outcome, found.numbers, found.reason.values["outcome"]) == ("FAIL", None, "INCONCLUSIVE")


def test_an_unsteady_process_is_left_out() -> None:
    steady = [process("a", 100.0, n, spread=1.04) for n in range(1, 6)]
    bumpy = [process("b", 99.0, n, spread=1.05 if n < 5 else 1.5) for n in range(1, 6)]
    found = watched([*steady, *bumpy])
    assert compare_processes(found[:5], found[5:], 0.05).reason.code == "speed.not_quiet"


def test_nothing_to_compare_is_refused() -> None:
    with pytest.raises(ValueError, match="allowed"):
        compare_processes([], arm("new", EVEN), 0.05)
