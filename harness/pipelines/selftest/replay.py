"""Releases whose defects are known, run again: `verify` must fail each by its issue, and leave the one before alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.checks.releases.history import Release, check_value
from harness.checks.verdict import Outcome, Side, Verdict
from harness.checks.verify.upstream import BACKWARD_SCALE, LOSS_SCALE
from harness.execution.session import Session
from harness.fact import Fact
from harness.pipelines.bisect.bisect import prober
from harness.pipelines.verify import grid_to_verify

CHECK: Final = "accumulation"


@dataclass(frozen=True)
class Known:
    """A release and the issue by which `verify --only accumulation` must fail it; None: it must not fail."""

    requirement: str
    issue: str | None


KNOWN: Final = (
    Known("transformers==4.45.2", None),
    Known("transformers==4.46.3", BACKWARD_SCALE),
    Known("transformers==5.23.0", LOSS_SCALE),
)


def replayed(folder: Path, run: Callable[[Session], None]) -> Iterator[Verdict]:
    """A verdict a release: PASS where the check says what is known of it; SKIP where it could not be run here.

    Raises
    ------
    HarnessError
        RequirementError where uv is missing, and whatever `run` raises.
    """
    probing = prober(grid_to_verify(None), None, folder, [CHECK], run)
    releases = [Release(one.requirement, one.requirement) for one in KNOWN]
    with probing.building():
        probing.ahead(releases)
        for known, release in zip(KNOWN, releases, strict=True):
            for probed in probing.probe([release]):
                check = probed.checks.get(CHECK)
                told = check is not None and check.outcome in ("PASS", "FAIL")
                issues = sorted({one.upstream for one in check.failures if one.upstream}) if check is not None else []
                code = int(check is not None and check.outcome == "FAIL")
                due = int(known.issue is not None)
                right = code == due and (known.issue is None or known.issue in issues)
                said = check_value(check) if check is not None else probed.reason or Fact.of("bisect.nothing")
                reason = Fact.of(
                    "selftest.trial",
                    fault=Fact.of("selftest.release", requirement=known.requirement, issue=known.issue),
                    command="verify",
                    clean=known.issue is None,
                    ended=code,
                    due=[due],
                    named=issues,
                    names=[known.issue] if known.issue else [],
                    said=said,
                )
                outcome: Outcome = "SKIP" if not told else "PASS" if right else "FAIL"
                yield Verdict("selftest", outcome, Side(known.requirement), reason, item="replay")
