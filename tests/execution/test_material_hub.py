"""Materials of the hub, through the real subprocess, offline."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.execution.devices import Driver
from harness.execution.environment import START, Environment
from harness.grid.cell import Checkpoint

pytestmark = pytest.mark.usefixtures("own_cache")

Make = Callable[..., Any]


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "hf"
    monkeypatch.setenv("HF_HOME", str(home))
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return home / "hub"


def note(hub: Path, folder: str, revision: str, sha: str) -> None:
    (hub / folder / "refs").mkdir(parents=True, exist_ok=True)
    (hub / folder / "refs" / revision).write_text(sha)
    (hub / folder / "snapshots" / sha).mkdir(parents=True, exist_ok=True)


def test_the_hubs_cache_answers_when_the_hub_does_not(
    hub: Path, find: Make, cell_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_FILES", "")  # as good as unset
    note(hub, "models--org--bert", "main", "a" * 40)
    note(hub, "models--org--bert", "v2", "b" * 40)
    note(hub, "datasets--nyu-mll--glue", "main", "c" * 40)
    plain = cell_of(checkpoint="org/bert", task="glue/mrpc")
    tagged = cell_of(checkpoint=Checkpoint("m", "org/bert", revision="v2"), task="glue/mrpc")
    exact = cell_of(checkpoint=Checkpoint("m", "org/bert", revision="b" * 40), task="glue/mrpc")
    missing = cell_of(checkpoint=Checkpoint("m", "org/bert", revision="v3"), task="glue/mrpc")
    unknown = cell_of(checkpoint="org/other")
    found = find(plain, tagged, exact, missing, unknown)
    assert found.checkpoint(plain).revision == "a" * 40
    assert found.checkpoint(plain).content == f"org/bert@{'a' * 40}"
    assert found.checkpoint(tagged).revision == found.checkpoint(exact).revision == "b" * 40
    assert found.task(plain).content == f"nyu-mll/glue@{'c' * 40}"
    assert found.content_id(tagged) == found.content_id(exact) != found.content_id(plain)
    problem = str(found.problem(missing))
    assert problem.startswith("checkpoint org/bert: ")
    assert problem.endswith("the hub's cache (models--org--bert) has no revision 'v3'")
    assert "OfflineModeIsEnabled" in str(found.problem(unknown))


def test_a_hub_that_cannot_be_reached_is_asked_once(hub: Path, find: Make, cell_of: Make, tmp_path: Path) -> None:
    """A proxy that swallows connections: each request would wait for its timeout."""
    code = (
        "import json, sys, huggingface_hub\n"
        "asked = []\n"
        "class Api:\n"
        "    def repo_info(self, *a, **k): asked.append(a); raise OSError('timed out')\n"
        "huggingface_hub.HfApi = Api\n"
        "from harness.subject.data.resolve import main\n"
        "main()\n"
        "print(len(asked), file=sys.stderr)\n"
    )
    items = [{"kind": "model", "id": f"org/{n}", "revision": None} for n in range(5)]
    done = subprocess.run([sys.executable, "-c", code], input=json.dumps(items), capture_output=True, text=True)
    answers = json.loads(done.stdout)
    reasons = [answer["error"].partition(";")[0] for answer in answers]
    # What was said of the first name is not said of the others.
    assert reasons == ["OSError: timed out", *["the hub does not answer (OSError)"] * 4]
    assert done.stderr.split()[-1] == "1"


def test_a_broken_hub_client_is_a_problem_of_its_cells(find: Make, cell_of: Make, environment_of: Make) -> None:
    environment = environment_of()
    broken = Environment("old", "/bin/false", environment.environment_id, environment.facts, Driver())
    cell, fine = cell_of(checkpoint="org/bert"), cell_of()
    found = find(cell, fine, environment=broken)
    assert "the hub client of /bin/false could not be run: " in str(found.problem(cell))
    assert found.problem(fine) is None
    assert Path(START).is_file()
