"""What `harness verify` found: as lines for a terminal or a log, and as a report that people publish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from harness.checks.verdict import ORDER, Finding, Verdict, worst_first
from harness.checks.verify.checklist import Checklist, Pair
from harness.record.model import Observed
from harness.record.run import Run
from harness.report.format.escape import clean, code, fenced, inline
from harness.report.format.numbers import NONE
from harness.report.format.table import table
from harness.report.verdicts.causes import cause_text, finding_text
from harness.report.verdicts.phrases import say

STEPS_SHOWN: Final = 8
METHODS: Final = (
    (
        "fidelity",
        "every run by itself: arguments, precision, optimizer, attention, data, weights, steps, learning rates, logged "
        "and evaluated losses are what was asked for or follow from each other",
    ),
    ("reproducibility", "the same cell twice: losses, gradient norms and weights equal to the last bit"),
    ("invariants: accumulation", "one batch, and the same examples accumulated from 4 micro-batches"),
    ("invariants: devices", "one process, and 2 ranks with half of the batch each"),
    ("invariants: eval_batch", "evaluated with another batch size"),
    ("invariants: resume", "stopped half way, saved, and resumed by a new Trainer"),
    ("invariants: engine", "`Trainer`, and the course's plain loops with the same settings"),
    ("invariants: padding", "an epoch whose last global batch is not full, on 1 and on 2 ranks; told, never failed"),
)
Cause = tuple[str, str]
"""A known issue or "usually", and the cause's code."""

HOW: Final = (
    "Invariants are checked in fp32 without dropout, over at most 20 optimizer steps on one machine; losses and "
    "gradient norms (before clipping) must agree to 1e-5 at every step. A norm below a tenth of the run's largest is "
    "compared with that tenth: it is a difference of larger numbers, and its own ratio is rounding. No reference value "
    "enters."
)


def verification_text(verdicts: Sequence[Verdict]) -> str:
    """Everything that is not a PASS in full, the passes counted; plain lines. Runs that fail alike share an entry."""
    causes: dict[Cause, int] = {}
    lines = []
    for group in _alike(_ordered(verdicts)):
        one = group[0]
        if one.outcome == "PASS":
            continue
        lines.append(f"{one.outcome:<13} {check_name(one)}: {clean(sides_text(one), 300)}")
        if len(group) > 1:
            lines.append(f"{'':13} and {len(group) - 1} more runs alike: {clean(_others(group), 300)}")
        made = [finding for finding in one.findings if finding.outcome == one.outcome]
        lines += [f"    {line}" for line in (_lines(made, causes) or [clean(say(one.reason), 600)])]
    lines += [f"[{number}] {name}: {cause_text(code)}" for (name, code), number in causes.items()]
    passed = Counter(check_name(verdict) for verdict in verdicts if verdict.outcome == "PASS")
    if passed:
        lines.append(f"{'PASS':<13} " + ", ".join(f"{check} ({number})" for check, number in passed.items()))
    unseen = _unseen(verdicts)
    if unseen:
        lines.append(f"not available: {', '.join(unseen)}")
    return "\n".join([*lines, counts_text(verdicts)])


def counts_text(verdicts: Sequence[Verdict]) -> str:
    """`31 checks: 2 FAIL, 28 PASS, 1 SKIP`."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    return f"{len(verdicts)} checks: " + ", ".join(f"{counts[o]} {o}" for o in ORDER if counts[o])


def verification_report(
    checklist: Checklist, verdicts: Sequence[Verdict], runs: Mapping[str, Run], command: str, generated_by: str
) -> str:
    """The same as Markdown, with the first steps of every pair that fails, side by side."""
    places = _environments([runs[cell.cell_id] for cell in checklist.cells if cell.cell_id in runs])
    versions = _versions(list(places.values()))
    failed = [group for group in _alike(_ordered(verdicts)) if group[0].outcome == "FAIL"]
    parts = [f"# Does training mean what it says? {inline(versions) or 'No run'}", _lead(verdicts)]
    parts += ["Made with:", fenced(command, "sh")]
    if failed:
        parts.append("## What fails")
        pairs: dict[tuple[str, ...], Pair] = {(p.base.cell_id, p.twin.cell_id): p for p in checklist.pairs}
        causes: dict[Cause, int] = {}
        for group in failed:
            parts += _failure(group, pairs, runs, causes)
        parts += [f"[{number}] {_cause(*cause)}" for cause, number in causes.items()]
    if len(places) > 1:
        parts += ["## By environment", _by_environment(verdicts, runs, places)]
    parts += ["## Every check", _all(verdicts)]
    unseen = _unseen(verdicts)
    if unseen:
        parts.append(f"Not available here, and so neither passed nor failed: {inline(', '.join(unseen), 600)}.")
    parts += ["## How it was checked", HOW, "\n".join(f"- {name}: {text}." for name, text in METHODS)]
    if places:
        parts += ["## Environment", _machine(places)]
    return "\n\n".join([*parts, f"Generated by {inline(generated_by)}."]) + "\n"


def _lead(verdicts: Sequence[Verdict]) -> str:
    failures = [finding for verdict in verdicts for finding in verdict.failures]
    if not failures:
        return f"No check fails: {counts_text(verdicts)}."
    upstream = sorted({finding.upstream for finding in failures if finding.upstream})
    known = f" Known upstream: {', '.join(_issue(one) for one in upstream)}." if upstream else ""
    return f"Training does not mean what it says here: {counts_text(verdicts)}.{known}"


def _failure(
    group: Sequence[Verdict], pairs: Mapping[tuple[str, ...], Pair], runs: Mapping[str, Run], causes: dict[Cause, int]
) -> list[str]:
    one = group[0]
    parts = [f"### {inline(check_name(one))}: {inline(sides_text(one), 300)}"]
    if len(group) > 1:
        parts.append(f"And {len(group) - 1} more runs alike: {inline(_others(group), 400)}.")
    parts.append("\n".join(f"- {inline(line, 600)}" for line in _lines(one.failures, causes)))
    pair = pairs.get(_cell_ids(one))
    if pair is not None:
        base, twin = runs[pair.base.cell_id], runs[pair.twin.cell_id]
        rows = _side_by_side(base, twin)
        if rows:
            heads = ["Step", "Loss A", "Loss B", "B / A", "Gradient norm A", "Gradient norm B", "B / A"]
            parts += [f"A: {inline(pair.base.label)}. B: {inline(pair.twin.label)}.", table(heads, rows, "rrrrrrr")]
    return parts


def _others(group: Sequence[Verdict]) -> str:
    return ", ".join(dict.fromkeys(_apart(sides_text(group[0]), sides_text(other)) for other in group[1:]))


def _cause(name: str, code: str) -> str:
    return f"{_issue(name) if '#' in name else name}: {inline(cause_text(code), 600)}."


def _side_by_side(base: Run, twin: Run) -> list[list[str]]:
    shift = twin.first_step - base.first_step
    if shift < 0 or any(name not in run.series for run in (base, twin) for name in ("loss", "grad_norm")):
        return []
    rows = []
    for step in range(min(STEPS_SHOWN, len(base.series["loss"]) - shift, len(twin.series["loss"]))):
        row = [str(base.first_step + shift + step)]
        for name in ("loss", "grad_norm"):
            a, b = float(base.series[name][shift + step]), float(twin.series[name][step])
            row += [f"{a:.6f}", f"{b:.6f}", f"{b / a:.6f}" if a else NONE]
        rows.append(row)
    return rows


def _all(verdicts: Sequence[Verdict]) -> str:
    rows = [
        [v.outcome, inline(check_name(v)), inline(sides_text(v), 300), inline(say(v.reason), 400)]
        for v in _ordered(verdicts)
    ]
    return table(["Verdict", "Check", "Run or runs", "Found"], rows, "llll")


def _environments(runs: Sequence[Run]) -> dict[str, Observed]:
    """What was observed of each environment, by the grid's label for it, in the order of the runs."""
    places: dict[str, Observed] = {}
    for run in runs:
        if run.record.observed is not None:
            places.setdefault(run.record.asked.environment, run.record.observed)
    return places


def _versions(places: Sequence[Observed]) -> str:
    """`transformers 5.23.0, torch 2.13.0`; several versions as `4.45.2 to 5.23.0`."""
    texts = []
    for name in ("transformers", "torch"):
        found = list(dict.fromkeys(one.packages[name] for one in places if name in one.packages))
        if found:
            texts.append(f"{name} {found[0]}" + (f" to {found[-1]}" if len(found) > 1 else ""))
    return ", ".join(texts)


def _by_environment(verdicts: Sequence[Verdict], runs: Mapping[str, Run], places: Mapping[str, Observed]) -> str:
    """A row an environment, a column a check: the worst outcome, with the ratio that it names first."""
    checks = list(dict.fromkeys(check_name(verdict) for verdict in verdicts if verdict.measured))
    rows = []
    for label, observed in places.items():
        row = [inline(label), inline(observed.packages.get("transformers", NONE))]
        for check in checks:
            here = [
                verdict
                for verdict in verdicts
                if check_name(verdict) == check
                and any(c in runs and runs[c].record.asked.environment == label for c in _cell_ids(verdict))
            ]
            row.append(_worst(here))
        rows.append(row)
    return table(["Environment", "transformers", *map(inline, checks)], rows, "l" * (2 + len(checks)))


def _worst(verdicts: Sequence[Verdict]) -> str:
    if not verdicts:
        return NONE
    worst = _ordered(verdicts)[0]
    ratios = [f.ratio for f in worst.failures if f.ratio is not None and f.item in ("logged loss", "gradient norm")]
    largest = max(ratios, key=lambda ratio: abs(ratio - 1), default=1.0)
    return f"{worst.outcome} {largest:.3f} x" if abs(largest - 1) >= 5e-4 else worst.outcome


def _machine(places: Mapping[str, Observed]) -> str:
    """Machine and packages, a column an environment."""
    names = list(dict.fromkeys(name for one in places.values() for name in (*one.machine, "python", *one.packages)))
    rows = []
    for name in names:
        found = [{**one.machine, "python": one.python, **one.packages}.get(name, NONE) for one in places.values()]
        rows.append([inline(name), *map(inline, found)])
    heads = ["Fact", *(map(inline, places) if len(places) > 1 else ["Value"])]
    return table(heads, rows, "l" * len(heads))


def check_name(verdict: Verdict) -> str:
    """`fidelity`, `invariants: accumulation`."""
    return f"{verdict.check}: {verdict.item}" if verdict.item else verdict.check


def sides_text(verdict: Verdict) -> str:
    """`a · b: c against d`: what two runs share is said once; the first of the pair first."""
    if verdict.against is None or verdict.against.label == verdict.subject.label:
        return verdict.subject.label
    sides = [side.label.split(" · ") for side in (verdict.against, verdict.subject)]
    shared = [part for part in sides[0] if part in sides[1]]
    first, second = (" · ".join(part for part in parts if part not in shared) or "the same" for parts in sides)
    return f"{' · '.join(shared)}: {first} against {second}"


def _apart(first: str, other: str) -> str:
    """What is another run's own in its label."""
    known = first.split(" · ")
    return " · ".join(part for part in other.split(" · ") if part not in known) or "repeat=1"


def _cell_ids(verdict: Verdict) -> tuple[str, ...]:
    """Of the first of the pair, then of the second."""
    return (*(verdict.against.cell_ids if verdict.against else ()), *verdict.subject.cell_ids)


def _unseen(verdicts: Sequence[Verdict]) -> list[str]:
    return sorted({say(fact) for verdict in verdicts for fact in verdict.not_available})


def _ordered(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The worst outcome first; within it pairs before single runs: they say most."""
    return worst_first(sorted(verdicts, key=lambda verdict: verdict.check == "fidelity"))


def _alike(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    """Verdicts of single runs that differ in nothing but the run and its digits, together."""
    groups: dict[object, list[Verdict]] = {}
    for number, verdict in enumerate(verdicts):
        alike = tuple((f.item, f.ratio and round(f.ratio, 3), f.upstream) for f in verdict.failures)
        key = (verdict.check, verdict.outcome, alike) if alike and verdict.check == "fidelity" else number
        groups.setdefault(key, []).append(verdict)
    return list(groups.values())


def _lines(findings: Sequence[Finding], causes: dict[Cause, int]) -> list[str]:
    lines = []
    for finding in findings:
        mark = ""
        if finding.cause is not None:
            mark = f" [{causes.setdefault((finding.upstream or 'usually', finding.cause), len(causes) + 1)}]"
        lines.append(f"{clean(finding_text(finding), 600)}{mark}")
    return lines


def _issue(name: str) -> str:
    repository, _, number = name.partition("#")
    return f"[{name}](https://github.com/{repository}/issues/{number})" if number.isdigit() else code(name)
