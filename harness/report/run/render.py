"""A report as files: `{file name: content}`, to be written side by side."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Final

from harness.checks.verdict import Verdict
from harness.report.format.as_json import as_json, plain
from harness.report.run.markdown import to_markdown
from harness.report.run.model import SCHEMA, ReportModel
from harness.report.verdicts.json import verdicts_json
from harness.report.verdicts.words import Head

KIND: Final = "harness-report"


def render(
    model: ReportModel,
    stem: str = "report",
    *,
    plots: bool = True,
    verdicts: Sequence[Verdict] = (),
    rendered: date | None = None,
) -> dict[str, str]:
    """Return `STEM.md`, `STEM.json` and, where there is something to draw, `STEM-scores.svg` and `STEM-loss.svg`,
    of timings `STEM-stages.svg` and `STEM-ratios.svg`.

    With `verdicts` also `STEM-verdicts.json`, and `STEM-forest.svg` where there is a difference to draw.
    `rendered` is today.
    """
    images: dict[str, str] = {}
    files = {f"{stem}.json": to_json(model)}
    if verdicts:
        head = Head("check", "harness report", model.command)
        files[f"{stem}-verdicts.json"] = verdicts_json(head, verdicts)
    forest = None
    if plots:
        from harness.report.run.plots import to_svgs  # slow to import, and not every report wants it
        from harness.report.verdicts.forest import forest_svg

        images = {f"{stem}-{name}.svg": svg for name, svg in to_svgs(model, verdicts).items()}
        forest = forest_svg(verdicts)
    text = to_markdown(
        model,
        images=list(images),
        json_file=f"{stem}.json",
        verdicts=verdicts,
        forest_file=f"{stem}-forest.svg" if forest else None,
        rendered=rendered,
    )
    return {f"{stem}.md": text, **images, **files, **({f"{stem}-forest.svg": forest} if forest else {})}


def to_json(model: ReportModel) -> str:
    """Return the model as JSON text, complete: what the Markdown leaves out for length is here."""
    data = {"schema": SCHEMA, "kind": KIND, **plain(model)}
    for name in ("throughput", "head", "comparisons", "norms"):
        if not data[name]:
            del data[name]  # a grid that times or compares nothing has no such part, and older reports have no head
    return as_json(data)
