"""The house of `tests/execution`, to run whole pipelines in."""

from tests.execution.conftest import house, tiny_cache

__all__ = ["house", "tiny_cache"]
