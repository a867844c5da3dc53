"""Comparisons of speed for a CI: JUnit XML, and the annotations of GitHub."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Final, Literal

from harness.checks.speed.compare import Comparison
from harness.report.format.escape import clean
from harness.report.format.junit_xml import Case, junit_xml
from harness.report.verdicts.github import MOST, workflow_command
from harness.report.verdicts.speed_text import LIMIT, facts, is_red, ordered, subject
from harness.report.verdicts.words import Inconclusive

CLASS: Final = "speed"


def speed_junit(
    comparisons: Sequence[Comparison], *, inconclusive: Inconclusive = "fail", name: str = "harness compare"
) -> str:
    """Return one test case a configuration, in the order given; red there is red in the exit code.

    FAIL is a failure, ERROR an error, SKIP skipped, INCONCLUSIVE a failure or skipped by the policy.
    """
    cases, taken = [], Counter[str]()
    for one in comparisons:
        label, told = clean(subject(one)), facts(one)
        taken[label] += 1
        cases.append(
            Case(
                classname=CLASS,
                name=f"{label} #{taken[label]}" if taken[label] > 1 else label,
                properties=_properties(one),
                result=_result(one, inconclusive),
                message=" ".join(told),
                kind=one.verdict,
                text="\n".join([label, *told]),
            )
        )
    return junit_xml(clean(name), cases)


def speed_commands(comparisons: Iterable[Comparison], *, inconclusive: Inconclusive = "fail") -> str:
    """Return `::error` for what is red and `::warning` for other INCONCLUSIVE, at most 10 of each; empty for none."""
    every = ordered(comparisons)
    red = [one for one in every if is_red(one, inconclusive)]
    doubtful = [one for one in every if one.verdict == "INCONCLUSIVE" and one not in red]
    lines, left = [], 0
    for command, group in (("error", red), ("warning", doubtful)):
        for one in group[:MOST]:
            message = f"{clean(subject(one))}\n{' '.join(facts(one))}"
            lines.append(workflow_command(command, f"{one.verdict} {CLASS}", message))
        left += len(group[MOST:])
    if left:
        said = f"{left:,} more left out: GitHub shows {MOST} of each type. The log has them all."
        lines.append(workflow_command("notice", "harness compare", said))
    return "".join(f"{line}\n" for line in lines)


def _result(one: Comparison, inconclusive: Inconclusive) -> Literal["failure", "error", "skipped"] | None:
    if one.verdict == "PASS":
        return None
    if not is_red(one, inconclusive):
        return "skipped"
    return "error" if one.verdict == "ERROR" else "failure"


def _properties(one: Comparison) -> list[tuple[str, str]]:
    values: list[tuple[str, object]] = [
        ("outcome", one.verdict), ("design", one.design), ("a", one.a or None), ("b", one.b or None),
        ("configuration_ids", " ".join(one.configuration_ids) or None), ("noisy", one.noisy),
        ("confirmed", one.confirmed or None),
    ]  # fmt: skip
    s = one.speed
    if s is not None:
        values += [("n", s.n), ("ratio", s.ratio), ("margin", s.margin), ("detectable", s.detectable), ("sd", s.sd)]
        values += [("ci90_low", s.ci90[0]), ("ci90_high", s.ci90[1])] if s.ci90 else []
        values += [("p_slower", s.p_slower), ("adjusted_p", one.adjusted_p)]
    for name, memory in (("memory_mib", one.memory), ("process_mib", one.process_memory)):
        values += [(f"{name}_a", memory.a), (f"{name}_b", memory.b)] if memory else []
    return [(key, f"{v:.6g}" if isinstance(v, float) else clean(v, LIMIT)) for key, v in values if v is not None]
