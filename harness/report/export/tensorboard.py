"""TensorBoard's event files, by its own writer: a folder a run."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from harness.report.export.needs import needed
from harness.report.export.tracked import Tracked


def to_tensorboard(runs: Sequence[Tracked], folder: Path) -> None:
    """Write each run's series and scores below `folder`; one that is there already is left as it is.

    A run is told by its folder's name, INCONCLUSIVE in it where its configuration is.

    Raises
    ------
    RequirementError
        Without tensorboard.
    """
    summary = needed("tensorboard.summary", "tensorboard")
    for one in runs:
        place = folder / _folder(one)
        if place.is_dir():
            continue
        writer = summary.Writer(str(place))
        for name, step, value in one.points():
            writer.add_scalar(name, value, step, wall_time=one.began)
        for name, value in one.scores.items():
            writer.add_scalar(name, value, one.last_step, wall_time=one.ended)
        writer.close()


def _folder(one: Tracked) -> str:
    mark = f" ({one.mark})" if one.mark else ""
    text = f"{one.row.configuration} seed {one.row.entry.seed} {one.key}{mark}"
    return "".join(character if character.isalnum() or character in " ().=_-" else "-" for character in text)
