"""Whether a table of phrases and the facts that a package makes fit each other, read from the source."""

from __future__ import annotations

import ast
import inspect
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from string import Formatter

HARNESS = Path(__file__).resolve().parents[3] / "harness"
Phrase = str | Callable[..., str]


@dataclass(frozen=True)
class MadeFact:
    """A place in the source that makes a fact."""

    place: str
    code: str
    names: frozenset[str]


def made_facts(folder: str) -> list[MadeFact]:
    """Every `Fact.of("code", name=...)` and `Fact("code")` of a package, "checks/verify"; anything else is an error."""
    return [fact for path in sorted((HARNESS / folder).rglob("*.py")) for fact in _facts(path)]


def problems(made: list[MadeFact], table: Mapping[str, Phrase]) -> list[str]:
    """Where facts and phrases do not fit, a line each."""
    found = [text for fact in made for text in _misfits(fact, table.get(fact.code))]
    unused = sorted(set(table) - {fact.code for fact in made})
    return found + [f"{code}: no fact has this code" for code in unused]


def _misfits(fact: MadeFact, phrase: Phrase | None) -> Iterator[str]:
    if phrase is None:
        yield f"{fact.place}: {fact.code}: no phrase"
        return
    needed, known = _fields(phrase)
    if needed - fact.names:
        yield f"{fact.place}: {fact.code}: the phrase needs {sorted(needed - fact.names)}"
    if known is not None and fact.names - known:
        yield f"{fact.place}: {fact.code}: the phrase does not take {sorted(fact.names - known)}"


def _fields(phrase: Phrase) -> tuple[frozenset[str], frozenset[str] | None]:
    """The values that a phrase needs, and all that it takes; None where it takes any."""
    if isinstance(phrase, str):
        names = [name for _, name, _, _ in Formatter().parse(phrase) if name is not None]
        return frozenset(name.partition(".")[0].partition("[")[0] for name in names), None
    parameters = inspect.signature(phrase).parameters.values()
    named = [one for one in parameters if one.kind is not one.VAR_KEYWORD]
    needed = frozenset(one.name for one in named if one.default is one.empty)
    return needed, frozenset(one.name for one in named) if len(named) == len(parameters) else None


def _facts(path: Path) -> Iterator[MadeFact]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not isinstance(node, ast.Call):
            continue
        text = ast.unparse(node.func)
        place = f"{path.relative_to(HARNESS)}:{node.lineno}"
        if text == "Fact.of":
            names = [keyword.arg for keyword in node.keywords]
        elif text == "Fact" and len(node.args) == 1:
            names = []
        elif text == "Fact" and len(node.args) == 2 and isinstance(node.args[1], ast.Dict):
            names = [key.value if isinstance(key, ast.Constant) else None for key in node.args[1].keys]
        elif text == "Fact":
            raise AssertionError(f"{place}: a fact whose values cannot be read from the source")
        else:
            continue
        for code in _codes(node.args[0], place):
            assert None not in names, f"{place}: {code}: values that cannot be read from the source"
            yield MadeFact(place, code, frozenset(str(name) for name in names))


def _codes(node: ast.expr, place: str) -> list[str]:
    """The code, or both of `"a" if ... else "b"`."""
    if isinstance(node, ast.IfExp):
        return _codes(node.body, place) + _codes(node.orelse, place)
    assert isinstance(node, ast.Constant), f"{place}: a fact whose code cannot be read from the source"
    return [str(node.value)]
