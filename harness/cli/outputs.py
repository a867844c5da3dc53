"""What a command hands out: text or JSON, JUnit, Markdown, and what GitHub Actions shows; in every outcome."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Self

import typer

from harness.cli.ci import add_step_summary, annotate
from harness.disk import write_files
from harness.errors import HarnessError, SpecError, StoreError
from harness.report.format.svg import FORMATS, as_file, svg
from harness.report.format.width import folded
from harness.report.verdicts.github import workflow_command, workflow_commands
from harness.report.verdicts.issue import issue_text
from harness.report.verdicts.json import verdicts_json
from harness.report.verdicts.sections import (
    Section,
    sections_badge,
    sections_comment,
    sections_junit,
    sections_markdown,
    sections_summary,
)
from harness.report.verdicts.text import verdicts_text
from harness.report.verdicts.words import Head, Kind
from harness.text import listed, one_line, show

if TYPE_CHECKING:
    from matplotlib.figure import Figure

UNFINISHED = "the command has not come to its end"


class Outputs:
    """The files that a command was asked for, as a context around all that it does.

    They are written before anything is printed, whatever the reader of the output does; and in every outcome: first
    they say that the command has not ended, at its end what it found, or what stopped it.
    """

    def __init__(
        self,
        kind: Kind,
        *,
        junit: Path | None = None,
        out: Path | None = None,
        comment: Path | None = None,
        issue: Path | None = None,
        badge: Path | None = None,
        as_json: bool = False,
        is_report: bool = False,
    ) -> None:
        """`is_report`: the Markdown file is a report, with the JSON beside it, and its place is told."""
        self._issue, self._badge = issue, badge
        self._is_report = is_report
        self._head = Head(kind, f"harness {kind}")
        self._junit, self._out, self._comment, self._as_json = junit, out, comment, as_json
        self._done = False

    def __enter__(self) -> Self:
        """Replace what an earlier command left.

        Raises
        ------
        HarnessError
            StoreError where a file cannot be written, SpecError where the JSON beside a report is not a command's.
        """
        beside = self._out.with_suffix(".json") if self._is_report and self._out and self._out.name else None
        if beside is not None and beside.exists() and not _is_ours(beside):
            problem = f"--out: {beside} beside it was not written by harness; allowed a name that leaves it alone"
            self._out = None
            self._write([Section(self._head, code=SpecError.exit_code, error=problem)])
            raise SpecError(problem)
        self._write([Section(self._head, code=70, error=UNFINISHED)])
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Say in the files what stopped the command."""
        if self._done or error is None:
            return
        code, text = _reason(error)
        sections = [Section(self._head, code=code, error=text)]
        try:
            self._write(sections)
            add_step_summary(lambda: sections_summary(sections))
        except StoreError as problem:
            print(f"error: {problem}", file=sys.stderr)
        annotate(lambda: f"{workflow_command('error', self._head.title, text)}\n")

    def about(self, grid: str) -> None:
        """Name the grid that it is about, for what may stop the command from here on."""
        self._head = replace(self._head, grid=grid)

    def hand_out(
        self,
        sections: Sequence[Section],
        *,
        text: str | None = None,
        markdown: str | None = None,
        beside: Mapping[str, str] | None = None,
    ) -> int:
        """Write and print what was found, or `text` in its place; returns the first section's exit code.

        `markdown` is what the Markdown file has where that is not the sections' own; `beside` are pictures in it.

        Raises
        ------
        StoreError
            Where a file cannot be written.
        """
        self._write(sections, markdown, beside)
        add_step_summary(lambda: sections_summary(sections))
        self._done = True
        annotate(lambda: "".join(workflow_commands(one.head, one.deciding) for one in sections))
        if self._is_report and self._out is not None:
            print(f"report: {one_line(str(self._out))}", file=sys.stderr if self._as_json else sys.stdout)
        if text is not None:
            print(folded(text))
        for one in sections if text is None else ():
            if self._as_json:
                print(verdicts_json(one.head, one.verdicts, one.code).rstrip("\n"))
            else:
                print(folded(verdicts_text(one.head, one.verdicts)))
        return sections[0].code if sections else 0

    def _write(
        self, sections: Sequence[Section], markdown: str | None = None, beside: Mapping[str, str] | None = None
    ) -> None:
        if self._junit is not None:
            write_files({self._junit.name: sections_junit(sections)}, self._junit.parent)
        if self._out is not None:
            files = sections_markdown(sections, self._out.stem if markdown is None else "")
            text = files.pop(next(iter(files)))
            files |= beside or {}
            if self._is_report:
                one = sections[0]
                files[f"{self._out.stem}.json"] = verdicts_json(one.head, one.verdicts, one.code)
            write_files({self._out.name: text if markdown is None else markdown, **files}, self._out.parent)
        if self._issue is not None:
            texts = (issue_text(one.head, one.deciding) for one in sections)
            write_files({self._issue.name: "\n".join(filter(None, texts))}, self._issue.parent)
        if self._comment is not None:
            write_files({self._comment.name: sections_comment(sections)}, self._comment.parent)
        if self._badge is not None:
            write_files({self._badge.name: sections_badge(sections)}, self._badge.parent)


def write_plot(page: Figure, path: Path) -> None:
    """Write a figure in the format of the file's name; raises SpecError for another, StoreError where it cannot be."""
    kind = path.suffix.removeprefix(".").lower()
    if kind not in ("svg", *FORMATS):
        allowed = listed([f".{one}" for one in ("svg", *FORMATS)])
        raise SpecError(f"--plot: got {show(str(path))}; allowed names that end in {allowed}")
    write_files({path.name: svg(page) if kind == "svg" else as_file(page, kind)}, path.parent)


def _is_ours(file: Path) -> bool:
    """Whether a file is what a command of the harness writes as JSON."""
    try:
        data = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError, RecursionError):
        return False
    return isinstance(data, dict) and str(data.get("kind")).startswith("harness-")


def _reason(error: BaseException) -> tuple[int, str]:
    """(exit code, what stopped the command)."""
    if isinstance(error, HarnessError):
        return error.exit_code, str(error)
    if isinstance(error, KeyboardInterrupt | typer.Abort):
        return 130, "interrupted"
    if isinstance(error, typer.Exit):
        return error.exit_code, "interrupted" if error.exit_code == 130 else UNFINISHED
    return 70, f"internal error: {type(error).__name__}: {error}"
