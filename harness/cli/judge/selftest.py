"""`harness selftest`: does the gate find planted faults on this machine, and leave the rest in peace?"""

from __future__ import annotations

import sys
import tempfile
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated

import typer

from harness.cli.measure.run import short_runs
from harness.cli.options import AllowBusy, Json, Junit, Out
from harness.cli.outputs import Outputs
from harness.execution.run import RunOptions
from harness.pipelines.selftest.trials import selftest as tried
from harness.record.provenance import command_line
from harness.report.screen.selftest import selftest_markdown, selftest_text


def selftest(
    work: Annotated[
        Path | None,
        typer.Option("--work", help="Keep the runs and the spoilt copies here (default: nowhere).", show_default=False),
    ] = None,
    replay: Annotated[
        bool,
        typer.Option("--replay", help="Also build and run releases of transformers whose defects are known."),
    ] = False,
    allow_busy: AllowBusy = False,
    out: Out = None,
    junit: Junit = None,
    as_json: Json = False,
) -> None:
    """Prove the gate on this machine: run a tiny BERT, plant faults in copies, and see each of them found.

    Two honest runs must raise nothing; a changed loss, removed cells, an emptied accepted file and a fault in each
    layer of the fingerprint must be found by check, diff and verify, and be named.

    Example: harness selftest -o selftest.md
    """
    with Outputs("selftest", junit=junit, out=out, as_json=as_json) as outputs, ExitStack() as stack:
        run = short_runs(RunOptions(allow_busy=allow_busy), sys.stderr, command_line())

        folder = work or Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="harness-selftest-")))
        section = tried(folder.absolute(), run, command_line(), replay)
        text = None if as_json else selftest_text(section)
        raise typer.Exit(outputs.hand_out([section], text=text, markdown=selftest_markdown(section)))
