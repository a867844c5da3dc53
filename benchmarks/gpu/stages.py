"""The stages, in order: what is typed, and what must come of it."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Mapping
from typing import Any, Final

from benchmarks.gpu import faults, readings
from benchmarks.gpu.finding import Found
from benchmarks.gpu.place import Place
from harness.checks.verdict import Verdict
from harness.checks.verify.diff.paired import state_of
from harness.execution.packing import Measurement
from harness.report.verdicts.json import verdicts_from_json

RATIO: Final = 1e-3
"""Relative: how near the known defect's ratio must be to what it was measured as elsewhere."""
DRAWS: Final = "evaluation draws"
"""The cause of reports/watching-changes-training.md, which has no issue of its own upstream."""
NEEDED: Final = "HARNESS_MRPC"


def ground(place: Place, found: Found) -> None:
    """The machine, as `doctor` and `plan` see it."""
    done = place.harness("doctor", "--json")
    facts: dict[str, Any] = json.loads(done.out) if done.out.startswith("{") else {}
    found.claim("doctor", "exit 0", f"exit {done.code}", done.code == 0)
    devices = [f"{one['name']}, {one['memory_mib']} MiB" for one in facts.get("devices", [])]
    held = None if place.rehearsal else len(devices) > 0
    found.claim("a GPU is seen", "one or more", "; ".join(devices) or "none", held)
    able = [name for name, can in facts.get("precisions", {}).items() if can]
    found.figure("precisions", ", ".join(able))
    found.figure("machine", f"{facts.get('machine', {}).get('cpu')}, {facts.get('machine', {}).get('cores')} cores")
    packages = facts.get("packages", {})
    found.figure(
        "software", ", ".join(f"{name} {packages[name]}" for name in ("torch", "transformers") if name in packages)
    )
    done = place.harness("plan", "quality.toml")
    found.claim("the grid can be run", "plan: exit 0", f"exit {done.code}", done.code == 0)


def precisions(place: Place, found: Found) -> None:
    """Every precision by the Trainer and by the plain loop."""
    done = place.harness("run", "quality.toml")
    found.claim("run", "exit 0", f"exit {done.code}", done.code == 0)
    readings.quality(found, place.records("gpu-quality"), "cpu" if place.rehearsal else "cuda:0")
    verdicts = _verdicts(place, "diff", "gpu-quality:engine=trainer", "gpu-quality:engine=loop")
    states = [(one, state_of(one)) for one in verdicts]
    wrong = [f"{one.subject.label}: {state}" for one, state in states if state not in ("identical", "equal", "skipped")]
    found.each("the Trainer trains as the plain loop", "identical, or equal within rounding", wrong, len(states))
    found.figure(
        "Trainer = loop to the last bit", f"{sum(state == 'identical' for _, state in states)} of {len(states)}"
    )


def verify(place: Place, found: Found) -> None:
    """Fidelity, reproducibility and invariants."""
    verdicts = _verdicts(place, "verify", "verify.toml", "-o", "verify.md")
    bad = [one for one in verdicts if one.outcome in ("FAIL", "ERROR")]
    new = [f"{one.item or one.check}, {one.subject.label}" for one in bad if not _is_known(one)]
    found.each("what fails is known", "every FAIL is of a published cause", new, len(verdicts))
    ratios = [
        finding.ratio
        for one in verdicts
        if one.item == "accumulation"
        for finding in one.findings
        if finding.item == "gradient norm" and finding.ratio is not None
    ]
    wrong = [f"{ratio:.4f}" for ratio in ratios if min(abs(ratio / 4 - 1), abs(ratio - 1)) > RATIO]
    found.each(
        "accumulated gradients", "4.000 x (transformers#47688), or 1.000 x where it is mended", wrong, len(ratios)
    )
    for check in ("fidelity", "reproducibility", "invariants"):
        mine = [one.outcome for one in verdicts if one.check == check]
        found.figure(f"verify: {check}", ", ".join(f"{mine.count(name)} {name}" for name in dict.fromkeys(mine)))
    verdicts = _verdicts(place, "verify", "deterministic.toml", "--only", "repeat", "-o", "deterministic.md")
    repeats = [one for one in verdicts if one.check == "reproducibility" and one.outcome != "SKIP"]
    wrong = [f"{one.subject.label}: {one.outcome}" for one in repeats if one.outcome != "PASS"]
    found.each("deterministic algorithms repeat to the last bit", "PASS", wrong, len(repeats))


def speed(place: Place, found: Found) -> None:
    """Timing cells of every precision, eager and compiled."""
    done = place.harness("run", "speed.toml")
    found.claim("run", "exit 0", f"exit {done.code}", done.code == 0)
    readings.speed(found, place.records("gpu-speed"), "host" if place.rehearsal else "device")


def packing(place: Place, found: Found) -> None:
    """How many small cells one GPU holds at once, and what that is worth."""
    few = (
        ("--steps", "4", "--rounds", "1", "--most", "2", "--allow-busy")
        if place.rehearsal
        else ("--steps", "200", "--rounds", "2")
    )
    done = place.harness(
        "pack", "quality.toml", "-s", "checkpoint=base", "-s", "precision=fp32", "-s", "engine=trainer", *few, "--json"
    )
    if not done.out.startswith("{"):
        found.claim("packed cells", "measured", f"exit {done.code}: {done.err[-200:]}", False)
        return
    measured = Measurement.model_validate_json(done.out)
    found.claim("packed cells", "the losses of cells that ran alone", f"exit {done.code}", measured.sound)
    for row in measured.rows:
        share = f"{measured.relative(row):.2f} x one at a time"
        found.figure(
            f"{row.at_once} at once, {row.threads} threads", f"{row.cells_per_hour:.0f} cells an hour, {share}"
        )


def task(place: Place, found: Found) -> None:
    """The real task, where its files are at hand."""
    if not os.environ.get(NEEDED):
        found.claim("GLUE MRPC", "its files", f"{NEEDED} names no folder", None)
        return
    done = place.harness("run", "mrpc.toml")
    found.claim("run", "exit 0", f"exit {done.code}", done.code == 0)
    readings.scores(found, place.records("gpu-mrpc"))


def _verdicts(place: Place, *command: str) -> list[Verdict]:
    done = place.harness(*command, "--json")
    if not done.out.startswith("{"):
        raise RuntimeError(f"harness {' '.join(command)}: exit {done.code}: {done.text[-2000:]}")
    return list(verdicts_from_json(done.out)[1])


def _is_known(verdict: Verdict) -> bool:
    return bool(verdict.failures) and all(one.upstream or one.cause == DRAWS for one in verdict.failures)


STAGES: Final[Mapping[str, Callable[[Place, Found], None]]] = {
    "ground": ground, "precisions": precisions, "verify": verify, "speed": speed, "faults": faults.faults,
    "packing": packing, "task": task,
}  # fmt: skip
