"""The parts of the Markdown report around the figures: summary, environment, recipe, how to read it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from harness.fact import Fact
from harness.record.attempts import LOST
from harness.report.format.escape import code, fenced, file_link, folded, full_stop, inline
from harness.report.format.labels import listed
from harness.report.format.numbers import NONE, count, duration, steps_text
from harness.report.format.table import table
from harness.report.phrases.head import freshness_text
from harness.report.phrases.say import say
from harness.report.run.kept import BYTES
from harness.report.run.model import Environment, ReportHead, ReportModel, Setting
from harness.report.speed.markdown import reading_notes, timed_text
from harness.text import canonical_json

MOST_ENVIRONMENTS = 12
MOST_FACTS = 40
MOST_CHECKPOINTS = 40
MOST_SETTINGS = 60
MOST_GRID_LINES = 400
MOST_COMMENTED = 200
"""Lines of a grid that is shown with its comments."""

ANSWERS = (
    "The JSON keeps each run's answers, by which comparisons can be computed again: base64 of a bit an example, the "
    "first in the highest bit, in the order of the examples' ids; `truth` likewise."
)
MANY_CLASSES = f" Of more than two classes: `{BYTES}` and a byte an example."


def some(number: int, what: str) -> str:
    """`1 run`, `1,200 runs`."""
    return f"{number:,} {what}" if number == 1 else f"{number:,} {what}s"


def summary(model: ReportModel, rendered: date | None = None, answered: bool = False) -> str:
    """What was measured, when and on what, in a few sentences; the index shows the first where there is no answer.

    `answered`: the answer stands above, in the place of the author's title.
    """
    counts = model.counts
    title = f"{full_stop(inline(model.title))} " if answered and model.title != model.about else ""
    configurations = some(len(model.rows), "configuration")
    runs = some(counts.scored, "scored run")
    lead = f"{configurations} of grid {code(model.grid)} on {code(model.task)}, {runs}"
    if model.timed_only and model.throughput is not None:
        timed = f"Speed of grid {code(model.grid)} on {code(model.task)}: {timed_text(model.throughput)}."
        return f"{timed}{_machine(model)}{_rendered(rendered)}"
    if not model.rows:
        lead = f"No scored run yet of grid {code(model.grid)} on {code(model.task)}"
    lead += f"{'' if model.rows else ','} of {some(counts.planned, 'planned cell')}"
    rest = [
        _collapsed(model),
        f"{some(counts.errored, 'cell')} failed" if counts.errored else "",
        f"{some(counts.skipped, 'cell')} skipped" if counts.skipped else "",
        f"{some(counts.missing, 'cell')} not run yet" if counts.missing else "",
    ]
    text = title + lead + "." + "".join(f" {part[0].upper()}{part[1:]}." for part in rest if part)
    if model.environments:
        first = min(one.first for one in model.environments)[:10]
        last = max(one.last for one in model.environments)[:10]
        text += f" Measured {inline(first)}" if first == last else f" Measured {inline(first)} to {inline(last)}"
        text += f", rendered {rendered}." if rendered else "."
    text += _machine(model)
    if model.throughput is not None:
        text += f" Speed: {timed_text(model.throughput)}."
    return text


def _machine(model: ReportModel) -> str:
    """The processor or accelerator and the versions that decide, where all runs share them."""
    if len(model.environments) != 1:
        return ""
    facts, packages = dict(model.environments[0].facts), dict(model.environments[0].packages)
    cores = f"{facts['cores']} cores" if "cores" in facts else ""
    versions = [f"{name} {packages[name]}" for name in ("torch", "transformers") if name in packages]
    told = [*filter(None, [facts.get("accelerators") or facts.get("cpu"), cores]), *versions]
    return f" {inline(', '.join(told), 300)}." if told else ""


def _rendered(day: date | None) -> str:
    return f" Rendered {day}." if day else ""


def head(model: ReportModel) -> list[str]:
    """What is left out of the grid, before anything else; how old the runs are stands in the summary's place too."""
    if model.head is None:
        return []
    lines = [*report_lines(model.head), *(say(fact) for fact in _lost(model))]
    return [" ".join(full_stop(inline(line)) for line in lines)]


def _lost(model: ReportModel) -> Iterator[Fact]:
    """Of each configuration with runs that learned nothing: which seeds, and what the mean is with them."""
    for row in model.rows:
        if row.collapsed.k:
            metric = next(iter(row.ok))
            lost = [(one, one.scores.get(metric)) for one in row.scores if one.status in LOST]
            key = "accuracy" if metric == "accuracy" else "score"
            seeds = tuple(
                {"seed": one.seed, "status": one.status, key: None if points is None else points / 100}
                for one, points in lost
            )
            yield Fact.of(
                "collapsed.seeds", configuration=row.label, runs=row.collapsed.n, seeds=seeds,
                mean=row.all[metric].mean, others=row.ok[metric].mean,
            )  # fmt: skip


def report_lines(head: ReportHead) -> list[str]:
    """The same as lines for a terminal."""
    part = [say(head.part)] if head.part is not None else []
    return [*part, *(say(fact) for fact in head.facts), freshness_text(head.freshness)]


def _collapsed(model: ReportModel) -> str:
    """How many runs collapsed; of how many is said where not all of them are scored runs of as many cells."""
    collapsed, runs = model.counts.collapsed, sum(row.collapsed.n for row in model.rows)
    if not collapsed:
        return ""
    if runs == model.counts.scored:
        return f"{collapsed:,} of the scored runs collapsed"
    return f"{collapsed:,} of {some(runs, 'run')} collapsed or lost their loss"


def made_with(model: ReportModel) -> list[str]:
    """The command, where the index of reports finds it too, and the grid; both folded.

    A long grid without its comments: who has every key in it shows what is set.
    """
    text = model.grid_text.split("\n") if model.grid_text else []
    if len(text) > MOST_COMMENTED:
        text = [line for line in text if line.strip() and not line.lstrip().startswith("#")]
    more = [f"{some(len(text) - MOST_GRID_LINES, 'more line')} left out."] if len(text) > MOST_GRID_LINES else []
    grid = [fenced("\n".join(text[:MOST_GRID_LINES]), "toml"), *more] if text else []
    name = f" {inline(model.grid_file)}" if model.grid_file else ""
    return [
        *folded("The command that made this report", [fenced(model.command, "sh")]),
        *folded(f"The grid{name}", grid),
    ]


def attempts(model: ReportModel) -> str:
    """Tries that are in no table, so that nothing is dropped silently; empty where there are none."""
    tries = model.attempts
    parts = [
        f"{tries.killed:,} killed" if tries.killed else "",
        f"{tries.interrupted:,} interrupted" if tries.interrupted else "",
        f"{tries.replaced:,} replaced by another run of the same cell" if tries.replaced else "",
        f"{tries.unreadable:,} with a record that cannot be read" if tries.unreadable else "",
    ]
    told = [part for part in parts if part]
    text = f"Of {some(tries.total, 'attempt')}: {listed(told, 4)}; these are in no table." if told else ""
    if tries.unfinished:
        text += f" {some(tries.unfinished, 'cell')} never came to an end."
    if model.counts.foreign:
        text += f" {some(model.counts.foreign, 'record')} of cells that the grid no longer has left out."
    return text.strip()


def environments(model: ReportModel, json_file: str | None) -> list[str]:
    """Machine and software of each environment."""
    if not model.environments:
        return []
    lines = ["## Environment"]
    several = len(model.environments) > 1
    for one in model.environments[:MOST_ENVIRONMENTS]:
        if several:
            lines.append(f"### Environment {inline(one.name.removeprefix('environment '))}")
        lines += _environment(one, json_file)
    if len(model.environments) > MOST_ENVIRONMENTS:
        lines.append(f"{some(len(model.environments) - MOST_ENVIRONMENTS, 'more environment')} in the JSON.")
    return lines


def _environment(one: Environment, json_file: str | None) -> list[str]:
    facts = [("runs", count(one.runs)), ("id", one.environment_id), *one.facts[:MOST_FACTS]]
    lines = [table(["Fact", "Value"], [[inline(name), inline(value)] for name, value in facts], "ll")]
    if one.packages:
        shown = ", ".join(inline(f"{name} {version}") for name, version in one.packages[:7])
        rest = len(one.packages) - 7
        more = f", and {some(rest, 'more package')} in {file_link(json_file) if json_file else 'the JSON'}"
        lines.append(f"Packages: {shown}{more if rest > 0 else ''}.")
    elif not one.facts:
        lines.append("No record of this environment was at hand for its facts.")
    return lines


def what_was_run(model: ReportModel) -> list[str]:
    """Checkpoints, data, settings, and the grid itself."""
    lines = ["## What was run"]
    if shown := model.checkpoints[:MOST_CHECKPOINTS]:
        body = [
            [
                inline(one.name),
                code(one.source) + (f" @ {code(one.revision)}" if one.revision else ""),
                inline(", ".join(f"{key} {canonical_json(value)}" for key, value in one.config.items())) or NONE,
                NONE if one.parameters is None else count(one.parameters),
                code(one.sha256[:12]) if one.sha256 else NONE,
            ]
            for one in shown
        ]
        lines.append(table(["Checkpoint", "Source", "Changed", "Parameters", "sha256"], body, "lllrl"))
        fresh = (
            f"- {inline(one.name)}: {inline(listed(one.newly_initialised, 6))}"
            for one in shown
            if one.newly_initialised
        )
        lines += ["Newly initialised:", "\n".join(fresh)] if any(one.newly_initialised for one in shown) else []
        if len(model.checkpoints) > MOST_CHECKPOINTS:
            lines.append(f"{some(len(model.checkpoints) - MOST_CHECKPOINTS, 'more checkpoint')} in the JSON.")
    lines += [f"Data: {inline(source)}: {inline(sizes, 400)}." for source, sizes in model.data[:10]]
    if steps := sorted({step for row in model.rows for step in row.steps}):
        lines.append(f"Optimizer steps of a run: {steps_text(steps)}.")
    if model.settings:
        body = [_setting(one) for one in model.settings[:MOST_SETTINGS]]
        lines.append(table(["Setting", "Asked", "Resolved"], body, "lll"))
        lines.append("Asked: by the grid. Resolved: what `Trainer` reported for it; the rest are its defaults.")
    if model.grid_file and not model.grid_text:
        lines.append(f"The grid: {code(model.grid_file)}.")
    return lines if len(lines) > 1 else []


def _setting(one: Setting) -> list[str]:
    def values(found: tuple[str, ...], whose: tuple[str, ...]) -> str:
        told = [f"{value} ({by})" for value, by in zip(found, whose, strict=True)] if whose else found
        return inline(listed(told, 6)) if found else NONE

    return [code(one.name), values(one.asked, one.asked_by), values(one.resolved, one.resolved_by)]


def how_to_read(model: ReportModel, json_file: str | None, judged: bool = False) -> list[str]:
    """What these figures are, and what they are not."""
    scores = [
        "Everything but the verdicts describes the runs that were made; overlapping ranges are no evidence of equality."
        if judged
        else "Everything here describes the runs that were made. Whether a configuration reproduces a published value, "
        "or two of them differ, is a verdict. This report makes none; overlapping ranges are no evidence of equality.",
        "A configuration is the cells that differ only in their seed. The standard deviation (n − 1 in the "
        "denominator) is over seeds alone: it says nothing about another validation split. One run has none.",
        "For each cell the latest run that came to an end counts. Runs of different environments, or of different "
        "checkpoint files or data, have rows of their own.",
    ]
    kept = [row.truth for row in model.rows if row.truth]
    points = [
        *([] if model.timed_only else scores),
        *([ANSWERS + MANY_CLASSES * any(text.startswith(BYTES) for text in kept)] if kept else []),
        *(reading_notes(model.throughput) if model.throughput is not None else []),
        *(["A timing process ends with its last measured step, however many `max_steps` has."] * model.timed_only),
        *(inline(note, 600) for note in model.notes),
    ]
    spent = f"The counted runs took {duration(model.total_seconds)} in all. " if model.total_seconds else ""
    complete = f" The complete figures are in {file_link(json_file)}." if json_file else ""
    return [
        "## How to read this",
        *(["\n".join(f"- {point}" for point in points)] if points else []),
        f"{spent}Generated by {inline(model.generated_by)}.{complete}",
    ]
