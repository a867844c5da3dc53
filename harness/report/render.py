"""A report as files: `{file name: content}`, to be written side by side."""

from __future__ import annotations

import re

from harness.report.as_json import to_json
from harness.report.markdown import to_markdown
from harness.report.model import ReportModel


def render(model: ReportModel, stem: str = "report", *, plots: bool = True) -> dict[str, str]:
    """Return `STEM.md`, `STEM.json` and, where there is something to draw, `STEM-scores.svg` and `STEM-loss.svg`.

    Raises
    ------
    ValueError
        Where `stem` is not a plain file name.
    """
    if not re.fullmatch(r"[A-Za-z0-9_][A-Za-z0-9._-]*", stem):
        raise ValueError(f"stem: {stem!r} is not a plain file name (allowed: A-Z a-z 0-9 . _ -)")
    images: dict[str, str] = {}
    if plots:
        from harness.report.plots import to_svgs  # slow to import, and not every report wants it

        images = {f"{stem}-{name}.svg": svg for name, svg in to_svgs(model).items()}
    text = to_markdown(model, images=list(images), json_file=f"{stem}.json")
    return {f"{stem}.md": text, **images, f"{stem}.json": to_json(model)}
