"""Are planted faults found, and rightly named? The list of faults, each planted in the software under test.

`python -m benchmarks.detection --work FOLDER -o reports/detection.md`: what was tried is kept in the work folder and
not tried again; --again NAME does, and keeps what the first try came to. Exit code 1 where too few are found or named,
or a clean variant is called faulty.
"""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from benchmarks.detection.faults import COMMANDS, Clean, Fault, read_list
from benchmarks.detection.judge import Told
from benchmarks.detection.page import Outcomes, document, enough, page
from benchmarks.detection.trial import Trials, software
from benchmarks.false_green.command import Harness
from harness.disk import write_files

ROOT: Final = Path(__file__).resolve().parents[2]
AT_ONCE: Final = 2


def outcomes(trials: Trials, every: Sequence[Fault | Clean], at_once: int) -> tuple[Outcomes, Outcomes]:
    """What all of the list comes to now, and what it came to at its first try."""
    trials.begin()

    def one(job: tuple[Fault | Clean, str]) -> tuple[Told, Told]:
        now, first = trials.tried(*job)
        print(f"{job[0].name}: {job[1]} {now.code} {now.state} {', '.join(now.calls)}", file=sys.stderr, flush=True)
        return now, first

    jobs = [(each, command) for command in reversed(COMMANDS) for each in every]
    with ThreadPoolExecutor(at_once) as pool:
        found = {(each.name, command): two for (each, command), two in zip(jobs, pool.map(one, jobs), strict=True)}
    now, first = (
        {each.name: {command: found[each.name, command][side] for command in COMMANDS} for each in every}
        for side in (0, 1)
    )
    return now, first


def main(arguments: list[str] | None = None) -> int:
    """Try the list and write the report; 1 where less is found than the project asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", metavar="NAME", help="only this one; may be given again")
    parser.add_argument("--again", action="append", metavar="NAME", default=[], help="try this one again, or `all`")
    parser.add_argument("--work", type=Path, default=Path("results/detection"), help="where runs and outcomes are")
    parser.add_argument("--at-once", type=int, default=AT_ONCE, help="trials at a time (default: %(default)s)")
    parser.add_argument("--out", "-o", type=Path, help="the Markdown file; the same as JSON beside it")
    options = parser.parse_args(arguments)
    faults, clean = read_list()
    every: list[Fault | Clean] = [*faults, *clean]
    unknown = {*(options.only or ()), *options.again} - {one.name for one in every} - {"all"}
    if unknown:
        parser.error(f"nothing of that name is on the list: {', '.join(sorted(unknown))}")
    chosen = set(options.only or [one.name for one in every])
    faults, clean = [one for one in faults if one.name in chosen], [one for one in clean if one.name in chosen]
    harness = Harness(ROOT, options.work.resolve() / "cache")
    trials = Trials(options.work.resolve(), harness)
    for one in (one for one in every if {one.name, "all"} & set(options.again)):
        trials.forget(one)
    now, first = outcomes(trials, [*faults, *clean], options.at_once)
    typed = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "benchmarks.detection", *typed])
    text = page(faults, clean, now, first, command, software())
    if options.out is None:
        print(text)
    else:
        data = json.dumps(document(now, first), indent=1) + "\n"
        write_files({options.out.name: text, f"{options.out.stem}.json": data}, options.out.parent)
    return 0 if enough(faults, clean, now) else 1


if __name__ == "__main__":
    sys.exit(main())
