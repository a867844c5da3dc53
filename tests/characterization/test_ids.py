"""The ids of every grid in benchmarks/, for ever: a record is found again by them."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

from tests.characterization.conftest import Harness
from tests.characterization.golden import digest, same
from tests.characterization.made_up import copy_benchmarks


def test_ids(harness: Harness) -> None:
    found = {}
    for name in copy_benchmarks(Path()):
        done = harness("plan", name, "--json")
        assert (done.code in (0, 4), done.err) == (True, "")  # 4: without a hub its checkpoints cannot be had
        found[name] = rows(json.loads(done.out)["cells"])
    same("ids", found)


def rows(cells: list[dict[str, str]]) -> list[str]:
    """A line a configuration: its id, label, cells, the first cell's id, and a hash of all."""
    by_configuration: dict[str, list[dict[str, str]]] = {}
    for cell in sorted(cells, key=lambda cell: cell["label"]):
        by_configuration.setdefault(cell["configuration_id"], []).append(cell)
    found = []
    for configuration, members in by_configuration.items():
        every = hashlib.sha256(" ".join(cell["cell_id"] for cell in members).encode()).hexdigest()[:16]
        label = re.sub(r" · (seed|timing) \d+$", "", members[0]["label"])
        found.append(f"{configuration} {label}: {members[0]['cell_id']}, {len(members)} cells {every}")
    return sorted(found) if len(found) <= 16 else [*sorted(found)[:4], f"{len(found)} in all, {digest(sorted(found))}"]
