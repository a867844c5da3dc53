"""What `harness verify` found: as lines for a terminal or a log, and as a report that people publish."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final

from harness.checks.checklist import Checklist, Pair
from harness.checks.verdict import ORDER, Finding, Verdict
from harness.report.escape import clean, code, fenced, inline
from harness.report.numbers import NONE
from harness.report.table import table
from harness.runs import Run

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
HOW: Final = (
    "Invariants are checked in fp32 without dropout, over at most 20 optimizer steps on one machine; losses and "
    "gradient norms (before clipping) must agree to 1e-5 at every step. A norm below a tenth of the run's largest is "
    "compared with that tenth: it is a difference of larger numbers, and its own ratio is rounding. No reference value "
    "enters."
)


def verification_text(verdicts: Sequence[Verdict]) -> str:
    """Everything that is not a PASS in full, the passes counted; plain lines. Runs that fail alike share an entry."""
    causes: dict[str, int] = {}
    lines = []
    for group in _alike(_worst_first(verdicts)):
        one = group[0]
        if one.outcome == "PASS":
            continue
        lines.append(f"{one.outcome:<13} {one.check}: {clean(shared_label(one.subject), 300)}")
        if len(group) > 1:
            lines.append(f"{'':13} and {len(group) - 1} more runs alike: {clean(_others(group), 300)}")
        told = one.failures or [finding for finding in one.findings if finding.outcome == one.outcome]
        lines += [f"    {line}" for line in (_lines(told, causes) or [clean(one.summary, 600)])]
    lines += [f"[{number}] {cause}" for cause, number in causes.items()]
    passed = Counter(verdict.check for verdict in verdicts if verdict.outcome == "PASS")
    if passed:
        lines.append(f"{'PASS':<13} " + ", ".join(f"{check} ({number})" for check, number in passed.items()))
    unseen = sorted({name for verdict in verdicts for name in verdict.not_available})
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
    observed = [run.record.observed for run in runs.values() if run.record.observed is not None]
    packages = dict(observed[0].packages) if observed else {}
    versions = ", ".join(f"{name} {packages[name]}" for name in ("transformers", "torch") if name in packages)
    failed = [group for group in _alike(_worst_first(verdicts)) if group[0].outcome == "FAIL"]
    parts = [f"# Does training mean what it says? {inline(versions) or 'No run'}", _lead(verdicts)]
    parts += ["Made with:", fenced(command, "sh")]
    if failed:
        parts.append("## What fails")
        pairs: dict[tuple[str, ...], Pair] = {(p.base.cell_id, p.twin.cell_id): p for p in checklist.pairs}
        causes: dict[str, int] = {}
        for group in failed:
            parts += _failure(group, pairs, runs, causes)
        parts += [f"[{number}] {_cause(cause)}" for cause, number in causes.items()]
    parts += ["## Every check", _all(verdicts)]
    unseen = sorted({name for verdict in verdicts for name in verdict.not_available})
    if unseen:
        parts.append(f"Not available here, and so neither passed nor failed: {inline(', '.join(unseen), 600)}.")
    parts += ["## How it was checked", HOW, "\n".join(f"- {name}: {text}." for name, text in METHODS)]
    if observed:
        parts += ["## Environment", _environment(observed[0].machine, packages, observed[0].python)]
    return "\n\n".join([*parts, f"Generated by {inline(generated_by)}."]) + "\n"


def _lead(verdicts: Sequence[Verdict]) -> str:
    failures = [finding for verdict in verdicts for finding in verdict.failures]
    if not failures:
        return f"No check fails: {counts_text(verdicts)}."
    upstream = sorted({finding.upstream for finding in failures if finding.upstream})
    known = f" Known upstream: {', '.join(_issue(one) for one in upstream)}." if upstream else ""
    return f"Training does not mean what it says here: {counts_text(verdicts)}.{known}"


def _failure(
    group: Sequence[Verdict], pairs: Mapping[tuple[str, ...], Pair], runs: Mapping[str, Run], causes: dict[str, int]
) -> list[str]:
    one = group[0]
    parts = [f"### {inline(one.check)}: {inline(shared_label(one.subject), 300)}"]
    if len(group) > 1:
        parts.append(f"And {len(group) - 1} more runs alike: {inline(_others(group), 400)}.")
    parts.append("\n".join(f"- {inline(line, 600)}" for line in _lines(one.failures, causes)))
    pair = pairs.get(one.cell_ids)
    if pair is not None:
        base, twin = runs[pair.base.cell_id], runs[pair.twin.cell_id]
        rows = _side_by_side(base, twin)
        if rows:
            heads = ["Step", "Loss A", "Loss B", "B / A", "Gradient norm A", "Gradient norm B", "B / A"]
            parts += [f"A: {inline(pair.base.label)}. B: {inline(pair.twin.label)}.", table(heads, rows, "rrrrrrr")]
    return parts


def _others(group: Sequence[Verdict]) -> str:
    return ", ".join(dict.fromkeys(_apart(group[0].subject, other.subject) for other in group[1:]))


def _cause(cause: str) -> str:
    name, _, text = cause.partition(": ")
    return f"{_issue(name)}: {inline(text, 600)}." if "#" in name else f"{inline(cause, 600)}."


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
        [v.outcome, inline(v.check), inline(shared_label(v.subject), 300), inline(v.summary, 400)]
        for v in _worst_first(verdicts)
    ]
    return table(["Verdict", "Check", "Run or runs", "Found"], rows, "llll")


def _environment(machine: Mapping[str, object], packages: Mapping[str, str], python: str) -> str:
    rows = [[inline(name), inline(value)] for name, value in machine.items()]
    rows += [["python", inline(python)], *([inline(name), inline(version)] for name, version in packages.items())]
    return table(["Fact", "Value"], rows, "ll")


def shared_label(subject: str) -> str:
    """`a · b · c / a · b · d` as `a · b: c against d`: what two runs share is said once."""
    first, slash, second = subject.partition(" / ")
    if not slash:
        return subject
    a, b = first.split(" · "), second.split(" · ")
    shared = [part for part in a if part in b]
    rest = [" · ".join(part for part in parts if part not in shared) or "the same" for parts in (a, b)]
    return f"{' · '.join(shared)}: {rest[0]} against {rest[1]}"


def _apart(subject: str, other: str) -> str:
    """What is another run's own in its label."""
    known = subject.split(" · ")
    return " · ".join(part for part in other.split(" · ") if part not in known) or "repeat=1"


def _worst_first(verdicts: Sequence[Verdict]) -> list[Verdict]:
    """The worst outcome first; within it pairs before single runs: they say most."""
    return sorted(verdicts, key=lambda verdict: (ORDER.index(verdict.outcome), verdict.check == "fidelity"))


def _alike(verdicts: Sequence[Verdict]) -> list[list[Verdict]]:
    """Verdicts of single runs that differ in nothing but the run and its digits, together."""
    groups: dict[object, list[Verdict]] = {}
    for number, verdict in enumerate(verdicts):
        alike = tuple((f.item, f.ratio and round(f.ratio, 3), f.upstream) for f in verdict.failures)
        key = (verdict.check, verdict.outcome, alike) if alike and verdict.check == "fidelity" else number
        groups.setdefault(key, []).append(verdict)
    return list(groups.values())


def _lines(findings: Sequence[Finding], causes: dict[str, int]) -> list[str]:
    lines = []
    for finding in findings:
        cause = ": ".join(filter(None, [finding.upstream or "usually", finding.meaning]))
        mark = f" [{causes.setdefault(cause, len(causes) + 1)}]" if finding.upstream or finding.meaning else ""
        lines.append(f"{clean(_sentence(finding), 600)}{mark}")
    return lines


def _sentence(finding: Finding) -> str:
    """The finding's text with its item before it, unless it names it itself."""
    named = finding.text.lower().startswith(finding.item.lower())
    return finding.text if named else f"{finding.item}: {finding.text}"


def _issue(name: str) -> str:
    repository, _, number = name.partition("#")
    return f"[{name}](https://github.com/{repository}/issues/{number})" if number.isdigit() else code(name)
