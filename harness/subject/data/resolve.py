"""A throw-away process that turns hub names into commits; reads a JSON list from standard input, prints one.

Each item has `kind` ("model" or "dataset"), `id` and `revision` (a branch, tag, commit or null); each answer is
`{"sha": ..., "from": "hub" | "cache"}` or `{"error": ...}`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any


def resolve(item: dict[str, Any], silent: str | None = None) -> tuple[dict[str, str], str | None]:
    """Ask the hub; where it cannot be reached, the local cache's own note of what a branch last was.

    `silent` is why the hub does not answer at all, once that is known: it is not asked again, for a name that
    waits for a timeout may be one of dozens. Returns the answer, and `silent` as it is now known.
    """
    revision = item.get("revision") or "main"
    reason = silent
    if silent is None:
        from huggingface_hub import HfApi
        from huggingface_hub.utils import HfHubHTTPError, HFValidationError

        try:
            info = HfApi().repo_info(item["id"], repo_type=item["kind"], revision=revision, timeout=20)
            return {"sha": str(info.sha), "from": "hub"}, None
        except Exception as error:  # noqa: BLE001 - offline mode, DNS, TLS, 404 and 401 come as unrelated classes
            reason = f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
            if not isinstance(error, (HfHubHTTPError, HFValidationError)):
                silent = f"the hub does not answer ({type(error).__name__})"
    return _from_cache(item, revision, str(reason)), silent


def _from_cache(item: dict[str, Any], revision: str, reason: str) -> dict[str, str]:
    from huggingface_hub import constants

    folder = Path(constants.HF_HUB_CACHE) / f"{item['kind']}s--{item['id'].replace('/', '--')}"
    reference = folder / "refs" / revision
    if reference.is_file():
        return {"sha": reference.read_text(encoding="utf-8").strip(), "from": "cache"}
    if (folder / "snapshots" / revision).is_dir():
        return {"sha": revision, "from": "cache"}
    return {"error": f"{reason}; and the hub's cache ({folder.name}) has no revision {revision!r}"}


def main() -> None:
    """Answer every item; an error is an answer."""
    answers, silent = [], None
    for item in json.load(sys.stdin):
        answer, silent = resolve(item, silent)
        answers.append(answer)
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
