"""Trackio's project of a grid, by its own storage: on this disk, without a server."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from harness.errors import RequirementError
from harness.report.export.needs import needed
from harness.report.export.tracked import Tracked


def to_trackio(grid: str, runs: Sequence[Tracked], folder: Path) -> None:
    """Add each run to the project of the grid's name below `folder` (`TRACKIO_DIR`); what is there is not doubled.

    Raises
    ------
    RequirementError
        Without trackio, or where this process has used it in another folder.
    """
    place = folder.resolve()
    os.environ["TRACKIO_DIR"] = str(place)  # read once, at import
    module = needed("trackio.sqlite_storage", "trackio")
    if place != module.TRACKIO_DIR:
        raise RequirementError(f"--to trackio: trackio is at work in {module.TRACKIO_DIR}; allowed another process")
    storage = module.SQLiteStorage
    for one in runs:
        rows: dict[int, dict[str, float]] = {}
        for name, step, value in one.points():
            rows.setdefault(step, {})[name] = value
        rows.setdefault(one.last_step, {}).update(one.scores)
        steps = sorted(rows)
        storage.bulk_log(
            grid,
            one.name,
            [rows[step] for step in steps],
            steps=steps,
            timestamps=[_time(one.ended if step == one.last_step else one.began) for step in steps],
            config=one.parameters,
            log_ids=[f"{one.key}/{step}" for step in steps],
        )


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="seconds")
