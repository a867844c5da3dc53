"""A file that a user wrote: TOML read with errors that name line and column, and models' errors in the user's words."""

from __future__ import annotations

import datetime
import math
import re
import tomllib
import typing
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

from pydantic import AfterValidator, BaseModel, ValidationError

from harness.errors import SpecError
from harness.text import dotted, listed, show, suggestion

MAX_BYTES: Final = 8 * 2**20
MAX_DEPTH: Final = 12
MAX_KEYS: Final = 2000
"""Of one table: each unknown key is compared with every known one, and a grid has some hundred."""
MAX_PROBLEMS: Final = 50
ALLOWED: Final = "x-allowed"
"""In a JSON Schema: what is allowed, in words, where the standard's keywords cannot say it to people."""


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises
    ------
    SpecError
        For a path that is no readable regular file, for text that is not UTF-8 or not TOML.
    """
    return parse_toml(read_bytes(path, "the TOML file of a grid", MAX_BYTES), name_of(path))


def read_bytes(path: Path, wanted: str, most: int) -> bytes:
    """Read a file that a user named; `wanted` says in words what it should be, `most` how many bytes at most.

    Raises
    ------
    SpecError
        For a path that is no readable regular file of that size.
    """
    file = name_of(path)
    try:
        if path.is_dir():
            raise SpecError(f"{file}: is a folder; allowed {wanted}")
        if not path.exists():
            raise SpecError(f"{file}: no such file; allowed {wanted}")
        if not path.is_file() or path.stat().st_size > most:
            raise SpecError(f"{file}: allowed a regular file of at most {most // 2**20} MiB")
        return path.read_bytes()
    except (OSError, ValueError) as error:
        # ValueError: a path with a NUL character.
        raise SpecError(f"{file}: cannot be read: {error}") from error


def first_problem(error: ValidationError) -> str:
    """The first thing that is wrong with data that a program wrote: `field: what is wrong (got the value)`."""
    first = error.errors()[0]
    return f"{'.'.join(map(str, first['loc']))}: {first['msg']} (got {first.get('input')!r:.80})"


def decoded(content: bytes, file: str) -> str:
    """The text of a file, whose name in error texts is `file`.

    Raises
    ------
    SpecError
        Naming the line of what is no UTF-8.
    """
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        got = content[error.start : error.start + 1].hex()
        raise SpecError(f"{file}: line {line}: got byte 0x{got}; allowed UTF-8 text") from error


def name_of(path: Path) -> str:
    """Return a path as error texts show it: as it is where it is printable, else quoted."""
    return str(path) if str(path).isprintable() else show(str(path), limit=300)


def parse_toml(content: bytes, file: str) -> dict[str, Any]:
    """Parse the bytes of a TOML file; `file` is its name in error texts.

    Raises
    ------
    SpecError
        Naming the line, and the column where TOML's parser knows it.
    """
    text = decoded(content, file)
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        last = text.count("\n") + 1
        column = len(text) - text.rfind("\n")
        reason = str(error).replace("(at end of document)", f"(at line {last}, column {column}, the end)")
        raise SpecError(f"{file}: not valid TOML: {reason}") from error
    except RecursionError as error:
        raise SpecError(f"{file}: not valid TOML: nested too deeply; allowed {MAX_DEPTH} levels") from error
    except ValueError as error:
        # int() refuses more than 4300 digits before tomllib can say where.
        raise SpecError(f"{file}: not valid TOML: a number of thousands of digits; allowed 64 bits") from error


def junk(value: Any, where: str, depth: int = 0) -> Iterator[str]:
    """Yield a problem for everything that TOML has and a grid has no use for, wherever it stands."""
    if isinstance(value, (dict, list)) and depth >= MAX_DEPTH:
        yield f"{where}: nested too deeply; allowed {MAX_DEPTH} levels"
    elif isinstance(value, dict) and len(value) > MAX_KEYS:
        yield f"{where.removesuffix(': ')}: got {len(value)} keys; allowed at most {MAX_KEYS} in a table"
    elif isinstance(value, dict):
        for key, item in value.items():
            separator = "" if where.endswith(": ") else "."
            yield from junk(item, f"{where}{separator}{dotted(str(key))}", depth + 1)
    elif isinstance(value, list):
        for number, item in enumerate(value):
            # Most items are plain: a text for each would cost more than the check.
            if type(item) is not str:
                yield from junk(item, f"{where}[{number}]", depth + 1)
    elif isinstance(value, (bool, str)):
        return
    elif isinstance(value, int):
        if not -(2**63) <= value < 2**63:
            yield f"{where}: got {show(value)}; allowed integers of 64 bits"
    elif isinstance(value, float):
        if not math.isfinite(value):
            yield f"{where}: got {show(value)}; allowed finite numbers"
    elif isinstance(value, (datetime.date, datetime.time)):
        yield f"{where}: got {value.isoformat()}; a grid has no dates, allowed text in quotes"
    else:
        yield f"{where}: got {show(value)}; allowed what TOML has"


class Problems(list[str]):
    """What is wrong with a file, a line each; looking ends, with a SpecError, where there is more than is shown."""

    def append(self, text: str) -> None:
        """Note one more."""
        super().append(text)
        if len(self) > MAX_PROBLEMS:
            raise_problems(self)


def raise_problems(problems: Sequence[str]) -> None:
    """Raise all problems as one SpecError, a line each; return where there are none.

    Raises
    ------
    SpecError
        If there is any problem; beyond 50 they are not listed.
    """
    if problems:
        more = len(problems) - MAX_PROBLEMS
        lines = list(problems[:MAX_PROBLEMS])
        raise SpecError("\n".join(lines + ([f"... and at least {more} more problems"] if more > 0 else [])))


@dataclass(frozen=True)
class Only(AfterValidator):
    """A check in words, and as keywords of JSON Schema as far as those can say it."""

    allowed: str = ""
    schema: Mapping[str, Any] = field(default_factory=dict, hash=False)

    def __get_pydantic_json_schema__(self, core: Any, handler: Callable[[Any], dict[str, Any]]) -> dict[str, Any]:
        """The schema of what is checked, with what is allowed of it."""
        return {**handler(core), **self.schema, ALLOWED: self.allowed}


def only(allowed: str, sound: Callable[[Any], object], **schema: Any) -> Only:
    """Let pass the values that are `sound`; of another the error says `got VALUE; allowed ...`.

    `schema` are keywords of JSON Schema for it.
    """

    def check(value: Any) -> Any:
        if not sound(value):
            raise ValueError(f"got {show(value)}; allowed {allowed}")
        return value

    return Only(check, allowed, schema)


class _Problem(NamedTuple):
    """`text` says it all; where `allowed` is given it ends with that, so that a union's branches can be joined."""

    text: str
    allowed: str = ""


def explain(error: ValidationError, model: type[BaseModel], where: str, whole: str = "the grid") -> list[str]:
    """Return one line for every error, or one more than are shown: `WHERE: dotted.field: got VALUE; allowed ...`.

    `whole` names what is wrong where no field is.
    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for problem in error.errors(include_url=False):
        # A union fails once a branch, at one place.
        place = _location(problem["loc"])
        if place not in found and len(found) > MAX_PROBLEMS:
            break
        found.setdefault(place, []).append(problem)
    return [
        _line(where, place, whole, _joined([_problem(problem, model) for problem in problems]))
        for place, problems in found.items()
    ]


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
        elif not _TAG.fullmatch(part):
            text += f".{dotted(part)}" if text else dotted(part)
    return text


_TAG: Final = re.compile(
    r"(literal|dict|list|function-(after|before|plain|wrap))\[.*\]|constrained-(int|float|str)|\[key\]", re.DOTALL
)
"""How pydantic marks the branches of a union, and keys, in a location; nobody names a checkpoint like that."""


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
