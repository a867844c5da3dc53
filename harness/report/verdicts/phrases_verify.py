"""The facts of fidelity, reproducibility and invariants, in words."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

VERIFY: Final[Mapping[str, str | Callable[..., str]]] = {}
