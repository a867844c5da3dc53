"""Apache Otava's CSV, a file a configuration and a row a measurement, and the configuration that names them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

ATTRIBUTES: Final = ("commit", "environment", "runs", "collapsed")
SPEED: Final = "samples_per_second"


@dataclass(frozen=True)
class Session:
    """A measurement of one configuration: when it began, on what, and its figures by name and unit.

    `runs` are those behind the figures, `collapsed` those that are in none.
    """

    configuration_id: str
    label: str
    began: str
    commit: str
    environment_id: str
    runs: int
    collapsed: int
    figures: Mapping[str, float]


def otava_files(grid: str, sessions: Sequence[Session]) -> dict[str, str]:
    """`otava.yaml` and the CSV files that it names, beside it; rows by time. Scores are in points.

    A row without one of its configuration's figures is left out: Otava takes no gaps.
    """
    groups: dict[str, list[Session]] = {}
    for one in sorted(sessions, key=lambda session: session.began):
        groups.setdefault(one.configuration_id, []).append(one)
    files: dict[str, str] = {}
    lines = ["# In this folder: otava analyze --config-file otava.yaml TEST", "tests:"]
    for key, group in groups.items():
        names = list(group[-1].figures)
        whole = [one for one in group if all(name in one.figures for name in names)]
        test = f"{_slug(grid)}-{_slug(group[-1].label)}-{key[:8]}"
        files[f"{test}.csv"] = _csv(whole, names)
        quoted = [json.dumps(name) for name in names]  # a JSON text is one of YAML
        metrics = ", ".join(f"{name}: {{column: {name}, direction: 1, scale: 1}}" for name in quoted)
        lines += [
            f"  {test}:  # {json.dumps(group[-1].label)}",
            "    type: csv",
            f"    file: {test}.csv",
            "    time_column: time",
            f"    attributes: [{', '.join(ATTRIBUTES)}]",
            f"    metrics: {{{metrics}}}",
        ]
    return {"otava.yaml": "\n".join([*lines, ""]), **files}


def _csv(sessions: Sequence[Session], names: Sequence[str]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(["time", *ATTRIBUTES, *names])
    for one in sessions:
        facts = [one.commit, one.environment_id, one.runs, one.collapsed]
        writer.writerow([one.began, *facts, *(one.figures[name] for name in names)])
    return text.getvalue()


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")[:80] or "all"
