"""The envelope of every command's `--json`: verdicts, complete; and back again."""

from __future__ import annotations

import dataclasses
import functools
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from pydantic import TypeAdapter, ValidationError

from harness.checks.verdict import ORDER, Fact, Verdict, exit_code
from harness.errors import SpecError
from harness.report.format.as_json import dumped, plain
from harness.report.format.units import fields_of, place_of
from harness.report.phrases.say import say
from harness.report.verdicts.older import OLDER
from harness.report.verdicts.words import Head
from harness.text import listed, show

SCHEMA: Final = 3
"""Number of this form: it rises when a field changes its meaning, its name or goes. Older ones are read too."""

_NUMBERS: Final = {str(number): number for number in (float("nan"), float("inf"), float("-inf"))}


@dataclass(frozen=True)
class _Parts:
    """What of an envelope is not made of the rest."""

    head: Head
    exit_code: int
    verdicts: tuple[Verdict, ...]


def verdicts_json(head: Head, verdicts: Sequence[Verdict], code: int | None = None, indent: int | None = 1) -> str:
    """Return the envelope; `code` is the exit code where it is not that of all these verdicts."""
    return dumped(envelope(head, verdicts, code), indent)


def envelope(head: Head, verdicts: Sequence[Verdict], code: int | None = None) -> dict[str, Any]:
    """The same as plain data; keys stand in the order of the dataclasses' fields."""
    counts = Counter(verdict.outcome for verdict in verdicts)
    return {
        "schema": SCHEMA,
        "kind": f"harness-{head.kind}",
        "head": _head(head),
        "counts": {outcome: counts[outcome] for outcome in ORDER} | {"waived": sum(one.waived for one in verdicts)},
        "exit_code": exit_code(verdicts, inconclusive=head.inconclusive) if code is None else code,
        "verdicts": plain(list(verdicts)),
    }


def _head(head: Head) -> dict[str, Any]:
    """Without comparisons where the grid names none, and without problems where there is none."""
    data: dict[str, Any] = plain(head)
    return {name: value for name, value in data.items() if value or name not in ("comparisons", "problems")}


def verdicts_from_json(text: str, name: str = "JSON") -> tuple[Head, tuple[Verdict, ...]]:
    """Read an envelope back; `name` is what errors call it.

    Raises
    ------
    SpecError
        Where it is none, of another schema, or has a fact that its phrase cannot say; names the field, what was got and
        what is allowed.
    """
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise SpecError(f"{name}: is no JSON: {error}") from error
    schema = data.get("schema") if isinstance(data, dict) else None
    if schema not in (*OLDER, SCHEMA) or not str(data.get("kind")).startswith("harness-"):
        allowed = f"schema {SCHEMA} of harness's --json, or an older one"
        raise SpecError(f"{name}: schema, kind: got {_what(data)}; allowed {allowed}")
    if schema in OLDER:
        data = fields_of(OLDER[schema](data, name))
    try:
        found = _reader().validate_python(fields_of(data))
    except ValidationError as error:
        raise SpecError("\n".join(_problems(error, data, name))) from error
    again = envelope(found.head, found.verdicts, found.exit_code)
    again = again if schema == SCHEMA else {**fields_of(again), "schema": schema}
    # What reading has changed or dropped was not ours: an unknown key, a number as text, counts of other verdicts.
    for place, got, known in _changes(data, again):
        raise SpecError(f"{name}: {place}: got {show(got)}; allowed {known}")
    for place, got, why in _unsayable(data):
        raise SpecError(f"{name}: {place}: got {show(got)}; allowed the values of a fact {show(got['code'])}: {why}")
    return _with_facts(found.head), tuple(_with_facts(one) for one in found.verdicts)


@functools.cache
def _reader() -> TypeAdapter[_Parts]:
    return TypeAdapter(_Parts)


def _with_facts(value: Any) -> Any:
    """The same with the facts among facts' values as facts: to pydantic these are plain tables."""
    if isinstance(value, Fact):
        return Fact(value.code, {name: _value(item) for name, item in value.values.items()})
    if isinstance(value, tuple):
        return tuple(_with_facts(item) for item in value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return replace(value, **{one.name: _with_facts(getattr(value, one.name)) for one in dataclasses.fields(value)})
    return value


def _value(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_value(item) for item in value)
    if isinstance(value, str):
        return _NUMBERS.get(value, value)
    if not isinstance(value, dict):
        return value
    if _is_fact(value):
        return _with_facts(Fact(value["code"], value["values"]))
    return {name: _value(item) for name, item in value.items()}


def _is_fact(value: Any) -> bool:
    if not isinstance(value, dict) or value.keys() != {"code", "values"}:
        return False
    return isinstance(value["code"], str) and isinstance(value["values"], dict)


def _unsayable(data: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str, Any, str]]:
    """(field, fact, why) of facts whose values are not those of their code's phrase, the innermost first."""
    items: Iterable[tuple[str | int, Any]] = ()
    if isinstance(data, dict):
        items = data.items()
    elif isinstance(data, list):
        items = enumerate(data)
    for key, item in items:
        yield from _unsayable(item, (*place, key))
    if _is_fact(data):
        try:
            say(_value(data))
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            yield _place(place), data, str(error)


def _problems(error: ValidationError, data: Any, name: str) -> Iterator[str]:
    """A line each: the field, what was got and what is allowed."""
    for problem in error.errors(include_url=False):
        # Of a union the location names the branch too.
        place = _place(place_of(data, [part for part in problem["loc"] if part not in ("Decision", "Speed")]))
        if problem["type"] == "missing":
            yield f"{name}: {place}: missing; it is required"
        else:
            allowed = problem.get("ctx", {}).get("expected") or problem["msg"]
            yield f"{name}: {place}: got {show(problem['input'])}; allowed {allowed}"


def _changes(old: Any, new: Any, place: tuple[str | int, ...] = ()) -> Iterator[tuple[str, Any, str]]:
    """(field, what was got, what is allowed) wherever two pieces of plain data differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in old.keys() - new.keys():
            yield _place((*place, key)), old[key], f"no such key, but {listed(new)}"
        for key in new.keys() & old.keys():
            yield from _changes(old[key], new[key], (*place, key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, pair in enumerate(zip(old, new, strict=True)):
            yield from _changes(*pair, (*place, number))
    elif old != new or isinstance(old, bool) != isinstance(new, bool):
        yield _place(place), old, show(new)


def _place(parts: Sequence[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in parts).removeprefix(".")


def _what(data: Any) -> str:
    return show([data.get("schema"), data.get("kind")] if isinstance(data, dict) else data)
