"""From a grid's combinations to its cells: recipes completed, batches divided, ids computed once a configuration."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from harness.errors import SpecError
from harness.grid.arguments import contradiction, default_of, frozen_defaults, normalized
from harness.grid.cell import AXES, DEFAULTS, TRAINER_ONLY, WORK_AROUNDS, Cell, Checkpoint
from harness.grid.keys import KEYS
from harness.grid.matrix import Combination, Matrix, identity
from harness.protocol import OWN_DATA
from harness.text import canonical_json, hash_of_json, show

if TYPE_CHECKING:
    from harness.grid.grid import Grid

_BATCH: Final = "per_device_train_batch_size"
_SEED_MARK: Final = "\x00 the seed \x00"
_SEED_MARK_JSON: Final = canonical_json(_SEED_MARK)


@dataclass
class _Configuration:
    """What the cells that differ only in seed share, so that 100,000 cells stay cheap."""

    fields: Mapping[str, Any]
    configuration_id: str
    before_seed: bytes
    after_seed: bytes
    count: int = 0


def expand(grid: Grid, matrix: Matrix, file: str) -> tuple[list[Cell], list[str]]:
    """Return the grid's cells in running order, and every problem as a line of text.

    The first seed of each configuration comes before any second one, so that an interrupted grid has measured
    everything once.
    """
    combinations = matrix.combinations()
    if not combinations:
        return [], [f"{file}: matrix: got no combination at all; allowed at least one left after exclude"]
    problems: dict[str, None] = {}
    configurations: dict[tuple[Any, ...], _Configuration | None] = {}
    ranked: list[tuple[int, Cell]] = []
    for combination in combinations:
        key = tuple((name, identity(value)) for name, value in combination.items() if name != "seed")
        if key not in configurations:
            try:
                configurations[key] = _configuration(grid, combination, matrix.scaling, file)
            except SpecError as error:
                configurations[key] = None
                problems[str(error)] = None
        configuration = configurations[key]
        if configuration is not None:
            ranked.append((configuration.count, _cell(configuration, combination)))
            configuration.count += 1
    ranked.sort(key=lambda pair: pair[0])
    cells = [cell for _, cell in ranked]
    return cells, [*problems, *_duplicates(cells, file)]


def _configuration(grid: Grid, combination: Combination, scaling: str, file: str) -> _Configuration:
    if "checkpoint" not in combination:
        raise SpecError(f"{file}: matrix.include: got {show(combination)}; allowed with a checkpoint: it fits no cell")
    name = combination["checkpoint"]
    spec = grid.checkpoint.get(name)
    recipe = dict(frozen_defaults(grid.recipe_defaults)) if grid.recipe_defaults else {}
    for layer in (grid.recipe, spec.recipe if spec else {}, combination):
        recipe.update({key: normalized(key, value) for key, value in layer.items() if key not in AXES})
    if recipe.get("peft") is False:
        del recipe["peft"]  # off is what a recipe without it is: one cell, however it is written
    if contradicts := contradiction(recipe):
        raise SpecError(f"{file}: recipe of {show(name)}: {contradicts}")
    devices = combination.get("devices", DEFAULTS["devices"])
    if scaling == "strong" and devices > 1:
        batch = recipe.get(_BATCH, default_of(_BATCH))
        if batch % devices:
            raise SpecError(
                f"{file}: matrix.devices: got {devices}; allowed divisors of the global batch size {batch} "
                f'({_BATCH} with scaling = "strong"), or scaling = "weak"'
            )
        recipe[_BATCH] = batch // devices
    defaults = {**DEFAULTS, **{name: getattr(grid, name) for name in WORK_AROUNDS}}
    task = combination.get("task", grid.task)
    table = grid.tasks.get(task)
    fields = {
        "task": task,
        "task_table": None if table is None else table.asked(),
        "checkpoint": (
            Checkpoint(name, spec.source, spec.revision, spec.config, spec.random) if spec else Checkpoint(name, name)
        ),
        "recipe": recipe,
        "head_seeding": grid.head_seeding,
        "threads": grid.execution.threads,
        "recipe_defaults": grid.recipe_defaults,
        **{axis: combination.get(axis, defaults[axis]) for axis in AXES if axis not in ("checkpoint", "task", "seed")},
        "subject": None if grid.subject is None else grid.subject.asked(),
    }
    sample = Cell(seed=0, **fields)
    _refuse_impossible(sample, file)
    before, mark, after = canonical_json({**sample.asked(), "seed": _SEED_MARK}).partition(_SEED_MARK_JSON)
    assert mark, "the seed is part of a cell's identity"
    configuration = hash_of_json((before.removesuffix('"seed":') + after.removeprefix(",")).encode())
    return _Configuration(fields, configuration, before.encode(), after.encode())


def _refuse_impossible(cell: Cell, file: str) -> None:
    """What an engine, or somebody else's code, has no way to do is not run under its name."""
    if cell.subject is not None and cell.engine != "trainer":
        raise SpecError(f'{file}: matrix.engine: got {show(cell.engine)}; allowed "trainer" beside [subject]')
    own = [name for name in KEYS if name in cell.recipe and not (name == "peft" and "trainer" in (cell.subject or {}))]
    if cell.subject is not None and own and cell.task == OWN_DATA:
        raise SpecError(
            f"{file}: recipe.{own[0]}: got {show(cell.recipe[own[0]])}; allowed without [subject], or with a task that "
            "it is handed: how its own data become batches is its own"
        )
    if cell.subject is not None and "script" in cell.subject and cell.resume_at:
        raise SpecError(f"{file}: matrix.resume_at: got {cell.resume_at}; allowed without subject.script")
    if cell.engine == "trainer":
        return
    if cell.engine == "loop" and cell.devices > 1:
        raise SpecError(
            f'{file}: matrix.devices: got {cell.devices}; allowed 1 with engine "loop", or engine "accelerate"'
        )
    for option in TRAINER_ONLY:
        value = getattr(cell, option)
        if value != DEFAULTS[option]:
            raise SpecError(f'{file}: matrix.{option}: got {show(value)}; allowed with engine "trainer" only')


def _cell(configuration: _Configuration, combination: Combination) -> Cell:
    seed = combination.get("seed", DEFAULTS["seed"])
    cell = Cell(seed=seed, axes=combination, **configuration.fields)
    text = configuration.before_seed + str(seed).encode() + configuration.after_seed
    # The cached properties' own slots: the same values they would compute, at a tenth of the cost.
    cell.__dict__["cell_id"] = hash_of_json(text)
    cell.__dict__["configuration_id"] = configuration.configuration_id
    return cell


def _duplicates(cells: list[Cell], file: str) -> list[str]:
    counts = Counter(cell.cell_id for cell in cells)
    if len(counts) == len(cells):
        return []
    repeated = {cell.cell_id: cell for cell in cells if counts[cell.cell_id] > 1}
    return [
        f"{file}: matrix: got {counts[cell_id]} cells that ask for the same, such as {show(cell.label)}; "
        "allowed each once"
        for cell_id, cell in repeated.items()
    ]
