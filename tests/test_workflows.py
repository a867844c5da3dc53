"""Workflows, those that ship and those that the docs print, as GitHub would read them."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PUBLISH = "pypa/gh-action-pypi-publish"
PRINTED = re.compile(r"```ya?ml\n(.*?)```", re.DOTALL)


def workflows() -> dict[str, str]:
    files = [
        *ROOT.glob(".github/workflows/*.yml"),
        *ROOT.glob("harness/shipped/*.yml"),
        *ROOT.glob("tests/data/init/*.yml"),
    ]
    found = {f"{path.parent.name}-{path.name}": path.read_text(encoding="utf-8") for path in files}
    for page in ROOT.glob("docs/*.md"):
        for number, text in enumerate(PRINTED.findall(page.read_text(encoding="utf-8"))):
            if re.search(r"^jobs:", text, re.MULTILINE):
                found[f"{page.stem}-{number}.yml"] = text
    return found


def test_a_job_can_push_nothing_and_takes_actions_by_commit() -> None:
    found = workflows()
    assert len(found) >= 8
    for name, text in found.items():
        used = re.findall(r"uses: (\S+)", text)
        assert used, name
        assert [one for one in used if not re.fullmatch(rf"(actions/[\w-]+|{PUBLISH})@[0-9a-f]{{40}}", one)] == [], name
        assert text.count("persist-credentials: false") == text.count("uses: actions/checkout@"), name


def test_a_release_is_published_by_trust_after_it_was_tried() -> None:
    """No token: the job that publishes, and no other, may say who it is, of what was built and tried."""
    found = workflows()
    release = found.pop("workflows-release.yml")
    build, publish = release.split("\n  publish:\n")
    assert [name for name, text in found.items() if "id-token" in text or PUBLISH in text] == []
    assert "secrets." not in release
    assert "password" not in release
    assert "id-token" not in build
    assert "id-token: write" in publish
    assert "needs: build" in publish
    assert "environment: pypi" in publish
    assert "run:" not in publish
    assert re.findall(r"uses: (\S+)@", publish) == ["actions/download-artifact", PUBLISH]
    steps = ["python -m build", "twine check --strict", "harness init", "harness validate", "actions/upload-artifact"]
    assert sorted(steps, key=build.index) == steps
    assert re.search(r"^on:\n  release:\n    types: \[published\]\n\n", build, re.MULTILINE)


@pytest.mark.skipif(shutil.which("actionlint") is None, reason="no actionlint; `tox -e workflows` installs it")
def test_actionlint_finds_nothing(tmp_path: Path) -> None:
    places = []
    for name, text in workflows().items():
        places.append(tmp_path / name)
        places[-1].write_text(text, encoding="utf-8")
    settings = tmp_path / "actionlint.yaml"
    settings.write_text("self-hosted-runner:\n  labels: [gpu]\n", encoding="utf-8")  # of the user's own runner
    done = subprocess.run(
        ["actionlint", "-no-color", "-config-file", settings, *places], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout + done.stderr) == (0, "")
