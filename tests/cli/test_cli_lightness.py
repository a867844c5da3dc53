"""What the command line imports, and its help."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Make = Callable[..., Any]
REPOSITORY = Path(__file__).resolve().parents[2]


def test_the_package_imports_nothing_of_others() -> None:
    code = (
        "import sys; before = set(sys.modules); import harness; from pathlib import Path; import sysconfig\n"
        "paths = [sysconfig.get_paths()[k] for k in ('purelib', 'platlib')]\n"
        "new = [m for m in set(sys.modules) - before if any(str(getattr(sys.modules[m], '__file__', None) or '')"
        ".startswith(p) for p in paths)]\n"
        "print(new)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.strip() == "[]"


def test_help_imports_no_torch() -> None:
    code = (
        "import sys\nfrom harness.cli.app import application\napplication()(['--help'], standalone_mode=False)\n"
        "print([m for m in ('torch', 'transformers', 'datasets', 'evaluate', 'accelerate') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.splitlines()[-1] == "[]"
    assert "harness bench quickstart" in done.stdout


@pytest.mark.parametrize(
    "command",
    [
        "validate",
        "plan",
        "pack",
        "run",
        "compare",
        "export",
        "bench",
        "verify",
        "diff",
        "selftest",
        "ab",
        "bisect",
        "status",
        "runs",
        "show",
        "report",
        "doctor",
        "schema",
        "init",
    ],
)
def test_every_commands_help_has_an_example(harness: Make, command: str) -> None:
    code, out, _ = harness(command, "--help")
    assert code == 0
    assert "Example: harness" in " ".join(out.split())


def test_version(harness: Make) -> None:
    from harness import __version__

    assert harness("--version")[:2] == (0, f"finetune-harness {__version__}\n")


def test_a_page_is_imported_where_one_is_made() -> None:
    code = (
        "import sys, harness.cli.read.report\n"
        "print([m for m in ('matplotlib', 'jinja2', 'markdown_it') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.strip() == "[]"


def test_a_command_imports_what_it_needs() -> None:
    code = (
        "import sys\nfrom harness.cli.app import application\napplication(['plan'])\n"
        "print([m for m in ('numpy', 'scipy', 'matplotlib', 'harness.cli.judge.check') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    assert done.stdout.strip() == "[]"


def test_data_are_looked_at_without_torch() -> None:
    item = '[{"name": "embedded/paraphrase", "path": null, "revision": null}]'
    code = (
        f"import io, sys\nsys.stdin = io.StringIO({item!r})\nfrom harness.subject.data.look import main\nmain()\n"
        "print([m for m in ('torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=REPOSITORY, check=True)
    answer, heavy = done.stdout.splitlines()
    assert '"examples": 800' in answer
    assert heavy == "[]"
