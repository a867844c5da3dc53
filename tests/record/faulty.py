"""A disk that fails, or a process that dies, at the n-th call that writes."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


class Faulty:
    """Counts the calls that write, and has the n-th fail or kill this process."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, fail: Callable[[], None], at: int) -> None:
        self.count, self.at, self.fail = 0, at, fail
        for name in ("open", "mkdir", "fsync", "rename", "replace"):
            monkeypatch.setattr(os, name, self._wrap(getattr(os, name)))
        monkeypatch.setattr(Path, "open", self._wrap(Path.open))

    def _wrap(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*arguments: Any, **options: Any) -> Any:
            if not self._reads(call, arguments):
                self.count += 1
                if self.count == self.at:
                    self.fail()
            return call(*arguments, **options)

        return wrapped

    @staticmethod
    def _reads(call: Callable[..., Any], arguments: tuple[Any, ...]) -> bool:
        return call.__name__ == "open" and len(arguments) > 1 and arguments[1] in ("r", os.O_RDONLY)
