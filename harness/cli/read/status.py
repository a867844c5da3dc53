"""`harness status`: what a store holds."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from harness.cli.options import RESULTS, Json, ResultsFolder, ResultsOfAny
from harness.pipelines.named.places import together
from harness.record.attempts import STATUSES, UNREADABLE
from harness.record.meant import read_meant
from harness.record.results import Results
from harness.record.store import Store
from harness.report.format.width import folded, listing
from harness.report.phrases.head import minute
from harness.report.phrases.recipe import many
from harness.text import listed, one_line


def status(names: ResultsOfAny = None, results: ResultsFolder = RESULTS, as_json: Json = False) -> None:
    """Count the records of each grid by status, and list what went wrong.

    Example: harness status quickstart
    """
    found = {store.grid: _facts(store) for store in together(names or (), results)}
    if as_json:
        print(json.dumps(found, indent=2))
        return
    if not found:
        print(f"{listed(names or ()) or results}: no results yet")
        return
    shown = [s for s in (*STATUSES, UNREADABLE) if any(facts["statuses"].get(s) for facts in found.values())]
    rows = [
        [name, facts["cells"], *(facts["statuses"].get(s, "") for s in shown), *_dates(facts)]
        for name, facts in found.items()
    ]
    heads = ["grid", "cells", *shown, "youngest (UTC)", "last run (UTC)"]
    print(listing(heads, rows))
    for name, facts in found.items():
        for line in facts["problems"]:
            print(folded(f"{name}: {line}"))


def _dates(facts: Mapping[str, Any]) -> list[str]:
    return [minute(facts[key]) if facts[key] else "" for key in ("youngest", "run")]


def _facts(store: Store) -> dict[str, Any]:
    """Counts of attempts by status; problems are the errors of those that count, and of cells where none does yet.

    Of a store whose last run said which environments it means, only attempts in these; the others are a line.
    """
    every, meant = store.entries(), read_meant(store.folder)
    ids = set(meant.ids.values()) if meant is not None else {entry.environment_id for entry in every}
    entries = [entry for entry in every if entry.environment_id in ids]
    errors = [entry for entry in Results(entries).errors() if entry.status not in ("skipped", UNREADABLE)]
    problems = Counter(one_line(f"{entry.status}: {entry.error}") for entry in errors)
    older = len(every) - len(entries)
    return {
        "cells": len({e.cell_id for e in entries}),
        "statuses": dict(Counter(e.status for e in entries)),
        "oldest": min((e.started for e in entries), default=None),
        "youngest": max((e.started for e in entries), default=None),
        "run": meant.run if meant is not None else None,
        "problems": [
            *(f"{count} x {text}" for text, count in problems.most_common(10)),
            *(f"unreadable, counts for nothing: {text}" for text in store.unreadable.values()),
            *([f"{many(older, 'attempt')} in other environments than the last run's, not counted"] if older else []),
        ],
    }
