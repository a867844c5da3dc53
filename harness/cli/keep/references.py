"""`harness references`: the published values that the harness knows, and whether their arithmetic holds."""

from __future__ import annotations

import json
import textwrap
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from harness.cli.options import Json
from harness.errors import SpecError
from harness.report.format.metrics import metric_word
from harness.report.format.width import columns, folded
from harness.report.phrases.recipe import many
from harness.text import one_line

app = typer.Typer(no_args_is_help=True, help="Published values: what they are, where from, and whether they can be.")
FIGURE: Final = len("0.8578")


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
    if as_json:
        print(json.dumps(found, indent=1))
        return
    for row in found:
        print(_line(row))
        print(folded(one_line(f"  {row['source']}")))
    print(f"\n{len(found)} of {many(len(rows), 'reference')}; `harness references show ID` has the rest")


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
    print("\n".join(_field(name.ljust(width), one_line(str(value))) for name, value in found))


@app.command()
def audit(as_json: Json = False) -> None:
    """Say of each value whether integer counts on its split can give it, and which values contradict each other.

    Example: harness references audit
    """
    from harness.references import audit_registry, contradictions

    rows = [asdict(row) for row in audit_registry()]
    if as_json:
        print(json.dumps(rows, indent=1))
        return
    against, counts = contradictions(), Counter(row["verdict"] for row in rows)
    verdicts = ", ".join(f"{number} {verdict}" for verdict, number in counts.most_common())
    print(folded(f"{many(len(rows), 'reference')}: {verdicts}; {many(len(against), 'contradiction')}"))
    for row in rows:
        apart = f"; not to be compared: {row['comparable']}" if row["comparable"] else ""
        print(folded(one_line(f"{row['id']}  {row['verdict']}: {row['text']}")))
        print(folded(one_line(f"  {row['published']} ({row['split']}){apart}")))
    print(f"\n{many(len(against), 'contradiction')}{':' if against else ''}")
    for one in against:
        known = f" ({one_line(one.known)})" if one.known else ""
        print(folded(f"  {one.metric}: {one_line(one.text)}{known}"))


def _field(name: str, value: str) -> str:
    there, indent = columns(), " " * (len(name) + 2)
    if there is None or len(indent) + len(value) <= there:
        return f"{name}  {value}"
    lines = textwrap.wrap(value, there - len(indent), break_long_words=False, break_on_hyphens=False)
    return "\n".join(f"{indent if number else f'{name}  '}{line}" for number, line in enumerate(lines))


def _line(row: Mapping[str, Any]) -> str:
    """`hf-course-ch3  1 run, 2021, validation: accuracy 0.8578, F1 0.8997; google-bert/bert-base-uncased`."""
    runs = "several runs" if row["n"] is None else many(row["n"], "run")
    about = ", ".join(filter(None, [runs, row["year"], row["split"]]))
    scores = ", ".join(f"{metric_word(name)} {_short(row[name])}" for name in ("accuracy", "f1") if row[name])
    return folded(one_line(f"{row['id']}  {about}: {scores}; {row['checkpoint']}"))


def _short(value: str) -> str:
    """Its first figure with 4 decimals at most, and what stands behind it: nothing is cut in the middle."""
    figure, *rest = value.split(" ")
    return " ".join([figure if len(figure) <= FIGURE else f"{float(figure):.4f}", *rest])
