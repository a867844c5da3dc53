"""Every command, option and link of the pages is there: nothing runs, so it is held in each test run."""

from __future__ import annotations

import functools
import itertools
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import yaml
from markdown_it import MarkdownIt
from markdown_it.token import Token
from typer.main import get_command

from harness.cli.app import GROUPS, USAGE_ERRORS, application
from harness.grid.grid import shipped
from tests.docs.blocks import Block, blocks_of, calls

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
LINKED = [*PAGES, ROOT / "CHANGELOG.md", *sorted((ROOT / "reports").glob("*.md"))]
GRIDS = ("grid", "grids")
"""Arguments of the command line that are grids."""
OTHERS = {"--container-image", "--model_name_or_path", "--bf16", "--seed", "--max_steps", "--output_dir"}
"""Options of other programs that the pages name: Slurm's, those of a training script."""


@functools.cache
def commands() -> dict[str, Any]:
    """Each command that a user can type, the words of a group joined."""
    found = {}
    for name, one in get_command(application()).commands.items():  # type: ignore[attr-defined]
        inner = getattr(one, "commands", None)
        found |= {name: one} if inner is None else {f"{name} {word}": leaf for word, leaf in inner.items()}
    return found


def options(name: str) -> set[str]:
    """The options of a command."""
    return {one for parameter in commands()[name].params for one in (*parameter.opts, *parameter.secondary_opts)}


def named(words: list[str]) -> str | None:
    """The command that a call begins with."""
    return next((name for n in (2, 1) if (name := " ".join(words[:n])) in commands()), None)


def faults_of(words: list[str], files: set[str]) -> Iterator[str]:
    """What the command line would not take of a call, and grids that a reader does not have."""
    if words[:1] in (["--version"], ["--help"]):
        return
    name = named(words)
    if name is None:
        yield f"no command: {' '.join(words[:2])}"
        return
    try:
        context = commands()[name].make_context(name, words[name.count(" ") + 1 :])
    except USAGE_ERRORS as error:
        yield error.format_message()
        return
    for key in GRIDS:
        value = context.params.get(key)
        for grid in value if isinstance(value, list | tuple) else [value] if value else []:
            if not re.match(r"[A-Z]+\b", str(grid)) and str(grid) not in files and shipped(Path(grid)) is None:
                yield f"no grid of the page, nor a shipped one: {grid}"


def files_of(blocks: list[Block]) -> set[str]:
    """What a reader of a page has: its own files and what it takes as given; a grid by its name too."""
    kinds = ("file", "added to", "table of", "given")
    found = {name for one in blocks for mark in one.marks if mark.kind in kinds for name in mark.what.split()}
    return found | {name.removesuffix(".toml") for name in found}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_command_parses(page: Path) -> None:
    blocks = blocks_of(page)
    files, found = files_of(blocks), list[str]()
    for block in blocks:
        lines = (
            block.commands if block.language == "sh" else block.text.splitlines() if block.language == "yaml" else []
        )
        for line in lines:
            called = line if block.language == "sh" else re.sub(r"^\s*(- )?\w+: ", "", line)
            if re.search(r"(?:^|[\s/])harness ", called):
                for words in calls(called):
                    found += [f"line {block.line}: {line.strip()}: {fault}" for fault in faults_of(words, files)]
    assert found == []


@pytest.mark.parametrize("page", [page for page in PAGES if page.name != "CONTRIBUTING.md"], ids=lambda page: page.name)
def test_each_command_and_option_in_prose_is_there(page: Path) -> None:
    """In a row of a table that begins with a command, options are that command's; elsewhere anybody's."""
    every, found = set().union(*map(options, commands()), OTHERS), list[str]()
    for line, row, table in codes_of(page):
        first = named(called(row[0])) if table else None
        for code in row:
            words = called(code)
            name = named(words)
            if words and name is None and words[0] not in GROUPS and not words[0].startswith("-"):
                found.append(f"line {line}: no command: {code}")
            known = options(name) if name else options(first) | OTHERS if first else every
            given = re.findall(r"(?<![\w-])--[a-z][\w-]*", code)
            found += [f"line {line}: {name or first or ''} has no {one}" for one in given if one not in known]
    assert found == []


def codes_of(page: Path) -> Iterator[tuple[int, list[str], bool]]:
    """The code within each row of a table and each paragraph: its line, the code, whether it is a row."""
    codes, line, row = list[str](), 0, False
    for token in tokens(page):
        row = token.type == "tr_open" or (row and token.type != "tr_close")
        line = token.map[0] + 1 if token.map else line
        codes += [child.content for child in token.children or [] if child.type == "code_inline"]
        if codes and not row:
            yield line, codes, token.type == "tr_close"
            codes = []


def called(code: str) -> list[str]:
    """The words after `harness` of code that begins so, of several that are offered the first."""
    words = re.sub(r"[][]|\|\S*", " ", code).split()
    return words[1:] if words[:1] == ["harness"] else []


def test_what_is_wrong_is_found() -> None:
    files = {"nightly.toml", "nightly"}
    right = (
        "check nightly.toml --max-age 20h",
        "run nightly",
        "plan GRID",
        "validate quickstart",
        "store prune --dry-run",
    )
    wrong = (
        "chek nightly.toml",
        "check nightly.toml --maxage 20h",
        "check",
        "run other.toml",
        "report nightly --from",
        "store purge",
    )
    assert [list(faults_of(one.split(), files)) for one in right] == [[]] * len(right)
    assert [one for one in wrong if not list(faults_of(one.split(), files))] == []
    line = "cd x && HARNESS_REQUIRE=cuda .venv/bin/harness run a.toml | tee log; srun -- harness plan b.toml"
    assert list(calls(line)) == [["run", "a.toml"], ["plan", "b.toml"]]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_each_file_of_a_page_can_be_read(page: Path) -> None:
    for block in blocks_of(page):
        if block.language == "toml":
            tomllib.loads(block.text)
        elif block.language == "yaml":
            yaml.safe_load(block.text)
        elif block.language == "python":
            compile(block.text, f"{page.name}:{block.line}", "exec")


@pytest.mark.parametrize("page", LINKED, ids=lambda page: f"{page.parent.name}/{page.name}")
def test_each_link_and_anchor_holds(page: Path) -> None:
    broken = []
    for target in targets(page):
        path, _, anchor = unquote(target).partition("#")
        file = (page.parent / path).resolve() if path else page
        if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@functools.cache
def tokens(page: Path) -> list[Token]:
    """A page as GitHub reads it."""
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))


def targets(page: Path) -> Iterator[str]:
    """Where its links and pictures lead, but for those that leave the repository."""
    for token in tokens(page):
        for child in token.children or []:
            target = child.attrGet("href") or child.attrGet("src")
            if target and "://" not in str(target) and not str(target).startswith("mailto:"):
                yield str(target)
        if token.type == "html_block":
            yield from (one for one in re.findall(r'(?:href|src|srcset)="([^"]+)"', token.content) if "://" not in one)


@functools.cache
def anchors(page: Path) -> set[str]:
    """What GitHub calls its headings: small letters, no punctuation, hyphens; a number where two are equal."""
    found, seen = set[str](), dict[str, int]()
    parsed = tokens(page)
    for before, token in itertools.pairwise(parsed):
        if before.type == "heading_open":
            said = "".join(child.content for child in token.children or [] if child.type in ("text", "code_inline"))
            slug = re.sub(r"[^\w\- ]", "", said.lower()).replace(" ", "-")
            seen[slug] = seen.get(slug, -1) + 1
            found.add(f"{slug}-{seen[slug]}" if seen[slug] else slug)
    return found | set(re.findall(r'<a (?:id|name)="([^"]+)"', page.read_text(encoding="utf-8")))
