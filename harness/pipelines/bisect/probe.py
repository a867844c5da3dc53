"""Probe releases: verify's checks and one fixed short run, in an environment that is built of each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from harness.checks.releases.history import FIDELITY, Probed, Release
from harness.checks.verdict import Fact, Verdict
from harness.checks.verify.checklist import Checklist, judge
from harness.errors import NothingMeasured, RequirementError, RunFailed
from harness.execution.environments.build import build
from harness.execution.environments.uv import BuildFailed
from harness.execution.session import Session
from harness.grid.environments import EnvironmentSpec, label_of, read_requirement
from harness.grid.grid import Grid, grid_from_document
from harness.pipelines.verify import verify_cells
from harness.record.run import Run

AT_ONCE: Final = 2
"""Environments that are probed side by side: each has a host of its own, and a core."""
ENVIRONMENT: Final = "environment"


@dataclass
class Prober:
    """How releases are probed: by which checks (`kinds`) of which grid, kept in which results.

    `run` runs a session. Each release's environment is built by one thread, in the order of `ahead`, while others are
    probed. What was probed before is read, not run again.
    """

    document: Mapping[str, Any]
    path: Path
    results: Path
    kinds: Sequence[str]
    run: Callable[[Session], None]
    _builds: dict[str, Future[str | None]] = field(default_factory=dict)
    _builder: ThreadPoolExecutor | None = None

    @contextmanager
    def building(self) -> Iterator[None]:
        """While it is open environments are built ahead; at its end what has not begun is left."""
        self._builder = ThreadPoolExecutor(1, thread_name_prefix="build")
        try:
            yield
        finally:
            self._builder.shutdown(wait=True, cancel_futures=True)

    def ahead(self, releases: Sequence[Release]) -> None:
        """Have the environments of these built, one after the other."""
        assert self._builder is not None
        for one in releases:
            if one.version not in self._builds:
                self._builds[one.version] = self._builder.submit(self._built, one)

    def _built(self, release: Release) -> str | None:
        """Build one; why that cannot be, or None."""
        try:
            build(EnvironmentSpec(packages=[release.text]), label_of(read_requirement(release.text)), self.path.parent)
        except BuildFailed as error:
            return str(error)
        return None

    def probe(self, releases: Sequence[Release]) -> Iterator[Probed]:
        """What these come to, run side by side.

        Raises
        ------
        HarnessError
            As `verify_cells` does where nothing at all can be run, and whatever `run` raises.
        """
        well = []
        for one in releases:
            problem = self._builds[one.version].result()
            if problem is None:
                well.append(one)
            else:
                yield Probed(one, reason=Fact.of("bisect.unbuilt", error=problem))
        if not well:
            return
        try:
            yield from self._run(well)
        except (RequirementError, NothingMeasured, RunFailed) as error:
            if len(well) == 1:
                yield Probed(well[0], reason=Fact.of("bisect.failed", error=str(error)))
                return
            for one in well:  # what is wrong with one of them is not the other's
                yield from self.probe([one])

    def _run(self, releases: Sequence[Release]) -> list[Probed]:
        grid = self._grid(releases)
        found = verify_cells(grid, grid.cells(), self.results, self.run, kinds=self.kinds, reuse=True, quick=True)
        return [_told(one, found.checklist, found.runs) for one in releases]

    def _grid(self, releases: Sequence[Release]) -> Grid:
        matrix = {**self.document["matrix"], ENVIRONMENT: [one.text for one in releases]}
        return grid_from_document({**self.document, "matrix": matrix}, self.path)


def _told(release: Release, checklist: Checklist, runs: Mapping[str, Run]) -> Probed:
    """One release's part of a checklist that was run for several."""
    label = label_of(read_requirement(release.text))
    mine = Checklist(tuple(pair for pair in checklist.pairs if pair.base.environment == label))
    verdicts = judge(mine, runs)
    checks: dict[str, Verdict] = {}
    for verdict in verdicts:
        if verdict.check != FIDELITY:
            checks[verdict.item or "repeat"] = verdict
    if mine.pairs:
        checks[FIDELITY] = _fidelity([one for one in verdicts if one.check == FIDELITY])
    first = runs.get(mine.pairs[0].base.cell_id) if mine.pairs else None
    failed = None if first is None else first.record.failure
    if first is None or first.record.observed is None or first.record.observed.fingerprint is None:
        reason = Fact.of("bisect.failed", error="no record" if failed is None else f"{failed.type}: {failed.message}")
        return Probed(release, checks, reason=reason)
    return Probed(release, checks, first)


def _fidelity(verdicts: Sequence[Verdict]) -> Verdict:
    """Of all runs: what is not as it was asked for in any of them; an error where one has none."""
    worst = next((one for outcome in ("ERROR", "FAIL") for one in verdicts if one.outcome == outcome), verdicts[0])
    if worst.outcome != "FAIL":
        return worst
    by_item = {finding.item: finding for one in verdicts for finding in one.failures}
    return Verdict(worst.check, "FAIL", worst.subject, worst.reason, findings=tuple(by_item.values()))
