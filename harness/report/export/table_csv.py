"""A report's results as CSV: a row a configuration and metric, unrounded, scores in points."""

from __future__ import annotations

import csv
import io

from harness.report.export.table import axes_of, plain_row, table_lines
from harness.report.format.labels import plain
from harness.report.run.model import ReportModel


def table_csv(model: ReportModel) -> str:
    """The table as RFC 4180 has it; a value that is not known is empty, and axes are as the grid spells them."""
    axes = axes_of(model)
    rows = [
        {
            "configuration": line.row.label,
            **{axis: plain(line.row.axes[axis]) if axis in line.row.axes else None for axis in axes},
            **plain_row(line),
            "validation_examples": line.row.examples,
            "configuration_id": line.row.configuration_id,
            "environment_id": line.row.environment_id,
            "content_id": line.row.content_id,
        }
        for line in table_lines(model)
    ]
    heads = list(rows[0]) if rows else ["configuration", "metric", "n", "mean_points", "sd_points"]
    text = io.StringIO()
    writer = csv.DictWriter(text, heads, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
