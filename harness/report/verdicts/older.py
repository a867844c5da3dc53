"""Older forms of a verdicts' JSON, read as today's: what a published file says is never lost, and nothing is added."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any, Final

from harness.checks.verdict import ORDER
from harness.errors import SpecError
from harness.stats.variance import LEAST
from harness.text import show


def _second(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Schema 2 had no units in its keys; both names of a field are read."""
    return dict(data)


def _first(data: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Schema 1 (harness 0.1.0, `harness-judgements`) had sentences where there are facts: they are quoted."""
    try:
        ids = {one["configuration"]: one["configuration_id"] for one in data["judgements"]}
        verdicts = [_verdict(one, ids) for one in data["judgements"]]
        counts = Counter(one["outcome"] for one in verdicts)
        return {
            "schema": data["schema"],
            "kind": "harness-check",
            "head": {"kind": "check", "title": "harness check"},
            "counts": {outcome: counts[outcome] for outcome in ORDER} | {"waived": data["waived"]},
            "exit_code": 1 if counts["FAIL"] else 4 if counts["ERROR"] else 3 if counts["INCONCLUSIVE"] else 0,
            "verdicts": verdicts,
        }
    except (LookupError, TypeError, AttributeError) as error:
        raise SpecError(f"{name}: judgements: got {show(str(error))}; allowed what harness 0.1.0 wrote") from error


def _verdict(one: Mapping[str, Any], ids: Mapping[str, str]) -> dict[str, Any]:
    decision = one["decision"]
    side = {
        "label": one["configuration"],
        "configuration_id": one["configuration_id"],
        "environment_id": one["environment_id"],
        "runs": one["seeds"],
        "mean": one["mean"],
        "collapsed": one["collapsed"],
        "ended": one["judged"],
    }
    number = decision and {key: value for key, value in decision.items() if key not in ("why", "label", "p_collapse")}
    if number:
        note = number["sd"] and number["sd"]["note"]
        number = {**number, "n_min": LEAST, "sd": number["sd"] and {**number["sd"], "note": _quoted(note)}}
    return {
        "check": one["check"],
        "outcome": one["outcome"],
        "subject": side,
        "against": {
            "label": one["against"],
            "configuration_id": ids.get(one["against"], ""),
            "mean": one["target"],
            "runs": one["others"],
        },
        "item": one["metric"],
        "reason": _quoted(one["why"]),
        "numbers": number,
        "margin_from": _quoted(one["margin_from"]),
        "detectable": one["detectable"],
        "more_seeds": one["more_seeds"],
        "todo": [_quoted(one["outlook"])] if one["outlook"] and one["outcome"] != "PASS" else [],
        "adjusted_p": one["adjusted_p"],
        "recipe_differences": [_quoted(text) for text in one["recipe_differences"]],
        "harmless": [_quoted(text) for text in one["harmless"]],
        "notes": [_quoted(text) for text in one["evidence"]],
    }


def _quoted(text: str) -> dict[str, Any] | None:
    # A code without a phrase is shown as it is.
    return {"code": text.rstrip("."), "values": {}} if text else None


OLDER: Final[Mapping[int, Callable[[Mapping[str, Any], str], dict[str, Any]]]] = {1: _first, 2: _second}
"""By schema."""
