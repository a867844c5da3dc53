"""A verdict: what one check says of one or two sides, as codes and numbers; sentences are made in `harness.report`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, Final, Literal

from harness.errors import SpecError
from harness.fact import Fact as Fact
from harness.record.configuration import SeedScore
from harness.stats.decision import Decision
from harness.stats.throughput import Speed
from harness.text import short_hash, show

Outcome = Literal["PASS", "FAIL", "INCONCLUSIVE", "SKIP", "ERROR"]
Check = Literal[
    "fidelity", "reproducibility", "invariants", "quality", "parity", "comparison", "stability", "baseline", "speed",
    "diff", "selftest", "bisect",
]  # fmt: skip
Inconclusive = Literal["fail", "pass"]
"""Whether an INCONCLUSIVE is red: the option `--inconclusive`."""
Skipped = Literal["fail", "pass"]
"""Whether what this machine cannot run is red: the option `--skipped`."""


def fail_or_pass(word: str, option: str) -> Literal["fail", "pass"]:
    """Read what `option` was given of the two; SpecError for another word."""
    if word == "fail":
        return "fail"
    if word == "pass":
        return "pass"
    raise SpecError(f"{option}: got {show(word)}; allowed fail, pass")


ONE_SIDED: Final = frozenset({"stability"})
"""Checks of scores that hold a configuration against what was declared, and no other result."""
COMPARED: Final = frozenset({"quality", "parity", "comparison", "baseline"})
"""Checks of scores with two sides: without a difference that was computed nothing was judged."""

ORDER: Final[tuple[Outcome, ...]] = ("FAIL", "ERROR", "INCONCLUSIVE", "SKIP", "PASS")
"""The worst first: how verdicts are listed."""


@dataclass(frozen=True)
class Finding:
    """One thing that a check looked at.

    `item` names it ("gradient norm"). `step` is the optimizer step (from 0) where a difference first shows, `ratio`
    found over expected where that says something, `cause` the code of what such a difference usually means
    (`report.phrases.causes`), `upstream` a known issue, as OWNER/REPOSITORY#NUMBER.
    """

    item: str
    outcome: Outcome
    fact: Fact
    step: int | None = None
    ratio: float | None = None
    cause: str | None = None
    upstream: str | None = None


@dataclass(frozen=True)
class Side:
    """What a verdict is about, or what it is held against: a configuration, one or two runs, or a published value.

    `label` names it as the grid spells values, `shown` for people, where that differs. `mean` is in points, over the
    runs that did not collapse. `collapsed` of `ended` runs
    collapsed or lost their loss. A side that was not measured has no `cell_ids`.
    """

    label: str
    configuration_id: str = ""
    environment_id: str = ""
    content_id: str | None = None
    cell_ids: tuple[str, ...] = ()
    runs: tuple[SeedScore, ...] = ()
    mean: float | None = None
    collapsed: int = 0
    ended: int = 0
    shown: str = ""

    @property
    def name(self) -> str:
        """What people read."""
        return self.shown or self.label


@dataclass(frozen=True)
class Verdict:
    """What a check says, so that a reader can compute it again.

    Attributes
    ----------
    subject, against
        The second side (B), and the first (A): a reference, a twin, the accepted file; None where a run is held
        against what was asked for.
    item
        What is judged: a metric ("accuracy", "f1"), "collapses", "cells", "speed", or an invariant's kind.
    reason
        Why the outcome is what it is.
    numbers
        The decision on a difference of scores (points) or of speed (ratio); None where nothing could be computed.
    findings
        Every item that was looked at, in order; `not_available` what could not be seen: never a pass, never hidden.
    notes
        Further facts that decide nothing.
    todo
        What would decide it: seeds still needed, a way out.
    adjusted_p, family
        The p that could block, after Holm over so many hypotheses; None where it is no part of a family.
    detectable, more_seeds
        The smallest true difference found with 80 % power with these runs (points, or a fraction for speed), and the
        seeds or processes still needed for an 80 % chance of a verdict.
    margin_from
        Where the margin comes from.
    recipe_differences, harmless
        What the two sides do not share, and those of it that the grid declares harmless.
    gates
        Whether it counts in the exit code; what does not is reported only.
    waiver
        The waiver that covers a FAIL, which is then not red.
    warning
        What a reader of a PASS should know (WARN): no outcome, and never red.
    id
        The same every night (`verdict_id`); "" where it is of no grid.
    past
        Of what is red: since when, what changed since it was well, and how to run it again.
    """

    check: Check
    outcome: Outcome
    subject: Side
    reason: Fact
    against: Side | None = None
    item: str = ""
    numbers: Decision | Speed | None = None
    findings: tuple[Finding, ...] = ()
    not_available: tuple[Fact, ...] = ()
    notes: tuple[Fact, ...] = ()
    todo: tuple[Fact, ...] = ()
    adjusted_p: float | None = None
    family: int | None = None
    detectable: float | None = None
    more_seeds: int | None = None
    margin_from: Fact | None = None
    recipe_differences: tuple[Fact, ...] = ()
    harmless: tuple[Fact, ...] = ()
    gates: bool = True
    waiver: Fact | None = None
    warning: Fact | None = None
    id: str = ""
    past: tuple[Fact, ...] = ()

    @property
    def failures(self) -> tuple[Finding, ...]:
        """The findings that made it fail."""
        return tuple(finding for finding in self.findings if finding.outcome == "FAIL")

    @property
    def waived(self) -> bool:
        """Whether a waiver keeps a FAIL from being red."""
        return self.outcome == "FAIL" and self.waiver is not None

    @property
    def judged(self) -> bool:
        """Whether something was held against something else and could be decided; cells that are missing are not."""
        if self.item == "cells" or self.outcome in ("SKIP", "ERROR"):
            return False
        return self.outcome in ("PASS", "FAIL") or self.check not in COMPARED or self.numbers is not None

    @property
    def measured(self) -> bool:
        """Whether a run stands behind it, well ended or not."""
        return bool(self.subject.runs or self.subject.cell_ids or (self.against and self.against.cell_ids))

    def is_red(self, inconclusive: Inconclusive = "fail") -> bool:
        """Whether it alone keeps the exit code from 0."""
        if not self.gates or self.waived:
            return False
        return self.outcome in ("FAIL", "ERROR") or self.is_open(inconclusive)

    def is_open(self, inconclusive: Inconclusive) -> bool:
        """Whether it is INCONCLUSIVE in a way that the policy does not excuse.

        More seeds may decide what is undecided. What was accepted of other data, weights or code is never decided: an
        edit would switch the gate off. Nor is a loss beyond the margin in runs that are all equal: none would be red.
        """
        never = self.is_of_other_content or self.is_beyond_testing
        return self.outcome == "INCONCLUSIVE" and (inconclusive == "fail" or never)

    @property
    def is_of_other_content(self) -> bool:
        """Whether what was accepted is of other data, weights or code, and so no expectation of this."""
        return self.reason.code == "content.changed"

    @property
    def is_beyond_testing(self) -> bool:
        """Whether all of its runs are equal, and beyond the margin: no test, and no further seed, can tell."""
        because = self.reason.values.get("because")
        return isinstance(because, Fact) and because.code == "runs.equal_beyond"


def verdict_id(grid: str, verdict: Verdict) -> str:
    """The hash of grid, check, configuration and other side: neither of an outcome nor of a threshold."""
    item, other = verdict.item, verdict.against
    against = "" if other is None else other.label
    if verdict.check in ONE_SIDED:
        item = against = ""  # collapses, or cells that are not there: one question
    elif other is not None and verdict.check in ("parity", "comparison"):
        against = other.configuration_id
    return question_id(grid, verdict.check, verdict.subject.configuration_id, against, item)


def question_id(grid: str, check: Check, configuration_id: str, against: str, item: str) -> str:
    """The id of a verdict that may not be there yet."""
    return short_hash([grid, check, configuration_id, against, item])


def worst_first(verdicts: Iterable[Verdict]) -> list[Verdict]:
    """The worst outcome first; a FAIL that is waived or does not gate after whatever is red."""
    return sorted(
        verdicts,
        key=lambda one: (
            ORDER.index("SKIP") * 2 - 1 if one.outcome == "FAIL" and not one.is_red() else ORDER.index(one.outcome) * 2
        ),
    )


def exit_code(
    verdicts: Iterable[Verdict],
    *,
    inconclusive: Inconclusive = "fail",
    skipped: Skipped = "pass",
    alone: bool = False,
) -> int:
    """The exit code of DESIGN section 5, of whatever gates.

    1 a FAIL that no waiver covers, and with `skipped` "fail" what this machine could not run; 4 a cell errored or is
    missing; 5 nothing was measured, or nothing was judged: stability counts as judged only where the grid wants it
    `alone`; 3 something INCONCLUSIVE that `inconclusive` does not excuse (`Verdict.is_open`); else 0.
    """
    heeded = [one for one in verdicts if one.gates]
    outcomes = {one.outcome for one in heeded if not one.waived}
    unable = skipped == "fail" and any(one.outcome == "SKIP" and one.item == "cells" for one in heeded)
    if "FAIL" in outcomes or unable:
        return 1
    if "ERROR" in outcomes and any(one.measured for one in heeded):
        return 4
    # Not one run ended, well or badly: nothing was measured, rather than something missing. An expectation that no
    # longer fits is no lack of one.
    judged = any(one.judged and (alone or one.check not in ONE_SIDED) for one in heeded)
    if not judged and not any(one.is_of_other_content for one in heeded):
        return 5
    return 3 if any(one.is_open(inconclusive) for one in heeded) else 0


def named(value: Any, names: Mapping[str, str]) -> Any:
    """The same with its configurations by what people read; `names` are those by label, as the grid spells values."""
    if isinstance(value, Side):
        return replace(value, shown=names.get(value.label, value.shown))
    if isinstance(value, Fact):
        return replace(value, values={key: _of_label(key, item, names) for key, item in value.values.items()})
    if isinstance(value, tuple):
        return tuple(named(item, names) for item in value)
    if isinstance(value, Verdict):
        return replace(value, **{one.name: named(getattr(value, one.name), names) for one in fields(value)})
    return value


def _of_label(key: str, value: Any, names: Mapping[str, str]) -> Any:
    if key == "configuration" and isinstance(value, str):
        return names.get(value, value)
    if key == "configurations" and isinstance(value, tuple):
        return tuple(names.get(one, one) for one in value)
    return value
