"""A report as files: `{file name: content}`, to be written side by side."""

from __future__ import annotations

import re
from collections.abc import Sequence

from harness.checks.scores.judgement import Judgement
from harness.report.format.as_json import to_json
from harness.report.run.markdown import to_markdown
from harness.report.run.model import ReportModel
from harness.report.verdicts.json import judgement_json
from harness.report.verdicts.markdown import judgement_markdown


def render(
    model: ReportModel, stem: str = "report", *, plots: bool = True, judgements: Sequence[Judgement] = ()
) -> dict[str, str]:
    """Return `STEM.md`, `STEM.json` and, where there is something to draw, `STEM-scores.svg` and `STEM-loss.svg`,
    of timings `STEM-stages.svg` and `STEM-ratios.svg`.

    With `judgements` also `STEM-verdicts.json`, and `STEM-forest.svg` where there is a difference to draw.

    Raises
    ------
    ValueError
        Where `stem` is not a plain file name.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", stem):
        raise ValueError(f"stem: {stem!r} is not a plain file name (allowed: A-Z a-z 0-9 . _ -)")
    images: dict[str, str] = {}
    if plots:
        from harness.report.run.plots import to_svgs  # slow to import, and not every report wants it

        images = {f"{stem}-{name}.svg": svg for name, svg in to_svgs(model).items()}
    verdicts = ""
    files = {f"{stem}.json": to_json(model)}
    if judgements:
        from harness.report.verdicts.forest import forest_svg

        forest = forest_svg(judgements) if plots else None
        name = f"{stem}-forest.svg" if forest else None
        verdicts = judgement_markdown(judgements, forest_file=name)
        files |= {f"{stem}-verdicts.json": judgement_json(judgements), **({name: forest} if name and forest else {})}
    text = to_markdown(model, images=list(images), json_file=f"{stem}.json", verdicts=verdicts)
    return {f"{stem}.md": text, **images, **files}
