"""What `harness check` promises, simulated by what it calls, beside an earlier simulation of the rules.

`python -m benchmarks.statistics_study`: false alarm and power of the gate and of each rule beside those of naive rules.
All figures of the report come from here; the same seed gives the same figures, and `--out FILE.md` writes them to
FILE.json too, from which `--from FILE.json` renders the report again. Exit code 1 where the gate does not hold what it
must: at most 5 % false alarms over 24 clean configurations, at least 90 % of losses of 4 points found with 5 seeds at
the defaults. With `--comparisons` comparisons over an axis instead, a report of its own, in three minutes; 1 where one
of its cases does not hold.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import statistics_arms, statistics_comparisons, statistics_scores, statistics_special
from benchmarks.statistics_draws import Size
from benchmarks.statistics_families import (
    LEAST,
    MAIN,
    MAIN_LOOKS,
    MARGIN,
    Families,
    alone,
    gates_table,
    naive_table,
    percent,
    simulate,
    stated,
    within,
)
from benchmarks.statistics_gate import NAIVE
from benchmarks.statistics_grid import false_negatives_law, published, replication, spread_of_published
from benchmarks.statistics_kept import (
    Made,
    as_text,
    comparisons_again,
    comparisons_kept,
    families_again,
    families_kept,
    rows_kept,
)
from benchmarks.statistics_rows import ERRORS, Row, found_text, rows_table
from harness.report.format.table import table

COMPARISONS = "python -m benchmarks.statistics_study --comparisons --out reports/comparisons-validation.md"
KIND = "statistics-study"
LEVELS = {KIND: 3, "comparisons-study": 2}
"""How deep the rows of each study lie in its data."""
COMMAND = "python -m benchmarks.statistics_study --out reports/statistics-validation.md"


@dataclass(frozen=True)
class Study:
    """All that was simulated."""

    made: Made
    size: Size
    families: Families
    chapters: dict[str, list[Row]]

    @property
    def compared(self) -> list[tuple[str, Row]]:
        """The rows of which the earlier simulation states a figure, with their chapter."""
        return [(name, row) for name, rows in self.chapters.items() for row in rows if row.stated]

    @property
    def apart(self) -> list[tuple[str, Row]]:
        """Those of them that do not agree."""
        return [(name, row) for name, row in self.compared if not row.agrees]


def run(size: Size) -> Study:
    """Simulate everything."""
    start = time.process_time()
    families = simulate(size)
    chapters = {
        "24 configurations": stated(families),
        "One configuration against the sample of 25": alone(size),
        **statistics_scores.rows(size),
        **statistics_special.rows(size),
        **statistics_arms.rows(size),
    }
    return Study(Made.now(COMMAND, start), size, families, chapters)


def kept(study: Study) -> dict[str, object]:
    """The study as plain data, from which `again` makes it."""
    return {
        "kind": KIND,
        "made": vars(study.made),
        "size": vars(study.size),
        "families": families_kept(study.families),
        "chapters": {name: rows_kept(rows) for name, rows in study.chapters.items()},
    }


def again(data: dict[str, Any]) -> Study:
    """The study that was kept."""
    chapters = {name: [Row(**row) for row in rows] for name, rows in data["chapters"].items()}
    return Study(Made(**data["made"]), Size(**data["size"]), families_again(data["families"]), chapters)


def rendered(data: dict[str, Any]) -> str:
    """The report whose data this is, of either study."""
    if data["kind"] == KIND:
        return render(again(data))
    return statistics_comparisons.render(*comparisons_again(data), Made(**data["made"]), COMPARISONS)


def render(study: Study) -> str:
    """The report."""
    parts = [
        "# What the statistics promise, simulated",
        _result(study),
        f"```sh\n{COMMAND}\n```",
        _reading(study),
        "## The gate over 24 configurations",
        _setting(),
        gates_table(study.families.clean),
        _conclusion(study),
        "### Beside naive rules",
        "The same runs, judged by what is often done instead. A naive rule knows no family: any of the 24 is an alarm.",
        naive_table(study.families),
        "### Where most false alarms are to be expected",
        "A margin of two to three standard errors leaves most comparisons a chance to fail, and no comparison a good "
        "one to pass. Twins whose luck is not shared differ most.",
        gates_table(study.families.stress),
        "## Where the earlier simulation and this one differ",
        "Beside most figures stands what an earlier simulation gave: other code, written when the rules were chosen; "
        "only its rounded figures are kept, here and in [the JSON](statistics-validation.json). It knew neither all "
        "rules of today nor did it state all of its models, so that a difference is no error of either by itself. A "
        "figure is compared with the rule by default, and with the rule as the figure seems to have been made.",
        _differences(study),
        _speed(study),
        "## All rows",
    ]
    for name, rows in study.chapters.items():
        parts += [f"### {name}", rows_table(rows)]
    return "\n\n".join(parts) + "\n"


def _result(study: Study) -> str:
    families = study.families
    main, looks = (families.of(variant) for variant in (MAIN, MAIN_LOOKS))
    grids, (alarms, gates) = len(families.clean) + len(families.stress), families.alarms
    level = "holds" if families.holds_level else "DOES NOT HOLD"
    power = "finds" if families.has_power else "MISSES ITS 90 %: it finds"
    naive = [f"{percent(main.naive_alarm[name]):.0f} %" for name in NAIVE]
    return (
        f"Over 24 clean configurations the gate {level} its 5 %: {within(main.false_alarm)} false alarms at the "
        f"defaults, {within(looks.false_alarm)} with looks, {100 * alarms / gates:.1f} % of {gates:,} gates over "
        f"{grids} grids, {within(families.worst.false_alarm)} in the worst. It {power} a loss of 4 points with 5 seeds "
        f"in {within(main.caught)} at the defaults, in {within(looks.caught)} with looks. A fixed ±1 point raises a "
        f"false alarm in {naive[0]} of the gates at the defaults, mean ± 2 sd in {naive[1]}, one seed within ±1 point "
        f"of a published run in {naive[2]}. Of {len(study.compared)} figures of an earlier simulation by other code "
        f"{len(study.compared) - len(study.apart)} are found again; the others are listed with their causes."
    )


def _reading(study: Study) -> str:
    size = study.size
    return (
        f"{study.made} Scores are whole numbers out of 408 examples. {size.arrays:,} draws where arithmetic on arrays "
        f"is enough, {size.decisions:,} decisions, {size.slow:,} where one decision takes long; the gates are counted "
        f"in their tables. Figures are per cent unless a row says runs; ± is the Monte Carlo standard error of the "
        f"found. Stated is the earlier simulation's figure; a row agrees where found and stated differ by at most "
        f"{ERRORS} errors, those of both taken together, and half a unit of the last digit stated. RULE is `decide` at "
        "margin 2.5 and alpha .05 unless the row says otherwise; n counts our runs. The rules are in "
        "[docs/statistics.md](../docs/statistics.md). Where the earlier simulation leaves its model open (churn of the "
        "examples, steps of a process and their correlation) ours was chosen so that some of its figures come out: "
        "agreement says less in those chapters."
    )


def _setting() -> str:
    slope, _, sd = false_negatives_law()
    return (
        "Every gate is a call of `judge_all` and `exit_code`, what `harness check` calls, on made-up runs: quality "
        "against a reference of each checkpoint, parity of the twins (precisions, numbers of devices) and stability "
        "are judged together, accuracy and F1, with the default policy. A grid is checkpoints × precisions × numbers "
        "of devices; configurations of a checkpoint have one recipe, and steady each other's sd. The reference is "
        f"drawn anew in every gate: {len(published())} runs as the registry's `{replication().id}` has them (sd "
        f"{spread_of_published():.2f} points; the margin that follows is {MARGIN:g}, of parity 1.5). Runs are drawn "
        "from one normal law with that sd, independent of each other unless the grid says otherwise; false negatives "
        f"go with errors as in the published runs ({slope:.2f} of each error, sd {sd:.1f}), so that F1 does; 2 % of "
        "runs collapse, as declared. With looks only undecided configurations take more seeds. Precision and devices "
        "are declared harmless, so that a reference fits all of its checkpoint. False alarm: exit code 1 of a grid "
        "without any fault. At most: the upper end of its 95 % interval (Clopper-Pearson). Loss found: one "
        "configuration, another in each gate, lies 4 points lower, and a verdict on it fails, against the reference "
        "(the next column) or against a twin. Loss passed, clean one passed: PASS against the reference. All passed: "
        "exit code 0 of a clean grid. Seeds: those taken on average."
    )


def _conclusion(study: Study) -> str:
    weak = [tally for tally in study.families.clean if percent(tally.caught) < LEAST]
    if not weak:
        return "Every grid finds the loss in at least 90 % of gates."
    listed = "; ".join(f"{tally.variant.label} ({percent(tally.caught):.0f} %)" for tally in weak)
    return (
        f"The loss is found in less than 90 % of gates in: {listed}. A configuration without two others of its recipe "
        "has its own sd only, and with a collapse among its 5 seeds too few runs for a verdict; a single published "
        "run is no target for 4 points, whatever the number of seeds; without a reference that fits only a twin can "
        "tell."
    )


def _differences(study: Study) -> str:
    if not study.apart:
        return "Nowhere."
    body = [
        [
            name,
            f"{row.method}; n {row.n}",
            row.what,
            row.stated,
            found_text(row),
            row.why or "not known",
        ]
        for name, row in study.apart
    ]
    return table(["chapter", "method; n", "what", "stated", "found ± error", "cause"], body, "lllrrl")


def _speed(study: Study) -> str:
    """What the bar of the smallest detectable slow-down costs."""
    rows = {
        (row.method, row.n): row for name, rows in study.chapters.items() for row in rows if row.what.endswith("-10 %")
    }
    rule = "RULE over earlier sessions, margin 5 %"
    found = "; ".join(
        f"{n} sessions {rows[rule, n].found:.0f} % and {rows[f'{rule}, no MDE bar', n].found:.0f} %"
        for n in ("3", "5", "10")
    )
    abba, open_bar = rows["ABBA: RULE FAIL, margin 5 %", "5"], rows["ABBA: RULE FAIL, margin 5 %, no MDE bar", "5"]
    return (
        "Throughput: a margin below the smallest slow-down that the measured sd can detect makes every answer "
        "INCONCLUSIVE, also that of a slow-down which meets all conditions of a FAIL. A slow-down of 10 % fails, with "
        f"and without that bar: five ABBA pairs {abba.found:.0f} % and {open_bar.found:.0f} %; {found}."
    )


def main(arguments: list[str] | None = None) -> int:
    """Write the report and its data, or print it; 1 where the gate does not hold what it must."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, help="report to write, and its data beside it; default: standard output")
    parser.add_argument("--scale", type=float, default=1.0, help="times the draws (published: 1)")
    parser.add_argument("--comparisons", action="store_true", help="of comparisons over an axis, and nothing else")
    parser.add_argument("--from", type=Path, dest="kept", help="render the report of this data; nothing is simulated")
    options = parser.parse_args(arguments)
    start = time.process_time()
    if options.kept:
        data = json.loads(options.kept.read_text(encoding="utf-8"))
    elif options.comparisons:
        tallies = statistics_comparisons.study(max(20, round(statistics_comparisons.DRAWS * options.scale)))
        data = comparisons_kept(*tallies, Made.now(COMPARISONS, start))
    else:
        data = kept(run(Size().scaled(options.scale)))
    if options.out is None:
        sys.stdout.write(rendered(data))
    else:
        options.out.with_suffix(".json").write_text(as_text(data, LEVELS[data["kind"]]) + "\n", encoding="utf-8")
        options.out.write_text(rendered(data), encoding="utf-8")
    print(f"{time.process_time() - start:.0f} s of CPU time", file=sys.stderr)
    return 0 if holds(data) else 1


def holds(data: dict[str, Any]) -> bool:
    """Whether everything holds that must, by what was counted."""
    if data["kind"] == KIND:
        families = again(data).families
        return families.holds_level and families.has_power
    return all(one.holds for one in comparisons_again(data)[0])


if __name__ == "__main__":
    sys.exit(main())
