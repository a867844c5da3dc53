"""What `harness verify` runs: for each cell asked about short runs of its own, in pairs; and their verdicts."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from harness.checks.verdict import Check, Fact, Side, Verdict
from harness.checks.verify.fidelity import fidelity
from harness.checks.verify.findings import side_of
from harness.checks.verify.invariants import Kind, invariant
from harness.checks.verify.reproducibility import reproducibility
from harness.grid.arguments import default_of
from harness.grid.cell import WORK_AROUNDS, Cell
from harness.record.run import Run

STEPS: Final = 8
"""Optimizer steps of a short run: enough for two resumed halves, few enough for rounding not to grow."""
MAX_STEPS: Final = 20
ACCUMULATION: Final = 4
RANKS: Final = 2
EVAL_BATCH_FACTOR: Final = 4
ENGINES: Final = ("loop", "accelerate")
WHOLE_EPOCH: Final = {"embedded/paraphrase": 48}
"""Tasks whose epoch is short enough to be run whole, with a batch that does not divide it (800 = 16 x 48 + 32)."""
KINDS: Final = (
    "repeat", "accumulation", "devices", "eval_batch", "resume", "observation", "checkpointing", "threads", "engine",
    "epoch_end", "epochs", "padding",
)  # fmt: skip
NOT_QUICK: Final = ("threads", "padding")
THREADS: Final = 2
SMALL_BATCH: Final = 32
"""Most rows of a global batch where two epochs are run: they are epochs of 3.25 batches, of so few examples."""
EPOCH: Final = 4
"""Steps of such an epoch, the last of them of a quarter of a batch; where accumulated, of a single micro-batch."""
RESUMED: Final = (EPOCH // 2, EPOCH, EPOCH + EPOCH // 2)
"""Steps after which a run is resumed: inside an epoch, at its end, in a later one."""
WATCHED: Final[tuple[Mapping[str, Any], ...]] = (
    {"logging_strategy": "steps", "logging_steps": 1},
    {"save_strategy": "steps", "save_steps": 2},
    {"dataloader_num_workers": 1},
)
"""Ways of watching, saving and loading that must leave training as it is; evaluating is another."""
_BATCH, _EVAL_BATCH = "per_device_train_batch_size", "per_device_eval_batch_size"
_ACCUMULATION = "gradient_accumulation_steps"
_SHOWN: Final = (
    "eval_strategy", "logging_steps", "save_strategy", "dataloader_num_workers", "activation_checkpointing",
)  # fmt: skip
"""Fields of a recipe that tell a run from its twin."""
_SAVING: Final = (
    "save_steps",
    "load_best_model_at_end",
    "metric_for_best_model",
    "greater_is_better",
    "save_total_limit",
)


@dataclass(frozen=True)
class Pair:
    """Two cells that must come to the same, and in which sense."""

    kind: Kind | str
    base: Cell
    twin: Cell


@dataclass(frozen=True)
class Checklist:
    """`pairs` are compared; every cell in them is checked for fidelity too. `skipped` says what is not run, and why."""

    pairs: tuple[Pair, ...]
    skipped: tuple[Verdict, ...] = ()

    def quick(self) -> Checklist:
        """Each check once in each environment, of the ways of one kind the one that most is known to go wrong with.

        Without threads, which take a second core, and padding, which is told and never fails.
        """
        once: dict[tuple[str, str], Pair] = {}
        kept = [pair for pair in self.pairs if pair.kind not in NOT_QUICK]
        for pair in sorted(kept, key=lambda one: one.twin.resume_at != EPOCH):
            once.setdefault((pair.base.environment, pair.kind), pair)
        return Checklist(tuple(pair for pair in kept if pair in once.values()))

    @property
    def kinds(self) -> dict[str, str]:
        """By cell id in which way a cell is run: "plain", or the kind of pair whose other side is plain."""
        found = {}
        for pair in self.pairs:
            odd, other = (pair.base, pair.twin) if pair.kind == "engine" else (pair.twin, pair.base)
            found[odd.cell_id] = "plain" if pair.kind == "repeat" else str(pair.kind)
            found.setdefault(other.cell_id, "plain")
        return found

    @property
    def cells(self) -> list[Cell]:
        """Every cell to run, once."""
        return list({cell.cell_id: cell for pair in self.pairs for cell in (pair.base, pair.twin)}.values())


def make_checklist(
    cells: Iterable[Cell], steps: int = STEPS, *, kinds: Collection[str] = KINDS, every_seed: bool = False
) -> Checklist:
    """Derive the short runs that verify these cells: of each configuration its first seed, or every one.

    Reproducibility is checked as the cell asks, twice over. The invariants are checked in fp32 without dropout, on a
    global batch that 4 micro-batches and 2 ranks divide.
    """
    pairs: dict[tuple[str, str, str], Pair] = {}
    skipped: dict[str, Verdict] = {}
    seen: set[str] = set()
    for cell in cells:
        identity = cell.cell_id if every_seed else cell.configuration_id
        if identity in seen:
            continue
        seen.add(identity)
        asked = _short(cell, steps)
        found = [Pair("repeat", asked, _twin(asked, repeat=2))]
        if cell.engine == "trainer":
            found += _invariants(cell, steps)
            for kind in (one for one in _unfit(cell) if one in kinds):
                reason = Fact.of("foreign.unfit", item=kind)
                skipped[kind] = Verdict("invariants", "SKIP", Side(cell.checkpoint.name), reason, item=kind)
            if cell.subject is None and cell.task not in WHOLE_EPOCH and "padding" in kinds:
                reason = Fact.of("padding.needs_whole_epoch", task=cell.task, tasks=list(WHOLE_EPOCH))
                skipped[cell.task] = Verdict("invariants", "SKIP", Side(cell.checkpoint.name), reason, item="padding")
        for pair in (one for one in found if one.kind in kinds):
            pairs.setdefault((pair.kind, pair.base.cell_id, pair.twin.cell_id), pair)
    return Checklist(tuple(pairs.values()), tuple(skipped.values()))


def judge(checklist: Checklist, runs: Mapping[str, Run]) -> list[Verdict]:
    """Give every verdict of a checklist; `runs` maps cell ids to finished runs."""
    verdicts = [
        fidelity(runs[cell.cell_id]) if cell.cell_id in runs else _missing("fidelity", runs, cell)
        for cell in checklist.cells
    ]
    return [*verdicts, *(_judge_pair(pair, runs) for pair in checklist.pairs), *checklist.skipped]


def _judge_pair(pair: Pair, runs: Mapping[str, Run]) -> Verdict:
    repeat = pair.kind == "repeat"
    base, twin = runs.get(pair.base.cell_id), runs.get(pair.twin.cell_id)
    if base is None or twin is None:
        check: Check = "reproducibility" if repeat else "invariants"
        return _missing(check, runs, pair.twin, pair.base, "" if repeat else pair.kind)
    return reproducibility(base, twin) if repeat else invariant(pair.kind, base, twin)


def _missing(
    check: Check, runs: Mapping[str, Run], subject: Cell, against: Cell | None = None, item: str = ""
) -> Verdict:
    lacking = [cell.label for cell in (against, subject) if cell is not None and cell.cell_id not in runs]
    reason = Fact.of("run.missing", runs=lacking)
    other = None if against is None else _side(against, runs)
    return Verdict(check, "ERROR", _side(subject, runs), reason, against=other, item=item)


def _side(cell: Cell, runs: Mapping[str, Run]) -> Side:
    """The cell's run, or what is known of it where it left none."""
    run = runs.get(cell.cell_id)
    return Side(cell.label, cell.configuration_id) if run is None else side_of(run)


def _invariants(cell: Cell, steps: int) -> list[Pair]:
    batch = _global_batch(cell)
    recipe = {name: value for name, value in cell.recipe.items() if name not in _SAVING}
    recipe |= {"max_steps": _steps(cell, steps), "eval_strategy": "no", "save_strategy": "no"}
    recipe |= {_BATCH: batch, _ACCUMULATION: 1}
    base = _named(
        replace(
            cell,
            recipe=recipe,
            precision="fp32",
            devices=1,
            dropout=False,
            head_seeding="seeded",
            repeat=1,
            resume_at=0,
        )
    )
    eval_batch = recipe.get(_EVAL_BATCH, default_of(_EVAL_BATCH)) * EVAL_BATCH_FACTOR
    pairs = [
        Pair("accumulation", base, _twin(base, **{_BATCH: batch // ACCUMULATION, _ACCUMULATION: ACCUMULATION})),
        Pair("devices", base, _twin(base, devices=RANKS, **{_BATCH: batch // RANKS})),
        Pair("eval_batch", base, _twin(base, **{_EVAL_BATCH: eval_batch})),
        Pair("threads", base, _twin(base, threads=THREADS if base.threads == 1 else 1)),
        *_over_epochs(base),
    ]
    if base.subject is not None:  # the loops know the harness's own recipe alone
        return [pair for pair in pairs if pair.kind not in _unfit(base)]
    # The plain loop is the yardstick: ratios say how much more the Trainer has.
    pairs += [
        Pair("engine", _twin(base, engine=engine, **dict.fromkeys(WORK_AROUNDS, "model")), base) for engine in ENGINES
    ]
    if cell.task in WHOLE_EPOCH:
        uneven = WHOLE_EPOCH[cell.task]
        whole = _twin(base, **{_BATCH: uneven, "max_steps": -1, "num_train_epochs": 1.0})
        pairs.append(Pair("padding", whole, _twin(whole, devices=RANKS, **{_BATCH: uneven // RANKS})))
    return pairs


def _unfit(cell: Cell) -> tuple[str, ...]:
    """Kinds that somebody else's code cannot be asked for: it has no loop beside it, and a script runs once."""
    if cell.subject is None:
        return ()
    return ("engine", "padding", *(("resume",) if "script" in cell.subject else ()))


def _over_epochs(base: Cell) -> list[Pair]:
    """Two epochs of few examples, with dropout: watched and not, resumed and not; without: their uneven ends."""
    batch = min(SMALL_BATCH, base.recipe[_BATCH])
    few = {"subset": 3 * batch + batch // 4, "max_steps": 2 * EPOCH, _BATCH: batch}
    plain = _twin(base, dropout="model", activation_checkpointing=False, **few)
    evaluating = _twin(plain, eval_strategy="epoch")
    found = [Pair("resume", evaluating, _twin(evaluating, resume_at=step)) for step in RESUMED]
    found += [Pair("observation", plain, one) for one in (evaluating, *(_twin(plain, **way) for way in WATCHED))]
    found.append(Pair("checkpointing", plain, _twin(plain, activation_checkpointing=True)))
    # The work-around keeps a known defect of every step from hiding what is done to an epoch's last.
    whole = _twin(base, accepts_loss_kwargs=False, **few)
    rest = _twin(whole, **{_BATCH: batch // ACCUMULATION, _ACCUMULATION: ACCUMULATION})
    found.append(Pair("epoch_end", whole, rest))
    # How many steps an epoch comes to, where micro-batches are left over, may itself be wrong.
    found.append(Pair("epochs", rest, _twin(rest, max_steps=-1, num_train_epochs=2.0)))
    return [pair for pair in found if pair.base.cell_id != pair.twin.cell_id]


def _short(cell: Cell, steps: int) -> Cell:
    return _named(replace(cell, recipe={**cell.recipe, "max_steps": _steps(cell, steps)}))


def _steps(cell: Cell, steps: int) -> int:
    asked = cell.recipe.get("max_steps", -1)
    return min(steps, asked) if asked > 0 else steps


def _global_batch(cell: Cell) -> int:
    """The cell's own global batch, rounded up to what accumulation and ranks divide with two examples to spare."""
    asked = cell.recipe.get(_BATCH, default_of(_BATCH)) * cell.recipe.get(_ACCUMULATION, 1) * cell.devices
    unit = ACCUMULATION * RANKS
    return int(-(-asked // unit) * unit)


def _twin(cell: Cell, **changes: Any) -> Cell:
    """The cell with some options and recipe fields changed."""
    options = {name: value for name, value in changes.items() if hasattr(cell, name)}
    recipe = {**cell.recipe, **{name: value for name, value in changes.items() if name not in options}}
    return _named(replace(cell, recipe=recipe, **options))


def _named(cell: Cell) -> Cell:
    """The cell with a place in a matrix of its own, so that people can tell it from its twins."""
    recipe: Mapping[str, Any] = cell.recipe
    axes: dict[str, Any] = {"checkpoint": cell.checkpoint.name, "seed": cell.seed, "precision": cell.precision}
    if cell.environment != "current":
        axes["environment"] = cell.environment
    if cell.engine != "trainer":
        axes["engine"] = cell.engine
    batch, accumulation = recipe.get(_BATCH, default_of(_BATCH)), recipe.get(_ACCUMULATION, 1)
    axes["batch"] = " x ".join(
        [
            *([f"{cell.devices} ranks"] if cell.devices > 1 else []),
            *([str(accumulation)] if accumulation > 1 else []),
            str(batch),
        ]
    )
    for name in ("accepts_loss_kwargs", "evaluation_draws", "dropout"):
        if getattr(cell, name) is False:
            axes[name] = False
    for name in ("resume_at", "subset"):
        if getattr(cell, name):
            axes[name] = getattr(cell, name)
    if cell.threads > 1:
        axes["threads"] = cell.threads
    axes |= {name: recipe[name] for name in _SHOWN if recipe.get(name) not in (None, False, 0, "no")}
    if _EVAL_BATCH in recipe:
        axes["eval_batch"] = recipe[_EVAL_BATCH]
    if recipe.get("max_steps") == -1 and "num_train_epochs" in recipe:
        axes["num_train_epochs"] = recipe["num_train_epochs"]
    if cell.repeat > 1:
        axes["repeat"] = cell.repeat
    return replace(cell, axes=axes)
