"""The tables of the gate over 24 configurations: variants of it, naive rules beside it, and one configuration alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from benchmarks.statistics_draws import Size, generator, history_of, scores, verdicts
from benchmarks.statistics_gate import LOOKS, LOSS, NAIVE, Tally, Variant, published, study
from benchmarks.statistics_rows import Row, binomial_error, figure, rate_row
from harness.report.format.table import table
from harness.stats.decision import Rule
from harness.stats.descriptive import rate
from harness.stats.reference import published_sample

MOST = 5.0
LEAST = 90.0

MAIN = Variant("pooled sd")
MAIN_LOOKS = Variant("pooled sd, looks at 5, 7, 10 seeds", looks=LOOKS)
OWN = Variant("each its own sd", spread="own")

CLEAN = (
    MAIN,
    MAIN_LOOKS,
    OWN,
    Variant("each its own sd, looks at 5, 7, 10 seeds", spread="own", looks=LOOKS),
    Variant("own sd steadied by the other configurations", spread="default", weight=0.4),
    Variant("pooled sd, looks at 3, 5, 7, 10 seeds", looks=(3, *LOOKS)),
    Variant("pooled sd, our runs drawn from the 25 published ones", real=True),
    Variant("pooled sd, same seeds correlated .3", rho=0.3),
    Variant("pooled sd, same seeds correlated .6", rho=0.6),
    Variant("pooled sd, same seeds correlated .6, looks at 5, 7, 10 seeds", rho=0.6, looks=LOOKS),
    Variant("pooled sd, seed sd 1.5", sd=1.5),
    Variant("pooled sd, seed sd 1.5, looks at 5, 7, 10 seeds", sd=1.5, looks=LOOKS),
    Variant("pooled sd, margin 1.5", delta=1.5, weight=2),
    Variant("pooled sd, margin 1.5, looks at 5, 7, 10 seeds", delta=1.5, looks=LOOKS),
    Variant("each its own sd, margin 1.5", delta=1.5, spread="own"),
    Variant("pooled sd, against a single run", against="single run"),
    Variant("pooled sd, against a single run, looks at 5, 7, 10 seeds", against="single run", looks=LOOKS),
    Variant("each its own sd, against a single run", against="single run", spread="own"),
)
"""Configurations without any fault, all of the same spread: the gate must hold its level."""

STRESS = (
    Variant("2 % of runs collapse, as declared", collapse=0.02),
    Variant("2 % of runs collapse, as declared, margin 1.5", collapse=0.02, delta=1.5, weight=2),
    Variant(
        "2 % of runs collapse, as declared, margin 1.5, level .025", collapse=0.02, delta=1.5, alpha=0.025, weight=2
    ),
    Variant("6 of the 24 have twice the sd, pooled unless Levene forbids", wild=6, weight=2),
    Variant("6 of the 24 have twice the sd, each its own sd", wild=6, spread="own"),
)
"""Assumptions that do not hold, or two tests in one gate."""

TABLED = {
    "strict": Variant("mean ± sd of 5, margin 1.5, pooled sd", "mean ± sd of 5", 1.5, sd=1.2, weight=2),
    "pooled": Variant("mean ± sd of 5, margin 2.5, pooled sd", "mean ± sd of 5", 2.5, sd=1.2),
    "own": Variant("mean ± sd of 5, margin 2.5, own sd", "mean ± sd of 5", 2.5, "own", sd=1.2),
    "joined": Variant(
        "mean ± sd of 5, margin 2.5, own sd, always pooled with theirs",
        "mean ± sd of 5",
        2.5,
        "own",
        sd=1.2,
        method="pooled",
    ),
}
"""What section 7 of statistics.md states figures of; the reference is one for all configurations."""


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
    def holds_level(self) -> bool:
        """Whether no gate of clean configurations was found above 5 %."""
        return all(percent(tally.false_alarm) <= MOST for tally in self.clean)

    @property
    def has_power(self) -> bool:
        """Whether the pooled sd finds a loss of 4 points in at least 90 %, with and without looks."""
        return all(percent(self.of(variant).caught) >= LEAST for variant in (MAIN, MAIN_LOOKS))


def simulate(size: Size) -> Families:
    """Judge all variants."""
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


def gates_table(tallies: Sequence[Tally]) -> str:
    """False alarm and power of each variant."""
    body = [
        [
            tally.variant.label,
            str(len(tally.false_alarm)),
            shown(tally.false_alarm),
            f"{100 * rate(sum(tally.false_alarm), len(tally.false_alarm)).high:.1f}",
            shown(tally.caught),
            shown(tally.passed_lost),
            shown(tally.passed_clean),
            f"{sum(tally.seeds) / len(tally.seeds):.1f}",
        ]
        for tally in tallies
    ]
    heads = ["gate", "gates", "false alarm", "at most", "loss found", "loss passed", "clean one passed", "seeds"]
    return table(heads, body, "lrrrrrrr")


def naive_table(families: Families) -> str:
    """The gate and the naive rules on the same runs."""
    body = []
    chosen = (
        MAIN,
        next(v for v in CLEAN if v.sd == 1.5 and not v.looks),
        next(v for v in CLEAN if v.against == "single run"),
    )
    for variant in chosen:
        tally = families.of(variant)
        where = f"{variant.against}, seed sd {variant.true_sd:.2f}"
        body.append([where, "the gate, pooled sd", shown(tally.false_alarm), shown(tally.caught)])
        body += [["", name, shown(tally.naive_alarm[name]), shown(tally.naive_caught[name])] for name in NAIVE]
    return table(["against", "rule", "any false alarm of 24", "loss of 4 points found"], body, "llrr")


def alone(size: Size) -> list[Row]:
    """One configuration against the sample of 25, without a family."""
    found = []
    for sd in (MAIN.true_sd, 1.2, 1.5):
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
                    lambda mine, draw, sample=sample: published_sample(mine, sample[draw]),
                    Rule(MAIN.margin),
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
    """What section 7 says of 24 configurations."""
    strict, wide = families.tabled["strict"], families.tabled["pooled"]
    own, joined = families.tabled["own"], families.tabled["joined"]
    model = "neither the correlation of the 24 nor which sds were pooled is given; here they share the reference only"
    apart = "sds that differ by more than a factor of 2 are not pooled (section 2); the next row pools them always"
    return [
        rate_row("24: mean within 1 pt", 5, "any false alarm", strict.naive_alarm[NAIVE[0]], "93", model),
        rate_row("24: t test, pooled sd", 5, "any p < .05", strict.significant, "59", model),
        rate_row("24: RULE uncorrected, margin 1.5", 5, "any false alarm", strict.uncorrected, "38", model),
        rate_row("24: RULE uncorrected, margin 2.5", 5, "any false alarm", wide.uncorrected, "2", model),
        rate_row("24: RULE, Holm, margin 1.5", 5, "any false alarm", strict.false_alarm, "3.7", model),
        rate_row("24: RULE, Benjamini-Hochberg, margin 1.5", 5, "any false alarm", strict.hochberg, "4.1", model),
        rate_row("24: RULE, Holm, margin 2.5, pooled sd", 5, "any false alarm", wide.false_alarm, "2", model),
        rate_row("24: RULE, Holm, margin 2.5, pooled sd", 5, "FAIL of one at -4", wide.caught, "97.5", model),
        rate_row("24: RULE, Holm, margin 2.5, own sd", 5, "FAIL of one at -4", own.caught, "74", apart),
        rate_row("24: the same, sds always pooled with theirs", 5, "FAIL of one at -4", joined.caught, "74", model),
    ]
