"""A throw-away process that looks at data and trains nothing; reads a JSON list of tasks, prints a JSON list.

Each item is a job's `task` (see `tasks.load`); each answer is the facts that a record has of it, or `{"error": ...}`.
"""

from __future__ import annotations

import contextlib
import json
import sys
from typing import Any

from harness.errors import MaterialError
from harness.subject.data.tasks import load_with_facts


def main() -> None:
    """Answer every item; an error is an answer. What libraries say goes to the other stream."""
    answers: list[dict[str, Any]] = []
    with contextlib.redirect_stdout(sys.stderr):
        for item in json.load(sys.stdin):
            try:
                answers.append(load_with_facts(item)[2])
            except MaterialError as error:
                answers.append({"error": str(error)})
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
