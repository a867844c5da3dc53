"""One HTML file: a report's own Markdown, charts to read with pointer or keys, and any two runs side by side.

No network, no foreign script: the page's policy lets the browser run the scripts that are named by their hash, and load
nothing. Equal reports give equal bytes.
"""

from __future__ import annotations

import base64
import functools
import hashlib
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup as Safe

from harness.checks.verdict import Verdict
from harness.report.page.chart import Chart, loss_chart
from harness.report.page.markup import markup
from harness.report.page.pairs import paired_runs
from harness.report.run.markdown import to_markdown
from harness.report.run.model import ReportModel

FOLDER: Final = Path(__file__).parent
SCRIPTS: Final = ("uplot/uPlot.iife.min.js", "page.js")
STYLES: Final = ("uplot/uPlot.min.css", "page.css")
UPLOT: Final = "uPlot 1.6.32, https://www.npmjs.com/package/uplot"
"""The chart library that lies in `uplot/` as it was published; its licence goes with it into every page."""

STEM: Final = "page"
"""Of the names under which the Markdown of a page shows its pictures."""


def report_page(model: ReportModel, verdicts: Sequence[Verdict] = (), rendered: date | None = None) -> str:
    """The report of `model` and its verdicts as HTML; `rendered` is today."""
    from harness.report.run.plots import to_svgs
    from harness.report.verdicts.forest import forest_svg

    pictures = {f"{STEM}-{name}.svg": text for name, text in to_svgs(model, verdicts).items()}
    images, forest = list(pictures), forest_svg(verdicts)
    if forest is not None:
        pictures[f"{STEM}-forest.svg"] = forest
    text = to_markdown(
        model,
        images=images,
        verdicts=verdicts,
        forest_file=f"{STEM}-forest.svg" if forest is not None else None,
        rendered=rendered,
        whole=True,
    )
    loss = loss_chart(model)
    return html_page(text, pictures, [loss] if loss is not None else [], paired_runs(model))


def html_page(
    text: str, pictures: Mapping[str, str], charts: Sequence[Chart], runs: Mapping[str, Any] | None = None
) -> str:
    """Markdown of ours as a page of its own.

    `pictures` are SVG texts by the file names that it shows them under; `charts` take the place of those that end with
    their names; `runs` are what can be put side by side, as `paired_runs` gives them.
    """
    script, style = ("\n".join(map(_read, names)) for names in (SCRIPTS, STYLES))
    script = f"/* {UPLOT}:\n{_read('uplot/LICENSE')}*/\n{script}"
    found = markup(text, pictures, [chart.name for chart in charts])
    return (
        _template()
        .get_template("page.html.jinja")
        .render(
            title=Safe(found.title),
            body=Safe(found.body),
            contents=[(anchor, Safe(said)) for anchor, said in found.contents],
            data={"charts": {chart.name: chart.data() for chart in charts}, "runs": runs},
            runs=runs,
            script=Safe(script),
            style=Safe(style),
            script_hash=_hash(script),
            style_hash=_hash(style),
        )
    )


def _hash(text: str) -> str:
    return base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _read(name: str) -> str:
    return (FOLDER / name).read_text(encoding="utf-8")


@functools.cache
def _template() -> Environment:
    return Environment(
        autoescape=True,
        keep_trailing_newline=True,
        loader=FileSystemLoader(FOLDER),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
