"""The tables of the gate over 24 configurations: grids, naive rules beside it, and one configuration alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.statistics_draws import Size, generator, history_of, scores, verdicts
from benchmarks.statistics_gate import LOOKS, LOSS, NAIVE, Tally, Variant, study
from benchmarks.statistics_grid import Shape, published, spread_of_published
from benchmarks.statistics_rows import Row, binomial_error, figure, rate_row
from harness.report.format.table import table
from harness.stats.decision import Rule
from harness.stats.descriptive import rate
from harness.stats.reference import published_sample

MOST = 5.0
LEAST = 90.0
MARGIN = 2.5
WIDE = 2.04
"""A seed sd whose standard error against a sample of 25, times 2.5, is the margin: the most false alarms."""

ALONE = Shape(24, 1, 1)
PAIRS = Shape(12, 2, 1)

MAIN = Variant("6 × 2 × 2", weight=8)
MAIN_LOOKS = Variant("6 × 2 × 2, looks at 5, 7, 10 seeds", looks=LOOKS, weight=3)
SINGLE = Variant("6 × 2 × 2, against a single run", against="single run")
SPREAD_OUT = Variant("6 × 2 × 2, seed sd 1.5", sd=1.5)

CLEAN = (
    MAIN,
    MAIN_LOOKS,
    Variant("6 × 2 × 2, no run collapses", collapse=0.0),
    Variant("6 × 2 × 2, margin from each drawn sample", margin=None),
    Variant("6 × 2 × 2, same seeds correlated .3", rho=0.3),
    Variant("6 × 2 × 2, same seeds correlated .6", rho=0.6),
    Variant("6 × 2 × 2, our runs drawn from the 25 published ones", real=True),
    Variant("3 × 4 × 2", Shape(3, 4, 2)),
    Variant("2 × 4 × 3, same seeds correlated .4", Shape(2, 4, 3), rho=0.4),
    Variant("12 × 2: no history of a recipe", PAIRS),
    Variant("24 alone: neither history nor twins", ALONE),
    Variant("24 alone, no run collapses", ALONE, collapse=0.0),
    Variant("24 alone, looks at 5, 7, 10 seeds", ALONE, looks=LOOKS),
    SPREAD_OUT,
    Variant("6 × 2 × 2, seed sd 1.5, looks at 5, 7, 10 seeds", sd=1.5, looks=LOOKS),
    Variant("6 × 2 × 2, margin 1.5", margin=1.5),
    Variant("6 × 2 × 2, against a mean ± sd of 5", against="mean ± sd of 5"),
    SINGLE,
    Variant("6 × 2 × 2, against a single run, looks at 5, 7, 10 seeds", against="single run", looks=LOOKS),
    Variant("6 × 2 × 2, references fit fp32 on one device only", fits_all=False),
)
"""Grids without any fault."""

STRESS = (
    Variant("6 × 2 × 2, seed sd 2.04: the margin is 2.5 standard errors", sd=WIDE, weight=4),
    Variant("6 × 2 × 2, seed sd 2.04, same seeds correlated .4", sd=WIDE, rho=0.4, weight=3),
    Variant("24 alone, seed sd 2.04", ALONE, sd=WIDE, weight=3),
    Variant("12 × 2, twins at their worst: no correlation, no collapse", PAIRS, collapse=0.0, weight=4),
    Variant("6 × 2 × 2, 6 of the 24 have twice the sd", wild=6, weight=3),
)
"""Grids on which most false alarms are to be expected, or an assumption does not hold."""

TABLED = {
    "strict": Variant("strict", ALONE, "mean ± sd of 5", margin=1.5, sd=1.2, collapse=0.0, weight=2),
    "wide": Variant("wide", ALONE, "mean ± sd of 5", margin=2.5, sd=1.2, collapse=0.0, weight=2),
}
"""What the earlier simulation states figures of."""


@dataclass(frozen=True)
class Families:
    """All that was simulated of gates."""

    clean: tuple[Tally, ...]
    stress: tuple[Tally, ...]
    tabled: dict[str, Tally]

    def of(self, variant: Variant) -> Tally:
        """The tally of one of `CLEAN`."""
        return self.clean[CLEAN.index(variant)]

    @property
    def worst(self) -> Tally:
        """The grid with the most false alarms."""
        return max((*self.clean, *self.stress), key=lambda tally: percent(tally.false_alarm))

    @property
    def alarms(self) -> tuple[int, int]:
        """False alarms over all grids, and gates."""
        tallies = (*self.clean, *self.stress)
        return sum(sum(tally.false_alarm) for tally in tallies), sum(len(tally.false_alarm) for tally in tallies)

    @property
    def holds_level(self) -> bool:
        """Whether false alarms are at most 5 % over all grids, and beyond doubt above it in none (Clopper-Pearson)."""
        tallies = (*self.clean, *self.stress)
        below = all(100 * rate(sum(t.false_alarm), len(t.false_alarm)).low <= MOST for t in tallies)
        return below and 100 * rate(*self.alarms).high <= MOST

    @property
    def has_power(self) -> bool:
        """Whether a loss of 4 points is found in at least 90 % at the defaults, with and without looks."""
        return all(percent(self.of(variant).caught) >= LEAST for variant in (MAIN, MAIN_LOOKS))


def simulate(size: Size) -> Families:
    """Judge all grids."""
    numbered = iter(range(1000))

    def tally(variant: Variant) -> Tally:
        return study(variant, max(20, round(size.gates * variant.weight)), next(numbered))

    return Families(
        tuple(tally(variant) for variant in CLEAN),
        tuple(tally(variant) for variant in STRESS),
        {name: tally(variant) for name, variant in TABLED.items()},
    )


def percent(flags: Sequence[bool]) -> float:
    """How often, in per cent."""
    return 100 * sum(flags) / len(flags)


def shown(flags: Sequence[bool]) -> str:
    """A rate with its Monte Carlo error, in per cent."""
    error = binomial_error(sum(flags), len(flags))
    return f"{figure(percent(flags), error)} ± {error:.2f}"


def within(flags: Sequence[bool]) -> str:
    """A rate with its number and 95 % interval (Clopper-Pearson)."""
    found = rate(sum(flags), len(flags))
    return f"{percent(flags):.1f} % of {len(flags)} (95 %: {100 * found.low:.1f} to {100 * found.high:.1f})"


def gates_table(tallies: Sequence[Tally]) -> str:
    """False alarm and power of each grid; below, what passes."""
    alarms = [
        [
            tally.variant.label,
            str(len(tally.false_alarm)),
            shown(tally.false_alarm),
            f"{100 * rate(sum(tally.false_alarm), len(tally.false_alarm)).high:.1f}",
            shown(tally.caught),
            f"{percent(tally.by_reference):.1f}",
        ]
        for tally in tallies
    ]
    passes = [
        [
            tally.variant.label,
            shown(tally.passed_lost),
            f"{percent(tally.passed_clean):.1f}",
            f"{percent(tally.green):.0f}",
            f"{sum(tally.seeds) / len(tally.seeds):.1f}",
        ]
        for tally in tallies
    ]
    found = table(["grid", "gates", "false alarm", "at most", "loss found", "by reference"], alarms, "lrrrrr")
    passed = table(["grid", "loss passed", "clean one passed", "all passed", "seeds"], passes, "lrrrr")
    return f"{found}\n\n{passed}"


def naive_table(families: Families) -> str:
    """The gate and the naive rules on the same runs."""
    body = []
    for variant in (MAIN, SPREAD_OUT, SINGLE):
        tally = families.of(variant)
        where = f"{variant.against}, seed sd {variant.sd:.2f}"
        body.append([where, "the gate", shown(tally.false_alarm), shown(tally.caught)])
        body += [["", name, shown(tally.naive_alarm[name]), shown(tally.naive_caught[name])] for name in NAIVE]
    return table(["against", "rule", "any false alarm of 24", "loss of 4 points found"], body, "llrr")


def alone(size: Size) -> list[Row]:
    """One configuration against the sample of 25, without a family."""
    found = []
    for sd in (spread_of_published(), 1.2, 1.5):
        for kind in ("own df", "+ 16 history df"):
            for shift in (0.0, LOSS, -2.5):
                rng = generator(10, round(100 * sd), round(-10 * shift))
                x, runs = (
                    scores(rng, (size.decisions, 5), sd, shift),
                    scores(rng, (size.decisions, len(published())), sd),
                )
                history = history_of(rng, size.decisions, sd) if kind != "own df" else None
                sample = runs.tolist()
                said = verdicts(
                    x,
                    lambda mine, draw, sample=sample: published_sample(mine, sample[draw]),  # type: ignore[misc]
                    Rule(MARGIN),
                    history,
                )
                label = f"RULE {kind}, seed sd {sd:.2f}"
                if shift > -2.5:
                    found.append(rate_row(label, 5, f"FAIL at {shift:g}", said.fails))
                if shift != LOSS:
                    stated = "5" if shift else ""
                    where = "PASS at the margin, -2.5" if shift else "PASS at 0"
                    found.append(rate_row(label, 5, where, said.passes, stated))
    return found


def stated(families: Families) -> list[Row]:
    """What the earlier simulation says of 24 configurations."""
    strict, wide = families.tabled["strict"], families.tabled["wide"]
    model = (
        "neither the correlation of the 24 nor which sds were pooled is given; here each has its own reference and sd"
    )
    gate = "the table's family counts all 24; the gate's counts each by its chance to fail, at half of alpha"
    return [
        rate_row("24: mean within 1 pt", 5, "any false alarm", strict.naive_alarm[NAIVE[0]], "93", model),
        rate_row("24: t test", 5, "any p < .05", strict.significant, "59", model),
        rate_row("24: RULE uncorrected, margin 1.5", 5, "any false alarm", strict.uncorrected, "38", model),
        rate_row("24: RULE uncorrected, margin 2.5", 5, "any false alarm", wide.uncorrected, "2", model),
        rate_row("24: RULE, Holm, margin 1.5", 5, "any false alarm", strict.plain_holm, "3.7", model),
        rate_row("24: the gate, margin 1.5", 5, "any false alarm", strict.false_alarm),
        rate_row("24: the gate, margin 2.5", 5, "any false alarm", wide.false_alarm, "2", gate),
        rate_row("24: the gate, margin 2.5, own sd", 5, "FAIL of one at -4", wide.by_reference, "74", gate),
    ]
