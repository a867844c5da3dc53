"""The house: what CONTRIBUTING says of it is true, no room is too large, and nobody takes English apart again."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
HARNESS = ROOT / "harness"
MODULES = sorted(HARNESS.rglob("*.py"))
OWN = {"release.yml"}
"""Workflows of this repository alone."""
WORKFLOWS = [one for one in sorted((ROOT / ".github" / "workflows").glob("*.yml")) if one.name not in OWN]
MAP = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")


def test_every_path_of_the_map_is_there() -> None:
    paths = re.findall(r"`((?:harness|benchmarks|reports|tests|docs)/[\w./-]*)`", MAP)
    assert len(paths) > 30
    assert [path for path in paths if not (ROOT / path).exists()] == []


def test_a_folder_has_15_modules_at_most() -> None:
    counts = Counter(path.parent.relative_to(ROOT) for path in MODULES if path.name != "__init__.py")
    assert {str(folder): count for folder, count in counts.items() if count > 15} == {}


def test_a_module_is_one_noun_and_no_drawer() -> None:
    names = {path.stem for path in MODULES}
    assert not names & {"utils", "helpers", "common", "misc"}
    long = {
        str(path.relative_to(ROOT)): n for path in MODULES if (n := path.read_text(encoding="utf-8").count("\n")) > 360
    }
    assert long == {}


def fishing(tree: ast.AST) -> Iterator[int]:
    """Lines that look into a sentence of ours: into str(error), or into what a finding says."""
    for node in ast.walk(tree):
        sides = [node.left, *node.comparators] if isinstance(node, ast.Compare) else []
        called = node.func.value if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) else None
        parts = ("partition", "rpartition", "split", "startswith", "endswith", "removeprefix", "removesuffix")
        looked = [called] if called is not None and node.func.attr in parts else []  # type: ignore[attr-defined]
        if sides and any(isinstance(op, ast.In | ast.NotIn) for op in node.ops):  # type: ignore[attr-defined]
            looked += sides[1:]
        for what in looked:
            text = isinstance(what, ast.Call) and isinstance(what.func, ast.Name) and what.func.id == "str"
            error = text and isinstance(what.args[0], ast.Name) and what.args[0].id == "error"  # type: ignore[union-attr]
            said = isinstance(what, ast.Attribute) and what.attr in ("why", "text", "summary", "outlook", "message")
            if error or said:
                yield node.lineno  # type: ignore[attr-defined]


def test_no_sentence_is_taken_apart_again() -> None:
    found = {
        str(path.relative_to(ROOT)): list(fishing(ast.parse(path.read_text(encoding="utf-8")))) for path in MODULES
    }
    assert {path: lines for path, lines in found.items() if lines} == {}


def test_the_test_finds_what_it_looks_for() -> None:
    planted = "if 'not a field' in str(error): pass\nx = j.why.partition(': ')\ny = str(error).removeprefix('E: ')\n"
    assert list(fishing(ast.parse(planted))) == [1, 2, 3]
    assert list(fishing(ast.parse("x = name.partition('=')\nif a in str(path): pass\n"))) == []


@pytest.mark.parametrize("workflow", WORKFLOWS, ids=lambda path: path.name)
def test_a_workflow_that_runs_here_is_one_that_ships(workflow: Path) -> None:
    assert workflow.read_bytes() == (ROOT / "harness" / "shipped" / workflow.name).read_bytes()
