"""A cluster as a run sees it: its nodes by kind, and which kind a grid runs on."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from harness.errors import RequirementError
from harness.execution.attempt import Running
from harness.execution.environment import CURRENT, Environment
from harness.execution.environments.build import say
from harness.execution.executors.fabric import Fabric, Lost, NodeInfo
from harness.execution.executors.node import Asked, Order, Seen
from harness.execution.executors.recipe import Recipe
from harness.execution.plan import Packing, default_packing
from harness.grid.cell import Cell
from harness.record.meant import Machine
from harness.text import listed, short_hash

ANSWER_S: Final = 300.0
"""How long nodes may take to say what they are, importing torch once from a cold disk; later ones join a run."""
LATER_S: Final = 15.0
"""How much longer than the first of them others are waited for."""
BUILT_S: Final = 1800.0
BUILT_LATER_S: Final = 60.0
"""The same where they build environments first: of a GPU's build that is some GB."""
TOLD_S: Final = 3.0
POLL_S: Final = 0.2
STRIKES: Final = 3
"""Actors that a node may lose without having ended a job between: then it is left alone."""


@dataclass(eq=False)
class Member:
    """A node with its actor: what it was `seen` to be, and what runs there.

    `taken` of its `slots` are in use, by timing cells as many as `timing` says.
    """

    node: str
    info: NodeInfo
    actor: Any
    asking: Any = None
    seen: Seen | None = None
    slots: int = 0
    opened: bool = False
    turn: Any = None
    turned: float = 0.0  # when its turn began, by the monotonic clock in seconds
    orders: list[Order] = field(default_factory=list)  # that its next turn takes along
    jobs: dict[str, tuple[Running, Order]] = field(default_factory=dict)
    taken: int = 0
    timing: int = 0

    @property
    def kind(self) -> tuple[tuple[str, str], ...]:
        """What nodes share whose numbers may be compared: the id of each environment, by label."""
        environments = self.seen.environments if self.seen is not None else {}
        return tuple(sorted((label, one.environment_id) for label, one in environments.items()))


class Cluster:
    """The nodes of a cluster and their actors, from the first session that is planned for it to :meth:`close`.

    A grid runs on nodes of one kind: its cells are held against each other, so a cluster of several kinds has one that
    its results are of, and the others are told and left alone.
    """

    def __init__(self, fabric: Fabric, name: str) -> None:
        self.fabric, self.name = fabric, name
        self.members: dict[str, Member] = {}
        self.strikes: Counter[str] = Counter()
        self._asked: dict[str, Asked] = {}
        self.local: Mapping[str, Environment] = {}
        self._kind: tuple[tuple[str, str], ...] = ()
        self._left_out: dict[str, str] = {}
        self._size: tuple[Sequence[Cell], int | None] = ((), None)

    def environments(
        self,
        local: Mapping[str, Environment],
        known: Iterable[str],
        recipes: Mapping[str, Recipe] = MappingProxyType({}),
    ) -> dict[str, Environment]:
        """The environments that a grid runs in: those of the kind that most results are `known` of, else of most slots.

        Each is what the most able node of its kind says, with this machine's interpreter: here tasks are tokenized.
        Those that there are `recipes` of, by label, the nodes build.

        Raises
        ------
        RequirementError
            Where no node can be used.
        """
        self.local = local
        self._asked = {
            label: recipes.get(label) or (None if label == CURRENT else one.python) for label, one in local.items()
        }
        for member in self.members.values():
            member.seen, member.asking, member.slots = None, None, 0
        self._left_out, self._kind = {}, ()
        self._wait()
        kinds: dict[tuple[tuple[str, str], ...], list[Member]] = {}
        for member in self._usable():
            kinds.setdefault(member.kind, []).append(member)
        if not kinds:
            reasons = (
                "; ".join(f"{name}: {why}" for name, why in self._left_out.items()) or "it has no node with a core"
            )
            raise RequirementError(f"{self.name}: no node can be used: {reasons}")
        counts = Counter(known)

        def weight(kind: tuple[tuple[str, str], ...]) -> tuple[int, int]:
            return sum(counts[one] for _, one in kind), sum(_able(member) for member in kinds[kind])

        self._kind = max(kinds, key=weight)
        best = max(kinds[self._kind], key=_able)
        assert best.seen is not None
        found = best.seen.environments
        return {label: replace(one, python=local[label].python) for label, one in found.items()}

    def packing(self, cells: Sequence[Cell], slots: int | None) -> Packing:
        """How many ranks at once: on each node what it holds, or `slots`."""
        self._size = (cells, slots)
        for member in self.members.values():
            member.slots = 0
        members = self.ready()
        each = Counter(member.slots for member in members)
        first = default_packing(cells, self._seen(members[0]))
        counts = listed([f"{size} on each of {many}" if many > 1 else f"{size} on 1" for size, many in each.items()])
        why = f", {counts} {'nodes' if len(members) > 1 else 'node'} of {self.name}"
        others = [f"{name} ({reason})" for name, reason in self._left_out.items()]
        others += [f"{one.info.name} (another kind: {_what(one)})" for one in self._usable() if one.kind != self._kind]
        why += f"; left out: {'; '.join(others)}" if others else ""
        total = sum(member.slots for member in members)
        return replace(first, slots=total, capacity=total, source="--slots" if slots else "machine", why=why)

    @property
    def machine(self) -> Machine:
        """The machine that results are of: that of all nodes where they share one, else the cluster."""
        machines = {member.seen.machine.id: member.seen.machine for member in self.ready() if member.seen is not None}
        if len(machines) == 1:
            return next(iter(machines.values()))
        return Machine(id=short_hash([self.name, self._kind]), name=self.name)

    def ready(self) -> list[Member]:
        """The nodes that a grid runs on, by now: those of its kind; each with its slots."""
        self._muster()
        found = [member for member in self._usable() if member.kind == self._kind]
        cells, slots = self._size
        for member in found:
            # Once a plan: it looks at every cell, and nodes are mustered every few seconds.
            member.slots = member.slots or slots or default_packing(cells, self._seen(member)).slots
        return found

    def drop(self, member: Member) -> None:
        """A node's actor is lost; it gets another one, unless it has lost too many."""
        self.members.pop(member.node, None)
        self.fabric.stop(member.actor)
        self.strikes[member.node] += 1

    @property
    def waited_for(self) -> bool:
        """Whether a node has yet to say what it is."""
        return any(member.asking is not None for member in self.members.values())

    def close(self) -> None:
        """Leave the cluster."""
        for member in self.members.values():
            self.fabric.stop(member.actor)
        self.fabric.close()

    def _muster(self) -> None:
        """Give nodes that have none an actor, ask those what they are, and hear who has answered."""
        if not self._asked:
            return  # nothing of the grid can run
        alive = self.fabric.nodes()
        for node, info in alive.items():
            if node not in self.members and info.cpus > 0 and self.strikes[node] < STRIKES:
                self.members[node] = Member(node, info, self.fabric.start(node))
        for member in self.members.values():
            if member.seen is None and member.asking is None:
                member.asking = self.fabric.call(member.actor, "look", self._asked, member.info.cpus)
        asked = {one.asking: one for one in self.members.values() if one.asking is not None}
        for reference in self.fabric.ready(list(asked), 0.0) if asked else ():
            member = asked[reference]
            member.asking = None
            try:
                member.seen = self.fabric.result(reference)
            except Lost as lost:
                self._left_out[member.info.name] = str(lost)
                self.drop(member)

    def _wait(self) -> None:
        """Until every node has said what it is, or the time is over."""
        building = [label for label, one in self._asked.items() if isinstance(one, Recipe)]
        most, later = (BUILT_S, BUILT_LATER_S) if building else (ANSWER_S, LATER_S)
        begun, first, told = time.monotonic(), None, not building
        while True:
            self._muster()
            instant = time.monotonic()
            first = first or (instant if self._usable() else None)
            if not self.waited_for or instant - begun > most or (first and instant - first > later):
                break
            if not told and instant - begun > TOLD_S:
                told = True
                say(f"{self.name}: nodes build {listed(building)} where it is not there yet")
            time.sleep(POLL_S)
        for member in self.members.values():
            if member.asking is not None:
                busy = "it still builds" if building else "its cores may be in use"
                self._left_out[member.info.name] = f"it has not answered yet: {busy}"

    def _usable(self) -> list[Member]:
        """The nodes whose environments can be used; of the others it is noted why not."""
        found = []
        for member in self.members.values():
            if member.seen is None:
                continue
            problem = member.seen.problem or self._differs(member.seen.environments)
            if problem:
                self._left_out[member.info.name] = problem
            else:
                self._left_out.pop(member.info.name, None)
                found.append(member)
        return found

    def _differs(self, seen: Mapping[str, Environment]) -> str:
        """Which packages are not those that tasks are tokenized with here; "" where they are."""
        for label, here in self.local.items():
            ours, theirs = _versions(here), _versions(seen[label])
            names = [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]
            if names:
                name = sorted(names)[0]
                return f"environment {label}: {name} {theirs.get(name)} there, {ours.get(name)} here"
        return ""

    @staticmethod
    def _seen(member: Member) -> Mapping[str, Environment]:
        assert member.seen is not None
        return member.seen.environments


def _versions(environment: Environment) -> dict[str, str]:
    """The subject's packages, and of a built environment all of its lock."""
    return {**(environment.built.lock if environment.built is not None else {}), **environment.packages}


def _able(member: Member) -> int:
    """How many ranks a node can have at most."""
    assert member.seen is not None
    return max(len(one.devices) or one.cores for one in member.seen.environments.values())


def _what(member: Member) -> str:
    """The hardware of a node, for people."""
    assert member.seen is not None
    one = next(iter(member.seen.environments.values()))
    return one.devices[0].name if one.devices else str((one.facts.get("machine") or {}).get("cpu"))


def files_below(folder: Path, apart: Path) -> list[Path]:
    """The files of a grid's folder that its code may need: none of what is hidden, cached, or the harness's results."""
    found = []
    for path in folder.rglob("*"):
        inner = path.relative_to(folder).parts
        hidden = any(part.startswith(".") or part == "__pycache__" for part in inner)
        if path.is_file() and not hidden and not path.resolve().is_relative_to(apart.resolve()):
            found.append(path)
    return found
