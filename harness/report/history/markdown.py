"""A history as GitHub-flavoured Markdown: the answer, the newest session, every change and what lies between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from harness.checks.nights.change import ALPHA, FINGERPRINT, SPEED, Change, Newest, Track
from harness.checks.nights.line import Point
from harness.report.format.escape import code, fenced, folded, full_stop, image, inline
from harness.report.format.metrics import metric_head, metric_word
from harness.report.format.numbers import NONE, amount, chance, points
from harness.report.format.table import table
from harness.report.history.model import HistoryReport
from harness.report.phrases.head import minute
from harness.report.phrases.recipe import many

MOST_CHANGES: Final = 200
SHORT: Final = 12
"""Characters of a commit that are shown."""
CAPTIONS: Final = {
    "score": "Each dot is the mean of a session, in points; a dashed line is a change of its level or of the weights.",
    "speed": "Each dot is the median of a session, in samples per second; a dashed line is a change of its level.",
}
HOW: Final = (
    f"Suspicious: slower than all but {100 * ALPHA:g} % of sessions would be where nothing changed, by the at most 30 "
    "before it on the same hardware (one-sided prediction interval of log rates; the configurations of a session share "
    "that chance). One such session is no finding: measure again. Levels change where E-divisive (Apache Otava, p < "
    "0.001) says so, looking back. Weights are compared by the hash of the final ones of all seeds: any change counts."
)


def history_title(model: HistoryReport) -> str:
    """The answer in one line, as text."""
    if suspicious := model.suspicious:
        again = all(model.newest[one.configuration_id].again for one in suspicious)
        what = "slower than expected again" if again else "suspicious"
        names = ", ".join(one.label for one in suspicious[:3])
        more = f" and {len(suspicious) - 3} more" if len(suspicious) > 3 else ""
        return f"{model.grid}: {what}: {names}{more}"
    if model.sessions == 1:
        return f"{model.grid}: 1 session, and none before it to hold it against"
    changes = sum(map(len, model.changes.values()))
    what = many(changes, "change") if changes else "no change"
    return f"{model.grid}: {what if model.levels else f'{what} of weights'} in {many(model.sessions, 'session')}"


def history_lines(model: HistoryReport) -> Iterator[str]:
    """The same for a terminal: the title, what is suspicious, and the newest changes."""
    yield history_title(model)
    yield from map(full_stop, _notes(model))
    for track in model.tracks:
        for change in model.changes.get(track.configuration_id, ())[-3:]:
            yield f"{track.label}: {_said(track, change)}; {_when(track, change)}: {_between(change)}"


def history_markdown(model: HistoryReport, images: Sequence[str] = ()) -> str:
    """Render the history; `images` are the file names of its plots, `score` and `speed`."""
    last = model.tracks[0].points[-1][0]
    parts = [
        f"# {inline(history_title(model), 300)}",
        *(full_stop(inline(note, 600)) for note in _notes(model)),
        f"{many(model.sessions, 'session')} in {code(model.file)}, the newest of {inline(minute(last.session))} (UTC).",
        "## The newest session",
        _newest_table(model),
    ]
    for file in images:
        kind = next(kind for kind in CAPTIONS if file.endswith(f"-{kind}.svg"))
        parts += [image(f"{kind.capitalize()} of each configuration, session by session", file), CAPTIONS[kind]]
    parts += ["## Changes", *_changes(model), "## How to read this", HOW]
    parts += folded("The command that made this page", [fenced(model.command, "sh")])
    return "\n\n".join(parts) + "\n"


def _notes(model: HistoryReport) -> Iterator[str]:
    for track in model.suspicious:
        yield f"suspicious, {track.label}: {_suspicion(model.newest[track.configuration_id])}"
    if model.suspicious:
        yield f"Measure again before it is believed: {model.confirm}"
    if not model.levels:
        yield (
            "Only weights were compared: changes of speed and scores are looked for with apache-otava, "
            "python3 -m pip install apache-otava"
        )
    if model.torn:
        yield f"{many(model.torn, 'line')} of {model.file} cannot be read"


def _suspicion(found: Newest) -> str:
    known = found.expected
    again = ", and so was the session before it" if found.again else ""
    sessions = many(known.sessions, "session")
    return (
        f"{amount(found.speed)} samples per second are below the {amount(known.least)} that {sessions} let expect at "
        f"least (their mean {amount(known.mean)}){again}"
    )


def _newest_table(model: HistoryReport) -> str:
    metrics = list(dict.fromkeys(metric for track in model.tracks for metric in track.metrics))[:1]
    rows = []
    for track in model.tracks:
        point, found = track.points[-1][1], model.newest.get(track.configuration_id)
        rows.append([
            inline(track.label),
            f"{len(track.points):,}",
            *(points(point.means.get(metric)) for metric in metrics),
            amount(point.speed),
            NONE if found is None else f"{amount(found.expected.least)} or more",
            _since(track, model.changes.get(track.configuration_id, ())),
        ])  # fmt: skip
    heads = ["Configuration", "Sessions", *map(metric_head, metrics), "Samples/s", "Expected", "Same weights since"]
    return table(heads, rows, "lr" + "r" * len(metrics) + "rrl")


def _since(track: Track, changes: Sequence[Change]) -> str:
    if track.points[-1][1].fingerprint is None:
        return NONE
    known = [at for at, (_, point) in track.numbered if point.fingerprint is not None]
    at = max((one.at for one in changes if one.what == FINGERPRINT), default=known[0])
    return inline(minute(track.points[at][0].session))


def _changes(model: HistoryReport) -> list[str]:
    rows = [
        [inline(track.label), inline(_said(track, one), 300), inline(_when(track, one)), inline(_between(one), 400)]
        for track in model.tracks
        for one in model.changes.get(track.configuration_id, ())
    ]
    if not rows:
        return ["None."]
    heads = ["Configuration", "What", "Between the sessions of", "What else differs"]
    more = [f"{len(rows) - MOST_CHANGES:,} more are left out."] if len(rows) > MOST_CHANGES else []
    return [table(heads, rows[:MOST_CHANGES], "llll"), *more]


def _said(track: Track, change: Change) -> str:
    if change.what == FINGERPRINT:
        old, new = (track.points[place][1] for place in (change.since, change.at))
        moved = [
            f"{metric_word(m)} {_mean(old, m)} -> {_mean(new, m)}"
            for m in dict.fromkeys((*old.means, *new.means))
            if old.means.get(m) != new.means.get(m)
        ]
        return f"other weights ({', '.join(moved) or 'no score moved'})"
    before, after = float(change.before), float(change.after)
    p = "p < 0.0001" if change.p is not None and change.p < 0.0001 else f"p = {chance(change.p)}"
    if change.what == SPEED:
        return f"samples per second {amount(before)} -> {amount(after)} ({100 * (after / before - 1):+.1f} %, {p})"
    return f"{metric_word(change.what)} {points(before)} -> {points(after)} ({p})"


def _mean(point: Point, metric: str) -> str:
    """`86.03`; `none (5 of 5 collapsed)` where no run is left that a mean could be of."""
    if (mean := point.means.get(metric)) is not None:
        return points(mean)
    return f"none ({point.collapsed} of {point.n + point.collapsed} collapsed)" if point.collapsed else "none"


def _when(track: Track, change: Change) -> str:
    return " -> ".join(minute(track.points[place][0].session) for place in (change.since, change.at))


def _between(change: Change) -> str:
    told = [f"{name} {_short(name, a)} -> {_short(name, b)}" for name, a, b in change.differ]
    return ", ".join(told) or "nothing that is recorded"


def _short(name: str, value: str | None) -> str:
    if value is None:
        return "unknown"
    return value[:SHORT] if name == "commit" else value
