"""Keep `reports/README.md` true: `python reports/index.py` writes it, `python reports/index.py --check` only looks.

The index says what each report is, in the report's own words, and the command that makes it again.
"""

from __future__ import annotations

import itertools
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import quote

from markdown_it import MarkdownIt
from markdown_it.token import Token

from harness.report.format.escape import code, inline
from harness.report.format.numbers import NONE
from harness.report.format.table import table

FOLDER: Final = Path(__file__).parent
INDEX: Final = "README.md"
LICENCE: Final = (
    "Licence: texts, figures and data of these reports are [CC BY 4.0](https://creativecommons.org/licenses/by/4.0/), "
    "the code that made them is Apache-2.0. To cite them: the report, its day, and [the harness](../CITATION.cff)."
)
LIMITS: Final = (
    "Limits: what a page says holds for its checkpoints, data, versions and machine, which it names, and by as many "
    "seeds as it counts. A difference inside a margin was not shown to be none, and no page ranks models."
)
NO_GPU: Final = " Nothing here was measured on a GPU so far."
SHELLS: Final = frozenset({"sh", "bash", "shell", "console", "shell-session"})
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
    tokens = MarkdownIt("commonmark").enable("table").parse(text)
    shells = (token.content for token in tokens if token.type == "fence" and token.info.strip().lower() in SHELLS)
    commands = (line.strip().removeprefix("$ ") for block in shells for line in block.splitlines() if line.strip())
    words = next(_texts(tokens, "paragraph_open"), None)
    sentence = _SENTENCE.match(words) if words else None
    title = next(_texts(tokens, "heading_open"), None)
    return Line(file, title, sentence.group() if sentence else words, next(commands, None))


def _texts(tokens: Sequence[Token], opening: str) -> Iterator[str]:
    """The plain text of every top-level block of a kind that has any; pictures have none."""
    for token, content in itertools.pairwise(tokens):
        if token.type == opening and token.level == 0:
            text = " ".join("".join(_plain(child) for child in content.children or ()).split())
            if text:
                yield text


def _plain(token: Token) -> str:
    if token.type in ("softbreak", "hardbreak"):
        return " "
    return token.content if token.type in ("text", "text_special", "code_inline") else ""


def render_index(reports: Mapping[str, str]) -> str:
    """Render `reports/README.md` from `{file name: Markdown}`; other files and the index itself are passed over."""
    lines = [read_line(name, reports[name]) for name in sorted(reports) if name.endswith(".md") and name != INDEX]
    body = [
        [
            f"[{inline(line.title or line.file)}]({quote(line.file)})",
            inline(line.sentence, 400) if line.sentence else NONE,
            code(line.command, 300) if line.command else "not named",
        ]
        for line in lines
    ]
    parts = [
        "# Reports",
        "Published reports, and the command behind the figures of each. This index is generated from the reports "
        "themselves, and CI checks that it is current.",
        table(["Report", "What", "Made with"], body, "lll") if body else "There is none yet.",
        LICENCE,
        f"{LIMITS}{'' if any(line.file.startswith('gpu-') for line in lines) else NO_GPU}",
    ]
    return "\n\n".join(parts) + "\n"


def check_index(index: str | None, reports: Mapping[str, str]) -> list[str]:
    """What is wrong with the index and the reports it lists, one sentence each; empty where all is current."""
    problems = []
    for name in sorted(reports):
        if not name.endswith(".md") or name == INDEX:
            continue
        line = read_line(name, reports[name])
        wrong = {
            "has no heading": line.title,
            "has no sentence that says what it is": line.sentence,
            "names no command that makes it (a ```sh block)": line.command,
        }
        problems += [f"{name}: {what}" for what, found in wrong.items() if found is None]
    if index is None:
        problems.append(f"{INDEX}: is missing")
    elif index != render_index(reports):
        problems.append(f"{INDEX}: is not what the reports give; write it anew")
    return problems


def main() -> int:
    """Write the index, or with `--check` say what is wrong with it; 1 where something is."""
    place = FOLDER / INDEX
    reports = {path.name: path.read_text(encoding="utf-8") for path in sorted(FOLDER.glob("*.md")) if path != place}
    if "--check" not in sys.argv[1:]:
        place.write_text(render_index(reports), encoding="utf-8")
        return 0
    problems = check_index(place.read_text(encoding="utf-8") if place.is_file() else None, reports)
    print("\n".join(problems) or f"{INDEX}: true, {len(reports)} reports")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
