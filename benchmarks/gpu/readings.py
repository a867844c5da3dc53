"""What records of runs on a GPU must show; every tolerance with its reason."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from benchmarks.gpu.finding import Found, spread
from harness.record.model import Record

SKIPPED_AT_MOST: Final = 3
"""Steps that may be left out in 200: each halves the scale of 65,536. Expected, not measured on a GPU yet."""
SAME_LIMIT: Final = 0.15
"""Relative: two processes on one board, minutes apart, hot or not."""
FASTER: Final = 1.5
"""Tensor cores against plain fp32. By NVIDIA's data sheets, without sparsity, the least of today's boards that have
tf32 is 2 (A10: 62.5 and 31.2 TFLOP/s); a rate below this is that of plain fp32."""
WATTS: Final = (15.0, 1500.0)
"""Mean power of a window: an idle small board, and more than any board is allowed."""
SAME_SCORE: Final = 1.5
"""Points of accuracy between precisions at one seed, the harness's own margin for two results."""


def quality(found: Found, records: Sequence[Record], device: str = "cuda:0") -> None:
    """Runs that train to their end: device, precision, loss scale, memory."""
    found.each("every cell trains", "status ok or collapsed", _statuses(records), len(records))
    ran = [(one, one.observed, one.observed.fingerprint) for one in records if one.observed and one.measured]
    seen = [(one, observed, print_) for one, observed, print_ in ran if print_ is not None]
    found.each(
        "the model is on the device",
        device,
        [
            f"{one.label}: {observed.model.get('device')}"
            for one, observed, _ in ran
            if observed.model.get("device") != device
        ],
        len(ran),
    )
    wrong = [
        f"{one.label}: {print_.precision.name if print_.precision else None}"
        for one, _, print_ in seen
        if print_.precision is None or print_.precision.name != one.asked.precision
    ]
    found.each("the precision is the one asked for", "90 % of the FLOPs of weight products", wrong, len(seen))
    probes = [(one, p.precision.tf32_probe) for one, o, p in seen if p.precision and o.model.get("device") != "cpu"]
    wrong = [f"{one.label}: {probe}" for one, probe in probes if probe is not (one.asked.precision == "tf32")]
    found.each("a product is rounded to TF32 in tf32 alone", "the numeric probe", wrong, len(probes))
    scales = [(one, print_.loss_scale) for one, _, print_ in seen]
    wrong = [one.label for one, scale in scales if (scale is not None) != (one.asked.precision == "fp16")]
    found.each("the loss is scaled in fp16 alone", "a loss scale", wrong, len(scales))
    wrong = [
        f"{one.label}: {scale.skipped_steps}"
        for one, scale in scales
        if scale and scale.skipped_steps > SKIPPED_AT_MOST
    ]
    scaled = sum(scale is not None for _, scale in scales)
    found.each("few steps are left out for overflow", f"at most {SKIPPED_AT_MOST}", wrong, scaled)
    memory(found, records)
    kernels = sorted({name for _, _, print_ in seen for name in print_.attention_kernels or ()})
    found.figure("attention kernels", ", ".join(kernels) or "none of torch's fused ones")
    for name, cells in _by_model(records).items():
        seconds = [one.measured.seconds["total"] for one in cells if one.measured and "total" in one.measured.seconds]
        found.figure(f"seconds a cell, {name}", spread(seconds, "s"))


def memory(found: Found, records: Sequence[Record]) -> None:
    """Half-precision activations take less room than fp32's, where the model is no toy."""
    name = "base"
    peaks = {
        one.asked.precision: one.measured.peak_memory_mib["device"]
        for one in records
        if one.measured and "device" in one.measured.peak_memory_mib
        and one.asked.checkpoint.name == name and one.asked.engine == "trainer"
    }  # fmt: skip
    shown = ", ".join(f"{precision} {peak:.0f} MiB" for precision, peak in peaks.items())
    both = {"fp32", "fp16"} <= peaks.keys()
    held = peaks["fp16"] < peaks["fp32"] if both else None
    found.claim("peak memory of the device", "fp16 below fp32, BERT-base's size", shown or "not measured", held)


def speed(found: Found, records: Sequence[Record], clock: str = "device") -> None:
    """Timing cells: the clock, the device's own limits, the profiler's shares, the energy."""
    timed = [(one, one.measured.timing) for one in records if one.measured and one.measured.timing]
    found.each("every cell is timed", "status ok", _statuses(records), len(records))
    wrong = [f"{one.label}: {timing.clock}" for one, timing in timed if timing.clock != clock]
    found.each("the device's clock", clock, wrong, len(timed))
    shares = [(one, timing.breakdown) for one, timing in timed if timing.breakdown]
    wrong = [
        f"{one.label}: {shown}"
        for one, share in shares
        if (
            shown := {key: value for key, value in share.model_dump().items() if key != "steps" and not 0 <= value <= 1}
        )
    ]
    found.each("shares of the profile", "each from 0 to 1", wrong, len(shares))
    wrong = [f"{one.label}: {count}" for one, timing in timed if (count := timing.noise.compiled_frames)]
    found.each("nothing is compiled in the window", "0 frames", wrong, len(timed))
    _limits(found, timed_limits(records))
    energy = [(one, t.energy_joules / t.seconds) for one, t in timed if t.energy_joules]
    wrong = [f"{one.label}: {watts:.0f} W" for one, watts in energy if not WATTS[0] <= watts <= WATTS[1]]
    found.each("energy by time", f"{WATTS[0]:.0f} to {WATTS[1]:.0f} W", wrong, len(energy))
    for one, timing in timed:
        reasons = f"; not quiet: {', '.join(timing.noise.reasons)}" if timing.noise.reasons else ""
        rate = f"{timing.median_samples_per_second:.0f} samples/s, {timing.step_ms['p50']:.2f} ms a step"
        found.figure(f"speed, {one.label}", rate + reasons)


def timed_limits(records: Iterable[Record]) -> dict[tuple[str, bool], float]:
    """FLOP/s of large products by precision, and whether the cell was compiled."""
    return {
        (one.asked.precision, one.asked.recipe.get("torch_compile", False)): limit.flops_per_second
        for one in records
        if one.measured and one.measured.timing and (limit := one.measured.timing.limit)
    }  # fmt: skip


def _limits(found: Found, limits: dict[tuple[str, bool], float]) -> None:
    eager = {precision: limit for (precision, compiled), limit in limits.items() if not compiled}
    for precision, limit in eager.items():
        found.figure(f"large products, {precision}", f"{limit / 1e12:.1f} TFLOP/s")
    fast = [name for name in ("tf32", "fp16", "bf16") if name in eager and "fp32" in eager]
    wrong = [f"{name}: {eager[name] / eager['fp32']:.2f} x" for name in fast if eager[name] < FASTER * eager["fp32"]]
    found.each("tensor cores are used where asked for", f"at least {FASTER:g} x fp32's rate", wrong, len(fast))
    pairs = [(name, limits[name, True] / eager[name]) for name in eager if (name, True) in limits]
    wrong = [f"{name}: {ratio:.2f} x" for name, ratio in pairs if abs(ratio - 1) > SAME_LIMIT]
    found.each("torch.compile changes no precision", f"the same limit within {SAME_LIMIT:.0%}", wrong, len(pairs))


def scores(found: Found, records: Sequence[Record]) -> None:
    """A real task: precisions beside each other, seed by seed."""
    found.each("every cell trains", "status ok", _statuses(records), len(records))
    accuracy = {
        (one.asked.seed, one.asked.precision): 100 * one.measured.metrics["accuracy"]
        for one in records
        if one.measured and "accuracy" in one.measured.metrics
    }
    pairs = [(seed, name, value - accuracy[seed, "fp32"]) for (seed, name), value in accuracy.items()
             if name != "fp32" and (seed, "fp32") in accuracy]  # fmt: skip
    wrong = [f"{name}, seed {seed}: {apart:+.2f}" for seed, name, apart in pairs if abs(apart) > SAME_SCORE]
    found.each("precisions agree at each seed", f"accuracy within {SAME_SCORE:g} points of fp32's", wrong, len(pairs))
    for (seed, name), value in accuracy.items():
        found.figure(f"accuracy, {name}, seed {seed}", f"{value:.2f} %")
    seconds = [one.measured.seconds["total"] for one in records if one.measured]
    found.figure("seconds a cell of GLUE MRPC", spread(seconds, "s"))


def _statuses(records: Sequence[Record]) -> list[str]:
    return [f"{one.label}: {one.status}" for one in records if one.status not in ("ok", "collapsed", "skipped")]


def _by_model(records: Iterable[Record]) -> dict[str, list[Record]]:
    found: dict[str, list[Record]] = {}
    for one in records:
        found.setdefault(one.asked.checkpoint.name, []).append(one)
    return found
