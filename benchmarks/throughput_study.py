"""Does the gate on speed hold still, and does it find a real slow-down? A/A and planted comparisons, replayed.

`harness run benchmarks/throughput-aa.toml` and `harness run benchmarks/throughput-planted.toml` measure;
`python -m benchmarks.throughput_study` judges comparisons of 5 pairs that share no process, replays the measured
variance through the same gate, and writes the report. Exit code 1 where the gate does not hold what it must: no FAIL
in the measured A/A, at most 5 % in the replays, at least 90 % of the planted slow-downs found.
"""

from __future__ import annotations

import argparse
import math
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from harness.checks.speed.compare import compare_processes
from harness.checks.speed.process import Process, newest_pairs, noise_of, processes_of
from harness.checks.verdict import Verdict
from harness.grid.grid import load_grid
from harness.record.model import Record
from harness.record.store import Store
from harness.report.format.table import table
from harness.report.phrases.say import say
from harness.stats.throughput import PAIRS, compare_pairs, detectable_slowdown

COMMAND = "python -m benchmarks.throughput_study --out reports/throughput-aa.md"
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


def report(aa: Arms, planted: Arms) -> tuple[str, list[str]]:
    """The report's Markdown, and what does not hold."""
    every, quiet = _log_ratios(aa.pairs), _log_ratios(aa.quiet)
    sd = float(np.std(quiet, ddof=1))
    clean, clean_quiet, slow = comparisons(aa.pairs), comparisons(aa.quiet), comparisons(planted.quiet)
    counts, counts_quiet, found = outcomes(clean), outcomes(clean_quiet), outcomes(slow)
    laws = {"drawn from the quiet pairs, arms swapped at random": resampled(quiet), "normal, their sd": normal(sd)}
    still = {name: replayed(law) for name, law in laws.items()}
    still["drawn from all pairs, as if nobody had watched the machine"] = replayed(resampled(every))
    slower = {name: replayed(law, 1 / (1 + SLOWER)) for name, law in laws.items()}
    problems = []
    if counts["FAIL"] or counts_quiet["FAIL"]:
        problems.append(f"A/A: {counts['FAIL']} and {counts_quiet['FAIL']} comparisons of identical code FAIL")
    problems += [
        f"A/A, {name}: {one['FAIL']} of {REPLAYS} FAIL"
        for name, one in still.items()
        if one["FAIL"] > MOST_FALSE * REPLAYS
    ]
    problems += [
        f"planted, {name}: {one['FAIL']} of {REPLAYS} found"
        for name, one in slower.items()
        if one["FAIL"] < LEAST_POWER * REPLAYS
    ]
    if found["FAIL"] < LEAST_POWER * len(slow):
        problems.append(f"planted: {found['FAIL']} of {len(slow)} comparisons found it")
    rows = [
        ["A/A, measured: 5 pairs in a row", str(len(clean)), *_shares(counts, len(clean))],
        ["A/A, measured: the next 5 quiet pairs", str(len(clean_quiet)), *_shares(counts_quiet, len(clean_quiet))],
        *[[f"A/A, replayed: {name}", f"{REPLAYS:,}", *_shares(one, REPLAYS)] for name, one in still.items()],
        ["10 % slow-down, measured: the next 5 quiet pairs", str(len(slow)), *_shares(found, len(slow))],
        *[
            [f"10 % slow-down, replayed: {name}", f"{REPLAYS:,}", *_shares(one, REPLAYS)]
            for name, one in slower.items()
        ],
    ]
    first, every_pair = aa.records[0], [*aa.pairs, *planted.pairs]
    assert first.observed is not None
    machine, packages = first.observed.machine, first.observed.packages
    worst = max((abs(b.rate / a.rate - 1) for a, b in aa.quiet), default=0.0)
    shift = float(np.exp(np.mean(_log_ratios(planted.quiet))))
    lines = [
        "# The gate on speed: A/A and a planted slow-down",
        "",
        f"Identical code, measured: {counts['FAIL']} of {len(clean)} comparisons FAIL ({counts['PASS']} PASS, "
        f"{counts['INCONCLUSIVE']} INCONCLUSIVE); replayed 10,000 times: at most "
        f"{max(one['FAIL'] for one in still.values()) / REPLAYS:.2%} FAIL. A planted slow-down of 10 %, measured: "
        f"{found['FAIL']} of {len(slow)} comparisons of 5 pairs find it; replayed: "
        f"{min(one['FAIL'] for one in slower.values()) / REPLAYS:.1%} do.",
        "",
        "```sh",
        "harness run benchmarks/throughput-aa.toml",
        "harness run benchmarks/throughput-planted.toml",
        COMMAND,
        "```",
        "",
        f"{machine['cores']} cores of {machine['cpu']}, {machine['memory_gib']:g} GiB; torch {packages['torch']}, "
        f"transformers {packages['transformers']}, Python {first.observed.python}; measured "
        f"{first.started[:10]}. The embedded tiny BERT (hidden 32), batch 8, fp32, one thread: steps of "
        f"{_median_step(aa.records):.1f} ms, in which the framework weighs most and noise shows first. Each process is "
        "a fresh interpreter: 20 steps of warm-up, 100 measured, its rate the median over steps. The unit is the "
        "process; a comparison is 5 pairs, A B B A ..., and shares no process with another. Margin 5 %.",
        "",
        table(["comparisons of 5 pairs", "number", "FAIL", "PASS", "INCONCLUSIVE"], rows, "lrrrr"),
        "",
        "## What was measured",
        "",
        f"- {len(aa.quiet)} of {len(aa.pairs)} A/A pairs were quiet. Their log ratios have sd {100 * sd:.2f} %, the "
        f"largest difference in a pair is {100 * worst:.1f} %, the ratio over all of them "
        f"{float(np.exp(quiet.mean())):.4f}. With the others the sd is {100 * float(np.std(every, ddof=1)):.1f} %: "
        "they were left out of the measured comparisons by what the kernel counted, by the drift of the machine's own "
        "rate, and where a process' own speed moved within its window (its limit of 8 % was chosen on these runs), not "
        "by their rates; one such pair among 5 makes a comparison INCONCLUSIVE.",
        f"- With the quiet pairs' sd 5 pairs find a slow-down of {100 * detectable_slowdown(sd, PAIRS):.1f} % with a "
        "power of 80 % (the MDE).",
        f"- The planted arm's rate is {shift:.4f} of the other's over {len(planted.quiet)} quiet pairs of "
        f"{len(planted.pairs)} (1 / 1.1 = 0.9091 was planted).",
        *[f"- Not quiet: {say(kind)}" for kind in noise_of(process for pair in every_pair for process in pair)[:5]],
    ]
    if problems:
        lines += ["", "## What does not hold", "", *[f"- {problem}" for problem in problems]]
    return "\n".join(lines) + "\n", problems


def _shares(found: Counter[str], of: int) -> list[str]:
    return [f"{found[name]:,} ({found[name] / of:.1%})" for name in ("FAIL", "PASS", "INCONCLUSIVE")]


def _median_step(records: Sequence[Record]) -> float:
    steps = [record.measured.timing.step_ms["p50"] for record in records if record.measured and record.measured.timing]
    return float(np.median(steps))


def main() -> int:
    """Write the report; 1 where the gate does not hold what it must."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    arms = [read(Path(f"benchmarks/throughput-{name}.toml"), options.results) for name in ("aa", "planted")]
    if not all(arm.pairs for arm in arms):
        print("nothing measured: run the two grids first (see --help)", file=sys.stderr)
        return 5
    text, problems = report(*arms)
    if options.out:
        options.out.write_text(text, encoding="utf-8")
    print(text)
    print("\n".join(problems) or "the gate holds what it must")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
