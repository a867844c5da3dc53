"""The measurements of a store one by one, as a history has them: scores and speed of each, in the order of time."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Sequence

from harness.checks.speed.process import Process, counted, processes_of, session_starts
from harness.grid.labels import Namer, place_of
from harness.pipelines.publish.unplanned import results_of
from harness.record.attempts import LOST, CellHistory, Entry
from harness.record.configuration import GOOD, Configuration
from harness.record.results import Results
from harness.record.store import Store
from harness.report.export.otava import SPEED, Session


def sessions_of(store: Store) -> list[Session]:
    """Every measurement with a score that a store has, in every environment, and every session of timings."""
    results = results_of(store, store.entries(), None)
    return [*_scored(results), *_timed(results)]


def _scored(results: Results) -> Iterator[Session]:
    for one in results.configurations:
        numbered: dict[int, dict[str, list[Entry]]] = {}
        for history in one.histories.values():
            for entry in (*history.older, *history.attempts):
                if entry.readable:
                    numbered.setdefault(entry.measurement, {}).setdefault(entry.cell_id, []).append(entry)
        for tries in numbered.values():
            session = _session(results, one, list(tries.values()))
            if session is not None:
                yield session


def _session(results: Results, one: Configuration, tries: Sequence[Sequence[Entry]]) -> Session | None:
    """One measurement, of which `tries` are the attempts at each cell; None without a run with a score."""
    ended = [final for attempts in tries if (final := CellHistory(attempts).final) is not None]
    scored = [(entry, score) for entry in ended if (score := one.score(entry)).status in GOOD]
    if not scored:
        return None
    figures = {}
    for metric in scored[0][1].scores:
        values = [value for _, score in scored if (value := score.score(metric)) is not None]
        if values:
            figures[f"{metric}_points"] = 100 * statistics.fmean(values)
    rates = [entry.samples_per_second for entry, _ in scored if entry.samples_per_second is not None]
    if rates:
        figures[SPEED] = statistics.median(rates)
    first = min((entry for attempts in tries for entry in attempts), key=lambda entry: entry.started)
    lost = sum(one.score(entry).status in LOST for entry in ended)
    commit = results.record(scored[0][0]).provenance.git_sha or ""
    return Session(
        one.configuration_id, one.shown, first.started, commit, one.environment_id, len(scored), lost, figures
    )  # fmt: skip


def _timed(results: Results) -> Iterator[Session]:
    processes = processes_of(results.timings)
    namer = results.namer or Namer()
    for session in session_starts(processes):
        groups: dict[str, list[Process]] = {}
        for one in processes:
            if one.session == session:
                groups.setdefault(one.configuration_id, []).append(one)
        for key, group in groups.items():
            chosen = counted(group)
            record = chosen[0].record
            yield Session(
                key, namer.label(place_of(record.asked)), min(one.started for one in group),
                record.provenance.git_sha or "", record.environment_id, len(chosen), 0,
                {SPEED: statistics.median(one.rate for one in chosen)},
            )  # fmt: skip
