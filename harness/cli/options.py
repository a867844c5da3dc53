"""Options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from harness.cli.complete import grids, parts
from harness.record.folders import RESULTS as RESULTS
from harness.record.folders import results_folder

NAMING: Final = "a TOML file, its name, or a folder of its results"
"""How a grid is named, in every command."""
PART: Final = "with :AXIS=VALUE[,VALUE][,AXIS=VALUE] a part of it"


def option_of(parameter: str) -> str:
    """How the command line spells a parameter: `max_age` is `--max-age`."""
    return f"--{parameter.replace('_', '-')}"


def _root(context: typer.Context, parameter: Any, value: Path) -> Path:
    """Where results are where the command line does not say so: found upwards."""
    given = context.get_parameter_source(parameter.name)
    return results_folder() if given is None or given.name == "DEFAULT" else value


GridName = Annotated[
    str, typer.Argument(help=f"The grid: {NAMING}; {PART}.", metavar="GRID", show_default=False, autocompletion=grids)
]
WholeGrid = Annotated[
    str, typer.Argument(help=f"The grid: {NAMING}.", metavar="GRID", show_default=False, autocompletion=grids)
]
GridOrBuiltIn = Annotated[
    str | None,
    typer.Argument(
        help=f"A grid: {NAMING} (default: a tiny BERT on the embedded corpus).",
        metavar="GRID",
        show_default=False,
        autocompletion=grids,
    ),
]
ResultsOf = Annotated[
    str,
    typer.Argument(
        help=f"A grid ({NAMING}), or a folder of several grids' results.",
        metavar="GRID",
        show_default=False,
        autocompletion=grids,
    ),
]
ResultsOfAny = Annotated[
    list[str] | None,
    typer.Argument(
        help=f"Grids ({NAMING}), or a folder of several grids' results (default: all in --results).",
        metavar="GRID",
        show_default=False,
        autocompletion=grids,
    ),
]
ResultsFolder = Annotated[
    Path, typer.Option("--results", help="Where results are kept, here or in the nearest folder above.", callback=_root)
]
Select = Annotated[
    list[str],
    typer.Option(
        "--select",
        "-s",
        help="Only these cells: AXIS=VALUE[,VALUE...]; may be given again.",
        show_default=False,
        autocompletion=parts,
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Junit = Annotated[
    Path | None, typer.Option("--junit", help="Write JUnit XML here, a test a verdict.", show_default=False)
]
Out = Annotated[
    Path | None, typer.Option("--out", "-o", help="Write the verdicts as Markdown here.", show_default=False)
]
Plot = Annotated[
    Path | None,
    typer.Option("--plot", help="Draw what was done by step here: .svg, .png, .pdf.", show_default=False),
]
Comment = Annotated[
    Path | None,
    typer.Option("--comment", help="Write the verdicts as a comment on a pull request here.", show_default=False),
]
Issue = Annotated[
    Path | None,
    typer.Option(
        "--issue", help="Write what is red here, to paste into an issue; empty on a good night.", show_default=False
    ),
]
Badge = Annotated[
    Path | None,
    typer.Option("--badge", help="Write a badge here: JSON for shields.io's endpoint.", show_default=False),
]
Verbose = Annotated[bool, typer.Option("--verbose", "-v", help="All the evidence: every figure of every verdict.")]
InconclusiveIs = Annotated[
    str, typer.Option("--inconclusive", help="What INCONCLUSIVE means for the exit code: fail (3) or pass (0).")
]
SkippedIs = Annotated[
    str, typer.Option("--skipped", help="What this machine cannot run means for the exit code: pass, or fail (1).")
]
EnvironmentChoice = Annotated[
    str | None,
    typer.Option(
        "--environment",
        help="Whose runs: an environment's id or label, or all (default: those that `run` meant).",
        show_default=False,
    ),
]
Slots = Annotated[
    int | None,
    typer.Option("--slots", min=1, help="Cells at a time (default: what the machine holds).", show_default=False),
]
Host = Annotated[str, typer.Option("--host", help="fork: warm host, a child a cell; spawn: a new interpreter a cell.")]
MaxHours = Annotated[
    float | None,
    typer.Option("--max-hours", min=0.0, help="Start no further cell after this time (exit 3).", show_default=False),
]
Fresh = Annotated[
    bool, typer.Option("--fresh", help="Measure anew what has been measured; what was left unfinished goes on.")
]
MaxAge = Annotated[
    str | None,
    typer.Option("--max-age", help="Older results do not count: 90m, 20h, 7d.", show_default=False),
]
Retries = Annotated[int, typer.Option("--retries", min=0, help="Further attempts at a cell that crashed or timed out.")]
KeepErrored = Annotated[bool, typer.Option("--keep-errored", help="Do not try again what errored in an earlier run.")]
On = Annotated[
    str | None,
    typer.Option(
        "--on", help="A cluster to run on: ray, or ray://HOST:PORT (default: this machine).", show_default=False
    ),
]
AllowBusy = Annotated[bool, typer.Option("--allow-busy", help="Use devices that something else is using.")]
