"""Waivers: failures that someone has looked at and lets pass until a day, written in the grid for review."""

from __future__ import annotations

import datetime
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, Protocol, get_args

from pydantic import BeforeValidator

from harness.grid.cell import Cell
from harness.grid.tables import Table, Text
from harness.text import listed, show, suggestion

Check = Literal["quality", "parity", "stability", "baseline"]
"""What can be waived: the checks of scores."""

CHECKS: Final[tuple[str, ...]] = get_args(Check)
_DAY: Final = re.compile(r"\d{4}-\d{2}-\d{2}")


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

    `configuration` is a configuration's label without the seed ("minilm · bf16") or its `configuration_id`.
    """

    configuration: Text
    check: Check
    reason: Text
    author: Text
    expires: Annotated[datetime.date, BeforeValidator(_day)]

    def void(self, today: datetime.date) -> bool:
        """Whether its day has passed."""
        return today > self.expires

    def covers(self, judged: Judged, plain_label: str | None = None) -> bool:
        """Whether it names this verdict's check and configuration.

        `plain_label` is the configuration's label without environment and content, where these had to be added: a
        waiver of that covers it in all of them.
        """
        names = (judged.subject.label, judged.subject.configuration_id, plain_label)
        return self.check == judged.check and self.configuration in names


class Subject(Protocol):
    """Whom a verdict is about (`harness.checks.verdict.Side`)."""

    @property
    def label(self) -> str: ...  # noqa: D102
    @property
    def configuration_id(self) -> str: ...  # noqa: D102


class Judged(Protocol):
    """What a waiver looks at in a verdict (`harness.checks.verdict.Verdict`)."""

    @property
    def check(self) -> str: ...  # noqa: D102
    @property
    def outcome(self) -> str: ...  # noqa: D102
    @property
    def subject(self) -> Subject: ...  # noqa: D102


def applies(waivers: Iterable[Waiver], judged: Judged, today: datetime.date) -> Waiver | None:
    """The first waiver in force that covers this verdict; None also where the verdict is no FAIL."""
    if judged.outcome != "FAIL":
        return None
    return next((one for one in waivers if not one.void(today) and one.covers(judged)), None)


@dataclass(frozen=True)
class Use:
    """What became of one waiver: `used` by so many failures, `unused`, or `void` (then `failures` it would cover)."""

    waiver: Waiver
    state: Literal["used", "unused", "void"]
    failures: int


def ledger(waivers: Sequence[Waiver], verdicts: Iterable[Judged], today: datetime.date) -> tuple[Use, ...]:
    """Count every waiver's failures, in the grid's order; a failure counts for the first waiver that covers it."""
    failed = [one for one in verdicts if one.outcome == "FAIL"]
    covering = [applies(waivers, one, today) for one in failed]
    found = []
    for waiver in waivers:
        if waiver.void(today):
            count = sum(waiver.covers(one) and by is None for one, by in zip(failed, covering, strict=True))
            found.append(Use(waiver, "void", count))
        else:
            count = sum(by is waiver for by in covering)
            found.append(Use(waiver, "used" if count else "unused", count))
    return tuple(found)


def waiver_problems(waivers: Sequence[Waiver], cells: Iterable[Cell], file: str) -> Iterator[str]:
    """Yield a line for each waiver of a configuration that the grid does not have, and for each that comes twice."""
    names: dict[str, str] = {}
    if waivers:
        names = {cell.configuration_id: cell.configuration_label for cell in cells}
    by_label = {label: configuration_id for configuration_id, label in names.items()}
    seen: set[tuple[str, str]] = set()
    for number, waiver in enumerate(waivers):
        where, got = f"{file}: waiver[{number}].configuration", waiver.configuration
        if got not in names and got not in by_label:
            allowed = f"a configuration id, or {listed(map(show, by_label))}"
            yield f"{where}: got {show(got)}; allowed {allowed}{suggestion(got, by_label)}"
            continue
        key = (by_label.get(got, got), waiver.check)
        if key in seen:
            yield f"{where}: got {show(got)} again for check {show(waiver.check)}; allowed once a check"
        seen.add(key)
