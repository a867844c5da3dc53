"""What margins the grid `quickstart` may have: 5 of 25 seeds drawn again and again, each draw judged by the gate.

    harness run quickstart-sample
    python -m benchmarks.quickstart_sample -o reports/quickstart-sample.md

It judges with the margins of the shipped grid as they are, and with the runs of fp32 on one device as the sample that
the grid's reference has.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Final

from harness.checks.scores.gate import judge_all
from harness.checks.scores.policy import policy_of
from harness.checks.scores.target import written_references
from harness.checks.verdict import Verdict, named
from harness.disk import write_files
from harness.grid.grid import load_grid
from harness.pipelines.judged import judged
from harness.record.store import Store
from harness.report.format.numbers import pm
from harness.report.format.table import table
from harness.stats.descriptive import describe, rate

COMMAND: Final = (
    "harness run quickstart-sample && python -m benchmarks.quickstart_sample -o reports/quickstart-sample.md"
)
KIND: Final = "quickstart-sample"
DRAWS: Final = 4000
SEEDS: Final = 5
SEED: Final = 20261129
LEAST: Final = 0.99
"""So many of the draws must PASS."""
METRIC: Final = "accuracy"
OUTCOMES: Final = ("PASS", "INCONCLUSIVE", "FAIL")


@dataclass(frozen=True)
class Found:
    """Accuracy in points by configuration and seed; by verdict ("parity fp32 -> bf16") how many draws ended how."""

    scores: dict[str, dict[str, float]]
    margins: dict[str, float]
    outcomes: dict[str, dict[str, int]]
    machine: str
    versions: str
    measured: str
    draws: int = DRAWS
    seeds: int = SEEDS
    kind: str = KIND

    @property
    def least(self) -> float:
        """The share of draws that PASS, of the verdict that has the least."""
        return min(one.get("PASS", 0) / self.draws for one in self.outcomes.values())


def find(folder: Path) -> Found:
    """Draw and judge; every configuration must have all of its seeds."""
    sample, grid = load_grid(Path("quickstart-sample")), load_grid(Path("quickstart"))
    store = Store(folder, sample.name)
    results = judged(sample, store).results
    every = results.configurations
    names = {one.label: one.shown for one in every}
    short = [one.shown for one in every if len(one.scores) < len(one.planned)]
    if short or not every:
        raise SystemExit(f"not measured yet: {', '.join(short) or 'everything'}; run `harness run quickstart-sample`")
    policy, references = policy_of(grid), written_references(grid)
    random_ = random.Random(SEED)
    outcomes: dict[str, Counter[str]] = {}
    margins: dict[str, float] = {}
    for _ in range(DRAWS):
        drawn = tuple(sorted(random_.sample(every[0].planned, SEEDS)))
        some = [replace(one, planned=drawn) for one in every]
        answers, truths, weights = results.predicted, results.truth, results.weights
        for verdict in judge_all(some, references, policy, answers, truths=truths, weights=weights):
            name = f"{verdict.check} {_about(named(verdict, names))}"
            outcomes.setdefault(name, Counter())[verdict.outcome] += 1
            if verdict.numbers is not None:
                margins[name] = getattr(verdict.numbers, "delta", 0.0)
    scores = {
        one.shown: {str(run.seed): round(100 * (run.score(METRIC) or 0.0), 6) for run in one.scores} for one in every
    }
    seen = store.record(every[0].entries[0]).observed
    assert seen is not None
    packages = seen.packages
    return Found(
        scores=scores,
        margins=margins,
        outcomes={name: dict(one) for name, one in outcomes.items()},
        machine=f"{seen.machine['cores']} cores of {seen.machine['cpu']}",
        versions=f"torch {packages['torch']}, transformers {packages['transformers']}, Python {seen.python}",
        measured=every[0].began[:10],
    )


def render(found: Found) -> str:
    """The page."""
    holds = found.least >= LEAST
    worst = min(found.outcomes, key=lambda name: found.outcomes[name].get("PASS", 0))
    share = rate(found.outcomes[worst].get("PASS", 0), found.draws)
    answer = (
        f"{'Each' if holds else 'Not each'} verdict of `harness bench quickstart` is a PASS in at least "
        f"{100 * LEAST:g} % of {found.draws:,} draws of {found.seeds} of these seeds: the least, {worst}, in "
        f"{100 * share.k / share.n:.2f} % (95 %: {100 * share.low:.2f} to {100 * share.high:.2f})."
    )
    seeds = list(next(iter(found.scores.values())))
    rows = [
        [name, str(len(of)), pm(describe(of.values())), f"{min(of.values()):.2f} to {max(of.values()):.2f}"]
        for name, of in found.scores.items()
    ]
    judged_rows = [
        [name, f"{found.margins[name]:g}" if name in found.margins else "", *(str(of.get(one, 0)) for one in OUTCOMES)]
        for name, of in found.outcomes.items()
    ]
    runs = [[seed, *(f"{of[seed]:.2f}" for of in found.scores.values())] for seed in seeds]
    return "\n\n".join([
        "# The sample that the quickstart is held against",
        answer,
        f"{found.machine}; {found.versions}; measured {found.measured}. The task, recipe and checkpoint of the shipped "
        "grid `quickstart`, with other seeds; accuracy in points on its 1,440 validation sentences. The runs of fp32 "
        "on one device are the sample of the grid's reference, and a draw of them is held against a sample that has "
        "it.",
        table(["Configuration", "Runs", "Accuracy", "Range"], rows, "lrrr"),
        f"## {found.draws:,} draws of {found.seeds} seeds, judged by the gate",
        table(["Verdict", "Margin", *OUTCOMES], judged_rows, "lrrrr"),
        "## Each run",
        table(["Seed", *found.scores], runs, "r" * (1 + len(found.scores))),
        f"```sh\n{COMMAND}\n```",
    ]) + "\n"  # fmt: skip


def again(data: Path) -> Found:
    """What its JSON says."""
    return Found(**json.loads(data.read_text(encoding="utf-8")))


def _about(verdict: Verdict) -> str:
    """`accuracy of fp32 · devices=1` or `fp32 -> bf16`: a draw has the same names as every other."""
    other = verdict.against
    name = verdict.subject.name
    if verdict.check == "quality" or other is None:
        return f"of {name}"
    return f"{other.name} -> {name}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Write the page and its JSON; 1 where a verdict passes in too few draws."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--results", type=Path, default=Path("results"))
    parser.add_argument("-o", "--out", type=Path, help="page to write, and its data beside it")
    options = parser.parse_args(arguments)
    found = find(options.results)
    if options.out:
        data = json.dumps(asdict(found), indent=1, ensure_ascii=False)
        write_files({options.out.name: render(found), f"{options.out.stem}.json": f"{data}\n"}, options.out.parent)
    print(render(found))
    return int(found.least < LEAST)


if __name__ == "__main__":
    sys.exit(main())
