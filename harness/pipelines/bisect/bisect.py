"""What `harness bisect` does: list what there is, probe what the search asks for, and say what changed where."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Final, Protocol

from harness.checks.releases.history import History, Probed, Release
from harness.checks.verdict import Side, Verdict
from harness.checks.verify.checklist import KINDS, NOT_QUICK
from harness.errors import SpecError
from harness.execution.session import Session
from harness.fact import Fact
from harness.grid.grid import Grid
from harness.pipelines.bisect.probe import AT_ONCE, Prober
from harness.pipelines.bisect.search import due, steps
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import Head
from harness.text import listed, show, suggestion
from harness.validation import read_toml

UNFINISHED: Final = 3


class Probes(Protocol):
    """Who builds and probes: `harness.pipelines.bisect.probe.Prober`, or made-up releases."""

    def building(self) -> AbstractContextManager[None]:
        """While it is open environments are built ahead."""

    def ahead(self, releases: Sequence[Release]) -> None:
        """Build the environments of these, in their order."""

    def probe(self, releases: Sequence[Release]) -> Iterator[Probed]:
        """What these come to."""


QUICK: Final = tuple(kind for kind in KINDS if kind not in NOT_QUICK)
"""The checks that a probe makes: those that need one core and a few seconds."""


@dataclass(frozen=True)
class Bisection:
    """A history with what is still due of it."""

    package: str
    history: History
    left: Sequence[str]
    seconds: float

    def section(self, title: str, command: str) -> Section:
        """What a command says of it: a verdict a release, none of which is red."""
        history = self.history
        told = history.told
        changed = list(steps(history.order, told, history.differ))
        fact = Fact.of(
            "bisect.done",
            package=self.package,
            on=list(history.on),
            since=history.order[0],
            until=history.order[-1],
            releases=len(history.order),
            probed=sum(told.values()),
            errors=sum(not one for one in told.values()),
            left=len(self.left),
            changes=[{"a": one.a, "b": one.b, "untold": list(one.untold)} for one in changed],
            seconds=self.seconds,
        )
        code = UNFINISHED if self.left else 0
        return Section(Head("bisect", title, command, facts=(fact,)), list(self._verdicts()), code=code)

    def _verdicts(self) -> Iterator[Verdict]:
        history = self.history
        before = {b: a for a, b in pairwise(history.answering)}
        fields = [*history.checks(), *history.changing()]
        kinds = {name: history.kinds(name) for name in fields}
        told = history.told
        for release in history.releases:
            version = release.version
            one = history.probed.get(version)
            state = "left" if one is None else "told" if told[version] else "error"
            reason = None if one is None or state == "told" else one.reason or Fact.of("bisect.nothing")
            fact = Fact.of(
                "bisect.release",
                version=version,
                state=state,
                yanked=release.yanked,
                uploaded=release.uploaded,
                packages=dict(one.packages) if one is not None else {},
                fields={
                    name: {"kind": kinds[name][version], "value": history.value(name, version)}
                    for name in fields
                    if state == "told"
                },
                error=reason,
            )
            other = before.get(version)
            changes = [] if other is None else history.changes(other, version)
            outcomes = {"told": "PASS", "error": "ERROR", "left": "SKIP"}
            yield Verdict(
                "bisect",
                outcomes[state],  # type: ignore[arg-type]
                Side(f"{self.package} {version}"),
                fact,
                against=None if other is None else Side(f"{self.package} {other}"),
                item=version,
                findings=tuple(change.finding() for change in changes),
                gates=False,
            )


def bisect(
    package: str,
    history: History,
    prober: Probes,
    *,
    exhaustive: bool = False,
    deadline: float | None = None,
    say: Callable[[str], None] = lambda text: None,
) -> Bisection:
    """Probe until nothing is due, or the `deadline` (of the monotonic clock) has come.

    Raises
    ------
    HarnessError
        Whatever running raises; what was probed by then is kept, and not probed again.
    """
    began = time.monotonic()
    of = {one.version: one for one in history.releases}
    with prober.building():
        while wanted := wanted_of(history, exhaustive):
            every = [of[version] for version in wanted]
            prober.ahead(every)
            for at in range(0, len(every), AT_ONCE):
                if deadline is not None and time.monotonic() > deadline:
                    return Bisection(package, history, wanted_of(history, exhaustive), time.monotonic() - began)
                several = every[at : at + AT_ONCE]
                say(f"probing {', '.join(one.version for one in several)} ({at + len(several)} of {len(every)})")
                for probed in prober.probe(several):
                    history.add(probed)
    return Bisection(package, history, (), time.monotonic() - began)


def wanted_of(history: History, exhaustive: bool = False) -> list[str]:
    """The releases that are due, given what is known."""
    groups = {one.version: one.group for one in history.releases}
    by_minor = all(group is not None for group in groups.values())
    return due(
        history.order,
        history.told,
        history.differ,
        group=groups.__getitem__ if by_minor else None,
        exhaustive=exhaustive,
    )


def prober(
    grid: Grid, path: Path | None, results: Path, kinds: Sequence[str], run: Callable[[Session], None]
) -> Prober:
    """Who probes releases by the plainest cell of a grid; `path` is its file, None of the built-in one.

    Raises
    ------
    SpecError
        For a check that there is none of.
    """
    for kind in kinds:
        if kind not in QUICK:
            raise SpecError(f"--on: got {show(kind)}; allowed {listed(QUICK)}{suggestion(kind, QUICK)}")
    document = read_toml(path) if path is not None else grid.model_dump(by_alias=True, exclude_unset=True)
    return Prober(document, grid.path, results, kinds, run)


def planned(package: str, releases: Sequence[Release], exhaustive: bool, title: str, command: str) -> Section:
    """What would be probed whatever is found: nothing is run."""
    first = wanted_of(History(releases), exhaustive)
    fact = Fact.of("bisect.planned", package=package, releases=len(releases), first=first, all=exhaustive)
    return Section(Head("bisect", title, command, facts=(fact,)))
