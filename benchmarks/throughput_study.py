"""Does the gate on speed hold still, and does it find a real slow-down? A/A and planted comparisons, replayed.

`harness run benchmarks/throughput-aa.toml` and `harness run benchmarks/throughput-planted.toml` measure;
`python -m benchmarks.throughput_study` judges comparisons of 5 pairs that share no process, replays the measured
variance through the same gate, and writes the report and its data, from which `--from` renders it again. Exit code 1
where the gate does not hold what it must: no FAIL in the measured A/A, at most 5 % in the replays, at least 90 % of the
planted slow-downs found.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from pydantic import TypeAdapter

from harness.checks.speed.compare import compare_processes
from harness.checks.speed.process import Process, newest_pairs, noise_of, processes_of
from harness.checks.verdict import Verdict
from harness.grid.grid import load_grid
from harness.record.model import Record
from harness.record.store import Store
from harness.report.format.table import table
from harness.report.phrases.say import say
from harness.stats.descriptive import rate
from harness.stats.t import quantile
from harness.stats.throughput import PAIRS, compare_pairs, detectable_slowdown
from harness.stats.variance import own

COMMAND = "python -m benchmarks.throughput_study --out reports/throughput-aa.md"
KIND = "speed-gate-study"
SEED = 20261122
REPLAYS = 10_000
SLOWER = 0.1  # what slow_step plants: a step takes 1.1 times as long
MOST_FALSE, LEAST_POWER = 0.05, 0.9
Pairs = list[tuple[Process, Process]]


@dataclass(frozen=True)
class Arms:
    """Two arms of one grid, a pair a process number, and their records."""

    pairs: Pairs
    records: Sequence[Record]

    @property
    def quiet(self) -> Pairs:
        """The pairs in which nothing disturbed either process."""
        return [pair for pair in self.pairs if pair[0].quiet and pair[1].quiet]


def comparisons(pairs: Pairs) -> list[Verdict]:
    """Comparisons of 5 pairs in the order of their running; none shares a process with another."""
    whole = range(0, len(pairs) - PAIRS + 1, PAIRS)
    blocks = [pairs[start : start + PAIRS] for start in whole]
    return [compare_processes([a for a, _ in block], [b for _, b in block], margin=0.05) for block in blocks]


def _log_ratios(pairs: Pairs) -> npt.NDArray[np.float64]:
    return np.array([math.log(b.rate / a.rate) for a, b in pairs])


def read(grid: Path, results: Path) -> Arms:
    """The newest session's pairs of a grid with two configurations, the first of them as A."""
    cells = load_grid(grid)
    store = Store(results, cells.name)
    order = list(dict.fromkeys(cell.configuration_id for cell in sorted(cells.timing_cells(), key=lambda c: c.repeat)))
    records = [store.record(entry) for entry in store.entries() if entry.configuration_id in order]
    found = processes_of(records)
    a, b = ([one for one in found if one.configuration_id == name] for name in order[:2])
    return Arms(newest_pairs(a, b), records)


def replayed(ratios: Callable[[np.random.Generator], npt.NDArray[np.float64]], shift: float = 1.0) -> Counter[str]:
    """Outcomes of 10,000 comparisons of 5 pairs whose log ratios are drawn by `ratios`, B's rates times `shift`."""
    generator, found = np.random.default_rng(SEED), Counter[str]()
    for _ in range(REPLAYS):
        b = np.exp(ratios(generator)) * shift
        found[compare_pairs([1.0] * PAIRS, b.tolist()).outcome] += 1
    return found


def resampled(measured: npt.NDArray[np.float64]) -> Callable[[np.random.Generator], npt.NDArray[np.float64]]:
    """Draw from what was measured, arms swapped at random: no arm is the faster one."""
    return lambda g: g.choice(measured, PAIRS) * g.choice([-1.0, 1.0], PAIRS)


def normal(sd: float) -> Callable[[np.random.Generator], npt.NDArray[np.float64]]:
    """Draw from the normal law with the measured sd."""
    return lambda g: g.normal(0.0, sd, PAIRS)


def outcomes(found: Iterable[Verdict]) -> Counter[str]:
    """How many of each verdict."""
    return Counter(verdict.outcome for verdict in found)


@dataclass(frozen=True)
class Found:
    """What the study found, as its JSON has it: everything that the report says. Ratios and sds are of rates.

    `shift` is the planted arm's rate over the other's, `shift_95` its interval; None where it was not kept. `source`
    says where the figures come from.
    """

    source: str
    measured: str
    machine: str
    versions: str
    step_ms: float
    quiet: tuple[int, int]
    sd: float
    worst: float
    ratio: float
    sd_of_all: float
    detectable: float
    planted: tuple[int, int]
    shift: float
    shift_95: tuple[float, float] | None
    still: dict[str, dict[str, int]]
    slower: dict[str, dict[str, int]]
    noise: tuple[str, ...]
    kind: str = KIND

    @property
    def problems(self) -> list[str]:
        """What does not hold."""
        found = [
            f"A/A, {name}: {_fails(one)} of {sum(one.values())} comparisons of identical code FAIL"
            for name, one in self.still.items()
            if _fails(one) > (0 if name.startswith("measured") else MOST_FALSE * sum(one.values()))
        ]
        return found + [
            f"planted, {name}: {_fails(one)} of {sum(one.values())} found"
            for name, one in self.slower.items()
            if _fails(one) < LEAST_POWER * sum(one.values())
        ]


def find(aa: Arms, planted: Arms) -> Found:
    """Judge what was measured, and replay it."""
    every, quiet, slow = _log_ratios(aa.pairs), _log_ratios(aa.quiet), _log_ratios(planted.quiet)
    sd = float(np.std(quiet, ddof=1))
    laws = {
        "replayed: drawn from the quiet pairs, arms swapped at random": resampled(quiet),
        "replayed: normal, their sd": normal(sd),
    }
    unwatched = {"replayed: drawn from all pairs, as if nobody had watched the machine": resampled(every)}
    first = aa.records[0]
    assert first.observed is not None
    machine, packages = first.observed.machine, first.observed.packages
    spread, shift = own(slow.tolist()), float(slow.mean())
    half = quantile(0.975, spread.df) * spread.value / math.sqrt(len(slow))
    return Found(
        source=COMMAND,
        measured=first.started[:10],
        machine=f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']:g} GiB",
        versions=f"torch {packages['torch']}, transformers {packages['transformers']}, Python {first.observed.python}",
        step_ms=_median_step(aa.records),
        quiet=(len(aa.quiet), len(aa.pairs)),
        sd=sd,
        worst=max((abs(b.rate / a.rate - 1) for a, b in aa.quiet), default=0.0),
        ratio=float(np.exp(quiet.mean())),
        sd_of_all=float(np.std(every, ddof=1)),
        detectable=detectable_slowdown(sd, PAIRS),
        planted=(len(planted.quiet), len(planted.pairs)),
        shift=math.exp(shift),
        shift_95=(math.exp(shift - half), math.exp(shift + half)),
        still={
            "measured: 5 pairs in a row": dict(outcomes(comparisons(aa.pairs))),
            "measured: the next 5 quiet pairs": dict(outcomes(comparisons(aa.quiet))),
            **{name: dict(replayed(law)) for name, law in {**laws, **unwatched}.items()},
        },
        slower={
            "measured: the next 5 quiet pairs": dict(outcomes(comparisons(planted.quiet))),
            **{name: dict(replayed(law, 1 / (1 + SLOWER))) for name, law in laws.items()},
        },
        noise=tuple(say(kind) for kind in noise_of(p for pair in (*aa.pairs, *planted.pairs) for p in pair)[:5]),
    )


def again(path: Path) -> Found:
    """What was found, from its JSON."""
    return TypeAdapter(Found).validate_json(path.read_bytes())


def render(found: Found) -> str:
    """The report's Markdown."""
    aa, *replays = found.still.values()
    slow, *slow_replays = found.slower.values()
    alarms = max(replays[1:], key=_fails)
    power = min(slow_replays, key=_fails)
    took, meant = 100 * (1 / found.shift - 1), 100 * SLOWER
    known = ""
    if found.shift_95 is not None:
        low, high = (100 * (1 / bound - 1) for bound in reversed(found.shift_95))
        known = f" (95 %: {low:.1f} to {high:.1f} %)"
    quiet, pairs = found.quiet
    planted, planted_pairs = found.planted
    rows = [
        [f"{arm}, {name}", f"{sum(one.values()):,}", *_shares(one)]
        for arm, group in (("A/A", found.still), ("slow-down", found.slower))
        for name, one in group.items()
    ]
    lines = [
        "# The gate on speed: A/A and a planted slow-down",
        "",
        f"Identical code, measured: {_bounded(aa)} FAIL ({aa.get('PASS', 0)} PASS, {aa.get('INCONCLUSIVE', 0)} "
        "INCONCLUSIVE); "
        f"replayed: {_bounded(alarms)} FAIL. A slow-down planted in every step, meant to be {meant:.0f} % and measured "
        f"to be {took:.1f} %{known}: {_bounded(slow)} of 5 pairs find it; replayed at {meant:.0f} %: "
        f"{_bounded(power)} do.",
        "",
        "```sh",
        "harness run benchmarks/throughput-aa.toml",
        "harness run benchmarks/throughput-planted.toml",
        COMMAND,
        "```",
        "",
        f"{found.machine}; {found.versions}; measured {found.measured}. The embedded tiny BERT (hidden 32), batch 8, "
        f"fp32, one thread: steps of {found.step_ms:.1f} ms, in which the framework weighs most and noise shows first. "
        "Each process is a fresh interpreter: 20 steps of warm-up, 100 measured, its rate the median over steps. The "
        "unit is the process; a comparison is 5 pairs, A B B A ..., and shares no process with another. Margin 5 %. "
        "Bounds are exact (Clopper-Pearson), two-sided, at 95 %.",
        "",
        table(["comparisons of 5 pairs", "number", "FAIL", "PASS", "INCONCLUSIVE"], rows, "lrrrr"),
        "",
        f"Replayed slow-downs are of {meant:.0f} %.",
        "",
        "## What was measured",
        "",
        f"- {quiet} of {pairs} A/A pairs were quiet. Their log ratios have sd {100 * found.sd:.2f} %, the largest "
        f"difference in a pair is {100 * found.worst:.1f} %, the ratio over all of them {found.ratio:.4f}. With the "
        f"others the sd is {100 * found.sd_of_all:.1f} %: they were left out of the measured comparisons by what the "
        "kernel counted, by the drift of the machine's own rate, and where a process' own speed moved within its "
        "window (its limit of 8 % was chosen on these runs), not by their rates; one such pair among 5 makes a "
        "comparison INCONCLUSIVE.",
        f"- With the quiet pairs' sd 5 pairs find a slow-down of {100 * found.detectable:.1f} % with a power of 80 % "
        "(the MDE).",
        f"- The planted arm's rate is {found.shift:.4f} of the other's over {planted} quiet pairs of {planted_pairs}, "
        f"a step that takes {took:.1f} % longer: a sleep of {meant:.0f} % wakes late. What is found of it says nothing "
        "of smaller slow-downs; the replays do.",
        *[f"- Not quiet: {one}" for one in found.noise],
    ]
    if found.source != COMMAND:
        lines += ["", f"Source of these figures: {found.source}"]
    if found.problems:
        lines += ["", "## What does not hold", "", *[f"- {problem}" for problem in found.problems]]
    return "\n".join(lines) + "\n"


def _shares(found: Mapping[str, int]) -> list[str]:
    of = sum(found.values())
    return [f"{found.get(name, 0):,} ({found.get(name, 0) / of:.1%})" for name in ("FAIL", "PASS", "INCONCLUSIVE")]


def _fails(found: Mapping[str, int]) -> int:
    return found.get("FAIL", 0)


def _bounded(found: Mapping[str, int]) -> str:
    """How many FAIL of how many, with the interval of that rate."""
    of = sum(found.values())
    fails = rate(_fails(found), of)
    digits = 1 if of < 1000 else 2
    if not fails.k:
        bounds = f"at most {100 * fails.high:.{digits}f} %"
    elif fails.k == of:
        bounds = f"at least {100 * fails.low:.{digits}f} %"
    else:
        bounds = f"{100 * fails.low:.{digits}f} to {100 * fails.high:.{digits}f} %"
    return f"{fails.k:,} of {of:,} comparisons ({bounds})"


def _median_step(records: Sequence[Record]) -> float:
    steps = [record.measured.timing.step_ms["p50"] for record in records if record.measured and record.measured.timing]
    return float(np.median(steps))


def main() -> int:
    """Write the report and its data; 1 where the gate does not hold what it must."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--out", type=Path, help="report to write, and its data beside it")
    parser.add_argument("--from", type=Path, dest="kept", help="render the report of this data; nothing is judged anew")
    options = parser.parse_args()
    if options.kept:
        found = again(options.kept)
    else:
        arms = [read(Path(f"benchmarks/throughput-{name}.toml"), options.results) for name in ("aa", "planted")]
        if not all(arm.pairs for arm in arms):
            print("nothing measured: run the two grids first (see --help)", file=sys.stderr)
            return 5
        found = find(*arms)
    if options.out:
        data = json.dumps(asdict(found), indent=1, ensure_ascii=False)
        options.out.with_suffix(".json").write_text(data + "\n", encoding="utf-8")
        options.out.write_text(render(found), encoding="utf-8")
    print(render(found))
    print("\n".join(found.problems) or "the gate holds what it must")
    return 1 if found.problems else 0


if __name__ == "__main__":
    sys.exit(main())
