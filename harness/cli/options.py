"""Options that several commands share, each declared once."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

GridFile = Annotated[Path, typer.Argument(help="The grid: a TOML file.", show_default=False)]
ResultsFolder = Annotated[Path, typer.Option("--results", help="Where results are kept.")]
Select = Annotated[
    list[str],
    typer.Option(
        "--select", "-s", help="Only these cells: AXIS=VALUE[,VALUE...]; may be given again.", show_default=False
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON for a program to read.")]
Slots = Annotated[
    int | None,
    typer.Option("--slots", min=1, help="Cells at a time (default: what the machine holds).", show_default=False),
]
Host = Annotated[str, typer.Option("--host", help="fork: warm host, a child a cell; spawn: a new interpreter a cell.")]
MaxHours = Annotated[
    float | None,
    typer.Option("--max-hours", min=0.0, help="Start no further cell after this time (exit 3).", show_default=False),
]
Retries = Annotated[int, typer.Option("--retries", min=0, help="Further attempts at a cell that errored.")]
RetryErrored = Annotated[bool, typer.Option("--retry-errored", help="Run cells again whose last result is an error.")]
TimeAgain = Annotated[
    bool, typer.Option("--time-again", help="Time again what has been timed already: a further session of it.")
]
AllowBusy = Annotated[bool, typer.Option("--allow-busy", help="Use devices that something else is using.")]

RESULTS = Path("results")
