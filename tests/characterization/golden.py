"""Golden files: JSON or normalised text, compared by path or line so that a failure says what changed.

HARNESS_REGENERATE_GOLDEN=1 writes them anew; read the diff before committing it.
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent / "golden"
MOST_SHOWN: Final = 40
_LAYOUT: Final = re.compile(r"[─-╿|]|(?<!\S)[-=_]{3,}(?!\S)|[ \t]+")
"""What a table is drawn with: box characters, bars, rules and blanks."""


def same(name: str, found: Any, depth: int = 2) -> None:
    """Compare plain data with golden/NAME.json; `depth` is how many levels of it are laid out over lines."""
    found = rounded(json.loads(json.dumps(found, sort_keys=True)))
    path = FOLDER / f"{name}.json"
    if os.environ.get("HARNESS_REGENERATE_GOLDEN"):
        path.write_text(_laid_out(found, depth) + "\n", encoding="utf-8")
    expected = json.loads(path.read_text(encoding="utf-8"))
    old, new = dict(_leaves(expected)), dict(_leaves(found))
    changes = [
        f"{place}: {old.get(place, '(nothing)')} -> {new.get(place, '(nothing)')}"
        for place in dict.fromkeys([*old, *new])
        if place not in old or place not in new or old[place] != new[place]
    ]
    shown = "\n".join(changes[:MOST_SHOWN])
    assert not changes, f"{path.name}: {len(changes)} differences, golden -> now:\n{shown}"


def same_text(name: str, found: str | Sequence[str], whole: Mapping[str, str] | None = None) -> None:
    """Compare the lines of a text with golden/NAME.txt; `whole` has the full text behind a line, to be shown."""
    lines = found.splitlines() if isinstance(found, str) else list(found)
    path = FOLDER / f"{name}.txt"
    if os.environ.get("HARNESS_REGENERATE_GOLDEN"):
        path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    expected = path.read_text(encoding="utf-8").splitlines()
    diff = list(difflib.unified_diff(expected, lines, path.name, "now", lineterm="", n=1))
    now = [whole[line] for line in lines if whole and line not in expected]
    assert not diff, "\n".join([*diff[: MOST_SHOWN * 2], *(f"\nnow in full:\n{text}" for text in now[:5])])


def words(text: str) -> list[str]:
    """Lines of a text without its layout: no rules, bars and boxes, one blank between words, no empty lines."""
    lines = (" ".join(_LAYOUT.sub(" ", line).split()) for line in text.splitlines())
    return [line for line in lines if line]


def rounded(data: Any) -> Any:
    """The same data with floats to 6 significant digits: libraries of mathematics differ in the last bits."""
    if isinstance(data, float):
        return float(f"{data:.6g}")
    if isinstance(data, Mapping):
        return {key: rounded(value) for key, value in data.items()}
    return [rounded(one) for one in data] if isinstance(data, list) else data


def _paths(data: Any, place: str) -> Iterator[tuple[str, Any]]:
    if isinstance(data, Mapping):
        for key, value in data.items():
            name = "*" if re.fullmatch(r"[0-9a-f]{20}|-?\d+", key) else key
            yield f"{place}.{name}".removeprefix("."), value
            yield from _paths(value, f"{place}.{name}")
    elif isinstance(data, list):
        for value in data:
            yield from _paths(value, f"{place}[]")


def _leaves(data: Any, place: str = "") -> Iterator[tuple[str, str]]:
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(data, Mapping):
        items = ((f".{key}", value) for key, value in data.items())
    elif isinstance(data, list):
        items = ((f"[{number}]", value) for number, value in enumerate(data))
    if not isinstance(data, Mapping | list) or not data:
        yield place, json.dumps(data, ensure_ascii=False)
    for key, value in items:
        yield from _leaves(value, f"{place}{key}")


def _laid_out(data: Any, depth: int, indent: str = "") -> str:
    if not depth or not data or not isinstance(data, Mapping | list):
        return json.dumps(data, ensure_ascii=False, sort_keys=True)
    inner = f"{indent} "
    if isinstance(data, Mapping):
        rows = [f"{json.dumps(key)}: {_laid_out(data[key], 0 if key == 'keys' else depth - 1, inner)}" for key in data]
        return "{\n" + ",\n".join(inner + row for row in rows) + f"\n{indent}}}"
    return "[\n" + ",\n".join(inner + _laid_out(one, depth - 1, inner) for one in data) + f"\n{indent}]"


def shortened(data: Any, most: int = 48) -> Any:
    """The same data without nulls, long strings and lists cut: a beginning, and hashes that tell where a change is."""
    if isinstance(data, Mapping):
        return {key: shortened(value, most) for key, value in data.items() if value is not None}
    if isinstance(data, list):
        short = [shortened(one, most) for one in data]
        if len(json.dumps(short)) <= 2 * most:
            return short
        rest = " ".join(digest(one, 4) for one in data[1:]) if len(data) <= 40 else f"{len(data)}: {digest(data)}"
        return [short[0], *([f"… {rest}"] if rest else [])]
    return f"{data[: most // 2]}… {digest(data)}" if isinstance(data, str) and len(data) > most else data


def kinds(data: Any) -> dict[str, str]:
    """What stands at each path of keys: `str`, `null or number`."""
    found: dict[str, set[str]] = {}
    for place, value in _paths(data, ""):
        found.setdefault(place, set()).add(_kind(value))
    return {place: " or ".join(sorted(several)) for place, several in sorted(found.items())}


def _kind(value: Any) -> str:
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return "number"
    return {str: "str", list: "list", dict: "table"}.get(type(value), "null")


def same_outline(name: str, text: str, most: int = 96) -> None:
    """Compare a Markdown text's sections, a line each: heading, beginning, size and hash."""
    whole: dict[str, str] = {}
    for section in re.split(r"\n(?=#+ )", text.strip()):
        lines = words(section)
        line = " ⏎ ".join(lines)
        if len(line) > most:
            line = f"{line[:most]}… {len(lines)} lines, {digest(lines)}"
        whole[line] = "\n".join(lines)
    same_text(name, list(whole), whole)


def digest(data: Any, length: int = 8) -> str:
    """Hexadecimal digits that tell two values apart, floats to 6 significant digits."""
    return hashlib.sha256(json.dumps(rounded(data), sort_keys=True).encode()).hexdigest()[:length]


def bag(text: str) -> list[str]:
    """How often each word of a text comes, free of any layout: tables wrap, columns move, words stay."""
    counts = Counter(word for line in words(text) for word in line.split())
    return [f"{word} ×{count}" if count > 1 else word for word, count in sorted(counts.items())]
