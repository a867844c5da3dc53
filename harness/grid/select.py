"""Selecting cells by what they are: `--select precision=fp16 --select seed=1,2`.

Values of one axis are alternatives, different axes must all hold. A value is written as the grid writes it;
numbers compare as numbers, so `learning_rate=5e-5` finds 0.00005.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Final

from harness.errors import SpecError
from harness.grid.cell import AXES, Cell
from harness.grid.matrix import identity
from harness.text import listed, show, suggestion

_OWN: Final = (*AXES, "timed")
_NAMED: Final = re.compile(r"(?P<name>.*?)(?::(?=[A-Za-z_]\w*\s*=)(?P<selector>.*))?", re.DOTALL)
_ABSENT: Final = ("a cell without this argument",)

Own = Callable[[str, Any], str | None]
"""What a grid calls a value of an axis (`Namer.own`); None where it has no word of its own for it."""


def select(cells: Sequence[Cell], expressions: Iterable[str], own: Own | None = None) -> list[Cell]:
    """Return the cells that all expressions `AXIS=VALUE[,VALUE...]` select, in their order; a value also by its label.

    Raises
    ------
    SpecError
        For an expression without `=`, an axis that no cell has, a value that no cell has at that axis, or
        values that no cell has together; the text names what there is.
    """
    wanted: dict[str, set[Any]] = {}
    for expression in expressions:
        axis, equals, text = expression.partition("=")
        axis = axis.strip()
        if not equals or not axis or not text.strip():
            raise SpecError(f"--select: got {show(expression)}; allowed AXIS=VALUE or AXIS=VALUE,VALUE")
        chosen = wanted.setdefault(axis, set())
        spellings = _spellings(cells, axis)
        for value in split_values(text):
            found = _meant(value, axis, spellings, own)
            if not found:
                names = [shown for shown, _ in spellings.values()]
                close = suggestion(value, names)
                raise SpecError(f"--select {axis}: got {show(value)}; allowed {listed(names)}{close}")
            chosen |= found
    selected = list(cells)
    for axis, keys in wanted.items():
        selected = [cell for cell in selected if _key(cell, axis) in keys]
    if wanted and not selected:
        raise SpecError(f"--select: no cell has {' and '.join(wanted)} as selected together; allowed fewer conditions")
    return selected


def named_part(text: str) -> tuple[str, dict[str, str]]:
    """Read `NAME[:AXIS=VALUE[,VALUE][,AXIS=VALUE]]`: the name, and the values wanted of some axes, joined by commas.

    Raises
    ------
    SpecError
        For a selector that is none, or that names an axis twice.
    """
    match = _NAMED.fullmatch(text)
    assert match is not None  # every text has a name, if an empty one
    wanted: dict[str, str] = {}
    axis = ""
    for part in split_values(match["selector"]) if match["selector"] else ():
        if axis and part and "=" not in part:
            wanted[axis] += f",{part}"  # one more value of it
            continue
        axis, equals, value = (piece.strip() for piece in part.partition("="))
        if not (axis and equals and value) or axis in wanted:
            allowed = "AXIS=VALUE or AXIS=VALUE,VALUE, each axis once, joined by commas"
            raise SpecError(f"{show(text)}: got {show(part)}; allowed {allowed}")
        wanted[axis] = value
    return match["name"], wanted


def is_one_value(text: str) -> bool:
    """Whether a selector's text wants a single value of its axis."""
    return len(split_values(text)) == 1


def as_value(value: Any) -> str:
    """A value as a selector has it, quoted where a comma in it would part it."""
    return json.dumps(value) if "," in str(value) else spelled(value)


def fitting(
    name: str, places: Sequence[Mapping[str, Any]], wanted: Mapping[str, str], own: Own | None = None
) -> list[bool]:
    """Which places in a matrix, value by axis, have one of the values wanted, as people write them or the grid does.

    Raises
    ------
    SpecError
        For an axis or a value that nothing has; `name` is what errors call the whole.
    """
    keys: dict[str, set[Any]] = {}
    for axis, value in wanted.items():
        known = list(dict.fromkeys(axis for place in places for axis in place))
        if axis not in known:
            raise SpecError(f"{name}: got {show(axis)}; allowed axes {listed(known)}{suggestion(axis, known)}")
        spellings = {identity(p[axis]): (spelled(p[axis]), p[axis]) for p in places if axis in p}
        keys[axis] = set()
        for one in split_values(value):
            found = _meant(one, axis, spellings, own)
            if not found:
                there = list(dict.fromkeys(text for text, _ in spellings.values()))
                raise SpecError(f"{name}: {axis}: got {show(one)}; allowed {listed(there)}{suggestion(one, there)}")
            keys[axis] |= found
    return [all(axis in one and identity(one[axis]) in meant for axis, meant in keys.items()) for one in places]


def selecting(cells: Sequence[Cell]) -> dict[str, list[str]]:
    """By configuration, the expressions that select it among these cells: its values of the axes that vary."""
    values: dict[str, set[Any]] = {axis: set() for cell in cells for axis in cell.axes if axis != "seed"}
    firsts = {cell.configuration_id: cell for cell in reversed(cells)}
    for axis, known in values.items():
        known.update(_key(cell, axis) for cell in firsts.values())
    axes = [axis for axis, known in values.items() if len(known) > 1]
    return {
        configuration_id: [f"{axis}={as_value(value)}" for axis in axes if (value := _value(cell, axis)) is not _ABSENT]
        for configuration_id, cell in firsts.items()
    }


def split_values(text: str) -> list[str]:
    """Split at commas, but not inside quotes, brackets or braces."""
    parts, depth, quoted, current = [], 0, False, ""
    for char in text:
        if char == '"':
            quoted = not quoted
        elif not quoted:
            depth += (char in "[{") - (char in "]}")
        if char == "," and depth == 0 and not quoted:
            parts.append(current.strip())
            current = ""
        else:
            current += char
    return [*parts, current.strip()]


def _meant(text: str, axis: str, spellings: Mapping[Any, tuple[str, Any]], own: Own | None) -> set[Any]:
    """The identities of the values that a text means; where it is no value, by what the grid calls them."""
    found = {key for key, (_, value) in spellings.items() if names_value(text, value)}
    if found or own is None:
        return found
    labels = {key: own(axis, value) for key, (_, value) in spellings.items()}
    return {key for key, label in labels.items() if label is not None and names_value(text, label)}


def _spellings(cells: Sequence[Cell], axis: str) -> dict[Any, tuple[str, Any]]:
    """Return identity -> (text, value) of every value that the axis has among the cells."""
    found: dict[Any, tuple[str, Any]] = {}
    for cell in cells:
        value = _value(cell, axis)
        if value is not _ABSENT:
            key = identity(value)
            if key not in found:
                found[key] = (spelled(value), value)
    if not found and cells:
        known = list(dict.fromkeys([*_OWN, *(name for cell in cells for name in (*cell.axes, *cell.recipe))]))
        raise SpecError(f"--select: got {show(axis)}; allowed axes {listed(known)}{suggestion(axis, known)}")
    return found


def _value(cell: Cell, axis: str) -> Any:
    if axis == "checkpoint":
        return cell.checkpoint.name
    if axis in _OWN:
        return getattr(cell, axis)
    # As the grid spells it: with strong scaling the recipe's own batch is already divided.
    return cell.axes[axis] if axis in cell.axes else cell.recipe.get(axis, _ABSENT)


def _key(cell: Cell, axis: str) -> Any:
    value = _value(cell, axis)
    return _ABSENT if value is _ABSENT else identity(value)


def spelled(value: Any) -> str:
    """A value as people write it in a selection."""
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def names_value(text: str, value: Any) -> bool:
    """Whether a selection's text means this value."""
    if text == spelled(value):
        return True
    try:
        parsed = json.loads(text)
        return parsed is not None and bool(identity(parsed) == identity(value))
    except (ValueError, RecursionError):  # no JSON, or a NaN within, which no grid has
        return _as_number(text, value)


def _as_number(text: str, value: Any) -> bool:
    """Compare what TOML can write and JSON cannot: 1_000, +5, 0x10."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    try:
        number = float(int(text, 0)) if text[:2].lower() in ("0x", "0o", "0b") else float(text)
    except (ValueError, OverflowError):
        return False
    return math.isfinite(number) and number == value
