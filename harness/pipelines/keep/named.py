"""What accepted files and reports name of a store's runs: these records may not go."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from harness.checks.scores.baseline.file import FOLDER
from harness.errors import StoreError
from harness.record.attempts import Entry

SUFFIX: Final = "*.json"


@dataclass
class Named:
    """Runs that files name, and the first file that names each.

    An accepted file names a run by its cell and start, a report by cell and attempt, either a timing by its session.
    An accepted file of an older harness names no runs: then all of its configurations are meant.
    """

    starts: dict[tuple[str, str], Path] = field(default_factory=dict)
    attempts: dict[tuple[str, int, str | None], Path] = field(default_factory=dict)
    sessions: dict[str, Path] = field(default_factory=dict)
    configurations: dict[str, Path] = field(default_factory=dict)

    def by(self, entry: Entry, session: str | None = None) -> Path | None:
        """The file that names a run; None where none does."""
        attempt = entry.cell_id, entry.attempt
        return (
            self.starts.get((entry.cell_id, entry.started))
            or self.attempts.get((*attempt, entry.environment_id))
            or self.attempts.get((*attempt, None))
            or self.configurations.get(entry.configuration_id)
            or (self.sessions.get(session) if session else None)
        )


def named_by_files(store: Path) -> Named:
    """Read every JSON file below `reports/` here and beside the folder of results, and those beside a store's cells.

    Raises
    ------
    StoreError
        For one that cannot be read: what it names is then not known.
    """
    found, reports = Named(), [FOLDER.parent, store.absolute().parent.parent / FOLDER.parent]
    folders = {folder.resolve(): folder for folder in reversed(reports)}
    every = [path for folder in folders.values() for path in sorted(folder.rglob(SUFFIX))]
    for path in [*every, *sorted(store.glob(SUFFIX))]:
        try:
            data = json.loads(path.read_text(encoding="utf-8-sig"))
        except (OSError, ValueError, RecursionError) as error:
            raise StoreError(f"{path}: cannot be read ({error}); which records it names is not known") from error
        for table, environment in _tables(data, None):
            _note(found, table, environment, path)
    return found


def _note(found: Named, table: dict[str, Any], environment: str | None, path: Path) -> None:
    cell_id, session = table.get("cell_id"), table.get("session")
    if isinstance(session, str):
        found.sessions.setdefault(session, path)
    if isinstance(cell_id, str) and isinstance(started := table.get("started"), str):
        found.starts.setdefault((cell_id, started), path)
    elif isinstance(cell_id, str) and isinstance(attempt := table.get("attempt"), int):
        found.attempts.setdefault((cell_id, attempt, environment), path)
    seeds, configuration_id = table.get("seeds"), table.get("configuration_id")
    if isinstance(seeds, dict) and isinstance(configuration_id, str):
        runs = [run for run in seeds.values() if isinstance(run, dict)]
        if any(not (run.get("cell_id") and run.get("started")) for run in runs):
            found.configurations.setdefault(configuration_id, path)


def _tables(data: Any, environment: str | None) -> Iterator[tuple[dict[str, Any], str | None]]:
    """Every table in a file, with the environment that it, or what it stands in, is of."""
    if isinstance(data, dict):
        own = data.get("environment_id")
        environment = own if isinstance(own, str) else environment
        yield data, environment
        data = list(data.values())
    if isinstance(data, list):
        for item in data:
            yield from _tables(item, environment)
