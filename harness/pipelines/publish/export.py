"""What `harness export` does: results in the form of another program, none a FAIL where it is for publishing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from harness.disk import explained, write_files
from harness.errors import NothingMeasured, SpecError
from harness.grid.grid import load_grid
from harness.pipelines.check import Judging, check_grid
from harness.pipelines.judged import judged
from harness.pipelines.named.grids import part_named
from harness.pipelines.named.places import stores_named
from harness.pipelines.publish.frame import EVERY, frame, rows_of
from harness.pipelines.publish.sessions import sessions_of
from harness.pipelines.report import report_data
from harness.record.results import Results
from harness.record.store import Store
from harness.report.export.bencher import bencher_json
from harness.report.export.hub import eval_results, model_card
from harness.report.export.mlflow import to_mlflow
from harness.report.export.needs import needed
from harness.report.export.otava import otava_files
from harness.report.export.published import Held, Published, publishable
from harness.report.export.tensorboard import to_tensorboard
from harness.report.export.tracked import SERIES, Tracked
from harness.report.export.trackio import to_trackio
from harness.task import Task
from harness.text import listed, show

Place = Literal["text", "file", "folder", "database"]


@dataclass(frozen=True)
class Target:
    """One form: where it goes, whether verdicts say what may be in it, and whether it is of one configuration."""

    place: Place
    published: bool = False
    single: bool = False


TARGETS: Final[dict[str, Target]] = {
    "parquet": Target("file"),
    "csv": Target("text"),
    "bencher": Target("text", published=True),
    "otava": Target("folder"),
    "eval-results": Target("text", published=True, single=True),
    "model-card": Target("text", published=True, single=True),
    "trackio": Target("folder", published=True),
    "mlflow": Target("database", published=True),
    "tensorboard": Target("folder", published=True),
}
"""What `--to` takes, beside pytest-benchmark's JSON of timings."""


@dataclass(frozen=True)
class Wish:
    """What the user asks for: of what, in which form, and where it goes (None: it is printed)."""

    name: str
    to: str
    results: Path
    out: str | None = None
    selection: Sequence[str] = ()
    environment: str | None = None
    command: str = ""


@dataclass(frozen=True)
class Exported:
    """`text` is what there is to print or write; None where it was written. `held` was not published."""

    text: str | None
    written: Sequence[str] = ()
    held: Sequence[Held] = ()
    marked: Sequence[Published] = ()


def export_results(wish: Wish) -> Exported:
    """Hand out results in the form asked for.

    Raises
    ------
    HarnessError
        SpecError for what cannot be asked; NothingMeasured where nothing may be published, or there is nothing;
        RequirementError where a package is not installed; StoreError where a file cannot be read or written.
    """
    target = TARGETS.get(wish.to)
    if target is None:
        raise SpecError(f"--to: got {show(wish.to)}; allowed {listed(TARGETS)}")
    if target.place != "text" and not wish.out:
        raise SpecError(f"--to {wish.to}: needs --out with a {target.place}")
    if not target.published:
        if wish.selection:
            raise SpecError(f"--select: got it beside --to {wish.to}; allowed where verdicts say what is published")
        return _data(wish)
    return _published(wish, target)


def _data(wish: Wish) -> Exported:
    """Runs and measurements as they are: their own columns say how each ended."""
    if wish.to == "otava":
        stores = stores_named(wish.name, wish.results)
        sessions = [(store.grid, sessions_of(store)) for store in stores]
        if not any(found for _, found in sessions):
            raise NothingMeasured(f"{wish.name}: no measurement with a score yet")
        if len(stores) > 1:
            raise SpecError(f"--to otava: got {show(wish.name)}, a store of {len(stores)} grids; allowed one grid")
        files = otava_files(*sessions[0])
        return Exported(None, [str(path) for path in write_files(files, Path(wish.out or ""))])
    if wish.environment not in (None, EVERY):
        raise SpecError(f"--environment: got {show(wish.environment)}; allowed {EVERY} beside --to {wish.to}")
    found = frame(wish.name, wish.results, wish.environment)
    if wish.to == "csv":
        return Exported(str(found.to_csv(index=False, lineterminator="\n")))
    needed("pyarrow", wish.to)
    path = Path(wish.out or "")
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        found.to_parquet(path, engine="pyarrow", index=False)
    return Exported(None, [str(path)])


def _published(wish: Wish, target: Target) -> Exported:
    part = part_named(wish.name, wish.results, wish.selection)
    wish, grid = replace(wish, results=part.results, selection=part.select), load_grid(part.file)
    store, asked = Store(wish.results, grid.name), Judging(tuple(wish.selection), wish.environment)
    whole = judged(grid, store, asked.environment)
    checked = check_grid(grid, store, asked, whole)
    model = report_data(grid, store, asked, command=wish.command, found=whole, checked=checked).data.model
    kept, held = publishable(model, checked.verdicts)
    if not kept:
        told = listed([f"{one.label} ({one.why})" for one in held], 6) or "no run has a score"
        raise NothingMeasured(f"--to {wish.to}: nothing may be published: {told}")
    if target.single and len(kept) > 1:
        labels = listed([one.row.label for one in kept], 6)
        raise SpecError(f"--to {wish.to}: is of one model, got {len(kept)} configurations: {labels}; allowed --select")
    marked = [one for one in kept if one.mark]
    if wish.to == "bencher":
        return Exported(bencher_json(grid.name, kept), (), held, marked)
    if target.single:
        (one,) = kept
        task = _task_of(whole.results, one)
        text = (eval_results if wish.to == "eval-results" else model_card)(model, one, task)
        return Exported(text, (), held, marked)
    runs, out = list(_runs(wish, store, kept)), wish.out or ""
    if wish.to == "mlflow":
        to_mlflow(grid.name, runs, out if "://" in out else f"sqlite:///{Path(out).absolute()}")
    elif wish.to == "trackio":
        to_trackio(grid.name, runs, Path(out))
    else:
        to_tensorboard(runs, Path(out))
    return Exported(None, [f"{out} ({len(runs)} runs)"], held, marked)


def _task_of(results: Results, one: Published) -> Task:
    """What a published configuration learned."""
    return next(each.task for each in results.configurations if each.configuration_id == one.row.configuration_id)


def _runs(wish: Wish, store: Store, kept: Sequence[Published]) -> Iterator[Tracked]:
    """The runs behind what is published, those that collapsed among them."""
    marks = {(one.row.configuration_id, one.row.environment_id): one.mark for one in kept}
    for row in rows_of(store.folder, wish.results, EVERY):
        key = row.entry.configuration_id, row.entry.environment_id
        if key in marks and row.record is not None:
            yield Tracked(row, store.series(row.entry, list(SERIES)), row.record.asked.resume_at, marks[key])
