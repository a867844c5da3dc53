"""`harness data`: what a grid's data are, before anything trains on them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
from tabulate import tabulate

from harness.cli.options import Json
from harness.grid.grid import load_grid
from harness.pipelines.look.data import Looked, look_at
from harness.record.parts.data import Split, Twice
from harness.report.phrases.say import say
from harness.text import one_line

GridFile = Annotated[Path, typer.Argument(help="The grid: a TOML file, or one that is shipped.", metavar="GRID")]
HEADS = ("split", "examples", "classes", "repeated", "other label", "empty", "words p50", "p95", "max")


def data(grid: GridFile, as_json: Json = False) -> None:
    """Tell the splits of a grid's tasks: classes, lengths, repetitions, and validation examples that are in training.

    Example: harness data quickstart
    """
    found = look_at(load_grid(grid))
    if as_json:
        print(json.dumps([_plain(one) for one in found], indent=2))
        return
    print("\n\n".join("\n".join(_lines(one)) for one in found))


def _plain(one: Looked) -> dict[str, Any]:
    faults = [{"code": fact.code, "values": dict(fact.values), "text": say(fact)} for fact in one.faults]
    return {"task": one.task, "data": one.data.model_dump(mode="json"), "faults": faults}


def _lines(one: Looked) -> Iterator[str]:
    yield one_line(one.task)
    audit = one.data.audit
    rows = [_row("training", one.data.train, one.data.classes, audit.train if audit else None)]
    rows.append(_row("validation", one.data.validation, one.data.classes, audit.validation if audit else None))
    rows += [_row(name, split, one.data.classes, None) for name, split in one.data.more.items()]
    yield tabulate(rows, headers=HEADS, tablefmt="simple", disable_numparse=True)
    if audit is not None:
        yield f"validation examples in training: {audit.in_training:,}, with another label {audit.other_label:,}"
    for fact in one.faults:
        yield f"warning: {say(fact)}"


def _row(name: str, split: Split, classes: list[str] | None, twice: Twice | None) -> list[str]:
    names = classes or [str(number) for number in range(len(split.labels or ()))]
    kinds = [f"{label} {count:,} ({100 * count / split.examples:.1f} %)"
             for label, count in zip(names, split.labels or (), strict=False)]  # fmt: skip
    more = "" if len(kinds) <= 6 else f" and {len(kinds) - 6} more"
    found = [name, f"{split.examples:,}", one_line(", ".join(kinds[:6]) + more) if kinds else "-"]
    if twice is None:
        return [*found, *["-"] * 6]
    words = twice.words or {}
    lengths = [str(words.get(key, "-")) for key in ("p50", "p95", "max")]
    return [*found, f"{twice.duplicates:,}", f"{twice.other_label:,}", f"{twice.empty or 0:,}", *lengths]
