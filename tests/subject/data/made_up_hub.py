"""The hub's cache as its client lays it out, with repositories of our own making in it."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path


def place(hub: Path, kind: str, repository: str, sha: str, files: Mapping[str, Path]) -> None:
    """Put files where `huggingface_hub` puts a repository at one commit: blobs, and links to them by commit."""
    folder = hub / f"{kind}s--{repository.replace('/', '--')}"
    for name in ("refs", "blobs"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "refs" / "main").write_text(sha)
    for name, source in files.items():
        content = source.read_bytes()
        blob = folder / "blobs" / hashlib.sha256(content).hexdigest()
        blob.write_bytes(content)
        link = folder / "snapshots" / sha / name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(blob, link.parent))


def offline(home: Path) -> dict[str, str]:
    """The variables of a process that has this cache and no hub."""
    kept = {key: value for key, value in os.environ.items() if key not in ("HF_HUB_CACHE", "HF_DATASETS_CACHE")}
    return {**kept, "HF_HOME": str(home), "HF_HUB_OFFLINE": "1"}
