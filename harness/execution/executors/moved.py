"""A job that was made on another machine: its folders as they are here, and whether its code is the same here."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from harness.errors import MaterialError
from harness.execution.environment import START
from harness.execution.foreign.code import find_code
from harness.execution.inputs import sha256_of

OWN_FOLDER: Final = "beside"


def moved(job: Mapping[str, Any], places: Mapping[str, Path]) -> dict[str, Any]:
    """A job whose folders at the sender's are those that were unpacked here."""
    here = {folder: str(place) for folder, place in places.items()}
    found = {**job, "checkpoint": {**job["checkpoint"], "path": here[job["checkpoint"]["path"]]}}
    if job["dataset"] is not None:
        found["dataset"] = here[job["dataset"]]
    if job["task_folder"] in here:
        found["task_folder"] = here[job["task_folder"]]
        if "subject" in job:
            found["subject"] = _of_folder(job["subject"], places[job["task_folder"]])
    return found


def _of_folder(subject: Mapping[str, Any], place: Path) -> dict[str, Any]:
    """Somebody else's code, of which the grid's folder is now this place; the sender spelled that without links."""
    path, there = Path(subject["path"]), Path(subject["folder"])
    path = place / path.relative_to(there) if path.is_relative_to(there) else path
    return {**subject, "folder": str(place), "path": str(path)}


def strange_code(job: Mapping[str, Any], python: str) -> str | None:
    """Which code of a job that has been moved here is not what it was at the sender's; None where all of it is."""
    wanted: list[tuple[Any, str]] = [(one["name"], one["sha256"]) for one in job.get("metrics", ())]
    if "subject" in job:
        wanted.insert(0, (job["cell"]["subject"], job["subject"]["content"]))
    for asked, content in wanted:
        try:
            found = find_code(Path(job["task_folder"]), asked, [python, START], sha256_of)
        except MaterialError as error:
            return f"on this node: {error}; what is not installed there must lie in the grid's folder"
        if found.content != content:
            return (
                f"{found.name}: its code, or a file that its arguments name, is not on this node what it is where the "
                "command runs; what lies outside of the grid's folder does not travel"
            )
    return None


def apart(job: Mapping[str, Any]) -> dict[str, Any]:
    """The same with a script's folder copied for it alone: it runs in there, and may write what the next one reads."""
    if job.get("subject", {}).get("kind") != "script":
        return dict(job)
    place = Path(job["folder"]) / OWN_FOLDER
    shutil.copytree(job["subject"]["folder"], place)
    return {**job, "task_folder": str(place), "subject": _of_folder(job["subject"], place)}
