"""A throw-away process that turns hub names into commits; reads a JSON list from standard input, prints one.

Each item has `kind` ("model" or "dataset"), `id` and `revision` (a branch, tag, commit or null); each answer is
`{"sha": ..., "from": "hub" | "cache"}` or `{"error": ...}`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def resolve(item: dict[str, Any]) -> dict[str, str]:
    """Ask the hub; where it cannot be reached, the local cache's own note of what a branch last was."""
    from huggingface_hub import HfApi, constants

    revision = item.get("revision") or "main"
    try:
        info = HfApi().repo_info(item["id"], repo_type=item["kind"], revision=revision, timeout=20)
        return {"sha": str(info.sha), "from": "hub"}
    except Exception as error:  # noqa: BLE001 - offline mode, DNS, TLS, 404 and 401 come as unrelated classes
        reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
    folder = Path(constants.HF_HUB_CACHE) / f"{item['kind']}s--{item['id'].replace('/', '--')}"
    reference = folder / "refs" / revision
    if reference.is_file():
        return {"sha": reference.read_text(encoding="utf-8").strip(), "from": "cache"}
    if (folder / "snapshots" / revision).is_dir():
        return {"sha": revision, "from": "cache"}
    return {"error": f"{reason}; and the hub's cache ({folder.name}) has no revision {revision!r}"}


def main() -> None:
    """Answer every item; an error is an answer."""
    print(json.dumps([resolve(item) for item in json.load(sys.stdin)]))


if __name__ == "__main__":
    main()
