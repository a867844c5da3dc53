"""`harness.plot`: what runs did, step by step, as a figure of matplotlib."""

from __future__ import annotations

from typing import TYPE_CHECKING

from harness.checks.verdict import worst_first
from harness.checks.verify.diff.paired import Candidate
from harness.errors import SpecError
from harness.pipelines.notebook.difference import Diff
from harness.pipelines.notebook.runs import Runs
from harness.report.run.steps import curves_of, steps_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST = 12
"""Curves in one figure: more cannot be told apart."""


def plot(of: Runs | Candidate | Diff) -> Figure:
    """Draw loss, gradient norm and learning rate by optimizer step: of runs, of one, or of both sides of a difference.

    Of a difference of several pairs the worst one is drawn.

    Raises
    ------
    HarnessError
        SpecError for more than 12 runs, or where nothing was recorded by step; StoreError where a run cannot be read.

    Examples
    --------
    >>> harness.plot(harness.select(runs, seed=1)).savefig("steps.png")
    """
    if isinstance(of, Diff) and of.logged:
        return steps_figure([
            (f"{side}  {one.name}", {name: (list(each), list(each.values())) for name, each in one.logged.items()})
            for side, one in zip("AB", of.logged, strict=True)
        ])  # fmt: skip
    if isinstance(of, Diff):
        worst = worst_first(of.verdicts)[0]
        pair = next((pair for pair, one in zip(of.pairs, of.verdicts, strict=False) if one is worst), ())
        curves = [(f"{side}  {one.shown or one.label}", one) for side, one in zip("AB", pair, strict=False) if one]
    else:
        runs = [of] if isinstance(of, Candidate) else list(of)
        curves = [(one.shown or one.label, one) for one in runs]
    if len(curves) > MOST:
        raise SpecError(f"plot: got {len(curves)} runs; allowed at most {MOST}: harness.select(runs, AXIS=VALUE)")
    return steps_figure([(label, curves_of(one.read())) for label, one in curves])
