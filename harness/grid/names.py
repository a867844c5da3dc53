"""Names in a grid: what is defined and used, what a task, a checkpoint, a reference and a difference may be called.

Whatever can be known without files and without the network is an error when the grid is read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from harness.errors import SpecError
from harness.grid.arguments import UnknownField, check_recipe, default_of, frozen_versions, recipe_fields
from harness.grid.cell import DEFAULTS, LATER, WORK_AROUNDS
from harness.grid.environments import CURRENT
from harness.grid.labels import label_problems
from harness.grid.matrix import Matrix, identity
from harness.grid.tables import Reference, compare_problems
from harness.protocol import OWN_DATA, TINY_BERT
from harness.task import GLUE, NAMED, task_of
from harness.text import dotted, listed, show, suggestion
from harness.validation import Problems

if TYPE_CHECKING:
    from harness.grid.grid import Grid

TASKS: Final = tuple(NAMED)
"""The tasks that have a name; any other is a folder of GLUE files."""

FIELDS: Final = (
    "checkpoint", "config", "task", "num_train_epochs", "max_steps", "global_batch_size", "learning_rate",
    "lr_scheduler_type", "warmup_steps", "weight_decay", "precision", "devices", "engine", "selection",
)  # fmt: skip
"""What is compared of checkpoint, data and recipe, by the names under which a difference is declared harmless."""

OPTIONS: Final = tuple(name for name in LATER if name not in (*WORK_AROUNDS, "resume_at", "repeat"))
"""Options of a cell that no reference has, and that change what is trained; the others are noted, or change nothing."""

TRAINING: Final = (
    "optim", "optim_args", "optim_target_modules", "adam_beta1", "adam_beta2", "adam_epsilon", "max_grad_norm",
    "label_smoothing_factor", "neftune_noise_alpha", "lr_scheduler_kwargs", "train_sampling_strategy",
    "dataloader_drop_last", "max_length", "truncation", "peft",
)  # fmt: skip
"""Arguments that change the result; a reference that is silent on them has their defaults."""

DECLARABLE: Final = (*FIELDS, *OPTIONS, *TRAINING)
"""Every name that `quality.harmless` may have."""

_GLOBAL_BATCH: Final = "global_batch_size"


def recipe_problems(document: Mapping[str, Any], file: str) -> list[str]:
    """Find what no recipe of a grid may set, or set so: its own, and those of its checkpoints.

    Raises
    ------
    SpecError
        Where there is more than is shown.
    """
    problems = Problems()
    recipes = [("recipe", document.get("recipe"))]
    checkpoints = document.get("checkpoint")
    if isinstance(checkpoints, dict):
        for name, spec in checkpoints.items():
            if isinstance(spec, dict):
                recipes.append((f"checkpoint.{dotted(name)}.recipe", spec.get("recipe")))
    for where, recipe in recipes:
        for field, value in recipe.items() if isinstance(recipe, dict) else ():
            try:
                check_recipe(field, value, f"{file}: {where}.{dotted(field)}")
            except SpecError as error:
                problems.append(str(error))
    return problems


def name_problems(grid: Grid, matrix: Matrix, file: str) -> list[str]:
    """Find names that are defined and unused, used and undefined, or defined twice."""
    problems = []
    if grid.recipe_defaults is not None and grid.recipe_defaults not in frozen_versions():
        got, known = show(grid.recipe_defaults), listed(frozen_versions())
        problems.append(f"{file}: recipe_defaults: got {got}; allowed {known}")
    problems += _subject_problems(grid, file)
    axis = [str(value) for value in _used(matrix, "task")]
    where = f"{file}: {'matrix.task' if axis else 'task'}"
    plain = [name for name in axis or [grid.task] if name not in grid.tasks]
    for name in plain:
        if _is_reserved(name, TASKS):
            allowed = f"{listed(TASKS)}, or a folder of GLUE files{suggestion(name, TASKS)}"
            problems.append(f"{where}: got {show(name)}; allowed {allowed}")
    if not problems and grid.task_folder is not None and not set(plain) & set(GLUE):
        got = f"got {show(grid.task_folder)} with task {show(grid.task)}"
        problems.append(f"{file}: task_folder: {got}; allowed with a task of the hub, like glue/mrpc")
    problems += _metric_problems(grid, axis or [grid.task], file)
    if grid.quality is not None:
        for number, name in enumerate(grid.quality.harmless):
            if name not in DECLARABLE:
                where = f"{file}: quality.harmless[{number}]"
                allowed = f"{listed(DECLARABLE, len(DECLARABLE))}{suggestion(name, DECLARABLE)}"
                problems.append(f"{where}: got {show(name)}; allowed {allowed}")
    for name in WORK_AROUNDS:
        if name in grid.model_fields_set and name in matrix.axes:
            problems.append(f"{file}: {name}: is an axis of the matrix too; allowed one of the two")
    used = {key: _used(matrix, key) for key in ("checkpoint", "environment")}
    for name in used["checkpoint"]:
        defined = name in grid.checkpoint
        source = grid.checkpoint[name].source if defined else name
        if _is_reserved(source, (TINY_BERT,)):
            where = f"{file}: checkpoint.{dotted(name)}.from" if defined else f"{file}: matrix.checkpoint"
            problems.append(f"{where}: got {show(source)}; allowed {TINY_BERT}, or a checkpoint of the hub or a folder")
    for name in grid.checkpoint:
        if name not in used["checkpoint"]:
            allowed = f"only what the axis matrix.checkpoint uses: {listed(used['checkpoint'])}"
            problems.append(f"{file}: checkpoint.{dotted(name)}: is defined and not used; allowed {allowed}")
        for field in grid.checkpoint[name].recipe:
            if field in matrix.axes:
                where = f"{file}: checkpoint.{dotted(name)}.recipe.{field}"
                problems.append(f"{where}: is an axis of the matrix too; allowed one of the two")
    for label in used["environment"]:
        if label != CURRENT and label not in grid.environments:
            known = listed((CURRENT, *grid.environments))
            allowed = f"{known}, as defined in the grid, or a requirement, as transformers==4.57.6"
            problems.append(f"{file}: matrix.environment: got {show(label)}; allowed {allowed}")
    for label in grid.environment:
        if label == CURRENT:
            problems.append(f"{file}: environment.{CURRENT}: is the running interpreter; allowed another name")
        elif label not in used["environment"]:
            allowed = f"only what the axis matrix.environment uses: {listed(used['environment']) or 'nothing'}"
            problems.append(f"{file}: environment.{dotted(label)}: is defined and not used; allowed {allowed}")
    if grid.compare:
        problems += compare_problems(grid.compare, values_of(grid, matrix), f"{file}: compare")
    if grid.label:
        problems += label_problems(grid.label, values_of(grid, matrix), grid.task, f"{file}: label")
    seen: set[tuple[str, str | None]] = set()
    for number, reference in enumerate(grid.reference):
        key = (reference.name, reference.row or reference.metric)
        if key in seen:
            problems.append(f"{file}: reference[{number}].id: got {show(reference.name)} again; allowed once a metric")
        seen.add(key)
        problems += _reference_problems(reference, f"{file}: reference[{number}]")
        problems += _known_recipe_problems(reference, f"{file}: reference[{number}].recipe")
        problems += _misspelt_checkpoint(reference, grid, used["checkpoint"], f"{file}: reference[{number}].checkpoint")
    return problems


def _metric_problems(grid: Grid, tasks: Sequence[str], file: str) -> Iterator[str]:
    """Metrics that are gated on, or published, and that no task has; and a reference of which of several tasks."""
    subject = None if grid.subject is None else grid.subject.asked()
    tables = {name: table.asked() for name, table in grid.tasks.items()}
    about = [task_of(name, tables.get(name), subject) for name in tasks]
    known = list(dict.fromkeys(metric for one in about for metric in one.scored))
    for number, one in enumerate(grid.reference):
        where = f"{file}: reference[{number}].task"
        if one.task is not None and one.task not in tasks:
            yield f"{where}: got {show(one.task)}; allowed {listed(tasks)}{suggestion(one.task, tasks)}"
        elif one.task is None and one.written and len(tasks) > 1:
            yield f"{where}: missing; the grid has several: allowed {listed(tasks)}"
    named = [(f"reference[{number}].metric", one.metric) for number, one in enumerate(grid.reference)]
    if grid.quality is not None:
        named += [(f"quality.gate[{number}]", name) for number, name in enumerate(grid.quality.gate or ())]
    for where, name in named:
        if name is not None and name not in known:
            yield f"{file}: {where}: got {show(name)}; allowed {listed(known)}{suggestion(name, known)}"


def timing_problems(grid: Grid, matrix: Matrix, file: str) -> list[str]:
    """What cannot be timed, and what asks for scores where cells are only timed; of a grid that has its cells."""
    asked = grid.throughput
    if asked is None:
        return []
    problems = []
    used, place = values_of(grid, matrix), f"{file}: throughput"
    for axis, value in asked.where.items():
        where = f"{place}.where.{dotted(axis)}"
        if axis not in used or axis == "seed":
            allowed = [name for name in used if name != "seed"]
            problems.append(
                f"{where}: not an axis of this matrix; allowed {listed(allowed)}{suggestion(axis, allowed)}"
            )
        elif identity(value) not in map(identity, used[axis]):
            problems.append(f"{where}: got {show(value)}; allowed {listed(map(show, used[axis]))}")
    timed = grid.timing_cells()
    if not problems and not timed:
        problems.append(f"{place}.where: got {show(asked.where)}; no configuration has all of these values")
    if asked.against is not None and "engine" in used:
        problems.append(
            f"{place}.against: got {show(asked.against)}; allowed where engine is not an axis of the matrix"
        )
    elif asked.against is not None and timed and not any(cell.engine == asked.against for cell in timed):
        why = "without [subject], and for one device at least where it is the loop"
        problems.append(f"{place}.against: got {show(asked.against)}, which none of these can be run by; allowed {why}")
    for axis in ("repeat", "resume_at"):
        if _used(matrix, axis):
            problems.append(f"{file}: matrix.{axis}: is an axis; allowed without [throughput], which has `processes`")
    if asked.only:
        tables = {"quality": grid.quality, "reference": grid.reference, "compare": grid.compare}
        judged = [name for name, found in tables.items() if found]
        if matrix.seed_plan is not None:
            judged.append("matrix.seeds")
        problems += [
            f"{file}: {name}: needs scores; throughput.only = true trains no cell to its end; allowed one of the two"
            for name in judged
        ]
    return problems


def _reference_problems(reference: Reference, where: str) -> list[str]:
    """What is wrong with a reference that is only named: the registry does not know it, or it is of another split."""
    if reference.id is None or reference.report is not None or reference.written:
        return []
    from harness.references import find  # numpy: only a grid that names a reference waits for it

    try:
        known = find(reference.id, f"{where}.id")
    except SpecError as error:
        return [str(error)]
    if known.split != "validation":
        return [f"{where}.id: got {show(reference.id)}; it is on the {known.split} split, runs are on validation"]
    return []


def _misspelt_checkpoint(reference: Reference, grid: Grid, used: list[str], where: str) -> Iterator[str]:
    """A checkpoint that is named almost as one of the grid's own: a label, or a folder that is not there.

    Of the hub's names none is refused: the next model's may differ by a letter.
    """
    name, folders = reference.checkpoint, [one for one in used if one.startswith((".", "/"))]
    if name is None or name in used or any(name == one.source for one in grid.checkpoint.values()):
        return
    here = name.startswith((".", "/")) and not (grid.folder / name).exists()
    known = folders if here else [] if "/" in name else list(grid.checkpoint)
    if meant := suggestion(name, known):
        yield f"{where}: got {show(name)}; allowed {listed(known)}, or another checkpoint's name{meant}"


def _known_recipe_problems(reference: Reference, where: str) -> Iterator[str]:
    """What is said of a reference's recipe in words that no run is described by: it would never be compared."""
    for field, value in reference.recipe.items():
        place = f"{where}.{dotted(field)}"
        try:
            if field == _GLOBAL_BATCH:
                check_recipe("per_device_train_batch_size", value, place)
            else:
                check_recipe(field, value, place)
        except UnknownField:
            known = (_GLOBAL_BATCH, *recipe_fields())
            text = f"{place}: got {show(value)}; not a TrainingArguments field, nor {_GLOBAL_BATCH}"
            yield f"{text}{suggestion(field, known)}"
        except SpecError as error:
            yield str(error)


def _subject_problems(grid: Grid, file: str) -> Iterator[str]:
    """What somebody else's training code cannot be asked for."""
    if grid.subject is None:
        if grid.task == OWN_DATA:
            yield f"{file}: task: got {show(OWN_DATA)}; allowed left out beside [subject]"
        return
    if grid.subject.script is None:
        return
    if grid.task != OWN_DATA:
        yield f"{file}: task: got {show(grid.task)}; allowed without subject.script, which brings its own data"
    for name, spec in grid.checkpoint.items():
        for field in ("config", "random"):
            if value := getattr(spec, field):
                where = f"{file}: checkpoint.{dotted(name)}.{field}"
                yield f"{where}: got {show(value)}; allowed without subject.script, which loads the checkpoint itself"


def _is_reserved(name: str, known: tuple[str, ...]) -> bool:
    """Whether a name begins as only names of the harness do, and is none of them: `glue/mprc`, `embedded/x`."""
    families = {one.partition("/")[0] for one in known}
    return name not in known and "/" in name and name.partition("/")[0] in families


def values_of(grid: Grid, matrix: Matrix) -> dict[str, list[Any]]:
    """The values that cells have on each axis; on one of `include` alone the others have what they have without it."""
    values = {axis: _used(matrix, axis) for axis in matrix.axes}
    for axis in dict.fromkeys(axis for entry in matrix.include for axis in entry if axis not in values):
        default = [] if axis == "checkpoint" else [DEFAULTS.get(axis, grid.recipe.get(axis))]
        default = [default_of(axis)] if default == [None] else default
        values[axis] = [*default, *(value for value in _used(matrix, axis) if value not in default)]
    return values


def _used(matrix: Matrix, axis: str) -> list[Any]:
    """The values of an axis, each once: its own and those of `include`."""
    included = (entry[axis] for entry in matrix.include if axis in entry)
    return list({identity(value): value for value in [*included, *matrix.axes.get(axis, ())][::-1]}.values())[::-1]
