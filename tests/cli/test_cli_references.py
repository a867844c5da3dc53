"""`harness references`: the registry as a user reads it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

Make = Callable[..., Any]


def test_list(harness: Make) -> None:
    code, out, _ = harness("references", "list")
    assert code == 0
    assert out.splitlines()[-1].startswith("175 of 175 references")
    code, out, _ = harness("references", "list", "--checkpoint", "DistilBERT", "--kind", "card", "--json")
    rows = json.loads(out)
    assert rows
    assert all("distilbert" in row["checkpoint"].lower() and row["kind"] == "card" for row in rows)


def test_show(harness: Make) -> None:
    code, out, _ = harness("references", "show", "hf-course-ch3")
    assert code == 0
    assert "0.8578431372549019" in out
    assert "unique: 350 of 408 correct; TP 260 FP 39 FN 19 TN 90" in out
    assert dict(json.loads(harness("references", "show", "hf-course-ch3", "--json")[1]))["split"] == "validation"


def test_audit_names_what_cannot_be_and_what_contradicts(harness: Make) -> None:
    code, out, _ = harness("references", "audit")
    assert code == 0
    assert "unattainable" in out
    assert "\n13 contradictions:\n" in out
    assert len(json.loads(harness("references", "audit", "--json")[1])) == 175


def test_mistakes_are_exit_2_with_a_suggestion(harness: Make) -> None:
    code, _, err = harness("references", "show", "hf-course-ch4")
    assert (code, "did you mean hf-course-ch3?" in err) == (2, True)
    code, _, err = harness("references", "list", "--kind", "cart")
    assert (code, "allowed" in err) == (2, True)
