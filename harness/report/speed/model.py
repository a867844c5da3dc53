"""What a report says about speed, as data: the throughput part of a `ReportModel`.

Rates, `flops` too, are a second; times in milliseconds where the name says so; a ratio above 1 is faster.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

STAGES: Final = ("data", "forward", "backward", "optimizer", "other")
"""What a step is made of, in the order in which it happens."""

BREAKDOWN: Final = ("data", "kernels", "communication", "framework")

Interval = tuple[float, float]


@dataclass(frozen=True)
class TimingPlan:
    """The grid's timing cells as far as a report needs them.

    `places` maps configuration_id to its place in the matrix (axis -> value), in the grid's order. `margin` is the
    grid's largest slow-down that counts as equal, a fraction.
    """

    places: Mapping[str, Mapping[str, Any]]
    processes: int
    warmup_steps: int
    measured_steps: int
    margin: float
    scaling: str


@dataclass(frozen=True)
class Rate:
    """Samples a second over processes: their median, and what is known of its spread.

    With three processes or more `interval` is the 90 % t interval of their mean on the log scale (`kind` "t"), with
    two their range ("range"); one has none.
    """

    median: float
    interval: Interval | None
    kind: Literal["t", "range"] | None


@dataclass(frozen=True)
class LimitFacts:
    """The device's own speed in one dtype, over processes: median of the sums over ranks, and the largest drift."""

    dtype: str
    size: int
    flops_per_second: float
    drift: float


@dataclass(frozen=True)
class TimedRow:
    """One configuration in its newest session.

    `quiet` of `processes` had the machine for themselves; the figures are over those `counted`: the quiet ones, or
    all where none was. `stages_ms` is rank 0's mean step by stage. `model_flops_per_second` and `mfu` take the FLOPs
    that one process counted, for all of them trained the same batches.
    """

    label: str
    axes: Mapping[str, Any]
    configuration_id: str
    environment_id: str
    session: str
    clock: str
    processes: int
    quiet: int
    counted: int
    rate: Rate
    real_tokens_per_second: float | None
    padding_efficiency: float | None
    step_ms: Mapping[str, float]
    memory_mib: float | None
    memory_of: str | None
    joules_per_1000_samples: float | None
    stages_ms: Mapping[str, float]
    breakdown: Mapping[str, float] | None
    limit: LimitFacts | None
    model_flops_per_second: float | None
    mfu: float | None


@dataclass(frozen=True)
class Contrast:
    """Two configurations side by side that differ in one axis alone; `what` is "bf16 over fp32", `where` the rest.

    `pairs` entered; `left_out` did not, for a process of theirs was not quiet. `ci90` is the 90 % interval of
    `ratio`; `detectable` the MDE, the slow-down found with 80 % power. None: not computable, and `why` says why
    where there is no ratio.
    """

    axis: str
    what: str
    where: str
    value: Any
    over: Any
    session: str | None = None
    pairs: int = 0
    left_out: int = 0
    ratio: float | None = None
    ci90: Interval | None = None
    detectable: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Scaling:
    """k devices over the fewest: `contrast.ratio` is the speed-up, `efficiency` that over the growth in devices."""

    contrast: Contrast
    devices: int
    base: int
    efficiency: float | None
    ci90: Interval | None


@dataclass(frozen=True)
class PublishedSpeedUp:
    """A published speed-up of a precision over another, worked out from two printed values; of other hardware."""

    precision: str
    over: str
    ratio: float
    checkpoint: str
    hardware: str
    printed: str
    source: str


@dataclass(frozen=True)
class NoisyProcess:
    """A process that did not have the machine for itself, and why."""

    label: str
    process: int
    reasons: tuple[str, ...]


@dataclass(frozen=True)
class Unmeasured:
    """A configuration of the grid without any timing that ended well, and what became of its attempts."""

    label: str
    why: str


@dataclass(frozen=True)
class SessionFacts:
    """One `harness run`: its first process' start, and how many of the processes shown are its."""

    session: str
    started: str
    processes: int


@dataclass(frozen=True)
class ThroughputPart:
    """The whole part. `sessions` are those shown, the newest first; the others are only counted."""

    plan: TimingPlan
    sessions: tuple[SessionFacts, ...]
    older_sessions: int
    older_processes: int
    rows: tuple[TimedRow, ...]
    contrasts: tuple[Contrast, ...]
    scaling: tuple[Scaling, ...]
    published: tuple[PublishedSpeedUp, ...]
    noisy: tuple[NoisyProcess, ...]
    unmeasured: tuple[Unmeasured, ...]
