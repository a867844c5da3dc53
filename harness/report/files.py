"""A report as files, `{file name: text}`: of a grid's results, or again from its own JSON."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from harness import __version__
from harness.checks.scores.compared import Comparison
from harness.checks.verdict import Verdict, named
from harness.errors import SpecError
from harness.grid.grid import Grid
from harness.record.results import Results
from harness.report.format.units import fields_of, place_of
from harness.report.run.build import build_report
from harness.report.run.model import SCHEMA, GridFacts, ReportHead, ReportModel
from harness.report.run.render import KIND, render
from harness.report.speed.build import timing_plan
from harness.report.verdicts.json import verdicts_from_json
from harness.text import show

SUFFIX: Final = ".json"


def report_model(
    grid: Grid,
    results: Results,
    *,
    command: str,
    title: str | None = None,
    notes: Sequence[str] = (),
    head: ReportHead | None = None,
    comparisons: Sequence[Comparison] = (),
) -> ReportModel:
    """What a grid's cells came to; `command` makes the report again."""
    facts = GridFacts(
        name=grid.name,
        task=grid.task,
        file=str(grid.path),
        text=grid.file.read_text(encoding="utf-8"),
        timing=timing_plan(grid, [cell for cell in results.cells if cell.timed]),
    )
    generator = f"finetune-harness {__version__}"
    model = build_report(facts, results, command=command, generated_by=generator, title=title, notes=notes)
    return replace(model, head=head, comparisons=tuple(comparisons))


@dataclass(frozen=True)
class ReportData:
    """A report before it is rendered: its model, and the verdicts on it."""

    model: ReportModel
    verdicts: Sequence[Verdict] = ()

    def files(self, stem: str = "report", rendered: date | None = None) -> dict[str, str]:
        """The report's files by name; `rendered` is today."""
        return render(self.model, stem, verdicts=self.verdicts, rendered=rendered)

    def page(self, rendered: date | None = None) -> str:
        """The report as one HTML page that needs nothing but itself; `rendered` is today."""
        from harness.report.page.page import report_page

        return report_page(self.model, self.verdicts, rendered)

    def plots(self, stem: str, formats: Sequence[str]) -> dict[str, bytes]:
        """Its plots in formats beside SVG, of `FORMATS`: the same figures, by name."""
        if not formats:
            return {}
        from harness.report.format.svg import as_file
        from harness.report.run.plots import figures
        from harness.report.verdicts.forest import forest_figure

        drawn = figures(self.model, self.verdicts, alone=True)
        forest = forest_figure(self.verdicts)
        drawn |= {} if forest is None else {"forest": forest}
        return {f"{stem}-{name}.{kind}": as_file(page, kind) for name, page in drawn.items() for kind in formats}


def read_report(path: Path) -> ReportData:
    """Read the report whose JSON this is, with the verdicts whose JSON lies beside it.

    Raises
    ------
    SpecError
        Naming the file, the field, what was got and what is allowed.
    """
    if path.suffix != SUFFIX:
        raise SpecError(f"--from: got {show(str(path))}; allowed a report's JSON file")
    model = _read_model(path)
    beside = path.with_name(f"{path.stem}-verdicts{SUFFIX}")
    verdicts = verdicts_from_json(_text(beside), str(beside))[1] if beside.is_file() else ()
    rows = {row.configuration_id: row.label for row in model.rows}
    sides = [side for one in verdicts for side in (one.subject, one.against) if side and not side.shown]
    names = {side.label: rows[side.configuration_id] for side in sides if side.configuration_id in rows}
    return ReportData(model, [named(one, names) for one in verdicts])


def files_again(path: Path, stem: str, rendered: date | None = None) -> dict[str, str]:
    """Render the report whose JSON this is; `rendered` is today. Raises as `read_report` does."""
    return read_report(path).files(stem, rendered)


def _read_model(path: Path) -> ReportModel:
    try:
        data = json.loads(_text(path))
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{path}: is no JSON: {error}") from error
    found = {key: data.get(key) for key in ("schema", "kind")} if isinstance(data, Mapping) else data
    if found not in ({"schema": schema, "kind": KIND} for schema in range(1, SCHEMA + 1)):
        raise SpecError(
            f"{path}: schema, kind: got {show(found)}; allowed {SCHEMA} or older and {KIND}, as `report` writes them"
        )
    fields: dict[str, Any] = fields_of({key: value for key, value in data.items() if key not in found})
    try:
        return _reader().validate_python(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in place_of(data, first["loc"]))
        raise SpecError(f"{path}: {place}: got {show(first['input'])}; allowed: {first['msg']}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, ValueError) as error:
        raise SpecError(f"{path}: cannot be read: {error}") from error


@functools.cache
def _reader() -> TypeAdapter[ReportModel]:
    return TypeAdapter(ReportModel)
