"""`harness environments`: looking after the environments that are built of requirements."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from harness.cli.options import Json
from harness.errors import SpecError
from harness.execution.environments.build import build as build_one
from harness.execution.environments.held import Held, held
from harness.execution.environments.held import prune as prune_one
from harness.grid.environments import EnvironmentSpec, label_of, package_problems
from harness.protocol import SUBJECT
from harness.record.provenance import ago, now, read_age
from harness.report.format.width import folded
from harness.report.phrases.recipe import many
from harness.text import one_line

app = typer.Typer(help="Look after environments that are built of requirements.", no_args_is_help=True)

SCHEMA: Final = 1


@app.callback()
def root() -> None:
    """Look after environments that are built of requirements."""


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Show what is built: of what, when it was used last, the disk that it takes alone.

    Example: harness environments list
    """
    found = held()
    if as_json:
        _print("list", [_facts(one) for one in found])
    else:
        print(folded("\n".join(map(_line, found)) or "no environment is built"))


@app.command()
def prune(
    keep: Annotated[
        str | None,
        typer.Option("--keep", help="What was used since stays: 90m, 20h, 30d (default: none).", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and leave it.")] = False,
    as_json: Json = False,
) -> None:
    """Remove built environments, but for those that a process uses; the next use installs from the lock again.

    Example: harness environments prune --keep 30d
    """
    oldest = None if keep is None else ago(read_age(keep, "--keep", 0))
    old = [one for one in held() if oldest is None or one.used < oldest]
    gone = [one for one in old if dry_run or prune_one(one)]
    if as_json:
        _print("prune", [{**_facts(one), "removed": one in gone and not dry_run} for one in old])
        return
    for one in old:
        print(f"{'would go' if dry_run else 'removed' if one in gone else 'in use, left'}: {_line(one)}")
    print(f"{many(len(gone), 'environment')} {'would go' if dry_run else 'removed'}")


@app.command()
def build(
    requirements: Annotated[
        list[str],
        typer.Argument(metavar="REQUIREMENT...", help="transformers==4.57.6, 'transformers @ FOLDER', a wheel, a URL."),
    ],
    python: Annotated[
        str | None, typer.Option("--python", help="A version such as 3.12, or a path.", show_default=False)
    ] = None,
    as_json: Json = False,
) -> None:
    """Build one environment of these requirements, or find it; print its interpreter and lock.

    Example: harness environments build transformers==4.57.6 accelerate==1.12.0
    """
    for problem in package_problems(requirements):
        raise SpecError(f"REQUIREMENT: {problem.removeprefix('.packages')}")
    spec = EnvironmentSpec(packages=requirements, python=python)
    built = build_one(spec, ", ".join(label_of(one) for one in spec.requirements()), Path.cwd())
    if as_json:
        told = {"python": built.python, "packages": built.packages, "lock_id": built.lock_id, "lock": built.lock}
        _print("build", [told])
        return
    print(built.python)
    print("".join(f"{name}=={version}\n" for name, version in built.lock.items()), end="")
    print(f"lock {built.lock_id}, {many(len(built.lock), 'package')}", file=sys.stderr)


def _line(one: Held) -> str:
    of = ", ".join(f"{name} {one.lock[name]}" for name in SUBJECT if name in one.lock)
    what = ", ".join(one.packages)
    used = one.used[:16].replace("T", " ")
    return one_line(f"{one.folder.name}  {what}: used {used}, {one.bytes / 2**20:.0f} MiB; {of}; {one.python}")


def _facts(one: Held) -> dict[str, Any]:
    return {
        "folder": str(one.folder), "python": str(one.python), "packages": list(one.packages), "used": one.used,
        "bytes": one.bytes, "lock": dict(one.lock),
    }  # fmt: skip


def _print(kind: str, found: list[dict[str, Any]]) -> None:
    envelope = {"schema": SCHEMA, "kind": f"harness-environments-{kind}", "date": now(), "exit_code": 0}
    print(json.dumps({**envelope, "environments": found}, indent=1))
