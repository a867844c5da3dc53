"""What a page needs to put any two runs side by side."""

from __future__ import annotations

from typing import Any, Final

from harness.report.format.escape import clean
from harness.report.format.labels import plain
from harness.report.format.metrics import metric_head
from harness.report.run.captions import finite_curves
from harness.report.run.model import Environment, ReportModel, Row

MOST_ANSWERS: Final = 400_000
"""Characters of all runs' answers that a page carries: above, it counts no differing answers."""


def paired_runs(model: ReportModel) -> dict[str, Any] | None:
    """The runs by configuration, their scores in points, and where they ran; None where there are not two."""
    if sum(len(row.scores) for row in model.rows) < 2:
        return None
    lines = {(one.configuration_id, one.environment_id): place for place, one in enumerate(finite_curves(model))}
    size = sum(len(one.answers or "") for row in model.rows for one in row.scores)
    return {
        "metrics": [[metric, metric_head(metric)] for metric in model.metrics],
        "rows": [
            {"line": lines.get((row.configuration_id, row.environment_id)), **_row(row, size <= MOST_ANSWERS)}
            for row in model.rows
        ],
        "environments": {one.environment_id: _environment(one) for one in model.environments},
    }


def _row(row: Row, answers: bool) -> dict[str, Any]:
    return {
        "label": clean(row.label),
        "axes": [[clean(name), clean(plain(value))] for name, value in row.axes.items() if name != "seed"],
        "environment": row.environment_id,
        "content": row.content_id,
        "steps": list(row.steps),
        "examples": row.examples,
        "truth": row.truth if answers else None,
        "runs": [
            {
                "seed": one.seed,
                "status": clean(one.status),
                "scores": {metric: _number(value) for metric, value in one.scores.items()},
                "seconds": _number(one.train_seconds),
                "rate": _number(one.samples_per_second),
                "answers": one.answers if answers else None,
            }
            for one in row.scores
        ],
    }


def _environment(one: Environment) -> dict[str, Any]:
    facts = [[clean(name), clean(value)] for name, value in (*one.facts, *one.packages)]
    return {"name": clean(one.name.removeprefix("environment ")), "facts": facts}


def _number(value: float | None) -> float | None:
    """None for a score that is no number, too."""
    return value if value is not None and value - value == 0 else None
