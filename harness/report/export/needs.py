"""Packages that one form of export needs and nothing else does: imported where they are used."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from harness.errors import RequirementError

INSTALL: Final = {
    "huggingface_hub": "huggingface_hub", "yaml": "PyYAML", "tensorboard.summary": "tensorboard",
    "mlflow": "mlflow", "sqlalchemy": "sqlalchemy", "trackio.sqlite_storage": "trackio", "pyarrow": "pyarrow",
}  # fmt: skip
"""Module -> what pip calls its package."""


def needed(module: str, target: str) -> Any:
    """The module.

    Raises
    ------
    RequirementError
        Where it is not installed, or does not load here; it says what to install.
    """
    try:
        return import_module(module)
    except ImportError as error:
        package = INSTALL[module]
        raise RequirementError(
            f"--to {target}: {package} cannot be imported ({error}): pip install {package}"
        ) from error
