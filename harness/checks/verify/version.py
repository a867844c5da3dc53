"""Versions of packages, as far as checks need them."""

from __future__ import annotations

from packaging.version import InvalidVersion, Version


def at_least(version: str | None, release: tuple[int, ...]) -> bool | None:
    """Say whether a version is of `release` or newer, development versions of it included; None where not known."""
    if version is None:
        return None
    try:
        return Version(version).release[: len(release)] >= release
    except InvalidVersion:
        return None
