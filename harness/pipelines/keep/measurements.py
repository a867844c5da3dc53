"""Measurements: a store's records as they stay or go together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from harness.record.attempts import Entry, places

Key = tuple[str, str, str | None, int]
"""(configuration_id, environment_id, content_id, number)."""


@dataclass(frozen=True)
class Measurement:
    """One measurement of a configuration in an environment on a content: every attempt at its cells."""

    key: Key
    entries: Sequence[Entry]

    @property
    def youngest(self) -> str:
        """When its last attempt began."""
        return max(entry.started for entry in self.entries)

    @property
    def cell_ids(self) -> list[str]:
        """The cells that were tried."""
        return list(dict.fromkeys(entry.cell_id for entry in self.entries))


def measurements(entries: Sequence[Entry]) -> Mapping[tuple[str, str], list[Measurement]]:
    """A store's measurements by (configuration_id, environment_id), the newest first.

    Of several contents (checkpoint and data) in an environment the one that was run last comes first.
    """
    of: dict[str, list[Entry]] = {}
    for entry in entries:
        of.setdefault(entry.configuration_id, []).append(entry)
    found: dict[tuple[str, str], list[Measurement]] = {}
    for configuration_id, mine in of.items():
        for place in sorted(places(mine), key=lambda place: place.begun, reverse=True):
            numbered: dict[int, list[Entry]] = {}
            for entry in place.every:
                numbered.setdefault(entry.measurement, []).append(entry)
            found.setdefault((configuration_id, place.environment_id), []).extend(
                Measurement((configuration_id, place.environment_id, place.content_id, number), numbered[number])
                for number in sorted(numbered, reverse=True)
            )
    return found


def bytes_of(folder: Path) -> int:
    """What a folder takes on the disk, in bytes: the blocks of all in it; 0 where it is not there."""
    try:
        taken = 512 * folder.lstat().st_blocks
        inside = list(folder.iterdir()) if folder.is_dir() and not folder.is_symlink() else []
    except OSError:
        return 0
    return taken + sum(map(bytes_of, inside))
