"""What a command that judges hands out: text or JSON, JUnit, Markdown, and what GitHub Actions shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

from harness.checks.verdict import Fact, Verdict, exit_code
from harness.cli.ci import add_step_summary, annotate
from harness.disk import write_files
from harness.grid.waivers import Use
from harness.report.verdicts.forest import forest_svg
from harness.report.verdicts.github import workflow_commands
from harness.report.verdicts.json import verdicts_json
from harness.report.verdicts.junit import verdicts_junit
from harness.report.verdicts.markdown import document, step_summary
from harness.report.verdicts.text import verdicts_text
from harness.report.verdicts.words import Head


def waiver_facts(uses: Iterable[Use]) -> tuple[Fact, ...]:
    """What became of a grid's waivers."""
    return tuple(
        Fact.of("waiver.use", use=use.state, failures=use.failures, waiver=use.waiver.model_dump(mode="json"))
        for use in uses
    )


def hand_out(
    head: Head,
    verdicts: Sequence[Verdict],
    *,
    as_json: bool = False,
    junit: Path | None = None,
    out: Path | None = None,
    heeded: Sequence[Verdict] | None = None,
    code: int | None = None,
) -> int:
    """Print and write everything that was asked for, and return the exit code.

    JUnit, annotations and the exit code are of the verdicts `heeded` (None: all); `code` is the exit code where it is
    not theirs. A picture that `out` has lies beside it.

    Raises
    ------
    StoreError
        Where a file cannot be written.
    """
    heeded = verdicts if heeded is None else heeded
    code = exit_code(heeded, inconclusive=head.inconclusive) if code is None else code
    print(verdicts_json(head, verdicts, code).rstrip("\n") if as_json else verdicts_text(head, verdicts))
    if junit is not None:
        write_files({junit.name: verdicts_junit(head, heeded)}, junit.parent)
    if out is not None:
        picture, svg = f"{out.stem}-forest.svg", forest_svg(verdicts)
        files = {out.name: document(head, verdicts, forest_file=picture if svg else None)}
        write_files({**files, picture: svg} if svg else files, out.parent)
    add_step_summary(lambda: step_summary(head, verdicts))
    annotate(lambda: workflow_commands(head, heeded))
    return code
