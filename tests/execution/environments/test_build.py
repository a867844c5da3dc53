"""Environments of local wheels and copies: no index is asked. What needs one lies in test_index.py."""

from __future__ import annotations

import functools
import json
import pickle
import shutil
import subprocess
import threading
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path

import pytest

from harness.errors import RequirementError
from harness.execution.environments import base, uv, wanted
from harness.execution.environments import build as module
from harness.execution.environments.build import build, find
from harness.execution.environments.held import held, prune
from harness.execution.environments.uv import BuildFailed
from harness.execution.environments.wanted import Built
from harness.execution.executors import recipe
from harness.grid.environments import EnvironmentSpec

Ask = Callable[..., Built]
BACKEND = """
import pathlib, zipfile


def build_wheel(folder, config_settings=None, metadata_directory=None):
    name, info = "toypack-3.0-py3-none-any.whl", "toypack-3.0.dist-info"
    with zipfile.ZipFile(pathlib.Path(folder) / name, "w") as file:
        file.writestr("toypack/__init__.py", f"SAYS = {pathlib.Path('says.txt').read_text()!r}")
        file.writestr(f"{info}/METADATA", "Metadata-Version: 2.1\\nName: toypack\\nVersion: 3.0\\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        file.writestr(f"{info}/RECORD", "")
    return name
"""


def wheel(folder: Path, version: str, says: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    info = f"toypack-{version}.dist-info"
    path = folder / f"toypack-{version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("toypack/__init__.py", f'__version__ = "{version}"\nSAYS = "{says}"\n')
        file.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: toypack\nVersion: {version}\n")
        file.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        file.writestr(f"{info}/RECORD", "")
    return path


@pytest.fixture
def ask(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ask:
    """Build with nothing but the toy packages of a folder, by a uv that is offline."""
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("UV_OFFLINE", "1")
    monkeypatch.setenv("UV_NO_INDEX", "1")
    monkeypatch.setenv("UV_FIND_LINKS", str(tmp_path / "wheels"))
    for version in ("1.0", "2.0"):
        wheel(tmp_path / "wheels", version)
    told: list[str] = []

    def build_it(*packages: str, label: str = "toys", told: list[str] = told) -> Built:
        return build(EnvironmentSpec(packages=list(packages)), label, tmp_path, rest=(), tell=told.append)

    return build_it


def says(built: Built, what: str = "__version__") -> str:
    command = [built.python, "-c", f"import toypack; print(toypack.{what})"]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()


def test_a_release_is_built_once_and_found_again(ask: Ask, tmp_path: Path) -> None:
    told: list[str] = []
    first = ask("toypack==1.0", told=told)
    assert (says(first), first.lock, len(told)) == ("1.0", {"toypack": "1.0"}, 4)
    assert ask("toypack==1.0", told=told) == first
    assert len(told) == 4
    facts = json.loads((Path(first.python).parents[1] / "environment.json").read_text(encoding="utf-8"))
    assert facts["packages"] == ["toypack==1.0"]
    assert ask("toypack>1").lock == {"toypack": "2.0"}
    # What another requirement comes to as well is the same environment.
    assert ask("toypack<2").python == first.python


def test_two_that_want_the_same_build_it_once(ask: Ask) -> None:
    told: list[str] = []
    threads = [threading.Thread(target=ask, args=["toypack==2.0"], kwargs={"told": told}) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum("built of" in text for text in told) == 1


def test_what_cannot_be_resolved_says_why_in_one_line_and_names_no_folder(ask: Ask, tmp_path: Path) -> None:
    with pytest.raises(BuildFailed) as error:
        ask("toypack==3.0")
    assert "toypack==3.0" in str(error.value)
    assert "\n" not in str(error.value)
    assert str(tmp_path) not in str(error.value)


def test_a_wheel_and_a_copy_are_known_by_their_bytes(ask: Ask, tmp_path: Path) -> None:
    taken = ask(f"toypack @ {wheel(tmp_path / 'own', '1.5', says='wheel')}")
    assert says(taken, "SAYS") == "wheel"
    assert taken.lock["toypack"].startswith("1.5+d")
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "__init__.py").write_text('__version__ = "2.0"\nSAYS = "one line"\n', encoding="utf-8")
    one = ask("toypack @ copy")
    assert says(one, "SAYS") == "one line"
    assert one.lock["toypack"].startswith("2.0+d")
    assert find(EnvironmentSpec(packages=["toypack @ copy"]), "x", tmp_path, rest=()) == one
    (copy / "__init__.py").write_text('__version__ = "2.0"\nSAYS = "another"\n', encoding="utf-8")
    assert find(EnvironmentSpec(packages=["toypack @ copy"]), "x", tmp_path, rest=()) is None
    other = ask("toypack @ copy")
    assert (says(other, "SAYS"), says(one, "SAYS")) == ("another", "one line")
    assert other.lock_id != one.lock_id
    # The release that the copy was put over is as it was, in uv's cache too.
    assert says(ask("toypack==2.0"), "SAYS") == ""


def git(folder: Path, *words: str) -> str:
    own = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", *own, *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_a_checkout_is_known_by_its_commit_and_what_differs_and_a_commit_by_its_url(ask: Ask, tmp_path: Path) -> None:
    """A project that builds itself, for nothing may be fetched."""
    project = tmp_path / "project"
    project.mkdir()
    (project / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "toypack"\nversion = "3.0"\n',
        encoding="utf-8",
    )
    (project / "backend.py").write_text(BACKEND, encoding="utf-8")
    (project / "says.txt").write_text("committed", encoding="utf-8")
    git(project, "init", "-q")
    git(project, "add", ".")
    git(project, "commit", "-q", "-m", "one")
    commit = git(project, "rev-parse", "HEAD")
    taken = ask("toypack @ project")
    assert (says(taken, "SAYS"), taken.lock) == ("committed", {"toypack": f"3.0+g{commit[:9]}"})
    (project / "says.txt").write_text("not committed", encoding="utf-8")
    changed = ask("toypack @ project")
    assert says(changed, "SAYS") == "not committed"
    assert changed.lock["toypack"].startswith(f"3.0+g{commit[:9]}.d")
    assert git(project, "status", "--porcelain") == "M says.txt"  # nothing was built in the user's own folder
    by_url = ask(f"toypack @ git+{project.as_uri()}@{commit}")
    assert (says(by_url, "SAYS"), by_url.lock) == ("committed", taken.lock)


def test_a_prune_leaves_what_is_used_and_the_next_use_resolves_nothing(ask: Ask) -> None:
    built = ask("toypack==1.0")
    (one,) = held()
    assert (one.lock, one.packages) == ({"toypack": "1.0"}, ["toypack==1.0"])
    assert not prune(one)
    for lock in wanted._held.values():  # as if the process had ended
        lock.release()
    wanted._held.clear()
    assert prune(one)
    assert held() == []
    told: list[str] = []
    assert ask("toypack==1.0", told=told).lock == built.lock
    assert not any("resolving" in text for text in told)


def test_another_machine_builds_it_of_what_it_came_to_here(
    ask: Ask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    release = ask("toypack<2")
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "__init__.py").write_text('__version__ = "2.0"\nSAYS = "sent"\n', encoding="utf-8")
    subprocess.run(["git", "init", "-q", str(copy)], check=True)
    commit = ["git", "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "x"]
    subprocess.run(["git", "add", "."], cwd=copy, check=True)
    subprocess.run(commit, cwd=copy, check=True)
    copied = ask("toypack @ copy")
    assert "+g" in copied.lock["toypack"]  # its commit, which nobody can ask for elsewhere
    objects: list[bytes] = []

    def put(data: bytes) -> int:
        objects.append(data)
        return len(objects) - 1

    sent = []
    for spec in (EnvironmentSpec(packages=["toypack<2"]), EnvironmentSpec(packages=["toypack @ copy"])):
        wanted_ = wanted.Wanted(spec, "toys", tmp_path, ())
        monkeypatch.setattr(recipe, "Wanted", lambda *_, found=wanted_: found)
        sent.append(recipe.recipe_of(spec, "toys", tmp_path, put))
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "another"))
    monkeypatch.setattr(recipe, "build", functools.partial(build, rest=()))
    shutil.rmtree(copy)
    wheel(tmp_path / "wheels", "1.5")  # is newer, and not what it came to
    found = [recipe.build_here(pickle.loads(pickle.dumps(one)), objects.__getitem__) for one in sent]
    assert [one.lock for one in found] == [release.lock, copied.lock]
    assert [Path(one.python).parents[1].name for one in found] == [
        Path(one.python).parents[1].name for one in (release, copied)
    ]
    assert [Path(one.python).parents[2].parent.name for one in found] == ["another", "another"]
    assert says(found[1], "SAYS") == "sent"


def test_a_folder_that_a_package_lists_among_its_files_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "from" / "toy-1.dist-info"
    for folder in (info, tmp_path / "from" / "toy" / "__pycache__"):
        folder.mkdir(parents=True)
    (info.parent / "toy" / "__init__.py").write_text("", encoding="utf-8")
    (info / "RECORD").write_text("toy/__init__.py,,\ntoy/__pycache__,,\n", encoding="utf-8")
    monkeypatch.setattr(base, "_distribution", lambda name: metadata.Distribution.at(info))
    base.link(["toy"], tmp_path / "to")
    assert [path.name for path in (tmp_path / "to").rglob("*") if path.is_file()] == ["__init__.py"]


def test_nothing_at_a_path_is_an_error_with_the_path(ask: Ask) -> None:
    with pytest.raises(RequirementError, match=r"toypack @ .*nowhere: there is no such file; allowed a wheel"):
        ask("toypack @ nowhere")


def test_without_uv_the_remedy_is_named(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "uv", None)
    monkeypatch.setattr(uv.shutil, "which", lambda name: None)
    with pytest.raises(RequirementError, match="install it with: pip install uv"):
        ask("toypack==1.0")
    assert module.say
