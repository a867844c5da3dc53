"""Made-up releases: each a planted run with the verdicts of the checks that ship."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from harness.checks.releases.history import Probed, Release
from harness.checks.verify.fidelity import fidelity
from harness.checks.verify.invariants import invariant
from harness.fact import Fact
from tests.checks.conftest import build_run, plant

KERNELS = {"observed.fingerprint.attention_kernels": {"flash": 2}}
WITHDRAWN = {"4.46.0": "withdrawn"}
PATCHES: Mapping[str, tuple[float, Mapping[str, Any]]] = {
    # excess of the loss under accumulation, what is planted in the short run
    "4.45.0": (1.0, {}),
    "4.45.1": (1.0, {}),
    "4.45.2": (1.0, {}),
    "4.46.0": (4.0, {}),
    "4.46.1": (4.0, {}),
    "4.47.0": (1.0, {}),
    "4.47.1": (1.0, KERNELS),
    "4.48.0": (1.0, KERNELS),
}
RELEASES = [
    Release(version, f"transformers=={version}", WITHDRAWN.get(version), "2024-10-24", version[:4])
    for version in PATCHES
]


def probed(version: str, broken: bool = False) -> Probed:
    """What a release came to; a `broken` one has no environment."""
    release = next(one for one in RELEASES if one.version == version)
    if broken:
        return Probed(release, reason=Fact.of("bisect.unbuilt", error="no such thing"))
    excess, planted = PATCHES[version]
    base = plant(build_run(), {**planted, "observed.packages.transformers": version})
    twin = build_run(batch=2, accumulation=4, excess=excess)
    checks = {"accumulation": invariant("accumulation", base, twin), "fidelity": fidelity(base)}
    return Probed(release, checks, base)
