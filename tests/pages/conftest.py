"""A real Chromium, and pages opened in it that tell what went wrong in them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

ENVIRONMENT = "is installed by `tox -e pages`"
NAMES = ("chromium", "chromium-browser", "google-chrome")


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    playwright = pytest.importorskip("playwright.sync_api", reason=f"playwright {ENVIRONMENT}")
    program = next(filter(None, map(shutil.which, NAMES)), None)
    if program is None:
        pytest.skip(f"no {' nor '.join(NAMES)} is here")
    with playwright.sync_playwright() as started:
        sandbox = [] if os.geteuid() else ["--no-sandbox"]  # root has none
        opened = started.chromium.launch(executable_path=program, args=sandbox)
        yield opened
        opened.close()


@dataclass
class Opened:
    """A page in the browser, and what must stay empty: console messages, errors, requests to anywhere else."""

    page: Any
    wrong: list[str] = field(default_factory=list)


@pytest.fixture
def show(browser: Any, tmp_path: Path) -> Iterator[Callable[..., Opened]]:
    """Open HTML as a file; `options` are those of a browser context."""
    contexts = []

    def opened(text: str, **options: Any) -> Opened:
        file = tmp_path / f"page-{len(contexts)}.html"
        file.write_text(text, encoding="utf-8")
        contexts.append(browser.new_context(**{"viewport": {"width": 1280, "height": 900}, **options}))
        one = Opened(contexts[-1].new_page())
        one.page.on("console", lambda message: one.wrong.append(f"console: {message.text}"))
        one.page.on("pageerror", lambda error: one.wrong.append(f"error: {error}"))
        one.page.on("dialog", lambda dialog: (one.wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        one.page.on("request", lambda request: note_request(one, request.url, file))
        one.page.goto(file.as_uri())
        return one

    yield opened
    for context in contexts:
        context.close()


def note_request(one: Opened, url: str, file: Path) -> None:
    if url.split("#")[0] != file.as_uri() and not url.startswith("data:"):
        one.wrong.append(f"request: {url}")
