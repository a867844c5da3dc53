"""Is a night ever green by accident? The list of accidents, each really made, each command in a process of its own.

`python -m benchmarks.false_green --before CHECKOUT -o reports/false-green.md`: what was tried is kept in the work
folder and not tried again (--again NAME does). Exit code 1 where anything is not as the list has it.
"""

from __future__ import annotations

import argparse
import json
import shlex
import subprocess
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import Final

from benchmarks.false_green.accidents import Accident, read_list
from benchmarks.false_green.base import make_base
from benchmarks.false_green.command import Harness
from benchmarks.false_green.honest import all_green, honest_nights
from benchmarks.false_green.made import MAKERS
from benchmarks.false_green.page import KIND, Side, again
from benchmarks.false_green.trial import Found, tried
from harness.disk import write_files

ROOT: Final = Path(__file__).resolve().parents[2]
NIGHTS: Final = 10
AT_ONCE: Final = 2


def side(checkout: Path, work: Path, accidents: Sequence[Accident], nights: int) -> Side:
    """All that one checkout comes to."""
    old = not (checkout / "harness" / "cli" / "judge").is_dir()
    folder = work / ("before" if old else "now")
    folder.mkdir(parents=True, exist_ok=True)
    base = make_base(folder / "base", Harness(checkout, folder / "cache", old))

    def one(accident: Accident) -> Found:
        found = tried(accident, base, folder)
        told = found.get("not_made") or " ".join(
            f"{command} {outcome['code']} {outcome['judged']};" for command, outcome in found["commands"].items()
        )
        print(f"{folder.name}: {accident.name}: {told}", file=sys.stderr, flush=True)
        return found

    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = {each["name"]: each for each in pool.map(one, accidents)}
    return Side(_commit(checkout), found, honest_nights(base, folder, nights) if nights else [])


def _commit(checkout: Path) -> str:
    said = subprocess.run(
        ["git", "-C", str(checkout), "log", "-1", "--format=%h of %cs"], capture_output=True, text=True, check=False
    )
    return said.stdout.strip() or "unknown"


def main(arguments: list[str] | None = None) -> int:
    """Try the accidents and write the report; 1 where one of them is not as the list has it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME", help="only this accident; may be given again")
    parser.add_argument("--again", action="append", metavar="NAME", default=[], help="try this one again, or `all`")
    parser.add_argument("--before", type=Path, metavar="CHECKOUT", help="an older checkout, for the column before")
    parser.add_argument("--now", type=Path, metavar="CHECKOUT", default=ROOT, help="default: the one that this is in")
    parser.add_argument("--work", type=Path, default=Path("results/false-green"), help="where stores and outcomes are")
    parser.add_argument("--nights", type=int, default=NIGHTS, help="honest nights (published: %(default)s)")
    parser.add_argument("--out", "-o", type=Path, help="the Markdown file; the same as JSON beside it")
    options = parser.parse_args(arguments)
    every = read_list()
    unknown = {*(options.only or ()), *options.again} - {one.name for one in every} - {"all"}
    if unknown or {one.name for one in every} != set(MAKERS):
        parser.error(f"no such accident, or none that makes it: {unknown or {o.name for o in every} ^ set(MAKERS)}")
    accidents = [one for one in every if not options.only or one.name in options.only]
    work = options.work.resolve()
    for name in [one.name for one in every] if "all" in options.again else options.again:
        for kept in work.glob(f"*/{name}.json"):
            kept.unlink()
    now = side(options.now.resolve(), work, accidents, options.nights)
    before = side(options.before.resolve(), work, accidents, options.nights) if options.before else None
    typed = sys.argv[1:] if arguments is None else arguments
    places = {str(work): "WORK", str(options.work): "WORK", sys.executable: "PYTHON"}
    if options.before:
        places |= {str(options.before.resolve()): "CHECKOUT", str(options.before): "CHECKOUT"}
    command = shlex.join(["python", "-m", "benchmarks.false_green", *(places.get(one, one) for one in typed)])
    found = {"kind": KIND, "command": command, "now": asdict(now), "before": asdict(before) if before else None}
    data = json.dumps(found, indent=1) + "\n"
    # Neither says where this machine has its files.
    for path in sorted(places, key=len, reverse=True):
        data = data.replace(json.dumps(path)[1:-1], places[path])
    text = again(json.loads(data), accidents)
    if options.out is None:
        print(text)
    else:
        write_files({options.out.name: text, f"{options.out.stem}.json": data}, options.out.parent)
    return 1 if now.misses(accidents) or not all_green(now.nights) else 0


if __name__ == "__main__":
    sys.exit(main())
