"""From `--on` to a cluster."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator
from typing import Final

from harness.errors import RequirementError, SpecError
from harness.execution.executors.cluster import Cluster

RAY: Final = "ray"
_ADDRESS: Final = re.compile(r"ray://[^\s/:]+:\d{1,5}|ray://\[[0-9a-fA-F:]+\]:\d{1,5}")


@contextlib.contextmanager
def reached(on: str | None) -> Iterator[Cluster | None]:
    """The cluster that `--on` names, until the command is over; None for this machine.

    Raises
    ------
    SpecError
        For a name of no cluster.
    RequirementError
        Where Ray is not installed, or nothing answers.
    """
    if on is None:
        yield None
        return
    if on != RAY and not _ADDRESS.fullmatch(on):
        raise SpecError(f"--on: got {on!r}; allowed: ray (the cluster that runs here, or RAY_ADDRESS), ray://HOST:PORT")
    try:
        from harness.execution.executors.ray_fabric import RayFabric  # Ray takes half a second, and is an extra
    except ImportError as error:
        fix = "pip install 'ray[client]'"
        raise RequirementError(f"--on {on}: Ray is not installed ({error}); install it with: {fix}") from error
    cluster = Cluster(RayFabric("" if on == RAY else on), "the Ray cluster" if on == RAY else on)
    try:
        yield cluster
    finally:
        cluster.close()
