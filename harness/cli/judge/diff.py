"""`harness diff`: are two runs the same, and if not, since which step, by how much and why?"""

from __future__ import annotations

from typing import Annotated

import typer

from harness.checks.scores.baseline.diff import diff_accepted
from harness.checks.verdict import Fact, exit_code
from harness.checks.verify.diff.paired import judge, pairs, summary
from harness.cli.options import NAMING, PART, RESULTS, Json, Junit, Out, ResultsFolder
from harness.cli.outputs import Outputs
from harness.pipelines.find import accepted_sides, find_runs, told_side
from harness.record.provenance import command_line
from harness.report.verdicts.diff import accepted_text, diff_text
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import Head

SideName = Annotated[
    str,
    typer.Argument(
        help=f"A run (its folder, or its id as `harness runs` lists it), a grid ({NAMING}), or a folder of several "
        f"grids' results; {PART}; or a file that `harness accept` wrote.",
        show_default=False,
    ),
]


def diff(
    a: SideName,
    b: SideName,
    results: ResultsFolder = RESULTS,
    exact: Annotated[bool, typer.Option("--exact", help="No tolerance: equal to the last bit.")] = False,
    every: Annotated[bool, typer.Option("--all", help="Every difference, layer by layer.")] = False,
    junit: Junit = None,
    out: Out = None,
    as_json: Json = False,
) -> None:
    """Say whether runs are identical, equal within rounding or different: since which step, by how much, why.

    Of several runs on a side each is held against its counterpart on the other. Where a side is an accepted file,
    configurations are: by scores, hashes, recipe and environment, which is what such a file keeps.

    Example: harness diff nightly:environment=old nightly:environment=new
    """
    with Outputs("diff", junit=junit, out=out, as_json=as_json) as outputs:
        kept = accepted_sides(a, b, results)
        if kept is None:
            (first, named), (second, also) = find_runs(a, results), find_runs(b, results)
            verdicts = [judge(pair, exact) for pair in pairs(first, second, named | also)]
            answer, facts = summary(verdicts), tuple[Fact, ...]()
            places = told_side(a, first, where=True), told_side(b, second, where=True)
            text = diff_text(answer, verdicts, (told_side(a, first), told_side(b, second)), every)
        else:
            verdicts, facts = diff_accepted(*kept, exact)
            answer, places = summary(verdicts, noun="configurations"), (kept[0].name, kept[1].name)
            text = accepted_text(answer, verdicts, places, facts, every)
        head = Head("diff", "harness diff", command_line(), *places, facts=(answer, *facts))
        shown = None if as_json else text
        raise typer.Exit(outputs.hand_out([Section(head, verdicts, code=exit_code(verdicts))], text=shown))
