"""The accepted file: scores and fingerprints of a grid's runs, a line a seed, to be read in a review."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from harness.checks.accepted import Accepted, Place, RefusedError, checked, laid_out, no_constant, no_key_twice
from harness.disk import explained, write_durably
from harness.errors import SpecError
from harness.grid.looks import MAX_SEED
from harness.grid.tables import Table, Text
from harness.record.attempts import LOST, STATUSES, UNREADABLE
from harness.task import Task, task_of
from harness.text import listed, show
from harness.validation import decoded, name_of, only, read_bytes

SCHEMA: Final = 3
DIGITS: Final = 20
"""Hex digits kept of each sha256: 80 bits, and a line that fits a screen."""

FOLDER: Final = Path("reports/baselines")
SUFFIX: Final = ".json"
MAX_BYTES: Final = 64 * 2**20
WANTED: Final = "an accepted file as `harness accept` writes it"

_ONE_LINE: Final[tuple[Place, ...]] = (
    ("grid", "select"),
    ("environments", "*", "machine", "*"),
    ("configurations", "*", "asked", "*"),
    ("configurations", "*", "content"),
    ("configurations", "*", "seeds", "*"),
    ("configurations", "*", "lost"),
    ("left_out", "*"),
)

MISSING: Final = "missing"
OLDER: Final = "older"
REASONS: Final[tuple[str, ...]] = (*STATUSES, UNREADABLE, MISSING, OLDER)
"""Why a run is left out: its last attempt's status, or `missing`. Files of schema 1 have `older`: elsewhere."""


def _is_seed(value: str) -> bool:
    return bool(re.fullmatch(r"0|[1-9]\d{0,9}", value)) and int(value) <= MAX_SEED


A_FRACTION: Final = "a fraction from 0 to 1 (85.78 points are 0.8578)"
A_SCORE: Final = "a fraction of 1 at most (85.78 points are 0.8578), or null"
Digest = Annotated[str, only("16 to 64 hexadecimal digits", re.compile(r"[0-9a-f]{16,64}").fullmatch)]
Score = Annotated[float, Field(allow_inf_nan=False), only(A_FRACTION, lambda value: -1 <= value <= 1)]
Seed = Annotated[str, only(f"an integer from 0 to {MAX_SEED} as a key", _is_seed)]
Reason = Annotated[str, only(listed(REASONS), REASONS.__contains__)]


class SeedRun(Table):
    """One run: its status, its scores (fractions), and what it did, in hashes cut to `DIGITS` digits.

    None is "not available". The hashes are those of `harness.record.parts.fingerprint.Fingerprint`; `precision` is the
    observed one. A run that lost its loss (nonfinite) has no scores. `cell_id` and `started` tell the attempt from
    every other; files of schema 1 do not have them.
    """

    status: Literal["ok", "collapsed", "nonfinite"]
    scores: dict[Text, Score | None] = Field(default_factory=dict)
    init_sha256: Digest | None = None
    data_order_sha256: Digest | None = None
    loss_sha256: Digest | None = None
    trajectory_sha256: Digest | None = None
    final_sha256: Digest | None = None
    optimizer: Text | None = None
    attention: Text | None = None
    precision: Text | None = None
    cell_id: Text | None = None
    started: Text | None = None

    @model_validator(mode="before")
    @classmethod
    def _older(cls, data: Any) -> Any:
        """Files of schema 1 and 2 had accuracy and F1 alone, each by a key of its own."""
        old = [name for name in ("accuracy", "f1") if isinstance(data, dict) and name in data]
        if not old or "scores" in data:
            return data
        return {"scores": {name: data[name] for name in old}, **{k: v for k, v in data.items() if k not in old}}

    @model_validator(mode="after")
    def _scored(self) -> SeedRun:
        known = [value for value in self.scores.values() if value is not None]
        if self.status == "nonfinite" and known:
            raise ValueError(f".scores: got {show(known[0])}; allowed null with status nonfinite")
        return self


class Configuration(Table):
    """The runs of one configuration in one environment, by seed. `asked` is what all of them were asked for.

    `shown` is what people call it, where that is not its label. `content` has a hash of each part of what `content_id`
    is of, where that is known: data, weights, code. `lost` has the seeds of which an earlier attempt
    learned nothing, and how: it counts, though a later one went well. `accepted` is when it was accepted, where that
    was before the file's date.
    """

    label: Text
    shown: Text | None = Field(default=None, exclude_if=lambda shown: shown is None)
    configuration_id: Text
    environment_id: Text
    content_id: Text | None = None
    content: dict[Text, Digest] = Field(default_factory=dict, exclude_if=lambda content: not content)
    asked: dict[str, Any]
    collapsed: Annotated[int, Field(ge=0)]
    seeds: dict[Seed, SeedRun] = Field(min_length=1)
    lost: dict[Seed, Literal["collapsed", "nonfinite"]] = Field(default_factory=dict, exclude_if=lambda lost: not lost)
    accepted: Text | None = Field(default=None, exclude_if=lambda date: date is None)

    @model_validator(mode="after")
    def _counted(self) -> Configuration:
        item = self.task.scored[0]
        for seed, run in self.seeds.items():
            if run.status == "ok" and run.scores.get(item) is None:
                got = show(run.scores.get(item))
                raise ValueError(f".seeds.{seed}.scores.{item}: got {got}; allowed a fraction with status ok")
        counted = sum(run.status in LOST for run in self.seeds.values()) + len(self.lost)
        if self.collapsed != counted:
            raise ValueError(f".collapsed: got {self.collapsed}; allowed {counted}, as the seeds' statuses say")
        return self

    @property
    def name(self) -> str:
        """What people read."""
        return self.shown or self.label

    @property
    def counted(self) -> int:
        """How many attempts count: a run a seed, and those that were lost before."""
        return len(self.seeds) + len(self.lost)

    @property
    def task(self) -> Task:
        """What was learned."""
        return task_of(str(self.asked.get("task", "")), self.asked.get("task_table"), self.asked.get("subject"))

    @property
    def mean(self) -> float | None:
        """The mean of the runs that did not collapse, in points of the task's first metric; None without one."""
        item = self.task.scored[0]
        ok = (run.scores.get(item) for run in self.seeds.values() if run.status == "ok")
        points = [100 * value for value in ok if value is not None]
        return math.fsum(points) / len(points) if points else None

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
    """A run that is not there, and why; without a seed it is about the configuration as a whole."""

    configuration: Text
    configuration_id: Text
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] | None
    status: Reason
    why: str


class GridName(Table):
    """The grid whose results these are: `file` as the command named it; `select` is written by schema 1 alone.

    `parity_margin_points` is its `quality.parity_margin`; None where it is not known.
    """

    name: Text
    file: Text
    task: Text
    parity_margin_points: Annotated[float, Field(gt=0)] | None = Field(
        default=None, exclude_if=lambda margin: margin is None
    )
    select: list[str] = Field(default_factory=list, exclude_if=lambda select: not select)


class Baseline(Accepted):
    """What was accepted of a grid. The same form holds results that are only about to be compared.

    `date` is UTC, that of the last acceptance; `git_sha` the commit that the grid's folder was at, None
    outside a repository.
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


def baseline_text(baseline: Baseline) -> str:
    """The file's text: fields in the model's order, names that no grid orders (packages, facts) sorted."""
    data = baseline.model_dump(mode="json", by_alias=True)
    for facts in data["environments"].values():
        facts["packages"] = dict(sorted(facts["packages"].items()))
        facts["machine"] = dict(sorted(facts["machine"].items()))
    data["environments"] = dict(sorted(data["environments"].items()))
    for configuration in data["configurations"]:
        configuration["seeds"] = dict(sorted(configuration["seeds"].items(), key=lambda pair: int(pair[0])))
    return laid_out(data, _ONE_LINE) + "\n"


def accepted_path(grid: str) -> Path:
    """Where a grid's accepted file lies, seen from the current folder."""
    return FOLDER / f"{grid}{SUFFIX}"


def write_baseline(path: Path, baseline: Baseline) -> None:
    """Write the file, whole or not at all; one that is there is replaced: it is under review in git.

    Raises
    ------
    SpecError
        For another suffix, or where there is a folder of that name.
    StoreError
        Where it cannot be written.
    """
    if path.suffix != SUFFIX:
        raise SpecError(f"--out: got {show(str(path))}; allowed a file name that ends in {SUFFIX}")
    if path.is_dir():
        raise SpecError(f"--out: got the folder {name_of(path)}; allowed a file")
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, baseline_text(baseline))


def read_baseline(path: Path) -> Baseline:
    """Read and check an accepted file.

    Raises
    ------
    SpecError
        With a line for every problem: file, dotted field, value got, what is allowed.
    """
    return parse_baseline(read_bytes(path, WANTED, MAX_BYTES), name_of(path))


def parse_baseline(content: bytes, file: str) -> Baseline:
    """Check an accepted file given as the bytes of its file; raises like `read_baseline`."""
    data = _parsed(content, file)
    if not isinstance(data, dict):
        raise SpecError(f"{file}: got {show(data)}; allowed {WANTED}")
    if "schema" not in data:
        raise SpecError(f"{file}: schema: missing; allowed {WANTED}")
    return checked(data, Baseline, SCHEMA, file)


def _parsed(content: bytes, file: str) -> Any:
    text = decoded(content, file)
    try:
        return json.loads(text, parse_constant=no_constant, object_pairs_hook=no_key_twice)
    except json.JSONDecodeError as error:
        got = show(text[error.pos : error.pos + 24]) if error.pos < len(text) else "the end"
        where = f"{file}: line {error.lineno}, column {error.colno}"
        raise SpecError(f"{where}: got {got}; allowed JSON ({error.msg})") from error
    except RecursionError as error:
        raise SpecError(f"{file}: nested too deeply; allowed {WANTED}") from error
    except RefusedError as error:
        raise SpecError(f"{file}: {error}") from error
    except ValueError as error:
        # int() refuses more than 4300 digits.
        raise SpecError(f"{file}: got a number of thousands of digits; allowed 64 bits") from error
