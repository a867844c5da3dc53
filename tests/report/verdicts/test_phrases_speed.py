"""Every fact of a comparison of speed in words."""

from __future__ import annotations

import pytest

from harness.checks.verdict import Fact
from harness.report.verdicts.phrases import say
from harness.report.verdicts.phrases_speed import SPEED
from tests.report.verdicts.phrase_cases import made_facts, problems

of = Fact.of
BUSY = "other processes kept 0.53 cores busy (at most 0.1)"
NOISE = (of("speed.noise", count=2, example=BUSY),)
MANY = tuple(of("speed.noise", count=4 - n, example=f"reason {n}") for n in range(4))
INTERVAL = of("speed.interval", ratio=0.8765, low=0.87, high=0.8821, margin=0.05, detectable=0.0101)
FEW = of("speed.few_pairs", pairs=4, needed=5)
OOM = of("speed.end", status="oom", message="out of memory")
RATIO = "ratio 0.876, 90 % CI [0.870, 0.882], margin 5 %, MDE 1.0 %"
CASES = [
    (of("speed.margin", margin=0.05), "margin 5 %, one-sided: only slower can fail"),
    (of("speed.pairs", counted=5, left_out=0, total=5, noise=()), "5 pairs"),
    (of("speed.sessions", counted=1, left_out=0, total=5, noise=()), "1 session"),
    (NOISE[0], f"2 × {BUSY}"),
    (of("speed.changed", field="gpu", a=("T4",), b="H100"), "gpu ['T4'] -> H100"),
    (of("speed.added", field="cuda", value=12.8), "cuda (none) -> 12.8"),
    (of("speed.removed", field="cores", value=2), "cores 2 -> (none)"),
    (OOM, "oom: out of memory"),
    (of("speed.end", status="killed", message=None), "killed"),
    (INTERVAL, RATIO),
    (of("speed.margin_below_mde", interval=INTERVAL), f"{RATIO}: margin below the MDE"),
    (of("speed.no_spread"), "sd = 0: all equal"),
    (FEW, "4 of at least 5 pairs of processes"),
    (
        of("speed.after_holm", why=FEW, p=0.06, family=3),
        "4 of at least 5 pairs of processes; p = 0.0600 after Holm over 3",
    ),
    (
        of("speed.memory_grew", memory=of("speed.device_memory", a=1e3, b=1020.0), most=0.01, outcome="PASS", why=FEW),
        "device memory 1000.0 -> 1020.0 MiB (+2.00 %), more than 1 %; speed: PASS, 4 of at least 5 pairs of processes",
    ),
    (
        of("speed.not_quiet", left_out=2, total=5, needed=5, noise=NOISE),
        f"the machine was not quiet in 2 of 5 pairs, 5 quiet ones are needed: 2 × {BUSY}",
    ),
    (
        of("speed.few_processes", quiet=2, needed=3, noise=NOISE),
        f"2 of at least 3 processes of B's newest session are there and quiet: 2 × {BUSY}",
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
    (of("speed.no_other_session"), "B has no session that A does not have"),
    (
        of("speed.other_machine", changes=(of("speed.changed", field="cores", a=2, b=4),)),
        "another machine, speeds are not comparable: cores 2 -> 4",
    ),
    (of("speed.missing", side="B"), "missing: B has no timing of it"),
    (of("speed.lost", side="B", end=OOM), "not timed in B: oom: out of memory"),
    (
        of("speed.asks_otherwise", side="B", changes=(of("speed.changed", field="recipe.max_steps", a=4, b=8),)),
        "missing: what B calls so asks for something else: recipe.max_steps 4 -> 8",
    ),
    (of("speed.new", side="A"), "new: A has no timing of it"),
    (of("speed.new_and_lost", side="B", end=OOM), "new in B, and not timed: oom: out of memory"),
    (
        of("speed.confirmed", why=FEW, first="FAIL", before=INTERVAL),
        f"confirmed: 4 of at least 5 pairs of processes; at first FAIL: {RATIO}",
    ),
    (
        of("speed.not_confirmed", why=of("speed.not_timed_again"), first="FAIL", before=FEW),
        "not confirmed: no process was timed again; at first FAIL: 4 of at least 5 pairs of processes",
    ),
    (
        of("speed.only_fresh", why=INTERVAL, first="INCONCLUSIVE", before=FEW),
        f"not confirmed: only the fresh session fails: {RATIO}; at first INCONCLUSIVE: {say(FEW)}",
    ),
    (of("speed.not_timed_again"), "no process was timed again"),
    (of("speed.newer_session"), "B has a newer session, without A: it is not compared"),
    (of("speed.other_machines", sessions=1), "sessions of A left out, from another machine: 1"),
    (
        of("speed.pairs_left_out", left_out=1, total=6, noise=MANY),
        "1 of 6 pairs left out, for the machine was not quiet: 4 × reason 0, 3 × reason 1, 2 × reason 2, ...",
    ),
    (
        of("speed.processes_left_out", left_out=2, total=20, noise=NOISE),
        f"2 of 20 processes left out, for the machine was not quiet: 2 × {BUSY}",
    ),
    (
        of("speed.robust", median=0.878, low=0.87, high=0.89),
        "median over pairs 0.878, 90 % bootstrap [0.870, 0.890], which no verdict goes by",
    ),
    (of("speed.device_memory", a=1000.0, b=1300.0), "device memory 1000.0 -> 1300.0 MiB (+30.00 %)"),
    (
        of("speed.process_memory", a=500.0, b=400.0),
        "process memory 500.0 -> 400.0 MiB (-20.00 %), which no verdict goes by",
    ),
    (of("speed.time_again", side="B"), "for B, time it again: `harness run GRID --time-again`"),
    (of("speed.time_it"), "time it: `harness run GRID`"),
    (of("speed.at_least", needed=5, unit="pair"), "at least 5 processes ([throughput] processes in the grid)"),
    (
        of("speed.enough", needed=7, margin=0.05, unit="session"),
        "7 sessions of A (time it again: `harness run GRID --time-again`) "
        "would find 5 % with 80 % power at this spread",
    ),
    (of("speed.more", unit="pair"), "more processes ([throughput] processes in the grid) narrow the interval"),
    (of("speed.confirm"), "measure again: `--confirm GRID`"),
    (of("speed.confirm_again"), "compare again with --confirm"),
    (of("speed.run_again"), "run it again"),
]
LONG = {
    "speed.quieter": (of("speed.quieter"), ("close other programs", "--time-again", "isolcpus", "taskset")),
    "speed.side_by_side": (of("speed.side_by_side", pairs=5), ("run both side by side", "at least 5 processes")),
    "speed.one_machine": (of("speed.one_machine", pairs=5), ("on one machine run both", "at least 5 processes")),
    "speed.side_by_side_or_sessions": (
        of("speed.side_by_side_or_sessions", pairs=5, sessions=3),
        ("run both side by side", "or for A, time it again", "until it has 3 sessions"),
    ),
    "speed.never_enough": (
        of("speed.never_enough", sd=0.31, unit="pair"),
        ("no number of processes", "spread of 31.0 %", "close other programs"),
    ),
}


def test_every_fact_has_a_phrase_that_takes_its_values() -> None:
    made = [fact for folder in ("checks/speed", "cli/judge") for fact in made_facts(folder)]
    assert problems([fact for fact in made if fact.code.startswith("speed.")], SPEED) == []
    assert {fact.code.partition(".")[0] for fact in made_facts("checks/speed")} == {"speed"}


@pytest.mark.parametrize(("fact", "text"), CASES, ids=lambda value: getattr(value, "code", None))
def test_words(fact: Fact, text: str) -> None:
    assert say(fact) == text


@pytest.mark.parametrize("code", LONG)
def test_long_advice_names_the_ways_out(code: str) -> None:
    fact, words = LONG[code]
    assert all(word in say(fact) for word in words)


def test_no_phrase_is_left_unread() -> None:
    assert {fact.code for fact, _ in CASES} | LONG.keys() == SPEED.keys()
