"""What of a report may be published: nothing that is a FAIL, and what is INCONCLUSIVE or not judged says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

from harness.checks.verdict import COMPARED, Verdict
from harness.report.export.table import Line, table_lines
from harness.report.format.labels import seeds_text
from harness.report.format.metrics import metric_word
from harness.report.phrases.recipe import many
from harness.report.run.model import ReportModel, Row

State = Literal["PASS", "INCONCLUSIVE", "not judged"]

BARRED: Final = frozenset({"FAIL", "ERROR"})
"""Outcomes that keep a configuration back, whether or not a waiver covers them."""


@dataclass(frozen=True)
class Published:
    """One configuration that may be published: its metrics, in points, and what the verdicts say of it."""

    row: Row
    lines: tuple[Line, ...]
    state: State

    @property
    def mark(self) -> str:
        """What a reader must know beside the figures; nothing of a PASS."""
        return "" if self.state == "PASS" else self.state

    @property
    def made_of(self) -> str:
        """`mean of 5 runs, seeds 1 to 5, sd 0.74 points; 1 of 6 runs collapsed and is in no figure; INCONCLUSIVE`."""
        first = self.lines[0]
        spread = "" if first.sd is None else f", sd {first.sd:.2f} points of {metric_word(first.metric)}"
        lost = f"; {first.lost} of {many(first.runs, 'run')} collapsed and in no figure" if first.lost else ""
        seeds = [seed for seed in first.seeds if seed not in first.lost_seeds]
        told = f"; {self.mark}" if self.mark else ""
        return f"mean of {many(first.n, 'run')}, seeds {seeds_text(seeds)}{spread}{lost}{told}"


@dataclass(frozen=True)
class Held:
    """A configuration, or one metric of it, that is not published, and the outcome, or the lack, that says so."""

    label: str
    metric: str | None
    why: str


def publishable(model: ReportModel, verdicts: Sequence[Verdict]) -> tuple[list[Published], list[Held]]:
    """The configurations that may be published, in the report's order, and what is held back.

    A FAIL or ERROR that gates holds back its configuration, one that is reported only its metric.
    """
    kept: list[Published] = []
    held: list[Held] = []
    every = table_lines(model)
    for row in model.rows:
        mine = [one for one in verdicts if _about(one, row)]
        barring = next((one.outcome for one in mine if one.gates and one.outcome in BARRED), None)
        lines = [line for line in every if line.row is row]
        failed = {one.item for one in mine if one.outcome in BARRED}
        if barring is not None:
            held.append(Held(row.label, None, barring))
            continue
        held += [Held(row.label, line.metric, "FAIL") for line in lines if line.metric in failed]
        shown = tuple(line for line in lines if line.mean is not None and line.metric not in failed)
        if not shown:
            held.append(Held(row.label, None, "no score"))
            continue
        kept.append(Published(row, shown, _state(mine)))
    return kept, held


def _about(verdict: Verdict, row: Row) -> bool:
    side = verdict.subject
    return side.configuration_id == row.configuration_id and side.environment_id in ("", row.environment_id)


def _state(verdicts: Sequence[Verdict]) -> State:
    if any(one.gates and one.outcome == "INCONCLUSIVE" for one in verdicts):
        return "INCONCLUSIVE"
    # Stability alone holds a result against nothing.
    passed = any(one.gates and one.outcome == "PASS" and one.check in COMPARED for one in verdicts)
    return "PASS" if passed else "not judged"
