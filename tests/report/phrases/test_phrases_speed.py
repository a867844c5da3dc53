"""The facts of comparisons of speed in words."""

from __future__ import annotations

import re

import pytest
import typer

from harness.checks.verdict import Fact
from harness.cli.app import application
from harness.report.phrases.say import say
from harness.report.phrases.speed import SPEED
from tests.report.phrases.phrase_cases import made_facts, problems

of = Fact.of
NOISE = tuple(of("speed.noise", count=4 - number, example=f"reason {number}") for number in range(4))
INTERVAL = of("speed.interval", ratio=0.8765, low=0.87, high=0.8821, margin=0.05, detectable=0.0101)
RATIO = "ratio 0.876, 90 % CI [0.870, 0.882], margin 5 %, MDE 1.0 %"


def test_every_fact_has_a_phrase_that_takes_its_values_and_every_phrase_a_fact() -> None:
    made = [fact for folder in ("checks/speed", "checks/nights", "cli/judge") for fact in made_facts(folder)]
    assert problems([fact for fact in made if fact.code.startswith("speed.")], SPEED) == []
    assert {fact.code.partition(".")[0] for fact in made_facts("checks/speed")} == {"speed"}


@pytest.mark.parametrize(
    ("fact", "text"),
    [
        (of("speed.pairs", counted=5, left_out=0, total=5, noise=()), "5 pairs"),
        (of("speed.sessions", counted=1, left_out=0, total=5, noise=()), "1 session"),
        (
            of("speed.lost", side="B", end=of("speed.end", status="oom", message="out of memory")),
            "not timed in B: oom: out of memory",
        ),
        (of("speed.end", status="killed", message=None), "killed"),
        (
            of("speed.unreadable", error="x/record.json: gone"),
            "a record that may be a timing's cannot be read, and counts for nothing: x/record.json: gone",
        ),
        (of("speed.margin_below_mde", interval=INTERVAL), f"{RATIO}: margin below the MDE"),
        (of("speed.after_holm", why=INTERVAL, p=0.06, family=3), f"{RATIO}; p = 0.0600 after Holm over 3"),
        (
            of(
                "speed.memory_grew",
                memory=of("speed.device_memory", a=1e3, b=1020.0),
                most=0.01,
                outcome="PASS",
                why=INTERVAL,
            ),
            f"device memory 1000.0 -> 1020.0 MiB (+2.00 %), more than 1 %; speed: PASS, {RATIO}",
        ),
        (
            of("speed.not_quiet", left_out=2, total=5, needed=5, noise=NOISE[:1]),
            "the machine was not quiet in 2 of 5 pairs, 5 quiet ones are needed: 4 × reason 0",
        ),
        (
            of("speed.estimate", ratio=0.361, low=0.3, high=0.43, pairs=5, disturbed=True),
            "undecided; an estimate over all 5 pairs, disturbed ones too: ratio 0.361, 90 % CI [0.300, 0.430]",
        ),
        (
            of("speed.estimate", ratio=0.361, low=None, high=None, pairs=2, disturbed=False),
            "undecided; an estimate over the 2 quiet pairs: ratio 0.361",
        ),
        (
            of("speed.each", pairs=((1114.0, 402.0, False), (100.0, 101.0, True))),
            "each pair, samples/s: 1114 -> 402 (0.361, disturbed); 100 -> 101 (1.010)",
        ),
        (
            of("speed.pairs_left_out", left_out=1, total=6, noise=NOISE),
            "1 of 6 pairs left out, for the machine was not quiet: 4 × reason 0, 3 × reason 1, 2 × reason 2, ...",
        ),
        (
            of("speed.few_processes", quiet=1, needed=3, noise=()),
            "1 of at least 3 processes of B's newest session are there and quiet",
        ),
        (
            of("speed.few_sessions", sessions=2, needed=3, left_out=1, processes=3),
            "A has 2 of at least 3 sessions (1 more without 3 quiet processes): "
            "nothing is known of the spread between them",
        ),
        (
            of("speed.not_confirmed", why=of("speed.not_timed_again"), first="FAIL", before=INTERVAL),
            f"not confirmed: no process was timed again; at first FAIL: {RATIO}",
        ),
        (
            of("speed.enough", needed=7, margin=0.05, unit="session"),
            "7 sessions of A (time it again: `harness run GRID --fresh --select timed=true`) "
            "would find 5 % with 80 % power at this spread",
        ),
        (of("speed.more", unit="pair"), "more processes ([throughput] processes in the grid) narrow the interval"),
    ],
    ids=lambda value: getattr(value, "code", None),
)
def test_words(fact: Fact, text: str) -> None:
    assert say(fact) == text


def test_advice_names_the_ways_out() -> None:
    again = "`harness run GRID --fresh --select timed=true`"
    assert all(word in say(of("speed.quieter")) for word in ("close other programs", again, "isolcpus"))
    beside = say(of("speed.side_by_side_or_sessions", pairs=5, sessions=3))
    assert beside.startswith("run both side by side")
    assert beside.endswith(f"or for A, time it again: {again}, until it has 3 sessions")


@pytest.mark.parametrize("code", [code for code, phrase in SPEED.items() if "harness run" in str(phrase)])
def test_advice_names_options_that_run_has(code: str) -> None:
    command = typer.main.get_command(application(["run"]))
    run = getattr(command, "commands", {}).get("run", command)
    known = {name for parameter in run.params for name in parameter.opts}
    asked = " ".join(re.findall("`harness run ([^`]*)`", str(SPEED[code])))
    assert set(re.findall(r"--[\w-]+", asked)) <= known
