"""`harness init`: begin in a repository of one's own."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from harness import __version__
from harness.grid.form.schema import FILE
from harness.grid.form.template import MARK
from harness.pipelines.keep.begin import (
    DATA,
    EXTRAS,
    GRID,
    NAME,
    NIGHTLY_JOB,
    PACKAGE,
    PULL_REQUEST_JOB,
    PYPROJECT,
    WHEEL,
    Begun,
    begin,
)
from harness.text import one_line

Folder = Annotated[
    Path,
    typer.Argument(help="The repository's folder (default: this one); made where it is missing.", metavar="[FOLDER]"),
]


def init(
    folder: Folder = Path(),
    force: Annotated[bool, typer.Option("--force", help="Overwrite what an earlier init wrote.")] = False,
) -> None:
    """Write a grid with every key, a nightly and a pull-request workflow, and what git leaves out; run it at once.

    Example: harness init my-repository
    """
    print("\n".join(map(one_line, _said(begin(folder, force)))))


def _said(done: Begun) -> list[str]:
    """What was written, and what to type next."""
    what = {
        GRID: "every key that a grid may have; it runs as it stands",
        FILE: "the keys, for editors",
        **dict(zip(DATA, ("the example's sentences to learn", "those that it is scored on"), strict=True)),
        NIGHTLY_JOB: "a job each night",
        PULL_REQUEST_JOB: "a job for pull requests with the label `benchmark`",
    }
    width = max(map(len, [*done.new, *done.added]))
    rows = [(name, what[name]) for name in done.new]
    rows += [(name, f"+ {' '.join(more.split())}") for name, more in done.added.items()]
    lines = ["wrote", *(f"  {name:<{width}}  {said}" for name, said in rows)]
    if done.by_hand:
        lines.append(f'add "{GRID}" to grids in [tool.harness] of {PYPROJECT}')
    lines += ["next", *([f"  cd {shlex.quote(str(done.folder))}"] if done.folder != Path() else [])]
    if done.lacking:
        lines.append(f"  python -m pip install {' '.join(done.lacking)}")
    lines += [
        f"  harness validate {GRID}",
        f"  harness plan {GRID}",
        f"  harness bench  # trains, judges, writes results/{NAME}/report.md: some minutes without a GPU",
        f'your own data: files and columns in [task] of {GRID}; delete its block "{MARK}", and {" ".join(DATA)}',
    ]
    lines += ["", f"the jobs install {done.install}; the variable HARNESS_INSTALL of the repository goes before that"]
    if not done.installable:
        lines.append("set it: this harness came from a file or folder of this machine, which they do not have")
    lines += [
        "HARNESS_INSTALL is what follows `pip install`, without quotes; -c FILE keeps versions from night to night",
        f"  a wheel, committed  -c constraints.txt ./{WHEEL}[{EXTRAS}]",
        f"  a clone or fork     -c constraints.txt {PACKAGE}[{EXTRAS}]@git+https://HOST/OWNER/REPOSITORY@COMMIT",
        f"  an index            -c constraints.txt {PACKAGE}[{EXTRAS}]=={__version__}",
    ]
    root = next((one for one in done.folder.absolute().parents if (one / ".git").exists()), None)
    if root is not None and not (done.folder / ".git").exists():
        lines.append(f"GitHub reads .github/workflows in the root of the repository: move it to {root}")
    return lines
