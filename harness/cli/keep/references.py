"""`harness references`: the published values that the harness knows, and whether their arithmetic holds."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from typing import Annotated, Any

import typer
from tabulate import tabulate

from harness.cli.options import Json
from harness.errors import SpecError
from harness.text import one_line

app = typer.Typer(no_args_is_help=True, help="Published values: what they are, where from, and whether they can be.")
WIDTH = 48


@app.command(name="list")
def list_(
    checkpoint: Annotated[
        str | None,
        typer.Option("--checkpoint", help="Checkpoints with this in their name.", show_default=False),
    ] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="Only this kind, say paper.", show_default=False)] = None,
    as_json: Json = False,
) -> None:
    """List the registry, a line a reference.

    Example: harness references list --checkpoint bert-base-uncased
    """
    from harness.references import list_rows

    rows = [asdict(row) for row in list_rows()]
    kinds = sorted({row["kind"] for row in rows})
    if kind is not None and kind not in kinds:
        raise SpecError(f"--kind: got {kind!r}; allowed {', '.join(kinds)}")
    found = [
        row
        for row in rows
        if (kind is None or row["kind"] == kind) and (checkpoint or "").lower() in row["checkpoint"].lower()
    ]
    columns = ("id", "kind", "checkpoint", "split", "statistic", "accuracy", "f1", "precision")
    _print(
        found, columns, as_json, f"{len(found)} of {len(rows)} references; `harness references show ID` has the rest"
    )


@app.command()
def show(
    reference: Annotated[str, typer.Argument(help="The reference's id.", show_default=False)], as_json: Json = False
) -> None:
    """Show everything known of one reference: values, recipe, source, audit, contradictions.

    Example: harness references show hf-course-ch3
    """
    from harness.references import details, find

    found = details(find(reference))
    if as_json:
        print(json.dumps(dict(found), indent=1))
        return
    width = max(len(name) for name, _ in found)
    print("\n".join(f"{name:<{width}}  {one_line(str(value))}" for name, value in found))


@app.command()
def audit(as_json: Json = False) -> None:
    """Say of each value whether integer counts on its split can give it, and which values contradict each other.

    Example: harness references audit
    """
    from harness.references import audit_registry, contradictions

    rows = [asdict(row) for row in audit_registry()]
    _print(rows, ("id", "published", "split", "verdict", "text", "comparable"), as_json)
    if as_json:
        return
    against = contradictions()
    print(f"\n{len(against)} contradictions:" if against else "\nno contradictions")
    for one in against:
        print(f"  {one.metric}: {one_line(one.text)}" + (f" ({one_line(one.known)})" if one.known else ""))


def _print(rows: Sequence[dict[str, Any]], columns: Sequence[str], as_json: bool, last: str = "") -> None:
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    body = [[one_line(str(row[name] if row[name] is not None else ""))[:WIDTH] for name in columns] for row in rows]
    print(tabulate(body, headers=list(columns), disable_numparse=True))
    if last:
        print(f"\n{last}")
