"""The ids of every grid in benchmarks/, for ever: a record is found again by them."""

from __future__ import annotations

import hashlib
import json
import re
import sys
from pathlib import Path

from tests.characterization.conftest import Harness
from tests.characterization.golden import same
from tests.characterization.made_up import REPOSITORY

FOLDER = 'task = "../../shared/data/mrpc"'
"""The task of three grids when their ids were written down; a grid that names another one has other ids."""
OF_FOLDER = ("accumulation-mrpc", "minilm-mrpc", "throughput-cpu")


def test_ids(harness: Harness) -> None:
    found = {}
    for grid in sorted((REPOSITORY / "benchmarks").glob("*.toml")):
        text = re.sub(r'^python = ".*"$', f'python = "{sys.executable}"', grid.read_text(encoding="utf-8"), flags=re.M)
        if grid.stem in OF_FOLDER:
            text = re.sub(r"^task_folder = .*\n", "", re.sub(r"^task = .*$", FOLDER, text, flags=re.M), flags=re.M)
        copy = Path(grid.name)
        copy.write_text(text, encoding="utf-8")
        done = harness("plan", grid.name, "--json")
        assert (done.code, done.err) == (0, "")
        found[grid.stem] = rows(json.loads(done.out)["cells"])
    assert len(found) == 10
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
    return sorted(found)
