"""Accepted files (of scores, of speed): JSON that is read strictly, and laid out so that its diff reads well."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, NoReturn, TypeVar

from pydantic import ValidationError

from harness.errors import SpecError
from harness.grid.tables import Table
from harness.text import show
from harness.validation import explain, raise_problems

Place = tuple[str, ...]
"""Where a value stands in a file: keys from the outside in, `*` for any key or number."""

Model = TypeVar("Model", bound="Accepted")


class Accepted(Table, ABC):
    """What an accepted file holds."""

    @abstractmethod
    def problems(self) -> list[str]:
        """What no single field shows, a line each that begins with its dotted field."""


def checked(data: Mapping[str, Any], model: type[Model], schema: int, file: str) -> Model:
    """The contents of an accepted file, `schema` being the newest that its model knows, `file` its name in error texts.

    Raises
    ------
    SpecError
        With a line for every problem: file, dotted field, value got, what is allowed.
    """
    found = data.get("schema")
    if isinstance(found, int) and not isinstance(found, bool) and found > schema:
        raise SpecError(f"{file}: schema: got {show(found)}, of a newer harness; allowed 1 to {schema}")
    try:
        accepted = model.model_validate(data)
    except ValidationError as error:
        raise_problems(explain(error, model, file))
        raise AssertionError("a validation error has problems") from error
    raise_problems([f"{file}: {problem}" for problem in accepted.problems()])
    return accepted


class RefusedError(ValueError):
    """JSON that a parser would take and that we do not; its text says what was got and what is allowed."""


def no_constant(name: str) -> NoReturn:
    """Refuse NaN and infinities, which JSON does not have; for `json.loads`, as the next one."""
    raise RefusedError(f"got {name}; allowed finite numbers")


def no_key_twice(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Refuse a key that comes twice: a merge that kept both sides would silently lose one of them."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise RefusedError(f"got the key {show(key)} twice in one table; allowed once")
        found[key] = value
    return found


def laid_out(data: Any, one_line: Sequence[Place], place: Place = ()) -> str:
    """JSON indented by one blank a level; what stands at a place of `one_line` keeps to one line, whatever it holds."""
    if not isinstance(data, (dict, list)) or not data or any(_fits(place, pattern) for pattern in one_line):
        return json.dumps(data, ensure_ascii=False, allow_nan=False)
    indent, close = " " * (len(place) + 1), " " * len(place)
    if isinstance(data, dict):
        rows = [
            f"{json.dumps(key, ensure_ascii=False)}: {laid_out(item, one_line, (*place, key))}"
            for key, item in data.items()
        ]
    else:
        rows = [laid_out(item, one_line, (*place, "*")) for item in data]
    first, last = "{}" if isinstance(data, dict) else "[]"
    return f"{first}\n{indent}" + f",\n{indent}".join(rows) + f"\n{close}{last}"


def _fits(place: Place, pattern: Place) -> bool:
    return len(place) == len(pattern) and all(b in ("*", a) for a, b in zip(place, pattern, strict=True))
