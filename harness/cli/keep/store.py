"""`harness store`: looking after a store."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from typing import Annotated, Any, Final

import typer

from harness.cli.options import NAMING, RESULTS, Json, ResultsFolder, ResultsOfAny
from harness.errors import SpecError, StoreError
from harness.pipelines.keep.inventory import Inventory, inventory
from harness.pipelines.keep.prune import Prunable, Pruned, Reason, prunable, prune, unforgotten
from harness.pipelines.keep.retire import retired
from harness.pipelines.keep.verify import Verified, verify_store
from harness.pipelines.named.places import Place, places_of, together
from harness.record.provenance import ago, now, read_age
from harness.report.format.width import folded, listing
from harness.report.phrases.head import minute
from harness.report.phrases.recipe import many
from harness.text import listed, one_line

app = typer.Typer(help="Look after a store.", no_args_is_help=True)

SCHEMA: Final = 1
KEEP: Final = "30d"
Where = Annotated[
    str | None,
    typer.Argument(
        metavar="GRID",
        help=f"A grid ({NAMING}), or a folder of several grids' results (default: all in --results).",
        show_default=False,
    ),
]
WHY: Final[Mapping[Reason, str]] = {
    "young": "young, or of another environment",
    "newest": "the newest of a cell",
    "passed": "the last that passed",
    "session": "of the last 30 timing sessions",
    "named": "named by a file",
    "unreadable": "with a record that cannot be read",
}


@app.callback()
def root() -> None:
    """Look after a store."""


@app.command("list")
def list_(
    name: Where = None,
    results: ResultsFolder = RESULTS,
    keep: Annotated[str, typer.Option("--keep", help="What `prune` would be given: 90m, 20h, 7d.")] = KEEP,
    as_json: Json = False,
) -> None:
    """Show the grids of a folder of results: how much is there, of when, of which environments, what prune would take.

    Example: harness store list --keep 14d
    """
    oldest = ago(read_age(keep, "--keep", 0))
    places = places_of(name, results)
    found = {place.name: inventory(place, oldest) for place in places}
    if as_json:
        _print("list", 0, {name: _facts(one) for name, one in found.items()})
        return
    if not found:
        print(f"{name or results}: no results yet")
        return
    heads = ["grid", "cells", "records", "measurements", "size", "oldest (UTC)", "youngest (UTC)", "prune would take"]
    rows = [
        [name, one.cells, one.records, one.measurements, _size(one.bytes), minute(one.oldest or ""),
         minute(one.youngest or ""), _taken(one.prunable)]
        for name, one in found.items()
    ]  # fmt: skip
    print(listing(heads, rows))
    for name, one in found.items():
        for held in one.environments:
            meant = f"meant as {listed(held.labels)}" if held.labels else "not meant any more"
            meant = "whether it is meant is not recorded" if held.labels is None else meant
            what = f"{many(held.records, 'record')}, youngest {minute(held.youngest)} (UTC), {meant}"
            print(folded(one_line(f"{name}: environment {held.environment_id}: {what}")))
        for problem in one.unreadable:
            print(one_line(f"{name}: unreadable, counts for nothing: {problem}"))


@app.command("prune")
def prune_(
    name: Where = None,
    keep: Annotated[
        str | None,
        typer.Option("--keep", help="What is younger stays: 90m, 20h, 30d.", show_default=False),
    ] = None,
    environment: Annotated[
        str | None,
        typer.Option(
            "--environment",
            help="Retire an environment, by id or label: all of it that no file names; with --keep what is older.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and leave it.")] = False,
    results: ResultsFolder = RESULTS,
    as_json: Json = False,
) -> None:
    """Take old measurements out of a store, whole ones.

    Never the newest of a cell in an environment, the last that passed, the last 30 timing sessions of a configuration,
    what reports/baselines/GRID.json or another JSON file in reports/ names, nor what cannot be read. Whether one passed
    is judged again by today's grid and accepted file; where the grid's file is not known, the last measurement of
    which every run went well stays.

    Example: harness store prune mrpc --keep 30d --dry-run
    """
    if keep is None and environment is None:
        raise SpecError("prune: allowed --keep AGE, such as 30d, or --environment ID|LABEL, or both")
    oldest = None if keep is None else ago(read_age(keep, "--keep", 0))
    places, code, facts = places_of(name, results), 0, {}
    chosen = [(place, None) for place in places] if environment is None else retired(places, environment)
    for place, environment_id in chosen:
        if not dry_run:
            unforgotten(place.store)
        what = prunable(place, oldest, environment_id)
        done = Pruned() if dry_run else prune(place.store, what)
        code = StoreError.exit_code if done.held else code
        facts[place.name] = _pruned(what, done, dry_run)
        if not as_json:
            print(folded("\n".join(_lines(place, what, done, dry_run))))
    if as_json:
        _print("prune", code, facts)
    elif not places:
        print(f"{name or results}: no results yet")
    raise typer.Exit(code)


@app.command()
def verify(name: Where = None, results: ResultsFolder = RESULTS, as_json: Json = False) -> None:
    """Read every record and series: hashes, scores against counts against logits, place, index; a line each finding.

    Example: harness store verify results
    """
    found = {place.name: verify_store(place) for place in places_of(name, results)}
    code = StoreError.exit_code if any(one.findings for one in found.values()) else 0
    if as_json:
        _print("verify", code, {name: asdict(one) for name, one in found.items()})
        raise typer.Exit(code)
    if not found:
        print(f"{name or results}: no results yet")
    for grid, one in found.items():
        for finding in one.findings:
            print(one_line(f"{grid}: {finding}"))
        read = f"{many(one.records, 'record')} and {one.series} series read in {one.seconds:.1f} s"
        print(f"{grid}: {read}: {many(len(one.findings), 'finding')}{''.join(f'; {note}' for note in _notes(one))}")
    raise typer.Exit(code)


@app.command()
def reindex(
    names: ResultsOfAny = None,
    results: ResultsFolder = RESULTS,
) -> None:
    """Rebuild the index of grids from their records.

    Example: harness store reindex quickstart
    """
    stores = together(names or (), results)
    if not stores:
        print(f"{listed(names or ()) or results}: no results yet")
    for store in stores:
        print(f"{store.grid}: {many(store.reindex(), 'record')}")
        for problem in store.unreadable.values():
            print(f"{store.grid}: left out: {problem}")


def _print(kind: str, code: int, grids: Mapping[str, Any]) -> None:
    envelope = {"schema": SCHEMA, "kind": f"harness-store-{kind}", "date": now(), "exit_code": code, "grids": grids}
    print(json.dumps(envelope, indent=1))


def _facts(one: Inventory) -> dict[str, Any]:
    return {
        **{key: getattr(one, key) for key in ("cells", "records", "measurements", "bytes", "oldest", "youngest")},
        "environments": [asdict(held) for held in one.environments],
        "prunable": _counts(one.prunable),
        "unreadable": list(one.unreadable),
    }


def _counts(what: Prunable) -> dict[str, Any]:
    return {
        "measurements": len(what.measurements),
        "records": what.records,
        "bytes": what.bytes,
        "kept": dict(what.kept),
        "named": {str(path): number for path, number in what.named.items()},
    }


def _pruned(what: Prunable, done: Pruned, dry_run: bool) -> dict[str, Any]:
    taken = {key: getattr(done, key) for key in ("measurements", "records", "bytes")}
    return {"dry_run": dry_run, "prunable": _counts(what), "taken": taken, "held": len(done.held)}


def _lines(place: Place, what: Prunable, done: Pruned, dry_run: bool) -> Sequence[str]:
    """What became of a store, in words."""
    if dry_run:
        said = f"would take {_taken(what)}"
    else:
        said = f"took {_amount(done.measurements, done.records, done.bytes)}" if done.records else "nothing to take"
    kept = [f"{many(number, 'measurement')} {WHY[reason]}" for reason, number in what.kept.items()]
    lines = [f"{place.name}: {said}" + (f"; kept: {', '.join(kept)}" if kept else "")]
    if place.grid is None and what.measurements:
        lines.append(f"{place.name}: its grid's file is not known here: no verdict was made again")
    lines += [f"{place.name}: kept: {many(number, 'record')} that {path} names" for path, number in what.named.items()]
    if done.held:
        lines.append(
            f"{place.name}: left: {many(len(done.held), 'measurement')}, for a run holds a cell of it; again later"
        )
    return [one_line(line) for line in lines]


def _taken(what: Prunable) -> str:
    return _amount(len(what.measurements), what.records, what.bytes) if what.measurements else "nothing"


def _amount(measurements: int, records: int, size: int) -> str:
    return f"{many(measurements, 'measurement')}, {many(records, 'record')}, {_size(size)}"


def _size(size: int) -> str:
    return f"{size / 2**20:.1f} MiB" if size < 2**30 else f"{size / 2**30:.2f} GiB"


def _notes(one: Verified) -> list[str]:
    counts = {
        "not in the index (`harness store reindex` adds them)": one.unknown,
        "without a record yet (the next run files what was killed)": one.unfinished,
        "of cells that the grid does not have": one.foreign or 0,
    }
    return [f"{many(number, 'attempt')} {what}" for what, number in counts.items() if number]
