"""A grid's history, read back: a line a session, as `harness bench` and `harness history add` append them."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from harness.disk import explained
from harness.protocol import SUBJECT

SUFFIX: Final = "_points"
SPREAD: Final = "_sd_points"
HARDWARE: Final = ("machine", "cpu", "accelerators", "driver")
"""Facts of a session without which two speeds say nothing of each other."""


@dataclass(frozen=True)
class Point:
    """What a session has of a configuration: means in points by metric, samples per second, the hash of all weights.

    The hash is that of the runs of these `seeds`; lines of before have none, and are told apart by how many runs.
    """

    configuration_id: str
    label: str
    means: Mapping[str, float]
    speed: float | None
    fingerprint: str | None
    environment_id: str = ""
    n: int = 0
    collapsed: int = 0
    seeds: tuple[int, ...] = ()


@dataclass(frozen=True)
class Night:
    """A session: when it began, its exit code, what it came to, and the facts of each environment by its id."""

    session: str
    exit_code: int
    facts: Mapping[str, str]
    environments: Mapping[str, Mapping[str, str]]
    points: tuple[Point, ...]

    def facts_of(self, point: Point) -> dict[str, str]:
        """Everything that is known of where and of what a point was measured, by name."""
        return {**self.facts, **self.environments.get(point.environment_id, {})}


@dataclass(frozen=True)
class History:
    """The sessions of a grid in the order of their beginnings; `torn` lines could not be read, and are in none."""

    nights: tuple[Night, ...]
    torn: int = 0


def read_history(path: Path, grid: str) -> History:
    """Read the sessions of a grid; no file is no session.

    Raises
    ------
    StoreError
        Where it cannot be read.
    """
    with explained(path, "read"):
        try:
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        except FileNotFoundError:
            return History(())
    nights, torn = [], 0
    for line in filter(None, map(str.strip, lines)):
        try:
            data = json.loads(line)
            if data["grid"] == grid:
                nights.append(night_of(data))
        except (ValueError, RecursionError, LookupError, TypeError, AttributeError):
            torn += 1
    return History(tuple(sorted(nights, key=lambda night: night.session)), torn)


def night_of(data: Mapping[str, Any]) -> Night:
    """A line's data; raises ValueError, LookupError, TypeError or AttributeError for what is none."""
    names = ("commit", "harness", "driver", "machine")
    return Night(
        session=str(data["session"] or data["written"]),
        exit_code=int(data["exit_code"]),
        facts={name: str(data[name]) for name in names if data.get(name) is not None},
        environments={str(one["environment_id"]): _environment(one) for one in data["environments"].values()},
        points=tuple(map(_point, data["configurations"])),
    )


def _environment(data: Mapping[str, Any]) -> dict[str, str]:
    names = ("python", "cpu", "accelerators", *SUBJECT)
    return {name: str(data[name]) for name in names if data.get(name) is not None}


def _point(data: Mapping[str, Any]) -> Point:
    means = {
        key.removesuffix(SUFFIX): float(value)
        for key, value in data.items()
        if key.endswith(SUFFIX) and not key.endswith(SPREAD) and value is not None and math.isfinite(value)
    }
    speed = float(data.get("samples_per_second") or math.nan)
    return Point(
        configuration_id=str(data["configuration_id"]),
        label=str(data["label"]),
        means=means,
        speed=speed if math.isfinite(speed) and speed > 0 else None,
        fingerprint=None if data.get("fingerprint") is None else str(data["fingerprint"]),
        environment_id=str(data["environment_id"]),
        n=int(data["n"]),
        collapsed=int(data["collapsed"]),
        seeds=tuple(map(int, data.get("seeds", ()))),
    )
