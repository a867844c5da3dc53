"""The house of `tests/execution`, to run whole pipelines in; and a night that is made up."""

from pathlib import Path

import pytest

from tests.execution.conftest import house, tiny_cache
from tests.pipelines.made_up import Night

__all__ = ["house", "tiny_cache"]


@pytest.fixture
def night(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Night:
    return Night(tmp_path, monkeypatch)
