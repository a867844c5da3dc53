"""Published speed-ups of one precision over another, worked out from the registry's printed values."""

from __future__ import annotations

from typing import Any, Final

from harness.references import Reference, find
from harness.report.speed.model import PublishedSpeedUp

PAIRS: Final = (
    ("hf-readme-cased-fp32", "hf-readme-cased-fp16"),
    ("hf-readme-tf2-titanv-fp32", "hf-readme-tf2-titanv-amp"),
    ("hf-readme-tf2-v100-fp32", "hf-readme-tf2-v100-amp"),
    ("nvidia-pt-tf32", "nvidia-pt-amp"),
    ("nvidia-tf-best-tf32", "nvidia-tf-best-fp16"),
)
"""References to MRPC trainings that differ in precision alone: (base, faster precision)."""

METRICS: Final[tuple[tuple[Any, str, str], ...]] = (
    ("train_seconds", " s", "time of the training"),
    ("second_epoch_seconds", " s", "time of the second epoch"),
    ("train_samples_per_second", " samples/s", "rate"),
)
"""What a speed-up is made of, the first that both have: (metric, unit, what it is)."""


def published_speed_ups() -> tuple[PublishedSpeedUp, ...]:
    """The pairs, in the order above."""
    return tuple(_speed_up(find(base), find(other)) for base, other in PAIRS)


def _speed_up(base: Reference, other: Reference) -> PublishedSpeedUp:
    printed = {str(name): value.value for name, value in base.metrics.items()}
    others = {str(name): value.value for name, value in other.metrics.items()}
    for metric, unit, what in METRICS:
        a, b = printed.get(metric), others.get(metric)
        if a is not None and b is not None:
            ratio = b / a if metric == "train_samples_per_second" else a / b
            sic = " (so printed: slower)" if ratio < 1 else ""
            return PublishedSpeedUp(
                precision=str(other.precision),
                over=str(base.precision),
                ratio=ratio,
                checkpoint=base.checkpoint,
                hardware=str(base.hardware),
                printed=f"{what}: {a:g}{unit} and {b:g}{unit}{sic}",
                source=base.source,
            )
    raise AssertionError(f"{base.id}, {other.id}: no figure that both have")
