"""Sections: what a command says of each grid, one after the other, as the files that a CI reads."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from harness.checks.verdict import Verdict
from harness.exit_codes import worst
from harness.report.format.escape import clean, fenced, inline
from harness.report.format.junit_xml import Case, junit_xml
from harness.report.phrases.recipe import many
from harness.report.phrases.say import say
from harness.report.verdicts.comparisons import comparison_cases
from harness.report.verdicts.forest import forest_svg
from harness.report.verdicts.junit import cases
from harness.report.verdicts.markdown import STEP_LIMIT, document, shortened
from harness.report.verdicts.words import LIMIT, Head, waiver_lines, word

COMMENT_LIMIT: Final = 65_000
"""Bytes: a comment on GitHub holds 65,536 characters."""
BADGE_COLOURS: Final = {0: "brightgreen", 1: "red", 3: "yellow"}
"""Exit code -> colour; any other says that nothing is known: grey, with shields' own mark of an error."""


@dataclass(frozen=True)
class Section:
    """A head with its verdicts; where an `error` stopped the command there are none, or not all.

    `heeded` are the verdicts that decide `code`, the exit code; None: all of them.
    """

    head: Head
    verdicts: Sequence[Verdict] = ()
    heeded: Sequence[Verdict] | None = None
    code: int = 0
    error: str = ""

    @property
    def deciding(self) -> Sequence[Verdict]:
        """The verdicts that decide the exit code."""
        return self.verdicts if self.heeded is None else self.heeded

    @property
    def why(self) -> str:
        """What the exit code is for where no verdict says it: what stopped the command, or left nothing to judge."""
        if self.error or not self.code or any(one.is_red(self.head.inconclusive) for one in self.deciding):
            return self.error
        skipped = [one for one in self.deciding if one.outcome == "SKIP" and one.item == "cells"]
        if skipped and self.code == 1:  # --skipped fail
            return f"{many(len(skipped), 'check')} skipped: {say(skipped[0].reason)}"
        return say(self.head.facts[0]) if self.head.facts else f"exit {self.code}"

    @property
    def name(self) -> str:
        """What it is about: a grid's name, else the command's."""
        return self.head.grid or self.head.title


def sections_junit(sections: Sequence[Section]) -> str:
    """One suite a grid, with a property a line on its waivers; what stopped a command is a case that errored."""
    suites: dict[str, list[Case]] = {}
    properties: dict[str, list[tuple[str, str]]] = {}
    for one in sections:
        name = clean(one.name, LIMIT)
        suites.setdefault(name, []).extend(_cases(one))
        for line in waiver_lines(one.head.waivers):
            properties.setdefault(name, []).append(("waivers", clean(line, LIMIT)))
    return junit_xml(list(suites.items()), properties)


def sections_markdown(sections: Sequence[Section], stem: str = "", folded: bool = False) -> dict[str, str]:
    """File name -> text: `STEM.md` with the sections, and the forest plots that it shows; a blank name for no file.

    `folded`, for a comment, is what stands behind the problems of environments.
    """
    texts, files = [], {}
    for one in sections:
        picture = f"{stem}{f'-{one.name}' if len(sections) > 1 else ''}-forest.svg"
        svg = forest_svg(one.verdicts) if stem else ""
        if svg:
            files[picture] = svg
        texts.append(section_markdown(one, picture if svg else None, folded))
    return {stem: "\n".join(texts), **files}


def section_markdown(section: Section, forest_file: str | None = None, folded: bool = False) -> str:
    """The section under its title; what stopped it, or left nothing to judge, stands above what there is besides."""
    text = document(section.head, section.verdicts, forest_file=forest_file, folded=folded)
    if not section.why:
        return text
    parts = [f"# {inline(section.head.title)}: exit {section.code}", fenced(clean(section.why, LIMIT), "text")]
    parts += [text] if section.verdicts else []
    return "\n\n".join(parts) + "\n"


def sections_summary(sections: Sequence[Section]) -> str:
    """What goes to the step's summary: of all sections within what GitHub shows of one, each with an equal share."""
    texts = [section_markdown(one) for one in sections]
    if sum(len(text.encode()) + 1 for text in texts) > STEP_LIMIT:
        share = STEP_LIMIT // len(texts) - 1
        texts = [shortened(text, share, "its share of a step's summary on GitHub") for text in texts]
    return "\n".join(texts)


def sections_comment(sections: Sequence[Section]) -> str:
    """The same as a comment on a pull request, with a marker by which a later one replaces it."""
    names = " ".join(one.name for one in sections)
    marker = f"<!-- finetune-harness: {clean(names, LIMIT).replace('--', '- -')} -->"
    text = sections_markdown(sections, folded=True)[""]
    return shortened(f"{marker}\n{text}", COMMENT_LIMIT, "a comment on GitHub")


def sections_badge(sections: Sequence[Section]) -> str:
    """JSON for shields.io's endpoint (https://shields.io/badges/endpoint-badge).

    `night: 1 FAIL of 24`: red, yellow or green as the exit code is; grey where no verdict stands behind it.
    """
    code = worst([one.code for one in sections]) if sections else 0
    names = ", ".join(dict.fromkeys(clean(one.name, LIMIT) for one in sections))
    gating = [
        (one, one.is_red(section.head.inconclusive)) for section in sections for one in section.deciding if one.gates
    ]
    if code not in BADGE_COLOURS or not gating:
        said = {"message": "not measured", "color": "lightgrey", "isError": True}
    else:
        red = [one for one, is_red in gating if is_red]
        text = f"{_counted(red)} of {len(gating):,}" if red else _counted([one for one, _ in gating])
        part = ", of a part" if any(one.head.part is not None for one in sections) else ""
        said = {"message": f"{text}{part}", "color": BADGE_COLOURS[code]}
    return f"{json.dumps({'schemaVersion': 1, 'label': names, **said}, indent=1, ensure_ascii=False)}\n"


def _cases(section: Section) -> list[Case]:
    found = [*cases(section.head, section.deciding), *comparison_cases(section.head)]
    if not section.why:
        return found
    text = clean(section.why, LIMIT)
    properties = [("exit_code", str(section.code))]
    kind = ".".join(filter(None, [section.head.grid, section.head.kind]))
    return [Case(kind, clean(section.head.title, LIMIT), properties, "error", text, "ERROR", text), *found]


def _counted(verdicts: Sequence[Verdict]) -> str:
    return ", ".join(f"{number:,} {name}" for name, number in Counter(map(word, verdicts)).items())
