"""What an environment was built of, where the harness built it."""

from __future__ import annotations

from pydantic import Field

from harness.record.parts.part import Part
from harness.text import short_hash


class BuiltFrom(Part):
    """`packages` are the requirements as asked for, `lock` every package that was then there, by name its version.

    The lock is empty where the build failed. Of what came from no index the version has a commit or a hash after `+`.
    """

    packages: list[str]
    lock: dict[str, str] = Field(default_factory=dict)
    lock_id: str | None = None


def lock_id(lock: dict[str, str]) -> str:
    """The hash of a lock, the same on every machine."""
    return short_hash("".join(f"{name}=={version}\n" for name, version in sorted(lock.items())))
