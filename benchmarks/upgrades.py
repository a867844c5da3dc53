"""Does `harness ab` raise an alarm where nothing changed, and find and name what did? `upgrades.toml`, tried.

`python -m benchmarks.upgrades -o FILE.md` runs all of it, with the same as JSON beside the page; `--only` one part.
Exit code 1 where a pair that should be equal is not, or a planted change is not found or not named.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from harness.disk import write_files
from harness.errors import HarnessError
from harness.execution.progress import Reporter
from harness.execution.run import Runner, RunOptions
from harness.execution.session import Session
from harness.grid.environments import CURRENT
from harness.pipelines.ab.sides import Sides, compare_sides, grid_of_two
from harness.report.format.table import table
from harness.report.phrases.say import say
from harness.report.verdicts.sections import Section

LIST: Final = Path(__file__).with_name("upgrades.toml")
PARTS: Final = ("equal", "changed", "open")
MOST_NAMED: Final = 6
HEADINGS: Final = {
    "equal": "Neighbouring releases: no alarm is due",
    "changed": "What is installed, and a copy of it with one line changed: each is to be found and named",
    "open": "Releases further apart: nobody knew what would come",
}
HEADS: Final = ("A", "B", "Exit", "Runs are", "Fields that differ", "As listed")
COMMAND: Final = "python -m benchmarks.upgrades -o reports/upgrades-tried.md"
KIND: Final = "upgrades-tried"
COPIED: Final = "a copy of {package}: {what}"


@dataclass(frozen=True)
class Tried:
    """What came of one: `state` as `ab` answers, `named` the fields in which runs differ, `ok` None of an open one."""

    part: str
    a: str
    b: str
    exit_code: int
    state: str
    answer: str
    named: tuple[str, ...]
    seconds: float
    ok: bool | None


def read_list(part: str) -> list[Mapping[str, Any]]:
    """The entries of a part of the list."""
    found: list[Mapping[str, Any]] = tomllib.loads(LIST.read_text(encoding="utf-8"))[part]
    return found


def planted(change: Mapping[str, Any], folder: Path) -> str:
    """A copy of an installed package with the change in it, as a side of `ab`; ValueError where it has no place."""
    name = change["package"]
    source = Path(str(metadata.distribution(name).locate_file(name)))
    copy = folder / name
    shutil.copytree(source, copy, copy_function=os.link, ignore=shutil.ignore_patterns("__pycache__"))
    path = copy / change["file"]
    text = path.read_text(encoding="utf-8")
    if change["find"] not in text:
        raise ValueError(f"{name}/{change['file']}: {change['find']!r} is not in it")
    path.unlink()  # it is linked: the installed one stays as it is
    path.write_text(text.replace(change["find"], change["put"], 1), encoding="utf-8")
    return f"{name} @ {copy}"


def compared(a: str, b: str, results: Path) -> tuple[Sides, Section]:
    """What `harness ab A B` comes to."""

    def run(session: Session) -> None:
        Runner(session, RunOptions(), Reporter()).run()

    found = compare_sides(grid_of_two(a, b, None), results, run)
    return found, found.section(f"harness ab '{a}' '{b}'", only_new=False, grid="")


def leading(found: Sides) -> tuple[str, ...]:
    """The fields in which pairs differ, those that each leads with first."""
    pairs = [one for one in found.pairs if one.outcome == "FAIL"]
    first = [one.failures[0].item for one in pairs if one.failures]
    every = [finding.item for one in pairs for finding in one.findings if finding.outcome != "PASS"]
    return tuple(dict.fromkeys([*first, *every]))


def tried(part: str, entry: Mapping[str, Any], folder: Path) -> Tried:
    """Try one entry of the list."""
    began = time.monotonic()
    is_copy = part == "changed"
    a, b = (CURRENT, planted(entry, folder / "copy")) if is_copy else (entry["a"], entry["b"])
    shown = COPIED.format_map(entry) if is_copy else b
    try:
        found, section = compared(a, b, folder / "results")
    except HarnessError as error:
        seconds = round(time.monotonic() - began, 1)
        return Tried(
            part, a, shown, error.exit_code, "error", str(error), (), seconds, None if part == "open" else False
        )
    state, named = str(found.answer.values["state"]), leading(found)
    of_ok = {
        "equal": section.code == 0 and state in ("identical", "equal"),
        "changed": section.code == 1 and bool(set(entry.get("names", ())) & set(named)),
        "open": None,
    }
    answer = say(found.answer if state == "identical" else found.diff)
    return Tried(part, a, shown, section.code, state, answer, named, round(time.monotonic() - began, 1), of_ok[part])


def page(every: Sequence[Tried]) -> str:
    """What was tried as Markdown, part by part."""
    judged = [one for one in every if one.ok is not None]
    right = sum(bool(one.ok) for one in judged)
    missed = [f"{one.a} -> {one.b}" for one in judged if not one.ok]
    lines = [
        "# Upgrades that `harness ab` was tried on",
        f"{right} of {len(judged)} pairs came out as the list has it, which was committed before its first run"
        + (f"; not so: {'; '.join(missed)}." if missed else "."),
    ]
    for part in dict.fromkeys(one.part for one in every):
        lines += [f"## {HEADINGS[part]}", table(HEADS, [_row(one) for one in every if one.part == part], "llrlll")]
    return "\n\n".join([*lines, f"```sh\n{COMMAND}\n```"]) + "\n"


def again(data: Path) -> str:
    """The page of its JSON."""
    return page([Tried(**{**one, "named": tuple(one["named"])}) for one in json.loads(data.read_text())["tried"]])


def _row(one: Tried) -> list[str]:
    fields = ", ".join(one.named[:MOST_NAMED]) or ("none" if one.state != "error" else one.answer)
    state = "not comparable" if one.state == "none" else one.state
    return [one.a, one.b, str(one.exit_code), state, fields, {True: "yes", False: "**no**", None: "open"}[one.ok]]


def _every(parts: Sequence[str], work: Path) -> Iterator[Tried]:
    for part in parts:
        for number, entry in enumerate(read_list(part)):
            with tempfile.TemporaryDirectory(dir=work) as folder:
                one = tried(part, entry, Path(folder))
            print(f"{part} {number}: {one.a} -> {one.b}: exit {one.exit_code}, {one.state}, {one.named[:3]}, {one.ok}, "
                  f"{one.seconds:.0f} s", file=sys.stderr, flush=True)  # fmt: skip
            yield one


def main(arguments: list[str] | None = None) -> int:
    """Try the list and write the page."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", choices=PARTS, help="only this part; may be given again")
    parser.add_argument("--out", "-o", type=Path, help="the Markdown file; the same as JSON beside it")
    options = parser.parse_args(arguments)
    with tempfile.TemporaryDirectory() as work:
        every = list(_every(options.only or PARTS, Path(work)))
    if options.out is None:
        print(page(every))
    else:
        data = json.dumps({"kind": KIND, "tried": [asdict(one) for one in every]}, indent=1) + "\n"
        write_files({options.out.name: page(every), f"{options.out.stem}.json": data}, options.out.parent)
    return 1 if any(one.ok is False for one in every) else 0


if __name__ == "__main__":
    sys.exit(main())
