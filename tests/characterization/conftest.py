"""The command from the outside: `python -m harness` in this process, and one made-up store that the tests only read.

This file alone knows how the command is called; nothing here imports a module of the harness.
"""

from __future__ import annotations

import contextlib
import gc
import io
import runpy
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.characterization.made_up import GRIDS, make_results

VARIABLES = {"HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": "", "COLUMNS": "400", "NO_COLOR": "1", "TERM": "dumb"}
DROPPED = ("HARNESS_REQUIRE", "HARNESS_DEBUG", "GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "FORCE_COLOR")


@dataclass(frozen=True)
class Done:
    """What a command left: exit code, standard output, standard error."""

    code: int
    out: str
    err: str


Harness = Callable[..., Done]


@pytest.fixture(scope="session")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The made-up results; read only."""
    folder = tmp_path_factory.mktemp("characterization") / "results"
    make_results(folder)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One cache, so that an environment is probed once."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def here(tmp_path: Path, results: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """This process in a folder of its own with the grids and `results`, so that no text names a longer path."""
    for grid in GRIDS.glob("*.toml"):
        shutil.copy(grid, tmp_path)
    (tmp_path / "results").symlink_to(results)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def harness(here: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Harness]:
    """`python -m harness ARGUMENTS` in that folder."""
    for name, value in {**VARIABLES, "HARNESS_CACHE": str(cache)}.items():
        monkeypatch.setenv(name, value)
    for name in DROPPED:
        monkeypatch.delenv(name, raising=False)
    threshold = gc.get_threshold()
    yield lambda *arguments: run(monkeypatch, arguments)
    gc.set_threshold(*threshold)


def run(monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> Done:
    """The only place that knows how the command is called."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8") for _ in range(2))
    monkeypatch.setattr(sys, "argv", ["harness", *arguments])
    code: object = 0
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            runpy.run_module("harness", run_name="__main__")
        except SystemExit as left:
            code = left.code
    texts = []
    for stream in (out, err):
        stream.flush()
        stream.seek(0)
        texts.append(stream.read())
    assert "Traceback" not in "".join(texts)
    places = {str(Path("results").resolve()): "RESULTS", str(Path().resolve()): "HERE"}
    for place, name in places.items():
        texts = [text.replace(place, name) for text in texts]
    return Done(int(str(code or 0)), *texts)
