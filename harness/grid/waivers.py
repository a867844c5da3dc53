"""Waivers: failures that someone has looked at and lets pass until a day, written in a file for review."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Annotated, Any, Final, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from harness.grid.cell import Cell
from harness.grid.tables import Finite, Table, Text
from harness.text import show
from harness.validation import only

Check = Literal[
    "quality", "parity", "comparison", "stability", "baseline", "speed", "fidelity", "reproducibility", "invariants"
]  # fmt: skip
"""What can be waived: every check that a grid or `harness verify` has."""

CHECKS: Final[tuple[str, ...]] = get_args(Check)
OF_RUNS: Final = frozenset({"fidelity", "reproducibility", "invariants"})
"""Those of `harness verify`: what they find are findings, each with a ratio or with no number."""
COLLAPSES: Final = "collapses"
"""The item of a FAIL of `baseline` that rests on how many runs collapsed, and of all of `stability`."""
Unit = Literal["points", "fraction", "percent", "ratio"]
UNITS: Final[Mapping[str, Unit]] = {
    "quality": "points", "parity": "points", "comparison": "points", "baseline": "points",
    "stability": "fraction", "speed": "percent",
}  # fmt: skip
"""The unit of a bound by check; of the others it is a ratio."""

_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")
_ISSUE: Final = re.compile(r"[\w.-]+/[\w.-]+#[1-9]\d{0,9}|https?://[^\s/]+/\S+", re.ASCII)
_ON_GITHUB: Final = re.compile(r"https?://(?:www\.)?github\.com/([\w.-]+/[\w.-]+)/(?:issues|pull)/(\d+)\S*", re.ASCII)


def _day(value: Any) -> datetime.date:
    if type(value) is datetime.date:  # a datetime is a date too, and none that is meant here
        return value
    try:
        # fromisoformat alone also takes 20261231 and 2026-W53-4, which nobody reads as a day.
        if isinstance(value, str) and _DAY.fullmatch(value):
            return datetime.date.fromisoformat(value)
    except ValueError:
        pass
    raise ValueError(f'got {show(value)}; allowed a day as text, such as "2026-12-31"')


class Waiver(Table):
    """One waiver: `[[waiver]]` of a grid. It holds up to and on the day `expires`, and is void after it.

    `configuration` is a configuration's label without the seed ("minilm · bf16") or its `configuration_id`; of a check
    of `verify` also the first parts of a run's label. `item` is what is judged: a metric, the kind of an invariant, or
    a finding ("logged loss"). Without it a waiver of `verify` fits only what the harness recognises as `issue`.

    `bound` is the largest effect that is let pass: points, a fraction of the runs (`stability`, item "collapses"),
    percent (`speed`), or in `verify` a ratio, either way. What has a number is not waived without a bound.
    """

    check: Check
    configuration: Text | None = None
    item: Text | None = None
    issue: Annotated[str, only("a URL or OWNER/REPOSITORY#NUMBER", _ISSUE.fullmatch, pattern=f"^(?:{_ISSUE.pattern})$")]
    bound: Annotated[Finite, Field(gt=0, le=1e6)] | None = None
    reason: Text
    author: Text
    expires: Annotated[datetime.date, BeforeValidator(_day)]

    @model_validator(mode="after")
    def _whole(self) -> Waiver:
        if self.check in OF_RUNS:
            if self.bound is not None and self.bound < 1:
                raise ValueError(f".bound: got {show(self.bound)}; allowed a ratio of 1 or more, either way")
            return self
        if self.configuration is None:
            raise ValueError(f".configuration: missing; it is required with check {show(self.check)}")
        if self.bound is None:
            raise ValueError(f".bound: missing; it is required with check {show(self.check)}, {self.unit}")
        if self.unit == "fraction" and self.bound > 1:
            raise ValueError(f".bound: got {show(self.bound)}; allowed a fraction of the runs, at most 1")
        return self

    @property
    def unit(self) -> Unit:
        """The unit of its bound."""
        return "fraction" if self.item == COLLAPSES else UNITS.get(self.check, "ratio")

    @property
    def issue_id(self) -> str:
        """The issue as OWNER/REPOSITORY#NUMBER where it is one on GitHub, else as written."""
        found = _ON_GITHUB.fullmatch(self.issue)
        return f"{found[1]}#{found[2]}" if found else self.issue

    def void(self, today: datetime.date) -> bool:
        """Whether its day has passed."""
        return today > self.expires


def waiver_problems(waivers: Sequence[Waiver], cells: Iterable[Cell], where: str) -> Iterator[str]:
    """Yield a line for each waiver that comes twice, also once by label and once by id."""
    by_label = {cell.configuration_label: cell.configuration_id for cell in cells} if waivers else {}
    seen: set[tuple[str | None, ...]] = set()
    for number, waiver in enumerate(waivers):
        got = waiver.configuration
        whom = by_label.get(got, got) if got is not None else None
        # What fits by its issue is another one where the issue is.
        issue = waiver.issue_id if waiver.check in OF_RUNS and waiver.item is None else None
        key = (whom, waiver.check, waiver.item, issue)
        if key in seen:
            field, value = ("configuration", got) if got is not None else ("check", waiver.check)
            again = f"again for check {show(waiver.check)}" if got is not None else "again for the same"
            yield f"{where}[{number}].{field}: got {show(value)} {again}; allowed once a check and item"
        seen.add(key)
