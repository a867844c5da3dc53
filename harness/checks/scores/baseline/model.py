"""A baseline: scores and fingerprints of a grid's runs, small enough to be read in a review."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, model_validator

from harness.grid.looks import MAX_SEED
from harness.grid.tables import Table, Text
from harness.record.attempts import LOST, STATUSES
from harness.text import listed, show

SCHEMA: Final = 1
DIGITS: Final = 20
"""Hex digits kept of each sha256: 80 bits, and a line that fits a screen."""

MISSING: Final = "missing"
OLDER: Final = "older"
REASONS: Final[tuple[str, ...]] = (*STATUSES, MISSING, OLDER)
"""Why a run is left out: the status of its last attempt, `missing` without one, `older` in another environment."""

_DIGEST: Final = re.compile(r"[0-9a-f]{16,64}")
_SEED: Final = re.compile(r"0|[1-9]\d{0,9}")


def _digest(value: str) -> str:
    if not _DIGEST.fullmatch(value):
        raise ValueError(f"got {show(value)}; allowed 16 to 64 hexadecimal digits")
    return value


def _score(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"got {show(value)}; allowed a fraction from 0 to 1 (85.78 points are 0.8578)")
    return value


def _seed(value: str) -> str:
    if not _SEED.fullmatch(value) or int(value) > MAX_SEED:
        raise ValueError(f"got {show(value)}; allowed an integer from 0 to {MAX_SEED} as a key")
    return value


def _reason(value: str) -> str:
    if value not in REASONS:
        raise ValueError(f"got {show(value)}; allowed {listed(REASONS)}")
    return value


Digest = Annotated[str, AfterValidator(_digest)]
Score = Annotated[float, Field(allow_inf_nan=False), AfterValidator(_score)]


class SeedRun(Table):
    """One run: its status, its scores (fractions), and what it did, in hashes cut to `DIGITS` digits.

    None is "not available". The hashes are those of `harness.record.parts.Fingerprint`; `precision` is the
    observed one. A run that lost its loss (nonfinite) has no scores.
    """

    status: Literal["ok", "collapsed", "nonfinite"]
    accuracy: Score | None = None
    f1: Score | None = None
    init_sha256: Digest | None = None
    data_order_sha256: Digest | None = None
    loss_sha256: Digest | None = None
    trajectory_sha256: Digest | None = None
    final_sha256: Digest | None = None
    optimizer: Text | None = None
    attention: Text | None = None
    precision: Text | None = None

    @model_validator(mode="after")
    def _scored(self) -> SeedRun:
        if (self.accuracy is None) != (self.status == "nonfinite"):
            allowed = "null" if self.status == "nonfinite" else "a fraction from 0 to 1"
            raise ValueError(f".accuracy: got {show(self.accuracy)}; allowed {allowed} with status {self.status}")
        return self


class Configuration(Table):
    """The runs of one configuration in one environment, by seed. `asked` is what all of them were asked for.

    `lost` has the seeds of which an earlier attempt learned nothing, and how: it counts, though a later one went well.
    """

    label: Text
    configuration_id: Text
    environment_id: Text
    content_id: Text | None = None
    asked: dict[str, Any]
    collapsed: Annotated[int, Field(ge=0)]
    seeds: dict[Annotated[str, AfterValidator(_seed)], SeedRun] = Field(min_length=1)
    lost: dict[Annotated[str, AfterValidator(_seed)], Literal["collapsed", "nonfinite"]] = Field(
        default_factory=dict, exclude_if=lambda lost: not lost
    )

    @model_validator(mode="after")
    def _counted(self) -> Configuration:
        counted = sum(run.status in LOST for run in self.seeds.values()) + len(self.lost)
        if self.collapsed != counted:
            raise ValueError(f".collapsed: got {self.collapsed}; allowed {counted}, as the seeds' statuses say")
        return self

    @property
    def counted(self) -> int:
        """How many attempts count: a run a seed, and those that were lost before."""
        return len(self.seeds) + len(self.lost)

    @cached_property
    def runs(self) -> Mapping[int, SeedRun]:
        """The runs by seed, rising."""
        return {int(seed): self.seeds[seed] for seed in sorted(self.seeds, key=int)}


class EnvironmentFacts(Table):
    """Where runs were made: Python, the subject's packages by name, facts of the machine."""

    python: str
    packages: dict[str, str]
    machine: dict[str, Any]


class LeftOut(Table):
    """A run that is not in the baseline, and why; without a seed it is about the configuration as a whole."""

    configuration: Text
    configuration_id: Text
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None
    status: Annotated[str, AfterValidator(_reason)]
    why: str


class GridName(Table):
    """The grid whose results these are: `file` as the command named it, `select` where only a part was meant."""

    name: Text
    file: Text
    task: Text
    select: list[str] = Field(default_factory=list)


class Baseline(Table):
    """A grid's results at one time. The same form holds results that are only about to be compared.

    `date` is UTC; `git_sha` the commit that the grid's folder was at, None outside a repository.
    """

    schema_: Annotated[int, Field(alias="schema", ge=1, le=SCHEMA)] = SCHEMA
    harness: Text
    date: Text
    command: str
    git_sha: str | None = None
    git_dirty: bool | None = None
    note: str = ""
    grid: GridName
    environments: dict[str, EnvironmentFacts]
    configurations: list[Configuration]
    left_out: list[LeftOut] = Field(default_factory=list)

    def problems(self) -> list[str]:
        """What no single field shows: environments that are not there, configurations that come twice."""
        found, seen = [], set()
        for number, one in enumerate(self.configurations):
            where = f"configurations[{number}]"
            if one.environment_id not in self.environments:
                allowed = listed(map(show, self.environments)) or "nothing: environments is empty"
                found.append(f"{where}.environment_id: got {show(one.environment_id)}; allowed {allowed}")
            if one.configuration_id in seen:
                found.append(f"{where}.configuration_id: got {show(one.configuration_id)} again; allowed once")
            seen.add(one.configuration_id)
        return found

    def absent(self, configuration_id: str) -> Mapping[int | None, LeftOut]:
        """What is left out of a configuration, by seed."""
        return self._left_out.get(configuration_id, {})

    @cached_property
    def _left_out(self) -> Mapping[str, Mapping[int | None, LeftOut]]:
        found: dict[str, dict[int | None, LeftOut]] = {}
        for one in self.left_out:
            found.setdefault(one.configuration_id, {})[one.seed] = one
        return found
