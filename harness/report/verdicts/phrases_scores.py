"""The facts of the checks of scores, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

SCORES: Final[Mapping[str, str | Callable[..., str]]] = {}
