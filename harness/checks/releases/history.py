"""A history: what each release that was probed came to, field by field; which fields changed from one to the next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import Any, Final

from harness.checks.verdict import Finding, Verdict
from harness.checks.verify import fields
from harness.checks.verify.diff.compare import Difference, compare
from harness.checks.verify.series import NAMES, tolerance_between
from harness.fact import Fact
from harness.protocol import SUBJECT
from harness.record.run import Run

FIDELITY: Final = "fidelity"
BITS: Final = "bits"
"""The losses to the last bit: rounding, which alone sends nobody looking between releases."""
DIGITS: Final = 1
"""Of a ratio: 3.9998 and 4.0001 are one."""


@dataclass(frozen=True)
class Release:
    """A release, or a commit: `version` is what people call it, `text` the requirement that asks for it.

    `yanked` is the index's reason where it was withdrawn ("" where it gives none), `uploaded` the day; None: it is not
    withdrawn, or nobody says. `group` is the minor that it is a patch of; None of a commit.
    """

    version: str
    text: str
    yanked: str | None = None
    uploaded: str | None = None
    group: str | None = None


@dataclass(frozen=True)
class Probed:
    """What one release came to: verdicts by check, the fixed short run; or the reason why there is neither."""

    release: Release
    checks: Mapping[str, Verdict] = field(default_factory=dict)
    run: Run | None = None
    reason: Fact | None = None

    @property
    def packages(self) -> Mapping[str, str]:
        """The versions under test."""
        observed = self.run.record.observed if self.run is not None else None
        return (
            {} if observed is None else {name: observed.packages[name] for name in SUBJECT if name in observed.packages}
        )


@dataclass(frozen=True)
class Change:
    """A field that two neighbours do not share: what it was and is, and the known issue where the change is one."""

    field: str
    a: Any
    b: Any
    step: int | None = None
    ratio: float | None = None
    upstream: str | None = None

    def finding(self) -> Finding:
        """The same for a verdict."""
        fact = Fact.of("bisect.change", item=self.field, a=self.a, b=self.b)
        return Finding(self.field, "PASS", fact, self.step, self.ratio, upstream=self.upstream)


class History:
    """Probed releases, in their order; `on` are the checks that were asked about: all and the short run where empty."""

    def __init__(self, releases: Sequence[Release], on: Sequence[str] = ()) -> None:
        self.releases, self.on = releases, tuple(on)
        self.probed: dict[str, Probed] = {}
        self._differences: dict[tuple[str, str], Mapping[str, Difference]] = {}

    def add(self, one: Probed) -> None:
        """Take what a release came to."""
        self.probed[one.release.version] = one

    @property
    def told(self) -> dict[str, bool]:
        """Whether each release that was tried says anything of what was asked."""
        return {version: self._tells(one) for version, one in self.probed.items()}

    def _tells(self, one: Probed) -> bool:
        if one.reason is not None:
            return False
        wanted = self.on or tuple(one.checks)
        known = any(check_key(one.checks[name]) is not None for name in wanted if name in one.checks)
        return known or (not self.on and one.run is not None)

    def differ(self, a: str, b: str) -> bool:
        """Whether two releases differ in what was asked about, by more than bits."""
        return any(True for _ in self._asked_changes(a, b))

    def _asked_changes(self, a: str, b: str) -> Iterator[Change]:
        for one in self.changes(a, b):
            if one.field != BITS and (not self.on or one.field in self.on):
                yield one

    def changes(self, a: str, b: str) -> list[Change]:
        """Every field in which two releases differ: checks first, then the short run's, causes before consequences."""
        first, second = self.probed[a], self.probed[b]
        found = []
        for name in dict.fromkeys([*first.checks, *second.checks]):
            x, y = (one.checks.get(name) for one in (first, second))
            if x is None or y is None or None in (keys := (check_key(x), check_key(y))) or keys[0] == keys[1]:
                continue
            failed = (y if y.outcome == "FAIL" else x).failures
            upstream = next((one.upstream for one in failed if one.upstream), None)
            ratio = next((one.ratio for one in failed if one.ratio is not None), None)
            found.append(Change(name, check_value(x), check_value(y), ratio=ratio, upstream=upstream))
        for name, one in self._between(a, b).items():
            found.append(Change(name, one.a, one.b, one.step, one.ratio))
        return found

    def _between(self, a: str, b: str) -> Mapping[str, Difference]:
        """The fields in which the short runs of two releases differ; nothing where one has none."""
        if (a, b) not in self._differences:
            first, second = self.probed[a].run, self.probed[b].run
            found: dict[str, Difference] = {}
            if first is not None and second is not None:
                comparison = compare(first, second, tolerance_between(first, second))
                every = (*comparison.of(*fields.DONE), *comparison.consequences)
                found = {one.field: one for one in every if not one.warning and one.layer in fields.DONE}
                hashes = [run.fingerprint.loss_sha256 if run.fingerprint else None for run in (first, second)]
                if not found and None not in hashes and hashes[0] != hashes[1]:
                    found[BITS] = Difference("trajectory", BITS, hashes[0], hashes[1])
            self._differences[a, b] = found
        return self._differences[a, b]

    @cached_property
    def order(self) -> list[str]:
        """Every release, the oldest first."""
        return [one.version for one in self.releases]

    @property
    def answering(self) -> list[str]:
        """The releases that say something."""
        told = self.told
        return [version for version in self.order if told.get(version)]

    def checks(self) -> list[str]:
        """The checks that any release says something of."""
        return list(dict.fromkeys(name for version in self.answering for name in self.probed[version].checks))

    def changing(self) -> list[str]:
        """The fields of the short run that are not the same in all releases."""
        known = self.answering
        return list(dict.fromkeys(name for a, b in pairwise(known) for name in self._between(a, b)))

    def kinds(self, name: str) -> dict[str, int | None]:
        """By release which of a field's values it has, numbered as they come; None where it cannot tell."""
        return self._of_check(name) if name in self.checks() else self._of_run(name)

    def _of_check(self, name: str) -> dict[str, int | None]:
        seen: dict[Any, int] = {}
        found: dict[str, int | None] = {}
        for version in self.answering:
            verdict = self.probed[version].checks.get(name)
            key = None if verdict is None else check_key(verdict)
            found[version] = None if key is None else seen.setdefault(key, len(seen))
        return found

    def _of_run(self, name: str) -> dict[str, int | None]:
        stand: list[str] = []
        found: dict[str, int | None] = {}
        for version in self.answering:
            run = self.probed[version].run
            if run is None or not _has(run, name):
                found[version] = None
                continue
            same = next((number for number, one in enumerate(stand) if name not in self._between(one, version)), None)
            if same is None:
                same = len(stand)
                stand.append(version)
            found[version] = same
        return found

    def value(self, name: str, version: str) -> Any:
        """What a release has in a field: a fact of a check, the value of a run; None where it cannot tell."""
        one = self.probed[version]
        if name in one.checks:
            return check_value(one.checks[name])
        run = one.run
        if run is None:
            return None
        if name in NAMES and name in run.series:
            values = run.series[name]
            return Fact.of("bisect.series", first=float(values[0]), last=float(values[-1]), steps=len(values))
        if name == BITS:
            return run.fingerprint.loss_sha256 if run.fingerprint else None
        if name.startswith("scores."):
            return fields.scores(run).get(name.removeprefix("scores."))
        return fields.of(run).get(("exact", name))


def check_key(verdict: Verdict) -> tuple[Any, ...] | None:
    """What of a verdict tells one behaviour from another: its outcome, and what failed by how much; None: not told."""
    if verdict.outcome == "PASS":
        return ("PASS",)
    if verdict.outcome != "FAIL":
        return None
    wrong = {(one.item, None if one.ratio is None else round(one.ratio, DIGITS)) for one in verdict.failures}
    return ("FAIL", *sorted(wrong, key=str))


def check_value(verdict: Verdict) -> Fact:
    """A check's outcome as a fact: what failed, by which ratio; or why it says nothing."""
    if verdict.outcome == "PASS":
        return Fact.of("bisect.pass")
    if verdict.outcome != "FAIL":
        return Fact.of("bisect.untold", outcome=verdict.outcome, why=verdict.reason)
    items = {one.item: one.ratio for one in verdict.failures}
    upstream = next((one.upstream for one in verdict.failures if one.upstream), None)
    return Fact.of("bisect.fail", items=items, upstream=upstream)


def _has(run: Run, name: str) -> bool:
    if name in NAMES:
        return name in run.series
    known = {found: value for (layer, found), value in fields.of(run).items() if layer == "exact"}
    return name not in known or known[name] is not None
