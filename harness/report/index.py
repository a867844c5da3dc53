"""The index of published reports: what each is, in its own words, and the command that makes it again."""

from __future__ import annotations

import html
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

from harness.report.format.escape import code, inline
from harness.report.format.numbers import NONE
from harness.report.format.table import table

INDEX: Final = "README.md"

_FENCE: Final = re.compile(r"(?m)^(`{3,}|~{3,})[ ]*([\w-]*)[^\n]*\n(.*?)^\1[`~]*[ ]*$", re.DOTALL)
_SHELLS: Final = frozenset({"sh", "bash", "shell", "console", "shell-session"})
_ESCAPED: Final = re.compile(r"\\([!-/:-@\[-`{-~])")
_LINK: Final = re.compile(r"!?(?<!\\)\[((?:[^\]\\]|\\.)*)\]\([^)\s]*\)")
_SENTENCE: Final = re.compile(r".*?[.!?](?=\s|$)")


@dataclass(frozen=True)
class Line:
    """One report in the index; None where its text does not say."""

    file: str
    title: str | None
    sentence: str | None
    command: str | None


def read_line(file: str, text: str) -> Line:
    """Find a report's title (first heading), first sentence, and command (first line of its first shell block)."""
    command = None
    for block in _FENCE.finditer(text):
        lines = [line.strip() for line in block.group(3).splitlines() if line.strip()]
        if block.group(2).lower() in _SHELLS and lines:
            command = lines[0].removeprefix("$ ")
            break
    prose = _FENCE.sub("\n\n", text)
    title = re.search(r"(?m)^#{1,6}[ \t]+(.+?)[ \t]*#*[ \t]*$", prose)
    sentence = None
    for paragraph in re.split(r"\n\s*\n", prose):
        words = " ".join(paragraph.split())
        if words and not re.match(r"#|\||[-*>] |!\[|<|(?:---|===)", words):
            plain = _plain(words)
            first = _SENTENCE.match(plain)
            sentence = first.group() if first else plain
            break
    return Line(file, _plain(title.group(1)) if title else None, sentence, command)


def render_index(reports: Mapping[str, str]) -> str:
    """Render `reports/README.md` from `{file name: Markdown}`; other files and the index itself are passed over."""
    lines = [read_line(name, reports[name]) for name in sorted(reports) if name.endswith(".md") and name != INDEX]
    parts = [
        "# Reports",
        "Published reports, and the command behind the figures of each. This index is generated from the reports "
        "themselves, and CI checks that it is current.",
    ]
    if lines:
        body = [
            [
                f"[{inline(line.title or line.file)}]({quote(line.file)})",
                inline(line.sentence, 400) if line.sentence else NONE,
                code(line.command, 300) if line.command else "not named",
            ]
            for line in lines
        ]
        parts.append(table(["Report", "What", "Made with"], body, "lll"))
    else:
        parts.append("There is none yet.")
    return "\n\n".join(parts) + "\n"


def check_index(index: str | None, reports: Mapping[str, str]) -> list[str]:
    """What is wrong with the index and the reports it lists, one sentence each; empty where all is current."""
    problems = [
        f"{line.file}: {what}"
        for line in (read_line(name, reports[name]) for name in sorted(reports) if name.endswith(".md"))
        if line.file != INDEX
        for what, found in (
            ("has no heading", line.title),
            ("has no sentence that says what it is", line.sentence),
            ("names no command that makes it (a ```sh block)", line.command),
        )
        if found is None
    ]
    if index is None:
        problems.append(f"{INDEX}: is missing")
    elif index != render_index(reports):
        problems.append(f"{INDEX}: is not what the reports give; write it anew")
    return problems


def _plain(markdown: str) -> str:
    """Markdown's inline text without its markup: what `inline` escaped comes back as it was."""
    pieces = re.split(r"(?<![\\`])(`+)(?!`)(.+?)(?<!`)\1(?!`)", markdown)
    text = ""
    for place in range(0, len(pieces), 3):
        prose = _LINK.sub(r"\1", pieces[place])
        prose = re.sub(r"(?<!\\)\*\*|(?<![\\\w])[*_](?=\w)|(?<=\w)(?<!\\)[*_](?!\w)", "", prose)
        text += html.unescape(_ESCAPED.sub(r"\1", prose))
        text += pieces[place + 2] if place + 2 < len(pieces) else ""
    return text.strip()
