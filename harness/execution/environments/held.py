"""The environments that the cache holds: which there are, how large, and which of them may go."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from harness.disk import take_lock
from harness.execution import cache
from harness.execution.environments.wanted import FACTS, in_cache


@dataclass(frozen=True)
class Held:
    """A built environment: `packages` as first asked for, when `used` last; `bytes` that are linked nowhere else."""

    folder: Path
    packages: Sequence[str]
    lock: Mapping[str, str]
    used: str
    bytes: int

    @property
    def python(self) -> Path:
        """Its interpreter."""
        return self.folder / "bin" / "python"


def held() -> list[Held]:
    """All of them, the one used last first; what is not whole is none."""
    found = []
    for path in in_cache("").glob(f"*/{FACTS}"):
        try:
            facts = json.loads(path.read_text(encoding="utf-8"))
            instant = datetime.fromtimestamp(path.stat().st_mtime, UTC)
            used = instant.isoformat(timespec="milliseconds").replace("+00:00", "Z")
            found.append(Held(path.parent, list(facts["packages"]), dict(facts["lock"]), used, _own_bytes(path.parent)))
        except (OSError, ValueError, LookupError, TypeError):
            continue
    return sorted(found, key=lambda one: one.used, reverse=True)


def prune(one: Held) -> bool:
    """Remove one; False where a process uses it. Its lock stays remembered, so that it need not be resolved again."""
    lock = take_lock(one.folder / cache.LOCK, wait=False)
    if lock is None:
        return False
    try:
        (one.folder / FACTS).unlink(missing_ok=True)  # from here on it is none, whatever becomes of the rest
        shutil.rmtree(one.folder, ignore_errors=True)
    finally:
        lock.release()
    return True


def _own_bytes(folder: Path) -> int:
    """What its files take that are linked from nowhere else: uv's cache and the base have the others too."""
    whole = 0
    for place, _, names in os.walk(folder):
        for name in names:
            status = os.lstat(Path(place) / name)
            whole += status.st_size if status.st_nlink == 1 else 0
    return whole
