"""The Hugging Face Hub's forms of results: a file of `.eval_results/`, and a model card with its model-index."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.errors import SpecError
from harness.report.export.needs import needed
from harness.report.export.published import Published, State
from harness.report.export.table import Line, decimals
from harness.report.format.escape import clean, code, fenced, inline
from harness.report.format.metrics import metric_head
from harness.report.format.table import table
from harness.report.phrases.recipe import many
from harness.report.run.model import CheckpointFacts, ReportModel
from harness.task import VALIDATION, Task, suffix_of
from harness.text import canonical_json, show

LONGEST: Final = 500


def eval_results(model: ReportModel, result: Published, task: Task) -> str:
    """One file of a model repository's `.eval_results/` folder: the first metric, in points, of one configuration.

    Raises
    ------
    HarnessError
        SpecError where the task is no data set of the Hub; RequirementError without huggingface_hub.
    """
    hub, yaml = needed("huggingface_hub", "eval-results"), needed("yaml", "eval-results")
    if task.hub is None:
        raise SpecError(f"--to eval-results: got the task {show(task.name)}; allowed a data set of the Hub")
    first = result.lines[0]
    entry = hub.EvalResultEntry(
        dataset_id=task.hub,
        task_id=task.config or "default",
        value=_rounded(first),
        date=max((one.last for one in model.environments), default="")[:10] or None,
        notes=clean(f"{metric_head(first.metric)}, validation split, {result.row.label}: {result.made_of}", LONGEST),
    )
    return str(yaml.safe_dump(hub.eval_result_entries_to_yaml([entry]), sort_keys=False, allow_unicode=True))


def model_card(model: ReportModel, result: Published, task: Task) -> str:
    """A README.md for the model of one configuration: the Hub's metadata with each metric, a table, the command.

    Raises
    ------
    RequirementError
        Without huggingface_hub.
    """
    hub = needed("huggingface_hub", "model-card")
    name = clean(result.row.label)
    kind, title = ("text-classification", "Text Classification") if not task.regression else (
        "text-scoring", "Text Scoring",
    )  # fmt: skip
    # A grid's own table is called by its training file, and scored on another.
    own = task.files.get(VALIDATION, task.name) if task.own else task.name
    data_set = clean(own if model.task == task.name else model.task)
    found = [
        hub.EvalResult(
            task_type=kind,
            task_name=title,
            dataset_type=task.hub or own,
            dataset_name=data_set,
            dataset_config=task.config,
            dataset_split=_split(task, line.metric),
            metric_type=line.metric,
            metric_name=f"{metric_head(line.metric)} in points, {_made_of(line, task)}, {result.state}",
            metric_value=_rounded(line),
        )
        for line in result.lines
    ]
    base = [one for one in model.checkpoints if one.name == result.row.axes.get("checkpoint")]
    sources = [one.source for one in base]
    known = [source for source in sources if ":" not in source and not source.startswith(("/", ".", "embedded/"))]
    data = hub.ModelCardData(
        model_name=name,
        base_model=known[0] if known else None,
        datasets=[task.hub] if task.hub else None,
        library_name="transformers",
        pipeline_tag="text-classification",
        metrics=[line.metric for line in result.lines],
        tags=["generated_from_trainer"],
        eval_results=found,
    )
    rows = [[metric_head(line.metric), *_figures(line)] for line in result.lines]
    heads = ["Metric", "Runs", "Mean ± sd, points", "95 % interval of the mean"]
    size = f" of {result.row.examples:,} examples" if result.row.examples else ""
    body = [
        f"---\n{data.to_yaml()}\n---",
        f"# {inline(name)}",
        *(f"Fine-tuned from {_checkpoint(one)}." for one in base[:1]),
        f"{inline(data_set)}, validation split{size}: {inline(result.made_of, LONGEST)}.",
        table(heads, rows, "lrrr"),
        f"Verdict on these runs: {_VERDICTS[result.state]}.",
        "Made by:",
        fenced(model.command, "sh"),
        f"By {inline(model.generated_by)}.",
    ]
    return "\n\n".join(body) + "\n"


_VERDICTS: Final[Mapping[State, str]] = {
    "PASS": "PASS, held against a published value, other runs or accepted ones",
    "INCONCLUSIVE": "INCONCLUSIVE, too few runs or too wide a spread to hold them against anything",
    "not judged": "none, they were held against nothing",
}


def _split(task: Task, metric: str) -> str:
    """The split that a metric was scored on, as the data set's own hub calls it."""
    further = (split for split in task.more if metric.endswith(suffix_of(split)) and metric not in task.scored)
    split = next(further, VALIDATION)
    return task.splits.get(split, split) if task.hub else split


def _made_of(line: Line, task: Task) -> str:
    # Of a further split a report does not keep how many examples it has.
    examples = line.row.examples if line.metric in task.scored else None
    return f"mean of {many(line.n, 'run')}" + (f" on {examples:,} examples" if examples else "")


def _checkpoint(one: CheckpointFacts) -> str:
    """Its source, what of its configuration was changed, how large it is, and the hash of its files."""
    told = [
        f"{code(one.source)}{f' @ {code(one.revision)}' if one.revision else ''}",
        *(f"{inline(name)} = {inline(canonical_json(value))}" for name, value in one.config.items()),
        f"{one.parameters:,} parameters" if one.parameters else "",
        f"sha256 {code(one.sha256[:12])}" if one.sha256 else "",
    ]
    return ", ".join(filter(None, told))


def _figures(line: Line) -> list[str]:
    places = decimals([line])
    spread = "" if line.sd is None else f" ± {line.sd:.{places}f}"
    bounds = "—" if line.low is None else f"{line.low:.{places}f} to {line.high:.{places}f}"
    return [str(line.n), f"{line.mean:.{places}f}{spread}", bounds]


def _rounded(line: Line) -> float:
    assert line.mean is not None  # what is published has a score
    return round(line.mean, decimals([line]))
