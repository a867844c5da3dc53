"""Does a grid's history raise nothing where nothing changed, and does it find a slow-down? Simulated nights.

`python -m benchmarks.history_study --out reports/history-validation.md` draws the speeds of sessions and asks, night
after night, what `harness history` asks; it writes the report and its data, from which `--from` renders it again. Exit
code 1 where more than 1 % of nights are raised without a change, or less than 90 % of slow-downs of 5 % found in 3
nights, in the cases that must hold.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from harness.checks.nights.change import ALPHA, Track, newest
from harness.checks.nights.line import Night, Point
from harness.record.provenance import today
from harness.report.format.table import table
from harness.stats.descriptive import rate
from harness.stats.throughput import MOST_SESSIONS, SESSIONS

COMMAND = "python -m benchmarks.history_study --out reports/history-validation.md"
KIND = "history-study"
SEED = 20261129
NIGHTS, HISTORIES, STEPS = 200, 50, 500
SD = 0.015
"""Of a session's log speed: what docs/statistics.md states power for."""
SLOWER, WITHIN = 0.05, 3
MOST_FALSE, LEAST_POWER = 0.01, 0.9
Draw = npt.NDArray[np.float64]


@dataclass(frozen=True)
class Still:
    """Histories without a change: `raised` of `nights` that could be judged. `law` is how sessions were drawn."""

    law: str
    configurations: int
    nights: int
    raised: int
    must_hold: bool

    @property
    def holds(self) -> bool:
        """Whether no more are raised than may be."""
        return self.raised <= MOST_FALSE * self.nights


@dataclass(frozen=True)
class Step:
    """Slow-downs after `before` sessions: `found` of `histories` within 3 nights, `first` in the first."""

    before: int
    configurations: int
    histories: int
    first: int
    found: int
    must_hold: bool

    @property
    def holds(self) -> bool:
        """Whether as many are found as must be."""
        return self.found >= LEAST_POWER * self.histories


@dataclass(frozen=True)
class Found:
    """What the study found, as its JSON has it."""

    source: str
    made: str
    seconds: int
    numpy: str
    still: tuple[Still, ...]
    steps: tuple[Step, ...]
    kind: str = KIND

    @property
    def problems(self) -> list[str]:
        """What does not hold."""
        cases: Sequence[Still | Step] = (*self.still, *self.steps)
        return [str(one) for one in cases if one.must_hold and not one.holds]


def suspicious(speeds: Draw) -> bool:
    """Whether the last night of (nights, configurations) is raised: what `harness history` says of it."""
    count = speeds.shape[1]
    for number, mine in enumerate(speeds.T.tolist()):
        points = [(_NIGHT, Point(f"c{number}", "", {}, speed, None)) for speed in mine]
        found = newest(Track(f"c{number}", "", tuple(points)), count)
        if found is not None and found.suspicious:
            return True
    return False


_NIGHT = Night("", 0, {"machine": "one"}, {}, ())


def normal(generator: np.random.Generator, shape: tuple[int, int]) -> Draw:
    """Independent sessions."""
    return generator.normal(0.0, SD, shape)


def heavy(generator: np.random.Generator, shape: tuple[int, int]) -> Draw:
    """Independent sessions with outliers: Student's t of 5 degrees of freedom, of the same sd."""
    return generator.standard_t(5, shape) * SD / np.sqrt(5 / 3)


def drifting(generator: np.random.Generator, shape: tuple[int, int]) -> Draw:
    """Sessions that resemble the one before: first-order autoregression of 0.5, of the same sd."""
    found = generator.normal(0.0, SD, shape)
    for at in range(1, shape[0]):
        found[at] = 0.5 * found[at - 1] + np.sqrt(1 - 0.5**2) * found[at]
    return found


LAWS = {"normal": normal, "Student's t, 5 df": heavy, "each like the last (0.5)": drifting}


def still(law: str, configurations: int, generator: np.random.Generator) -> Still:
    """Nights of histories that never change."""
    raised = 0
    for _ in range(HISTORIES):
        speeds = np.exp(LAWS[law](generator, (NIGHTS, configurations)))
        # Only the newest sessions are heeded: older ones would but take time.
        raised += sum(suspicious(speeds[max(0, at - MOST_SESSIONS) : at + 1]) for at in range(SESSIONS, NIGHTS))
    return Still(law, configurations, HISTORIES * (NIGHTS - SESSIONS), raised, must_hold=law == "normal")


def step(before: int, configurations: int, generator: np.random.Generator) -> Step:
    """Histories of which one configuration becomes slower, and stays so."""
    first = found = 0
    for _ in range(STEPS):
        speeds = np.exp(normal(generator, (before + WITHIN, configurations)))
        speeds[before:, 0] *= 1 - SLOWER
        nights = [suspicious(speeds[max(0, at - MOST_SESSIONS) : at + 1]) for at in range(before, before + WITHIN)]
        first, found = first + nights[0], found + any(nights)
    return Step(before, configurations, STEPS, first, found, must_hold=before >= MOST_SESSIONS and configurations == 1)


def find() -> Found:
    """Draw everything."""
    generator, began = np.random.default_rng(SEED), time.monotonic()
    without = tuple(still(law, count, generator) for law in LAWS for count in (1, 4))
    steps = tuple(step(before, count, generator) for before in (10, 20, 30, 60) for count in (1, 4))
    return Found(COMMAND, str(today()), round(time.monotonic() - began), np.__version__, without, steps)


def again(data: Mapping[str, Any]) -> Found:
    """What was found, from its JSON."""
    return TypeAdapter(Found).validate_python(data)


def _share(k: int, n: int) -> str:
    one = rate(k, n)
    return f"{100 * k / n:.2f} % ({100 * one.low:.2f} to {100 * one.high:.2f})"


def render(found: Found) -> str:
    """The report's Markdown."""
    plain = next(one for one in found.still if one.must_hold)
    enough = next(one for one in found.steps if one.must_hold)
    without = [
        [one.law, str(one.configurations), f"{one.nights:,}", _share(one.raised, one.nights), _holds(one)]
        for one in found.still
    ]
    steps = [
        [str(one.before), str(one.configurations), _share(one.first, one.histories), _share(one.found, one.histories),
         _holds(one)]
        for one in found.steps
    ]  # fmt: skip
    parts = [
        "# What a history of speed promises, simulated",
        f"Without a change {_share(plain.raised, plain.nights)} of nights are called suspicious; a slow-down of "
        f"{100 * SLOWER:g} % after {enough.before} sessions is found within {WITHIN} nights in "
        f"{_share(enough.found, enough.histories)} (95 % intervals).",
        f"```sh\n{found.source}\n```",
        f"Simulated {found.made} in {found.seconds} s, seed {SEED}, numpy {found.numpy}. A night is raised where "
        "`harness history` would say suspicious, by the function that it calls: a speed below the one-sided prediction "
        f"bound of the at most {MOST_SESSIONS} sessions before it, at least {SESSIONS}, at alpha {ALPHA:g} over all "
        f"configurations of a night. Sessions have an sd of {100 * SD:g} % on the log scale.",
        "## Nothing changed",
        f"{HISTORIES} histories of {NIGHTS} nights each.",
        table(
            ["Sessions are", "Configurations", "Nights", "Raised", f"At most {100 * MOST_FALSE:g} %"], without, "lrrrl"
        ),
        "## One configuration becomes slower",
        f"By {100 * SLOWER:g} %, for good; {STEPS:,} histories each, sessions normal.",
        table(
            ["Sessions before", "Configurations", "First night", f"Within {WITHIN}", f"{100 * LEAST_POWER:g} %"],
            steps,
            "rrrrl",
        ),
        "What must hold is said with yes or no; the other rows show what it rests on: sessions with outliers, or that "
        "resemble the one before, are raised more often than promised, and a short history, or the chance shared by "
        "several configurations, finds less.",
    ]
    return "\n\n".join(parts) + "\n"


def _holds(one: Still | Step) -> str:
    return ("yes" if one.holds else "no") if one.must_hold else "shown"


def main(arguments: Sequence[str] | None = None) -> int:
    """Simulate or read, write, and say what does not hold."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("reports/history-validation.md"))
    parser.add_argument("--from", dest="source", type=Path, help="render again from this JSON")
    asked = parser.parse_args(arguments)
    found = again(json.loads(asked.source.read_text(encoding="utf-8"))) if asked.source else find()
    asked.out.write_text(render(found), encoding="utf-8")
    if not asked.source:
        asked.out.with_suffix(".json").write_text(json.dumps(asdict(found), indent=1) + "\n", encoding="utf-8")
    for problem in found.problems:
        print(problem, file=sys.stderr)
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
