"""Honest nights: everything measured anew, judged against what was accepted; each must be green."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

from benchmarks.false_green.base import Base


def honest_nights(base: Base, folder: Path, number: int) -> list[dict[str, Any]]:
    """`run --fresh` and `check` so often, one store for all; the exit codes and last lines of each night."""
    kept = folder / "honest.json"
    nights: list[dict[str, Any]] = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else []
    if len(nights) >= number:
        return nights
    place = base.copy(folder / "honest")
    while len(nights) < number:
        if base.harness.old:  # which cannot measure anew beside what there is
            shutil.rmtree(place.results)
        ran = place.outcome("run", ["--fresh"])
        checked = place.outcome("check", ["--max-age", "20h"])
        nights.append({"run": ran.facts(), "check": checked.facts()})
        kept.write_text(json.dumps(nights, indent=1) + "\n", encoding="utf-8")
    shutil.rmtree(place.folder)
    return nights


def all_green(nights: list[dict[str, Any]]) -> bool:
    """Whether no honest night was red."""
    return all(night["run"]["code"] == night["check"]["code"] == 0 for night in nights)
