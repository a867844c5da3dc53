"""How fast a timing cell was, and how quiet its machine."""

from __future__ import annotations

import math
from typing import Annotated, Final, Literal

from pydantic import Field, model_validator

from harness.record.parts.part import Number, Part

RATE_TOLERANCE: Final = 1e-9
"""samples = rate x time holds to rounding, relative."""
STAGES_TOLERANCE: Final = 1e-6
MOST_HELD: Final = 0.01
"""The fraction of a window for which a device may be held back before it counts."""


class Stages(Part):
    """Seconds of the measured window by what the loop did, rank 0's; they add up to its `seconds`.

    `data` waits for the next batch; `forward` is the model's own call; `backward` ends where gradients are whole (on
    several ranks it holds their exchange); `optimizer` clips, steps, schedules and clears; `other` is what lies
    between: moving inputs, the loop's own work, a new epoch's beginning.
    """

    data: Number
    forward: Number
    backward: Number
    optimizer: Number
    other: Number


class Limit(Part):
    """The device's own speed in the same process and dtype: the best of many products of square matrices.

    `flops_per_second` is the sum over ranks, measured on all of them at once. `drift` is the rate after the measured
    window over that before it, minus 1.
    """

    dtype: str
    size: int
    flops_per_second: Number
    drift: Number


class Breakdown(Part):
    """Where a step's time goes, as fractions of `steps` further steps under torch's profiler, rank 0's.

    `kernels` is time inside torch's operators (on CUDA the device's), `communication` inside the collectives, `data`
    waiting for batches, `framework` the rest: Python, the Trainer, dispatch, the profiler itself.
    """

    steps: int
    data: Number
    kernels: Number
    communication: Number
    framework: Number


class Noise(Part):
    """What else the machine did in the window. `reasons` says why it was not quiet; none: it was.

    `others_cores` is the number of cores that other processes kept busy, `steal` the fraction of all CPU time that the
    hypervisor gave to others, `load` the 1-minute load average at the window's beginning. None: the system does not
    say. `compiled_frames` is how many frames torch's compiler was given in it, on the rank with most.
    """

    others_cores: Number | None = None
    steal: Number | None = None
    load: Number | None = None
    compiled_frames: int | None = None
    reasons: list[str] = []


class Timing(Part):
    """One timing process. Times in seconds, rates a second, `step_ms` in milliseconds (p5, p50, p95).

    `session` is the id of the harness run that it was part of and `place` its place in that run's order: processes of
    one session were interleaved. `samples`, `tokens` and `flops` are sums over ranks in the window, `real_tokens` those
    that are no padding. `median_samples_per_second` is the median over steps, what the gate compares
    (docs/statistics.md); `samples_per_second` is `samples` / `seconds`. `flops` are the model's, forward and backward,
    by torch's own counter; `mfu` = `flops` / `seconds` / the limit. `power_capped` is the fraction of the window for
    which the driver held a device at its power limit, the most hindered one's. None: the device does not count it.
    """

    session: str
    place: int
    clock: Literal["host", "device"]
    warmup_steps: int
    steps: int
    seconds: Number
    samples: int
    samples_per_second: Number
    median_samples_per_second: Number
    tokens: int | None = None
    tokens_per_second: Number | None = None
    real_tokens: int | None = None
    step_ms: dict[str, Number]
    stages: Stages
    flops: Number | None = None
    limit: Limit | None = None
    mfu: Number | None = None
    breakdown: Breakdown | None = None
    noise: Noise
    energy_joules: Number | None = None
    power_capped: Annotated[Number | None, Field(exclude_if=lambda value: value is None)] = None

    @property
    def quiet(self) -> bool:
        """Whether nothing else disturbed the window; only then may it decide anything."""
        return not self.noise.reasons

    @property
    def padding_efficiency(self) -> float | None:
        """Real tokens over all tokens that the model saw."""
        return None if not self.tokens or self.real_tokens is None else self.real_tokens / self.tokens

    @model_validator(mode="after")
    def _adds_up(self) -> Timing:
        """Samples = rate x time, and stages = window: a record that fails this is not one."""
        rates = [("samples", self.samples, self.samples_per_second)]
        if self.tokens is not None and self.tokens_per_second is not None:
            rates.append(("tokens", self.tokens, self.tokens_per_second))
        for name, count, rate in rates:
            if not math.isclose(rate * self.seconds, count, rel_tol=RATE_TOLERANCE):  # a NaN is close to nothing
                raise ValueError(f"{name} = {count} is not {name}_per_second {rate} x seconds {self.seconds}")
        parts = self.stages
        total = parts.data + parts.forward + parts.backward + parts.optimizer + parts.other
        if not math.isclose(total, self.seconds, rel_tol=STAGES_TOLERANCE):
            raise ValueError(f"stages add up to {total}, seconds is {self.seconds}")
        return self
