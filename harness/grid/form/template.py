"""A grid to begin with: one that runs at once, and every other key beside it, explained and switched off."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any, Final

from harness.grid.form.rows import SEVERAL, Key, about, keys, toml
from harness.grid.form.schema import FIRST_LINE, NAME
from harness.text import dotted

WIDTH: Final = 100
LAST: Final = "recipe"
"""The table with the most keys that are rarely set stands where it hides no other."""
MARK: Final = "Of the example"
EXAMPLE: Final = f"{MARK}: delete it with its data, from this line"
END: Final = "End of the example"
"""The lines of words around what is true of the example's data only; deleting them and what is between is one edit."""


def template(live: Mapping[str, Any], head: Sequence[str], example: Sequence[str] = ()) -> str:
    """The text of a grid: the document `live`, and every key that it does not set behind a `#`.

    A line of words begins with `# `, a key that is switched off with `#` alone. `head` are the paragraphs on top.
    `example` names tables of `live` that stand in a marked block of their own, to be deleted whole.
    """
    apart = {table: one for table, one in live.items() if table in example}
    live = {table: one for table, one in live.items() if table not in example}
    sections = [(table, list(rows)) for table, rows in groupby(keys(), key=lambda key: key.table)]
    top = [key for table, rows in sections if not table for key in rows]
    tables = {table: rows for table, rows in sections if table}

    def place(table: str) -> tuple[bool, bool]:
        return table == LAST, not isinstance(live.get(table.partition(".")[0]), dict | list)

    lines = [FIRST_LINE]
    for number, text in enumerate(head):
        lines += [*(["#"] if number else []), *_words(text)]
    single = {key: one for key, one in live.items() if not isinstance(one, dict | list)}
    lines += ["", *_keys(top, single, explained=True)]
    if apart:
        lines += ["", f"# {EXAMPLE}", *_apart(apart), f"# {END}"]
    for table in sorted(tables, key=place):
        lines += ["", *_section(table, tables[table], live)]
    return "\n".join(lines) + "\n"


def _apart(tables: Mapping[str, Any]) -> Iterator[str]:
    """Tables as they are, without a word: what the keys mean stands where each is switched off."""
    for table, found in tables.items():
        for one in found if table in SEVERAL else [found]:
            yield f"[[{table}]]" if table in SEVERAL else f"[{table}]"
            yield from (f"{dotted(name)} = {toml(value)}" for name, value in one.items())


def _section(table: str, rows: Sequence[Key], live: Mapping[str, Any]) -> Iterator[str]:
    """A table with what is set, then what is not; of entries and names those that are there, or one switched off."""
    head, _, named = table.partition(".")
    found = live.get(head)
    inside: list[tuple[str, Any]] = [(head, found)]
    if named:
        inside = [(f"{head}.{dotted(name)}", one) for name, one in (found or {NAME: None}).items()]
    elif head in SEVERAL:
        inside = [(head, one) for one in found or [None]]
    yield from _words(about(head))
    for number, (header, one) in enumerate(inside):
        spelled = f"[[{header}]]" if head in SEVERAL else f"[{header}]"
        on = isinstance(one, Mapping)
        yield spelled if on else f"#{spelled}"
        yield from _keys(rows, one if on else {}, explained=number == 0)


def _keys(rows: Sequence[Key], inside: Mapping[str, Any], *, explained: bool) -> Iterator[str]:
    """The keys of a table: those that are set first, also those that have no row, names or axes of the recipe's."""
    rows = [row for row in rows if row.name != NAME or not inside]
    known = {row.name.partition(".")[0] for row in rows}
    yield from (f"{dotted(name)} = {toml(one)}" for name, one in inside.items() if name not in known)
    for row in sorted(rows, key=lambda row: _value(row, inside) is None):
        if explained:
            yield from _words(_said(row))
        value = _value(row, inside)
        name = ".".join(map(dotted, row.name.split(".")))
        yield f"#{name} = {toml(row.example)}" if value is None else f"{name} = {toml(value)}"


def _value(row: Key, inside: Mapping[str, Any]) -> Any:
    """What a table has for a key, None where it has not."""
    found: Any = inside
    for part in row.name.split("."):
        found = found.get(part) if isinstance(found, Mapping) else None
    return found


def _said(row: Key) -> str:
    default = "required" if row.required else None if row.default is None else f"default {toml(row.default)}"
    facts = [one for one in (row.unit, default) if one]
    return f"{row.says} ({', '.join(facts)})" if facts else row.says


def _words(text: str) -> list[str]:
    """Words as lines of a comment."""
    return [f"# {line}" for line in textwrap.wrap(text, WIDTH, break_long_words=False, break_on_hyphens=False)]
