"""What a command's `--json` holds: the envelope, kept in one golden file of its own, and the payload inside it.

golden/envelopes.json says of each command which keys its answer has on the outside, and under which of them the
payload lies (null: the answer is the payload). When envelopes change, that file alone is edited: `payload` by hand.
"""

from __future__ import annotations

import json
import os
import re
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from tests.characterization.conftest import Done
from tests.characterization.golden import FOLDER

ENVELOPES: Final = FOLDER / "envelopes.json"
OURS: Final = ("harness", "git_sha", "git_dirty", "generated_by", "version")


def payload(command: str, done: Done) -> Any:
    """Check the outer keys of a command's JSON and return what is inside."""
    answer = json.loads(done.out)
    envelopes = json.loads(ENVELOPES.read_text(encoding="utf-8"))
    known = envelopes.setdefault(command, {"keys": [], "payload": None})
    found = {**known, "keys": sorted(answer) if isinstance(answer, dict) else []}
    if os.environ.get("HARNESS_REGENERATE_GOLDEN"):
        rows = (f" {json.dumps(key)}: {json.dumps(value)}" for key, value in {**envelopes, command: found}.items())
        ENVELOPES.write_text("{\n" + ",\n".join(sorted(rows)) + "\n}\n", encoding="utf-8")
    assert found == known or os.environ.get("HARNESS_REGENERATE_GOLDEN"), f"{command}: {known} -> {found}"
    return answer if known["payload"] is None else answer[known["payload"]]


def plain(data: Any) -> Any:
    """Text or JSON without what differs from day to day and from version to version of the harness."""
    if isinstance(data, dict):
        return {key: f"<{key}>" if key in OURS and value is not None else plain(value) for key, value in data.items()}
    if isinstance(data, list):
        return [plain(one) for one in data]
    if not isinstance(data, str):
        return data
    text = re.sub(r"finetune-harness \d\S*", "finetune-harness <version>", data)
    text = re.sub(rf'"({"|".join(OURS)})": ("[^"]*"|\w+)', r'"\1": "<\1>"', text)
    for day in (datetime.now(UTC).date() - timedelta(days=n) for n in range(2)):
        text = re.sub(rf"{day.isoformat()}([T ][\d:.]+Z?)?", "<now>", text)
    return text
