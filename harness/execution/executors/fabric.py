"""What a cluster is asked for: its nodes, an actor on one of them, calls of it, and objects that travel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Lost(Exception):
    """An actor, its node, or an object is gone; the text says what is known of it, in one line."""


@dataclass(frozen=True)
class NodeInfo:
    """A node that is alive: what it is called, and the cores and devices that it offers."""

    name: str
    cpus: int
    gpus: int


class Fabric(Protocol):
    """A cluster's own means; Ray's are in :mod:`.ray_fabric`. Nothing here knows of cells."""

    def nodes(self) -> Mapping[str, NodeInfo]:
        """The nodes that are alive, by id."""

    def start(self, node: str) -> Any:
        """Start a :class:`.node.Node` on a node, with all that it offers; returns its handle at once."""

    def call(self, actor: Any, method: str, *arguments: Any) -> Any:
        """Call a method; returns a reference to its result at once. Calls of an actor are answered in order."""

    def ready(self, references: Sequence[Any], timeout_s: float) -> Sequence[Any]:
        """Which of these can be taken; returns as soon as one can, or when the time is over."""

    def result(self, reference: Any) -> Any:
        """The result of a call that is ready; raises Lost where there will be none."""

    def put(self, data: bytes) -> Any:
        """An object that actors can get."""

    def stop(self, actor: Any) -> None:
        """Kill an actor, and so what it has started; its calls are lost."""

    def close(self) -> None:
        """Leave the cluster; what was started on it ends."""
