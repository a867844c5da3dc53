"""The facts of comparisons of speed, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

SPEED: Final[Mapping[str, str | Callable[..., str]]] = {}
