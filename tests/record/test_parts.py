"""A timing record adds up, or it is none."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from harness.record.parts.timing import Noise, Timing

STAGES = {"data": 1.0, "forward": 1.0, "backward": 1.0, "optimizer": 1.0, "other": 0.1}


def timing_of(seconds: float = 4.0, samples: int = 800, **changes: Any) -> Timing:
    shares = {"data": 0.1, "forward": 0.3, "backward": 0.4, "optimizer": 0.15, "other": 0.05}
    values: dict[str, Any] = {
        "session": "0123456789ab",
        "place": 1,
        "clock": "host",
        "warmup_steps": 20,
        "steps": 100,
        "seconds": seconds,
        "samples": samples,
        "samples_per_second": samples / seconds,
        "median_samples_per_second": 1.01 * samples / seconds,
        "tokens": 50 * samples,
        "tokens_per_second": 50 * samples / seconds,
        "real_tokens": 40 * samples,
        "step_ms": {"p5": 35.0, "p50": 40.0, "p95": 44.0},
        "stages": {name: share * seconds for name, share in shares.items()},
        "noise": {},
        **changes,
    }
    return Timing(**values)


@given(st.floats(1e-3, 1e5), st.integers(1, 10**9))
def test_samples_are_rate_times_time(seconds: float, samples: int) -> None:
    timing = timing_of(seconds, samples)
    assert timing.samples_per_second * timing.seconds == pytest.approx(timing.samples, rel=1e-9)
    assert timing.padding_efficiency == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        # The well-known slip: samples a second times the number of steps.
        ({"samples_per_second": 200.0 * 100}, "samples = 800 is not samples_per_second 20000.0 x seconds 4.0"),
        ({"tokens_per_second": 10_001.0}, "tokens = 40000 is not"),
        ({"samples_per_second": math.nan}, "samples = 800 is not samples_per_second nan x seconds 4.0"),
        ({"stages": {**STAGES, "data": math.nan}}, "stages add up to nan, seconds is 4.0"),
        ({"stages": STAGES}, "stages add up to 4.1, seconds is 4.0"),
    ],
)
def test_what_does_not_add_up_is_refused(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said.replace("+", r"\+")):
        timing_of(**changes)


def test_tokens_that_nobody_counted() -> None:
    timing = timing_of(tokens=None, tokens_per_second=None, real_tokens=None)
    assert timing.padding_efficiency is None


def test_quiet_is_without_reasons() -> None:
    assert timing_of().quiet
    assert not timing_of(noise=Noise(reasons=["other processes kept 0.40 cores busy"])).quiet
