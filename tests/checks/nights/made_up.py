"""A history that is made up: a line a session, as `bench` writes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any


def line(at: int, speeds: Sequence[float], **changes: Any) -> dict[str, Any]:
    """The session of night `at`: a configuration for each speed; `changes` are of the line, or of every point."""
    own = {
        key: changes.pop(key) for key in ("fingerprint", "accuracy_points", "seeds", "n", "collapsed") if key in changes
    }
    environment = {"environment_id": "e1", "python": "3.11.7", "torch": "2.13.0", "cpu": "a CPU"}
    environment |= changes.pop("environment", {})
    return {
        "schema": 1, "grid": "night", "session": f"2026-{1 + at // 28:02d}-{1 + at % 28:02d}T02:00:00.000Z",
        "written": "", "harness": "0.1.0", "commit": f"{at:040x}", "exit_code": 0, "machine": "runner-7",
        "driver": None,
        "environments": {"current": environment},
        "configurations": [
            {
                "configuration_id": f"c{number}", "environment_id": environment["environment_id"], "content_id": "x",
                "label": f"configuration {number}", "n": 5, "collapsed": 0, "accuracy_points": 80.0,
                "accuracy_sd_points": 0.5, "samples_per_second": speed, "fingerprint": "aaaa", **own,
            }
            for number, speed in enumerate(speeds)
        ],
        **changes,
    }  # fmt: skip


def write(path: Path, lines: Sequence[dict[str, Any]]) -> Path:
    path.write_text("".join(f"{json.dumps(one)}\n" for one in lines), encoding="utf-8")
    return path


def steady(nights: int, speed: float = 100.0) -> list[float]:
    """Speeds with a spread of 1 %, the same each time."""
    return [speed * (1 + 0.01 * ((7 * at) % 5 - 2) / 1.5) for at in range(nights)]
