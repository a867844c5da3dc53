"""Everything that the harness claims of a GPU, tried on one: `python -m benchmarks.gpu -o reports`.

Writes FOLDER/gpu-MODEL.md and the same as JSON; exit code 1 where a claim does not hold. With HARNESS_MRPC=FOLDER
(train.tsv and dev.tsv of GLUE) a real task too. `python -m pytest -m gpu` tries the same stages as tests; --rehearse
tries the commands on a CPU and claims nothing.
"""

from __future__ import annotations

import argparse
import json
import re
import shlex
import sys
from pathlib import Path
from typing import Final

from benchmarks.gpu.finding import Found
from benchmarks.gpu.page import page
from benchmarks.gpu.place import Place
from benchmarks.gpu.stages import STAGES
from harness.disk import write_files
from harness.errors import HarnessError
from harness.execution.devices import nvidia_driver
from harness.record.provenance import now

WORK: Final = "results/gpu"
KEPT: Final = "stages.json"
"""In the work folder: what each stage found, so that some can be tried again and all be reported."""


def try_stage(name: str, place: Place) -> Found:
    """Run one stage and keep what it found in the work folder."""
    place.prepare()
    found = Found()

    def tell(line: str) -> None:
        found.commands.append(line)
        place.tell(line)

    try:
        STAGES[name](Place(place.folder, place.rehearsal, tell), found)
    except (OSError, RuntimeError, ValueError, HarnessError) as error:
        found.claim("the stage", "comes to its end", f"{type(error).__name__}: {error}"[:500], False)
    path = place.folder / KEPT
    kept = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    path.write_text(json.dumps({**kept, name: found.document()}, indent=1) + "\n", encoding="utf-8")
    return found


def main(arguments: list[str] | None = None) -> int:
    """Try the stages and write the report; 1 where a claim does not hold, 4 where there is no GPU."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--stage", action="append", choices=STAGES, help="only this one; may be given again")
    parser.add_argument("--work", type=Path, default=Path(WORK), help="results and what each stage found")
    parser.add_argument("--report", action="store_true", help="try nothing; report what the work folder has")
    parser.add_argument("--rehearse", action="store_true", help="on a CPU, small: do the commands work?")
    parser.add_argument("--out", "-o", type=Path, help="the folder of the report; else it is printed")
    options = parser.parse_args(arguments)
    devices = nvidia_driver().devices
    if not devices and not options.rehearse:
        print("no NVIDIA device here; --rehearse tries the commands on a CPU", file=sys.stderr)
        return 4
    place = Place(
        options.work.resolve(), options.rehearse, lambda line: print(f"$ {line}", file=sys.stderr, flush=True)
    )
    for name in () if options.report else options.stage or STAGES:
        for claim in try_stage(name, place).claims:
            word = {True: "holds", False: "DOES NOT HOLD", None: "not looked at"}[claim.held]
            print(f"{name}: {claim.name}: {word}: {claim.found}", file=sys.stderr, flush=True)
    kept = json.loads((place.folder / KEPT).read_text(encoding="utf-8"))
    found = {name: Found.of(kept[name]) for name in STAGES if name in kept}
    typed = sys.argv[1:] if arguments is None else arguments
    command = shlex.join(["python", "-m", "benchmarks.gpu", *typed])
    device = devices[0].name if devices else "a rehearsal on a CPU"
    software = next(
        (one.value for one in found.get("ground", Found()).figures if one.name == "software"), "versions unknown"
    )
    text = page(found, device, now()[:10], command, software)
    if options.out is None:
        print(text)
    else:
        stem = f"gpu-{re.sub('[^a-z0-9]+', '-', device.lower()).strip('-')}"
        data = {
            "device": device,
            "date": now(),
            "command": command,
            "stages": {name: one.document() for name, one in found.items()},
        }
        write_files({f"{stem}.md": text, f"{stem}.json": json.dumps(data, indent=1) + "\n"}, options.out)
    return 1 if any(one.broken for one in found.values()) else 0


if __name__ == "__main__":
    sys.exit(main())
