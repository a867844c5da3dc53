"""Every command of the pages that needs no GPU, cluster, hub, index or minutes, typed where no clone is."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import Block, blocks_of

ROOT = Path(__file__).resolve().parents[2]
GIVEN = Path(__file__).parent / "given"
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
RUN = [page for page in PAGES if any(block.run for block in blocks_of(page))]
ID = re.compile(r"\bID\b|\b[0-9a-f]{8}\b")

pytestmark = [pytest.mark.docs, pytest.mark.timeout(900)]


@pytest.fixture(scope="session")
def surroundings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The variables of a reader's shell: this interpreter's programs first, no hub, a cache of its own."""
    ours = ("HARNESS_", "GITHUB_", "PYTEST_")
    variables = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return variables | {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "HARNESS_CACHE": str(tmp_path_factory.mktemp("cache")),
        "HF_HUB_OFFLINE": "1",
        "GIVEN": str(GIVEN),
        "COLUMNS": "100",
    }


class Reader:
    """Who types what a page says, in a folder of the page's own."""

    def __init__(self, folder: Path, variables: dict[str, str]) -> None:
        self.folder, self._variables = folder, variables

    def types(self, command: str) -> tuple[int, str, str]:
        """The exit code, what is printed, and what is said beside it."""
        done = subprocess.run(
            ["bash", "-c", command], cwd=self.folder, env=self._variables, capture_output=True, text=True, check=False
        )
        print(f"$ {command}\n{done.stdout}{done.stderr}rc {done.returncode}", flush=True)
        return done.returncode, done.stdout, done.stderr

    def writes(self, block: Block) -> None:
        """The file that a block is, or the end of one."""
        for kind, how in (("file", "w"), ("added to", "a")):
            if mark := block.mark(kind):
                path = self.folder / mark.what
                path.parent.mkdir(parents=True, exist_ok=True)
                with path.open(how, encoding="utf-8") as file:
                    file.write(block.text if how == "w" else f"\n{block.text}")

        if mark := block.mark("table of"):
            path, header = self.folder / mark.what, block.text.splitlines()[0]
            text = path.read_text(encoding="utf-8")
            table = re.compile(rf"^{re.escape(header)}$.*?(?=^#?\[)", re.DOTALL | re.MULTILINE)
            assert len(table.findall(text)) == 1, f"{path}: {header}"
            path.write_text(table.sub(lambda _: f"{block.text}\n", text), encoding="utf-8")

    def runs(self, block: Block) -> None:
        """The commands of a block, each with the exit code that the page gives it."""
        if not block.run:
            return
        mark, source = block.mark("ends with"), block.mark("ids from")
        codes = list(map(int, mark.what.split())) if mark else [0]
        if len(codes) == 1:
            codes = [*[0] * (len(block.run) - 1), *codes]
        for (_, command), code in zip(block.run, codes, strict=True):
            typed = command
            if source and ID.search(command):
                ids = iter(re.findall(r'"id": "([0-9a-f]+)', self.types(source.what)[1]))
                typed = ID.sub(lambda _, ids=ids: next(ids), command)  # type: ignore[misc]
            got, out, err = self.types(typed)
            assert got == code, f"line {block.line}: {typed}: exit code {got}, the page has {code}\n{out}{err}"
            assert "Traceback" not in out + err


def test_the_harness_is_installed(surroundings: dict[str, str]) -> None:
    """A page is for readers without a clone: what runs is found by its name, and its help is there."""
    done = subprocess.run(
        ["harness", "--version"], cwd="/", env=surroundings, capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("finetune-harness ")


@pytest.mark.parametrize("page", RUN, ids=lambda page: page.name)
def test_what_a_page_says_can_be_typed(page: Path, tmp_path: Path, surroundings: dict[str, str]) -> None:
    reader = Reader(tmp_path, surroundings)
    if (given := GIVEN / page.stem).is_dir():
        shutil.copytree(given, tmp_path, dirs_exist_ok=True)
    if (tmp_path / "prepare.sh").is_file():
        code, out, err = reader.types("bash -e prepare.sh")
        assert code == 0, out + err
    blocks = blocks_of(page)
    for path in [
        name for block in blocks for mark in block.marks if mark.kind == "given" for name in mark.what.split()
    ]:
        assert (tmp_path / path).exists(), f"{page.name}: tests/docs/given/{page.stem} has no {path}"
    for block in blocks:
        reader.writes(block)
        if block.language == "sh":
            reader.runs(block)
