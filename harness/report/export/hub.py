"""The Hugging Face Hub's forms of results: a file of `.eval_results/`, and a model card with its model-index."""

from __future__ import annotations

from typing import Final

from harness.errors import SpecError
from harness.report.export.needs import needed
from harness.report.export.published import Published
from harness.report.export.table import Line, decimals
from harness.report.format.escape import clean, fenced, inline
from harness.report.format.metrics import metric_head
from harness.report.format.table import table
from harness.report.run.model import ReportModel
from harness.task import Task
from harness.text import show

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
    mark = f", {result.mark}" if result.mark else ""
    found = [
        hub.EvalResult(
            task_type=kind,
            task_name=title,
            dataset_type=task.hub or task.name,
            dataset_name=task.name,
            dataset_config=task.config,
            dataset_split="validation",
            metric_type=line.metric,
            metric_name=f"{metric_head(line.metric)} in points, mean of {line.n}{mark}",
            metric_value=_rounded(line),
        )
        for line in result.lines
    ]
    base = [one.source for one in model.checkpoints if one.name == result.row.axes.get("checkpoint")]
    known = [source for source in base if ":" not in source and not source.startswith(("/", ".", "embedded/"))]
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
    body = [
        f"---\n{data.to_yaml()}\n---",
        f"# {inline(name)}",
        f"{inline(task.name)}, validation split: {inline(result.made_of, LONGEST)}.",
        table(heads, rows, "lrrr"),
        "Made by:",
        fenced(model.command, "sh"),
        f"By {inline(model.generated_by)}.",
    ]
    return "\n\n".join(body) + "\n"


def _figures(line: Line) -> list[str]:
    places = decimals([line])
    spread = "" if line.sd is None else f" ± {line.sd:.{places}f}"
    bounds = "—" if line.low is None else f"{line.low:.{places}f} to {line.high:.{places}f}"
    return [str(line.n), f"{line.mean:.{places}f}{spread}", bounds]


def _rounded(line: Line) -> float:
    assert line.mean is not None  # what is published has a score
    return round(line.mean, decimals([line]))
