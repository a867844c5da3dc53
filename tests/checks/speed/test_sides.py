"""Two sides: counterparts, missing and new, Holm over the family, and what confirming does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from harness.checks.speed.compare import compare_processes
from harness.checks.speed.process import Process
from harness.checks.speed.sides import Lost, SpeedSide, after_holm, arms, compare_sides, confirmed, suspicious
from harness.checks.verdict import Fact, Outcome, Verdict, exit_code
from harness.errors import SpecError
from harness.stats.throughput import Speed
from tests.checks.speed.made_up import BITS_LESS, BUSY, EVEN, SLOWER, arm, at, history


def side(name: str, *every: Sequence[Process], named: Sequence[str] = ("environment",)) -> SpeedSide:
    return SpeedSide(name, tuple(one for each in every for one in each), (), frozenset(named))


def outcomes(verdicts: Sequence[Verdict]) -> list[str]:
    return [verdict.outcome for verdict in verdicts]


def test_counterparts_missing_and_new() -> None:
    a = side("A", at("old", EVEN, "fp32"), at("old", EVEN, "bf16"))
    b = side("B", at("new", SLOWER, "fp32"), at("new", EVEN, "fp16"))
    found = compare_sides(a, b, 0.05)
    assert [(one.outcome, one.against and one.against.label, one.subject.label) for one in found] == [
        ("FAIL", "tiny · fp32 · old", "tiny · fp32 · new"),
        ("ERROR", "tiny · bf16 · old", "tiny · bf16 · old"),
        ("SKIP", None, "tiny · fp16 · new"),
    ]
    assert found[1].reason == Fact.of("speed.missing", side="B")
    assert (found[1].subject.cell_ids, found[1].measured) == ((), True)
    assert found[2].reason == Fact.of("speed.new", side="A")
    assert [exit_code(found), exit_code(found[1:]), exit_code(found[1:2]), exit_code(found[2:])] == [1, 4, 4, 5]


@pytest.mark.parametrize(("status", "outcome"), [("oom", "ERROR"), ("skipped", "SKIP")])
def test_what_was_not_timed_says_how_it_ended(status: str, outcome: str) -> None:
    place = {"checkpoint": "tiny", "precision": "bf16", "environment": "new", "devices": 1, "engine": "trainer"}
    lost = Lost("tiny · bf16 · new", place, status, "no room")
    a, b = side("A", at("old", EVEN, "bf16")), replace(side("B", at("new", EVEN, "fp32")), lost=(lost,))
    missing, new = compare_sides(a, b, 0.05)
    end = Fact.of("speed.end", status=status, message="no room")
    assert (missing.outcome, missing.reason) == (outcome, Fact.of("speed.lost", side="B", end=end))
    assert (missing.subject.label, new.outcome) == ("tiny · bf16 · new", "SKIP")
    fresh = compare_sides(side("A", at("old", EVEN, "fp32")), b, 0.05)[1]
    assert (fresh.outcome, fresh.reason) == ("SKIP", Fact.of("speed.new_and_lost", side="B", end=end))


def test_other_settings_are_no_counterpart() -> None:
    asked = {"precision": "fp32", "environment": "old", "recipe": {"max_steps": 4}}
    a = side("A", arm("old", EVEN, asked=asked))
    same = side("B", arm("new", EVEN, asked={**asked, "environment": "new"}))
    assert compare_sides(a, same, 0.05)[0].reason.code == "speed.no_spread"  # compared
    other = side("B", arm("new", EVEN, asked={**asked, "recipe": {"max_steps": 8}}))
    (found,) = compare_sides(a, other, 0.05)
    change = Fact.of("changed", field="recipe.max_steps", a=4, b=8)
    assert (found.outcome, exit_code([found])) == ("ERROR", 4)
    assert found.reason == Fact.of("speed.asks_otherwise", side="B", changes=(change,))


def test_a_named_axis_of_the_recipe_may_differ() -> None:
    def of(optim: str, rates: Sequence[float]) -> list[Process]:
        asked = {"recipe": {"optim": optim, "max_steps": 4}}
        return [
            replace(one, configuration_id=optim, axes={"checkpoint": "tiny", "optim": optim}, asked=asked)
            for one in arm("current", rates)
        ]

    a, b = (side(name, of(name, rates), named=["optim"]) for name, rates in (("adam", EVEN), ("sgd", BITS_LESS)))
    assert outcomes(compare_sides(a, b, 0.05)) == ["PASS"]


def test_an_ambiguous_counterpart_is_an_error() -> None:
    a = side("A", at("old", EVEN, "fp32"), at("older", EVEN, "fp32"))
    with pytest.raises(SpecError, match=r"A: several .* allowed one value of environment, as in A:environment=VALUE"):
        compare_sides(a, side("B", at("new", EVEN, "fp32")), 0.05)


def test_the_newest_settings_of_a_place_are_compared() -> None:
    a = side("A", history(400, 404, 396), named=())
    changed = [replace(one, configuration_id="changed") for one in arm("old", SLOWER, "s8")]
    b = side("B", changed, arm("old", EVEN, "s9"), named=())
    assert outcomes(compare_sides(a, b, 0.05)) == ["PASS"]


def test_a_part_of_a_side() -> None:
    whole = side("A", at("old", EVEN, "fp32"), at("old", EVEN, "bf16"), named=())
    part = whole.narrowed({"precision": "bf16", "devices": "1.0"})
    assert ({one.precision for one in part.processes}, part.named) == ({"bf16"}, {"precision", "devices"})
    for wanted, said in (
        ({"precison": "fp32"}, 'A: got "precison"; allowed axes checkpoint, environment, precision, devices, engine'),
        ({"precision": "fp3"}, 'A: precision: got "fp3"; allowed fp32, bf16; did you mean fp32'),
    ):
        with pytest.raises(SpecError, match=said):
            whole.narrowed(wanted)
    mixed = side("A", at("old", EVEN, "fp32"), at("new", EVEN, "bf16"))
    with pytest.raises(SpecError, match="no configuration has all of these values together"):
        mixed.narrowed({"precision": "fp32", "environment": "new"})


def test_two_engines_of_one_session_are_two_arms() -> None:
    def of(engine: str | None, devices: int, rates: Sequence[float]) -> list[Process]:
        axes = {"checkpoint": "tiny", "devices": devices, **({"engine": engine} if engine else {})}
        asked = {"recipe": {"max_steps": 4}, **({} if engine else {"accepts_loss_kwargs": False})}
        return [
            replace(one, configuration_id=f"{engine}{devices}", axes=axes, asked=asked, label=f"{engine} {devices}")
            for one in arm("current", rates)
        ]

    whole = side("all", of("loop", 1, EVEN), of(None, 1, SLOWER), of(None, 2, EVEN), named=())
    loop, trainer = arms(whole, "loop")
    assert ({one.label for one in loop.processes}, {one.label for one in trainer.processes}) == ({"loop 1"}, {"None 1"})
    (found,) = compare_sides(loop, trainer, 0.05, memory=False)
    assert (found.outcome, found.subject.name, found.against and found.against.name) == ("FAIL", "None 1", "loop 1")


def test_holm_over_the_family() -> None:
    def draft(p: float, outcome: Outcome = "FAIL", pairs: int = 5) -> Verdict:
        found = compare_processes(arm("old", EVEN[:pairs]), arm("new", SLOWER[:pairs]), 0.05)
        assert isinstance(found.numbers, Speed)
        return replace(found, outcome=outcome, numbers=replace(found.numbers, p_slower=p))

    alone = after_holm([draft(0.03)])
    assert (outcomes(alone), alone[0].family) == (["FAIL"], 1)
    family = after_holm([draft(0.03), draft(0.5, "PASS"), draft(0.001)])
    assert outcomes(family) == ["INCONCLUSIVE", "PASS", "FAIL"]
    assert [one.adjusted_p for one in family] == pytest.approx([0.06, 0.5, 0.003])
    reason = family[0].reason
    assert (reason.code, reason.values["family"], reason.values["p"]) == ("speed.after_holm", 3, pytest.approx(0.06))
    assert (reason.values["why"].code, family[0].todo) == ("speed.interval", (Fact.of("speed.confirm"),))
    # What could not block is no part of it.
    small = after_holm([draft(0.03), draft(0.5, "INCONCLUSIVE", pairs=3)])
    assert (outcomes(small), small[1].adjusted_p, small[0].family) == (["FAIL", "INCONCLUSIVE"], None, 1)


def test_false_alarms_over_many_configurations() -> None:
    generator = np.random.default_rng(11)
    alarms = 0
    for _ in range(150):
        old, new = [], []
        for number in range(8):
            logs = generator.normal(0, 0.05, (2, 5))  # a spread whose MDE lies above the margin
            for name, values, into in (("old", logs[0], old), ("new", logs[1], new)):
                into += at(name, (400 * np.exp(values)).tolist(), f"p{number}")
        alarms += "FAIL" in outcomes(compare_sides(side("A", old), side("B", new), 0.05))
    assert alarms / 150 <= 0.05 + 0.04


def test_confirming() -> None:
    fail = compare_processes(arm("old", EVEN), arm("new", SLOWER), 0.05)
    passed = compare_processes(arm("old", EVEN), arm("new", BITS_LESS), 0.05)
    busy = compare_processes(arm("old", EVEN), arm("new", SLOWER, reasons=BUSY), 0.05)
    few = compare_processes(arm("old", EVEN[:3]), arm("new", SLOWER[:3]), 0.05)
    # Of a noisy machine there is an estimate, and none of its sides is quiet: slower and undecided, as few pairs are.
    assert [suspicious(one, 0.05) for one in (fail, passed, busy, few)] == [True, False, True, True]
    both = confirmed(fail, fail)
    assert (both.outcome, both.reason) == (
        "FAIL", Fact.of("speed.confirmed", why=fail.reason, first="FAIL", before=fail.reason),
    )  # fmt: skip
    for first, fresh, outcome, code in (
        (fail, busy, "INCONCLUSIVE", "speed.not_confirmed"),
        (fail, few, "INCONCLUSIVE", "speed.not_confirmed"),
        (fail, None, "INCONCLUSIVE", "speed.not_confirmed"),
        (few, fail, "INCONCLUSIVE", "speed.only_fresh"),
    ):
        found = confirmed(first, fresh)
        assert (found.outcome, found.reason.code) == (outcome, code)
        assert found.reason.values["first"] == first.outcome
        assert found.reason.values["before"] == first.reason
    # Why a PASS passes stays its reason; that an alarm before it was not confirmed is a note.
    for first in (fail, few):
        found = confirmed(first, passed)
        assert (found.outcome, found.reason) == ("PASS", passed.reason)
        assert (found.notes[0].code, found.notes[0].values["first"]) == ("speed.not_confirmed", first.outcome)


def test_memory_alone_confirms_no_speed() -> None:
    first = compare_processes(arm("old", EVEN), arm("new", SLOWER), 0.05)
    old = [replace(one, memory_mib=1000.0) for one in history(400, 404, 396)]
    fresh = compare_processes(old, arm("old", [400.0], "s9", memory_mib=2000.0), 0.05)
    assert (fresh.outcome, confirmed(first, fresh).outcome) == ("FAIL", "INCONCLUSIVE")
