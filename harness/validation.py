"""What pydantic found wrong with a file, in the user's words: dotted field, value got, what is allowed."""

from __future__ import annotations

import typing
from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from pydantic import BaseModel, ValidationError

from harness.text import dotted, listed, show, suggestion


class _Problem(NamedTuple):
    """`text` says it all; where `allowed` is given it ends with that, so that a union's branches can be joined."""

    text: str
    allowed: str = ""


def explain(error: ValidationError, model: type[BaseModel], where: str, whole: str = "the grid") -> list[str]:
    """Return one line for every error: `WHERE: dotted.field: got VALUE; allowed ...`.

    `whole` names what is wrong where no field is.
    """
    found: dict[str, list[_Problem]] = {}
    for problem in error.errors(include_url=False):
        # A union fails once a branch, at one place.
        found.setdefault(_location(problem["loc"]), []).append(_problem(problem, model))
    return [_line(where, place, whole, _joined(problems)) for place, problems in found.items()]


def _line(where: str, place: str, whole: str, text: str) -> str:
    """A check of a whole table says itself which of the table's fields is wrong: its text begins with a dot."""
    if text.startswith(".") and not place:
        return f"{where}: {text[1:]}"
    return f"{where}: {place or whole}{text}"


def _joined(problems: Sequence[_Problem]) -> str:
    first = problems[0].text
    also = [problem.allowed for problem in problems[1:] if problem.allowed]
    return " or ".join([first, *also]) if problems[0].allowed else first


def _problem(problem: Mapping[str, Any], model: type[BaseModel]) -> _Problem:
    context, kind, got = problem.get("ctx", {}), problem["type"], show(problem["input"])
    if kind == "missing":
        return _Problem(": missing; it is required")
    if kind == "value_error":
        text = str(context["error"])
        return _Problem(text if text.startswith(".") else f": {text}")
    said = f": got {got}"
    if kind == "extra_forbidden":
        known = _keys_at(model, problem["loc"][:-1])
        said, allowed = f"{said}; not a key here", f"{listed(known)}{suggestion(str(problem['loc'][-1]), known)}"
    elif kind == "literal_error":
        allowed = str(context["expected"]).replace(" or ", ", ").replace("'", "")
        if isinstance(problem["input"], str):
            allowed += suggestion(problem["input"], allowed.split(", "))
    else:
        allowed = _ALLOWED.get(kind) or _bound(kind, context) or problem["msg"]
    return _Problem(f"{said}; allowed {allowed}", allowed)


_ALLOWED: Final = {
    "string_type": "text in quotes",
    "int_type": "an integer",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "dict_type": "a table",
    "model_type": "a table",
    "model_attributes_type": "a table",
    "list_type": "a list",
}


def _bound(kind: str, context: Mapping[str, Any]) -> str:
    for word, sign in (("ge", ">="), ("gt", ">"), ("le", "<="), ("lt", "<")):
        if word in context:
            return f"a value {sign} {context[word]}"
    if kind == "too_short":
        return f"at least {context['min_length']} entries"
    return ""


def _location(parts: Sequence[Any]) -> str:
    text = ""
    for part in parts:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not part.startswith(_TAGS):
            text += f".{dotted(part)}" if text else dotted(part)
    return text


_TAGS: Final = ("literal[", "constrained-", "function-", "dict[", "list[", "[key]")
"""How pydantic marks the branches of a union, and keys, in a location; no key of a file starts like that."""


def _keys_at(model: type[BaseModel], location: Sequence[Any]) -> list[str]:
    """Return the keys that the table at `location` may have, as the file spells them."""
    here: Any = model
    for part in location:
        if isinstance(here, type) and issubclass(here, BaseModel):
            here = {field.alias or name: field.annotation for name, field in here.model_fields.items()}.get(part)
        else:
            # The values of a list or table.
            here = typing.get_args(here)[-1]
        if type(None) in typing.get_args(here):
            here = typing.get_args(here)[0]
    return [field.alias or name for name, field in here.model_fields.items()]
