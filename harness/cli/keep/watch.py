"""`harness watch`: run a training script as it is, and keep what it did."""

from __future__ import annotations

from typing import Annotated

import typer

from harness.cli.options import RESULTS, ResultsFolder
from harness.errors import RunFailed
from harness.pipelines.find import SHOWN_ID, run_id
from harness.pipelines.keep.watch import read_command
from harness.pipelines.keep.watch import watch as watched

Command = Annotated[
    list[str], typer.Argument(help="After --: python SCRIPT FLAG ..., as you would run it.", metavar="COMMAND")
]


def watch(command: Command, results: ResultsFolder = RESULTS) -> None:
    """Run a script that trains with `Trainer`, unchanged, and keep its fingerprint, series and scores.

    Example: harness watch -- python run_glue.py --model_name_or_path bert-base-cased --do_train --output_dir out
    """
    entry, folder = watched(read_command(command), results)
    scores = ", ".join(f"{name} {value:.4g}" for name, value in entry.metrics.items())
    print(f"watched {entry.checkpoint}: {entry.status}{f', {scores}' if scores else ''}")
    print(f"  id      {run_id(entry, SHOWN_ID)}")
    print(f"  folder  {folder}")
    print("  two of them: harness diff FOLDER FOLDER; all: harness runs watch")
    if entry.status not in ("ok", "collapsed", "nonfinite"):
        raise RunFailed(f"{entry.checkpoint}: {entry.error or entry.status}")
