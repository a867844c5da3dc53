"""A history as files: Markdown with pictures, a panel a configuration; or a page with charts, a line for each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from harness.checks.nights.change import FINGERPRINT, SPEED, Track
from harness.report.format.metrics import metric_head
from harness.report.format.svg import BLUE, INK, figure, plot_labels, style, svg
from harness.report.history.markdown import history_markdown
from harness.report.history.model import HistoryReport
from harness.report.page.chart import Chart, Line
from harness.report.phrases.head import minute

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_PANELS: Final = 12


def history_files(model: HistoryReport, stem: str) -> dict[str, str]:
    """The history as Markdown with its plots, `{file name: text}`."""
    images = {f"{stem}-{name}.svg": text for name, text in _svgs(model).items()}
    return {f"{stem}.md": history_markdown(model, list(images)), **images}


def history_page(model: HistoryReport) -> str:
    """The history as one HTML page that needs nothing but itself."""
    from harness.report.page.page import STEM, html_page

    pictures = {f"{STEM}-{name}.svg": text for name, text in _svgs(model).items()}
    return html_page(history_markdown(model, list(pictures)), pictures, list(_charts(model)))


def _drawn(model: HistoryReport) -> dict[str, str]:
    """`score` and `speed`, where any session has one -> the metric that is drawn."""
    metrics = [metric for track in model.tracks for metric in track.metrics]
    found = {"score": metrics[0]} if metrics else {}
    return found | ({"speed": SPEED} if any(track.values(SPEED) for track in model.tracks) else {})


def _marked(name: str) -> tuple[str, ...]:
    """Which changes are marked where a metric is drawn."""
    return (name,) if name == SPEED else (name, FINGERPRINT)


def _svgs(model: HistoryReport) -> dict[str, str]:
    with style():
        return {kind: svg(_figure(model, name)) for kind, name in _drawn(model).items()}


def _figure(model: HistoryReport, name: str) -> Figure:
    shown = [track for track in model.tracks if track.values(name)][:MOST_PANELS]
    page = figure(8.4, 0.5 + 1.15 * len(shown))
    panels = page.subplots(len(shown), 1, squeeze=False)[:, 0]
    for axes, track, label in zip(panels, shown, plot_labels([one.label for one in shown], 90), strict=True):
        values = track.values(name)
        axes.plot([at for at, _ in values], [value for _, value in values], "o-", color=BLUE, markersize=3, linewidth=1)
        for change in model.changes.get(track.configuration_id, ()):
            if change.what in _marked(name):
                axes.axvline(change.at - 0.5, color=INK, linewidth=1, linestyle=(0, (3, 2)))
        axes.set_title(label, fontsize=9, loc="left")
        axes.grid(axis="y")
        axes.set_xlim(-0.5, len(track.points) - 0.5)
        places = sorted({0, len(track.points) // 2, len(track.points) - 1})
        axes.set_xticks(places, [minute(track.points[at][0].session)[:10] for at in places])
        axes.locator_params(axis="y", nbins=4)
        axes.ticklabel_format(axis="y", useOffset=False)
    return page


def _charts(model: HistoryReport) -> Iterator[Chart]:
    sessions = sorted({night.session for track in model.tracks for night, _ in track.points})
    place = {session: at for at, session in enumerate(sessions)}
    ticks = [minute(session) for session in sessions]
    for kind, name in _drawn(model).items():
        head = "Samples per second" if name == SPEED else f"{metric_head(name)}, points"
        changed = {
            place[track.points[one.at][0].session] - 0.5
            for track in model.tracks
            for one in model.changes.get(track.configuration_id, ())
            if one.what in _marked(name)
        }
        alt = f"{head} of each configuration, session by session"
        lines = [_line(track, name, place) for track in model.tracks if track.values(name)]
        yield Chart(kind, alt, "Session", head, lines, ticks=ticks, marks=sorted(changed), points=True)


def _line(track: Track, name: str, place: Mapping[str, int]) -> Line:
    values = track.values(name)
    return Line(track.label, [place[track.points[at][0].session] for at, _ in values], [value for _, value in values])
