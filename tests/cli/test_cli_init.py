"""`harness init`: what it writes is valid, runs as the first grid does, and takes nothing from anybody."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from harness import __version__
from harness.grid.form.schema import grid_schema_text
from harness.grid.grid import load_grid
from harness.grid.project import read_project
from harness.pipelines.keep.begin import DATA, NIGHTLY_JOB, PULL_REQUEST_JOB, requirement

Harness = Callable[..., tuple[int, str, str]]
JOBS = Path(__file__).parents[1] / "data" / "init"
FILES = {"nightly.toml", "grid.schema.json", NIGHTLY_JOB, PULL_REQUEST_JOB, ".gitignore", "pyproject.toml", *DATA}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file()}


def test_its_grid_is_a_gate_on_own_scores_without_its_example(harness: Harness, folder: Path) -> None:
    """Two edits, the block deleted and [task]; whichever part of the block is forgotten is named."""
    harness("init")
    text = Path("nightly.toml").read_text(encoding="utf-8")
    own = re.sub(r'"quickstart-(train|validation)\.csv"$', r'"\1.csv"', text, flags=re.MULTILINE)
    block = re.compile(r"^# Of the example.*?^# End of the example\n", re.DOTALL | re.MULTILINE)
    own = own.replace('task = "train.csv"', 'task = "quickstart-train.csv"')
    Path("nightly.toml").write_text(own, encoding="utf-8")
    code, _, err = harness("validate", "nightly.toml")
    assert code == 2
    for left in ('label."quickstart-train.csv": no value', 'reference[0].task: got "quickstart-train.csv"'):
        assert left in err
    Path("nightly.toml").write_text(block.sub("", own), encoding="utf-8")
    for name in ("train", "validation"):
        Path(f"{name}.csv").write_bytes(Path(f"quickstart-{name}.csv").read_bytes())
        Path(f"quickstart-{name}.csv").unlink()
    code, out, err = harness("validate", "nightly.toml")
    assert (code, err) == (0, "")
    assert "ok, 5 cells in 1 configuration" in out
    assert "a whole night: 5 scored cells, verify\n" in out
    mine = load_grid(Path("nightly.toml"))
    assert (mine.throughput, mine.reference, mine.timing_cells()) == (None, [], [])


def test_it_writes_a_grid_that_runs_as_the_first_one_does(harness: Harness, folder: Path) -> None:
    code, out, _ = harness("init")
    assert code == 0
    assert written(folder) == FILES
    assert all(name in out for name in FILES)
    mine, first = load_grid(Path("nightly.toml")), load_grid(Path("quickstart"))
    plain = [cell for cell in first.cells() if (cell.precision, cell.devices) == ("fp32", 1)]
    assert [cell.cell_id for cell in mine.every_cell()] == [cell.cell_id for cell in plain]
    assert Path("grid.schema.json").read_text(encoding="utf-8") == grid_schema_text()
    for command in ("validate", "plan"):
        assert f"  harness {command} nightly.toml\n" in out
        assert harness(command, "nightly.toml")[0] == 0
    (folder / "below").mkdir()
    assert read_project(folder / "below").grid_files() == [Path("nightly.toml")]


def test_its_jobs_are_those_that_are_looked_at(harness: Harness, folder: Path) -> None:
    """The files beside the tests go through actionlint: tests/test_workflows.py."""
    harness("init")
    for name in (NIGHTLY_JOB, PULL_REQUEST_JOB):
        expected = (JOBS / Path(name).name).read_text(encoding="utf-8").replace("==0.1.0'", f"=={__version__}'")
        assert Path(name).read_text(encoding="utf-8") == expected
        assert "constraints" not in expected
        assert "'.[" not in expected


def test_what_is_there_is_not_overwritten(harness: Harness, folder: Path) -> None:
    Path("nightly.toml").write_text("mine", encoding="utf-8")
    Path(NIGHTLY_JOB).parent.mkdir(parents=True)
    Path(NIGHTLY_JOB).write_text("mine too", encoding="utf-8")
    code, _, err = harness("init")
    assert (code, err) == (
        2,
        f"error: init: nightly.toml, {NIGHTLY_JOB}: there already; allowed --force, which overwrites them\n",
    )
    assert written(folder) == {"nightly.toml", NIGHTLY_JOB}
    assert Path("nightly.toml").read_text(encoding="utf-8") == "mine"
    assert harness("init", "--force")[0] == 0
    assert load_grid(Path("nightly.toml")).name == "nightly"


def test_files_of_others_get_lines_and_lose_none(harness: Harness, folder: Path) -> None:
    Path("new").mkdir()
    Path("new/pyproject.toml").write_text('[project]\nname = "mine"', encoding="utf-8")
    Path("new/.gitignore").write_bytes(b"*.pyc\n\xff")
    Path("new/.venv").mkdir()
    Path("new/.venv/pyvenv.cfg").touch()
    code, out, _ = harness("init", "new")
    assert code == 0
    assert "  cd new\n" in out
    project = '[project]\nname = "mine"\n\n[tool.harness]\ngrids = ["nightly.toml"]\n'
    assert Path("new/pyproject.toml").read_text(encoding="utf-8") == project
    assert Path("new/.gitignore").read_bytes() == b"*.pyc\n\xff\nresults/\n.venv/\n"
    assert harness("init", "new", "--force")[0] == 0  # nothing is added twice
    assert Path("new/pyproject.toml").read_text(encoding="utf-8") == project
    assert Path("new/.gitignore").read_bytes() == b"*.pyc\n\xff\nresults/\n.venv/\n"


@pytest.mark.parametrize("table", ['[tool.harness]\ngrids = ["other.toml"]\n', "tool = { other = { a = 1 } }\n"])
def test_a_table_that_only_its_owner_can_change_is_named(harness: Harness, folder: Path, table: str) -> None:
    Path("pyproject.toml").write_text(table, encoding="utf-8")
    code, out, _ = harness("init")
    assert code == 0
    assert Path("pyproject.toml").read_text(encoding="utf-8") == table
    assert 'add "nightly.toml" to grids in [tool.harness] of pyproject.toml' in out


@pytest.mark.parametrize(
    ("name", "text"), [("pyproject.toml", "[tool.harness\n"), ("file", ""), ("pyproject.toml/x", "")]
)
def test_what_cannot_be_is_an_error_and_leaves_nothing(harness: Harness, folder: Path, name: str, text: str) -> None:
    Path(name).parent.mkdir(exist_ok=True)
    Path(name).write_text(text, encoding="utf-8")
    code, _, err = harness("init", *(["file"] if name == "file" else []))
    assert code == 2
    assert err.startswith("error: ")
    assert written(folder) == {name}


@pytest.mark.parametrize(
    ("origin", "install", "elsewhere"),
    [
        (None, f"finetune-harness[subject,minilm]=={__version__}", True),
        ({"url": "file:///home/me/harness", "dir_info": {}}, f"finetune-harness[subject,minilm]=={__version__}", False),
        (
            {"url": "https://example.org/harness", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
            "finetune-harness[subject,minilm]@git+https://example.org/harness@abc",
            True,
        ),
        (
            {"url": "https://me:word@example.org/harness.whl", "archive_info": {}},
            f"finetune-harness[subject,minilm]=={__version__}",
            False,
        ),
    ],
    ids=["index", "folder", "git", "password"],
)
def test_jobs_install_what_is_installed_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, origin: object, install: str, elsewhere: bool
) -> None:
    place = tmp_path / "finetune_harness-0.dist-info"
    place.mkdir()
    (place / "METADATA").write_text("Metadata-Version: 2.1\nName: finetune-harness\nVersion: 0\n", encoding="utf-8")
    if origin is not None:
        (place / "direct_url.json").write_text(json.dumps(origin), encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    assert requirement() == (install, elsewhere)
