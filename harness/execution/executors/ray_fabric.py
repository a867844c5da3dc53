"""A Ray cluster. Importing this module imports Ray: only where `--on ray` is asked for."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping, Sequence
from typing import Any, Final

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from harness.errors import RequirementError
from harness.execution.environment import HARNESS
from harness.execution.executors.fabric import Lost, NodeInfo
from harness.execution.executors.node import Node
from harness.execution.outcome import VARIABLES
from harness.text import one_line

MOST_REASON: Final = 300
CARRIED: Final = (*VARIABLES, "HF_HUB_OFFLINE", "NCCL_", "GLOO_")
"""What the names of variables begin with that a cell would have here, and is to have there."""
NOT_CARRIED: Final = ("NVIDIA_VISIBLE_DEVICES",)
"""A container's own."""


class RayFabric:
    """Ray's nodes and actors, by Ray's own address: "" is the cluster that runs here, or that `RAY_ADDRESS` names.

    Raises
    ------
    RequirementError
        Where no cluster answers there.
    """

    def __init__(self, address: str = "") -> None:
        variables = {
            name: value for name, value in os.environ.items() if name.startswith(CARRIED) and name not in NOT_CARRIED
        }
        try:
            ray.init(
                address=address or os.environ.get("RAY_ADDRESS") or "auto",
                # The harness itself: by content, once a node.
                runtime_env={
                    "py_modules": [str(HARNESS)],
                    "excludes": ["__pycache__"],
                    "env_vars": variables,
                },
                log_to_driver=False,
                logging_level="error",
                namespace="finetune-harness",
            )
        except (ConnectionError, ValueError, RuntimeError, OSError, TimeoutError, ray.exceptions.RayError) as error:
            hint = "start one with: ray start --head; or name it: --on ray://HOST:10001"
            reason = one_line(str(error), MOST_REASON)
            raise RequirementError(f"--on ray{address[3:]}: no Ray cluster answers ({reason}); {hint}") from error
        self._class = ray.remote(Node)

    def nodes(self) -> Mapping[str, NodeInfo]:
        """Ray's nodes that are alive."""
        found = {}
        for node in ray.nodes():
            if node["Alive"]:
                offered = node["Resources"]
                name = f"{node['NodeManagerHostname']} ({node['NodeID'][:6]})"
                found[node["NodeID"]] = NodeInfo(name, int(offered.get("CPU", 0)), int(offered.get("GPU", 0)))
        return found

    def start(self, node: str) -> Any:
        """Start an actor there and nowhere else; never by itself anew: what it was doing is for the run to know."""
        offered = self.nodes()[node]
        strategy = NodeAffinitySchedulingStrategy(node, soft=False)
        options = self._class.options(
            num_cpus=offered.cpus, num_gpus=offered.gpus, max_restarts=0, scheduling_strategy=strategy
        )
        return options.remote()

    def call(self, actor: Any, method: str, *arguments: Any) -> Any:
        """Call a method of an actor."""
        return getattr(actor, method).remote(*arguments)

    def ready(self, references: Sequence[Any], timeout_s: float) -> Sequence[Any]:
        """Wait for the first, then take all that are there."""
        found, others = ray.wait(list(references), num_returns=1, timeout=timeout_s)
        if found and others:
            found += ray.wait(others, num_returns=len(others), timeout=0)[0]
        return list(found)

    def result(self, reference: Any) -> Any:
        """Ray's result; whatever Ray says went wrong, the actor is not to be relied on any more."""
        try:
            return ray.get(reference)
        except ray.exceptions.RayError as error:
            lines = [line for line in str(error).splitlines() if line.strip()]
            told = lines[-1] if isinstance(error, ray.exceptions.RayTaskError) else lines[0]
            raise Lost(one_line(f"{type(error).__name__}: {told}", MOST_REASON)) from error

    def put(self, data: bytes) -> Any:
        """Put into Ray's object store."""
        return ray.put(data)

    def stop(self, actor: Any) -> None:
        """Kill an actor."""
        with contextlib.suppress(ray.exceptions.RayError, ValueError):
            ray.kill(actor)

    def close(self) -> None:
        """Leave: Ray ends the actors of a driver that is gone."""
        ray.shutdown()
