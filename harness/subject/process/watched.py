"""One run that no cell asked for: somebody's script, or module, as the main program of this interpreter, watched.

`python start.py process.watched JOB_FILE`. Nothing is set, seeded or moved: it runs as it does alone, and leaves its
`result.json` in the job's folder.
"""

from __future__ import annotations

import json
import sys
import traceback
from pathlib import Path
from typing import Any

from harness.protocol import RESULT, write_whole
from harness.subject import train
from harness.subject.engines import script
from harness.subject.engines.setup import Clock
from harness.subject.process import merge_ranks
from harness.subject.process.failure import outcome_of


def run(job: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Run the job's `command` and describe the Trainer that it trained; raises what the command raises."""
    clock, subject = Clock(), job["subject"]
    watch = script.Watch(script.unknown(job["cell"], folder, {}), None, _silent, _silent, clock)
    with watch.patched():
        script.run(subject["path"], subject["name"], job["flags"], watch, job["module"])
    clock.lap("predict")
    trained = watch.left(subject["name"])
    return merge_ranks.merge([train.describe(job, watch.setup, trained, clock)], folder)


def _silent(event: Any) -> None:
    """Nobody listens: the script itself says what there is to say."""


def main() -> None:
    """Run one job; its outcome is the file, and the exit status says only whether there was an error."""
    job = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    folder, status = Path(job["folder"]), 0
    try:
        result = run(job, folder)
    except BaseException as error:  # noqa: BLE001 - the process ends here: whatever it was must reach the record
        traceback.print_exc()
        result, status = outcome_of(error), 1
    write_whole(folder / RESULT, json.dumps(result, default=str))
    sys.exit(status)


if __name__ == "__main__":
    main()
