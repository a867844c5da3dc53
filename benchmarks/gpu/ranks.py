"""Two ranks on one device, forked from a warm host, as a program: `python -m benchmarks.gpu.ranks cuda`.

Prints the status, the failure, the model's device and the clock of the timing cell that they train.
"""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from harness.subject.data import checkpoints, tasks
from harness.subject.process import child, host

host.warm_up()


def main(accelerator: str) -> None:
    """Train on two ranks of `accelerator` through gloo."""
    folder = Path(tempfile.mkdtemp())
    path = checkpoints.locate("embedded/tiny-bert", None, None, folder)
    data = tasks.tokenize_to(folder / "tokens", {"name": "embedded/paraphrase"}, path)
    job: dict[str, Any] = {
        "kind": "cell", "id": "ranks", "folder": str(folder), "threads": 1, "accelerator": accelerator, "data": data,
        "dataset": str(folder / "tokens"),
        "cell": {
            "task": "embedded/paraphrase", "engine": "trainer", "precision": "fp32", "devices": 2, "seed": 42,
            "head_seeding": "seeded",
        },
        "arguments": {
            "max_steps": 10**6, "eval_strategy": "no", "save_strategy": "no", "report_to": "none",
            "ddp_backend": "gloo", "average_tokens_across_devices": False,
        },
        "timing": {"warmup_steps": 5, "measured_steps": 20, "counts": False, "session": "s", "place": 1},
        "checkpoint": {"path": str(path), "sha256": "x", "config": {}},
    }  # fmt: skip
    child.run_job(job, lambda event: None)
    result = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    timing = (result.get("measured") or {}).get("timing") or {}
    model = (result.get("observed") or {}).get("model") or {}
    print(result["status"], result.get("failure"), model.get("device"), timing.get("clock"))


if __name__ == "__main__":
    main(sys.argv[1])
