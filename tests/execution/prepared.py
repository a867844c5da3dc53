"""Preparations in place of real ones, for runs whose hosts are made up."""

from __future__ import annotations

from typing import Any

from harness.grid.cell import Cell


class Prepared:
    """All that cells need is there."""

    def __init__(self, plan: Any) -> None:
        self.ready: dict[str, Any] = {"ready": {}}

    def key(self, cell: Cell) -> str:
        return "ready"

    def problem(self, key: str, cell: Cell) -> None:
        return None

    def findings(self, key: str, cell: Cell) -> list[Any]:
        return []

    def lost(self, cell: Cell) -> bool:
        return False

    def close(self) -> None:
        pass
