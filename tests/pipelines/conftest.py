"""The house of `tests/execution`, to run whole pipelines in; and a night that is made up."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.execution.conftest import house, tiny_cache
from tests.pipelines.made_up import Night

__all__ = ["house", "tiny_cache"]


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    return Night(tmp_path, monkeypatch)


@pytest.fixture
def full(night: Night) -> Night:
    """Every cell measured and good."""
    night.fill()
    night.means()
    return night


@pytest.fixture
def nothing_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("HARNESS_FILES", raising=False)
