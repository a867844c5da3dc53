"""Two runs side by side as plain lines: what was asked otherwise, where they ran, what differs first, what follows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from harness.checks.verify.diff import Comparison, Difference
from harness.checks.verify.fields import Layer
from harness.checks.verify.tolerance import Tolerance
from harness.report.format.escape import clean

LAYER_NAMES: Final[Mapping[Layer, str]] = {
    "exact": "What was done, exactly",
    "trajectory": "The trajectory, step by step",
    "outcome": "The outcome",
}


def difference_text(labels: Sequence[str], comparison: Comparison, tolerance: Tolerance) -> str:
    """Render a comparison; `labels` name the two runs."""
    lines = [f"A: {clean(labels[0])}", f"B: {clean(labels[1])}", f"tolerance: {tolerance_text(tolerance)}"]
    lines += _section("Asked for otherwise", comparison.of("asked"))
    lines += _section("Environment", comparison.of("environment"))
    first = comparison.first
    if first is not None:
        lines += ["", f"First difference: {clean(first.text, 600)}{_step(first)}"]
        if first.meaning:
            lines.append(f"  usually means: {clean(first.meaning, 600)}")
    for layer, heading in LAYER_NAMES.items():
        rest = [one for one in comparison.of(layer) if one is not first]
        lines += _section(heading, rest)
    if comparison.consequences:
        fields = ", ".join(dict.fromkeys(one.field for one in comparison.consequences))
        lines += ["", f"Follows from it: {clean(fields, 600)}"]
    if comparison.not_available:
        lines += ["", f"Not available: {clean(', '.join(comparison.not_available), 600)}"]
    return "\n".join([*lines, "", _verdict(comparison)])


def tolerance_text(tolerance: Tolerance) -> str:
    """`exact` or `1e-05 relative, for 20 steps`."""
    if tolerance.relative == 0:
        return "none, equal to the last bit"
    steps = "" if tolerance.steps is None else f", for {tolerance.steps} step{'s' if tolerance.steps > 1 else ''}"
    return f"{tolerance.relative:g} relative{steps}"


def _verdict(comparison: Comparison) -> str:
    steps = f" over {len(comparison.steps)} steps" if len(comparison.steps) else ""
    if comparison.differ:
        return f"The runs differ{steps}."
    if not comparison.equal:
        return f"The runs agree within the tolerance{steps}; what lies beyond it is told above."
    return f"No difference in what was done{steps}."


def _section(heading: str, found: Sequence[Difference]) -> list[str]:
    if not found:
        return []
    return ["", f"{heading}:", *(f"  {_mark(one)}{clean(one.text, 600)}{_step(one)}" for one in found)]


def _mark(one: Difference) -> str:
    return "(warning) " if one.severity == "warning" else ""


def _step(one: Difference) -> str:
    return f" [step {one.step}]" if one.step is not None and "step" not in one.where else ""
