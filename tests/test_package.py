"""What is handed out: a wheel with all that the harness needs, made from an sdist that is whole, and how to cite it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest

from harness import __version__

ROOT = Path(__file__).resolve().parents[1]
SOURCES = ("harness", "pyproject.toml", "MANIFEST.in", "README.md", "LICENSE", "CHANGELOG.md", "CITATION.cff")
BUILD = "import sys, setuptools.build_meta as backend; print(getattr(backend, sys.argv[1])(sys.argv[2]))"


def built(kind: str, source: Path, out: Path) -> Path:
    """What the backend of pyproject.toml builds of a folder: `build_sdist` or `build_wheel`."""
    command = [sys.executable, "-c", BUILD, kind, str(out)]
    done = subprocess.run(command, cwd=source, capture_output=True, text=True, check=True)
    return out / done.stdout.splitlines()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel, built from an sdist that was built of the sources alone."""
    folder = tmp_path_factory.mktemp("package")
    source = folder / "source"
    source.mkdir()
    for name in (*SOURCES, "constraints.txt"):
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(ROOT / name, source / name)
    (source / "tests").mkdir()
    (source / "tests" / "test_something.py").touch()
    sdist = built("build_sdist", source, folder)
    with tarfile.open(sdist) as archive:
        if hasattr(tarfile, "data_filter"):  # Python 3.11.4, and what was patched since
            archive.extraction_filter = tarfile.data_filter
        archive.extractall(folder / "unpacked")
    (root,) = (folder / "unpacked").iterdir()
    assert {name for name in (*SOURCES, "constraints.txt", "tests") if (root / name).exists()} == {
        *SOURCES,
        "constraints.txt",
    }
    return built("build_wheel", root, folder)


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_package_and_no_other(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name for name in archive.namelist() if ".dist-info/" not in name}
    files = (path for path in (ROOT / "harness").rglob("*") if path.is_file() and "__pycache__" not in path.parts)
    assert held == {str(path.relative_to(ROOT)) for path in files}
    for name in (
        "py.typed", "shipped/quickstart.toml", "shipped/grid.schema.json", "shipped/gpu-bench.yml",
        "references/registry.toml", "report/page/uplot/uPlot.iife.min.js", "report/page/page.html.jinja",
        "subject/data/lexicon.json", "subject/training_arguments.json", "grid/form/keys.toml",
    ):  # fmt: skip
        assert f"harness/{name}" in held


@pytest.mark.slow
def test_it_begins_outside_the_clone(wheel: Path, tmp_path: Path) -> None:
    """By the wheel's own files alone, in a folder of nobody's."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "installed")
    variables = {**os.environ, "PYTHONPATH": str(tmp_path / "installed"), "PYTHONDONTWRITEBYTECODE": "1"}

    def said(*command: str, cwd: Path) -> str:
        done = subprocess.run([sys.executable, *command], cwd=cwd, env=variables, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    where = said("-c", "import harness; print(harness.__file__)", cwd=tmp_path).strip()
    assert Path(where).is_relative_to(tmp_path / "installed")
    assert "nightly.toml" in said("-m", "harness", "init", "mine", cwd=tmp_path)
    mine = tmp_path / "mine"
    assert "ok, " in said("-m", "harness", "validate", "nightly.toml", cwd=mine)
    assert "to do, 0 done" in said("-m", "harness", "plan", "nightly.toml", cwd=mine)
    assert "quickstart: ok" in said("-m", "harness", "validate", "quickstart", cwd=mine)
    assert "hf-course-ch3" in said("-m", "harness", "references", "list", cwd=mine)
    schema = said("-m", "harness", "schema", "grid", cwd=mine)
    assert schema == (mine / "grid.schema.json").read_text(encoding="utf-8")


def test_it_is_cited_by_todays_version_and_licence() -> None:
    yaml = pytest.importorskip("yaml", reason="no PyYAML, which transformers brings")
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))
    assert {"cff-version", "message", "title", "authors"} <= set(citation)  # what the format asks for
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (citation["cff-version"], citation["title"], citation["version"]) == ("1.2.0", project["name"], __version__)
    assert citation["license"] in project["license"].split(" AND ")
