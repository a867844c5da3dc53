"""What `harness verify` found: as lines for a terminal or a log, and as a report that people publish."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from harness.checks.verdict import Verdict
from harness.checks.verify.checklist import Checklist
from harness.checks.verify.problems import Environments, Problem, Standing
from harness.record.parts.observed import Observed
from harness.record.run import Run
from harness.report.format.escape import fenced, full_stop, inline
from harness.report.format.numbers import NONE
from harness.report.format.table import table
from harness.report.phrases.head import new_text, versions_text
from harness.report.phrases.problems import HARMS, problem_title, problem_word, told_problems
from harness.report.phrases.say import say
from harness.report.phrases.verify import near
from harness.report.verdicts.markdown import linked, runs_table, unseen_lines
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import LIMIT, counts_text, ordered, waiver_lines

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
    (
        "invariants: resume",
        "stopped, saved, and resumed by a new Trainer: inside an epoch, at its end, and in a later one; with dropout, "
        "evaluated each epoch, equal to the last bit",
    ),
    ("invariants: observation", "evaluated, logged, saved, loaded by a worker, or not; with dropout, to the last bit"),
    ("invariants: checkpointing", "activations kept, or computed again; with dropout, to the last bit"),
    ("invariants: threads", "one thread, and two"),
    (
        "invariants: epoch_end",
        "two epochs of 3.25 batches, whole and accumulated from 4 micro-batches: an epoch's last group is short",
    ),
    ("invariants: epochs", "8 steps, and the two epochs that they are, accumulated, the last group of each short"),
    ("invariants: engine", "`Trainer`, and the course's plain loops with the same settings"),
    ("invariants: padding", "an epoch whose last global batch is not full, on 1 and on 2 ranks; told, never failed"),
)
HARM: Final = (
    "**training**: the training itself is another, by its gradient, its weights or what it was given. log only: the "
    "gradient is right, and only what is logged or evaluated is not. The number is found over due, where there is one."
)
HOW: Final = (
    "Invariants are checked in fp32, without dropout unless said, over at most 20 optimizer steps on one machine; "
    "losses and gradient norms (before clipping) must agree to 1e-5 at every step. A norm below a tenth of the run's "
    "largest is compared with that tenth: it is a difference of larger numbers, and its own ratio is rounding. No "
    "reference value enters."
)


def verification_report(checklist: Checklist, section: Section, runs: Mapping[str, Run], generated_by: str) -> str:
    """The same as Markdown: the answer, by environment, each problem once with the first steps of its clearest pair."""
    head, every = section.head, ordered(section.verdicts)
    found = Environments(checklist.cells, every)
    places = _environments([runs[cell.cell_id] for cell in checklist.cells if cell.cell_id in runs])
    done, answer = (say(fact) for fact in head.facts)
    values = head.facts[1].values
    short = answer
    if len(places) > 1:
        short = new_text(values["exit_code"], values["new_training"], values["new_log"])
    versions = versions_text(head.facts[0].values["environments"], ("transformers", "torch"))
    parts = [f"# {inline(versions) or 'No run'}: {inline(short, LIMIT)}"]
    parts += [full_stop(inline(answer, LIMIT))] if short != answer else []
    parts.append(f"{full_stop(inline(done, LIMIT))} {full_stop(counts_text(every, 'check'))}")
    parts += [full_stop(inline(line, LIMIT)) for line in waiver_lines(head.waivers)]
    if len(places) > 1:
        parts += ["## By environment", *_by_environment(found, every, places), HARM]
    parts += _problems(head.problems, runs, len(places) > 1)
    if len(places) > 1:
        parts += [
            "## Every check",
            "Each check of each environment, with what was found, is in the JSON beside this page.",
        ]
    else:
        parts += ["## Every check", runs_table(every)]
    parts += unseen_lines(every)
    parts += ["## How it was checked", HOW, "\n".join(f"- {name}: {text}." for name, text in METHODS)]
    if places:
        parts += ["## Environment", *_machine(places)]
    parts += ["## Made with", fenced(head.command, "sh"), f"Generated by {inline(generated_by)}."]
    return "\n\n".join(parts) + "\n"


def _problems(problems: Sequence[Problem], runs: Mapping[str, Run], several: bool) -> list[str]:
    """A section a problem that is new, or of the one environment; then a line each what was repaired and what stays."""
    mine = list(told_problems(problems))
    parts = [f"## {'What changed' if several else 'What fails'}"] if mine else []
    for one, details in mine:
        if one.state in ("repaired", "both"):
            continue
        parts += [f"### {problem_word(one)}{_step_of(one)}: {linked(problem_title(one))}"]
        parts.append("\n".join(f"- {linked(line)}" for line in details))
        if len(one.cell_ids) == 2 and all(name in runs for name in one.cell_ids):
            base, twin = (runs[name] for name in one.cell_ids)
            rows = _side_by_side(base, twin)
            heads = ["Step", "Loss, A -> B", "B / A", "Gradient norm, A -> B", "B / A"]
            labels = f"A: {inline(base.record.label)}. B: {inline(twin.record.label)}."
            parts += [labels, table(heads, rows, "rrrrr")] if rows else []
    rest = [one for one, _ in mine if one.state in ("repaired", "both")]
    lines = (f"- {problem_word(one)}{_step_of(one)}: {linked(problem_title(one))}" for one in rest)
    return [*parts, *(["\n".join(lines)] if rest else [])]


def _step_of(one: Problem) -> str:
    return f", {inline(one.a)} -> {inline(one.b)}" if one.a else ""


def _side_by_side(base: Run, twin: Run) -> list[list[str]]:
    shift = twin.first_step - base.first_step
    if shift < 0 or any(name not in run.series for run in (base, twin) for name in ("loss", "grad_norm")):
        return []
    rows = []
    for step in range(min(STEPS_SHOWN, len(base.series["loss"]) - shift, len(twin.series["loss"]))):
        row = [str(base.first_step + shift + step)]
        for name in ("loss", "grad_norm"):
            a, b = float(base.series[name][shift + step]), float(twin.series[name][step])
            row += [f"{a:.6f} -> {b:.6f}", f"{b / a:.6f}" if a else NONE]
        rows.append(row)
    return rows


def _environments(runs: Sequence[Run]) -> dict[str, Observed]:
    """What was observed of each environment, by the grid's label for it, in the order of the runs."""
    places: dict[str, Observed] = {}
    for run in runs:
        if run.record.observed is not None:
            places.setdefault(run.record.asked.environment, run.record.observed)
    return places


def _by_environment(found: Environments, verdicts: Sequence[Verdict], places: Mapping[str, Observed]) -> Iterator[str]:
    """A row an environment, a column a check that fails somewhere: the worst it comes to, and which harm it does."""
    checks = list(dict.fromkeys((verdict.check, verdict.item) for verdict in verdicts if verdict.measured))
    cells = {check: [found.standing(label, *check) for label in places] for check in sorted(checks)}
    telling = [check for check, row in cells.items() if any(one is None or one.outcome != "PASS" for one in row)]
    rows = [
        [
            inline(label),
            inline(observed.packages.get("transformers", NONE)),
            *(_standing(cells[check][number]) for check in telling),
        ]
        for number, (label, observed) in enumerate(places.items())
    ]
    names = [item or check for check, item in telling]
    yield table(["Environment", "transformers", *map(inline, names)], rows, "l" * (2 + len(names)))
    same = [item or check for check, item in cells if (check, item) not in telling]
    if same:
        yield f"Everywhere PASS: {', '.join(map(inline, same))}."


def _standing(one: Standing | None) -> str:
    if one is None or one.harm is None:
        return NONE if one is None else one.outcome
    size = "" if one.ratio is None or near(one.ratio) else f"\xa0{one.ratio:.3f}\xa0x"
    return f"**{HARMS[one.harm]}**{size}" if one.harm == "training" else f"{HARMS[one.harm]}{size}"


def _machine(places: Mapping[str, Observed]) -> Iterator[str]:
    """What all environments share in a table, and what varies in another, a row an environment."""
    of = {label: {**one.machine, "python": one.python, **one.packages} for label, one in places.items()}
    names = list(dict.fromkeys(name for one in of.values() for name in one))
    varying = [name for name in names if len({str(one.get(name, NONE)) for one in of.values()}) > 1]
    shared = next(iter(of.values()))
    rows = [[inline(name), inline(shared[name])] for name in names if name not in varying]
    yield table(["Fact", "Value"], rows, "ll")
    if varying:
        rows = [[inline(label), *(inline(one.get(name, NONE)) for name in varying)] for label, one in of.items()]
        yield table(["Environment", *map(inline, varying)], rows, "l" * (1 + len(varying)))
