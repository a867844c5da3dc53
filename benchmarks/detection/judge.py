"""What `verify` and `diff` say of a fault, read from their exit codes and JSON, and whether that is a right name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.detection.faults import Clean

FOUND: Final[Mapping[str, tuple[int, ...]]] = {"verify": (1, 4), "diff": (1, 4)}
"""Exit codes with which a command has found something: a FAIL, or a run that said itself that it failed."""


@dataclass(frozen=True)
class Told:
    """One command's process: its exit code, and what it calls what it found, the first name first."""

    code: int
    calls: tuple[str, ...]
    state: str = ""

    def found(self, command: str) -> bool:
        """Whether the command has found anything."""
        return self.code in FOUND[command]

    def named(self, command: str, names: Sequence[str]) -> bool:
        """Whether it has, and calls it by one of `names`."""
        return self.found(command) and not set(self.calls).isdisjoint(names)


def told(command: str, code: int, document: Any) -> Told:
    """What a command's JSON calls what it found; nothing where it printed none."""
    verdicts = document["verdicts"] if isinstance(document, Mapping) else []
    calls = (_of_verify if command == "verify" else _of_diff)(verdicts)
    state = verdicts[0]["reason"]["code"].removeprefix("diff.") if command == "diff" and verdicts else ""
    return Told(code, tuple(dict.fromkeys(name for name in calls if name)), state)


def _of_verify(verdicts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Of each verdict that is no PASS its item, and of each such finding item, cause and the type of its failure."""
    for verdict in verdicts:
        if verdict["outcome"] not in ("FAIL", "ERROR"):
            continue
        yield verdict["item"]
        for finding in verdict["findings"]:
            if finding["outcome"] in ("FAIL", "ERROR"):
                yield from (finding["item"], finding["cause"], *_failures(finding["fact"]))


def _of_diff(verdicts: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """The code of the cause that it leads with, and the item of that cause."""
    for verdict in verdicts:
        yield from _failures(verdict["reason"])
        yield from (name for finding in verdict["findings"] for name in _failures(finding["fact"]))
        if verdict["outcome"] == "FAIL" and verdict["findings"]:
            yield verdict["findings"][0]["cause"]
            cause = verdict["reason"]["values"].get("cause")
            if cause:
                yield cause["values"]["item"]


def _failures(fact: Any) -> Iterator[str]:
    """The types of failures that a fact tells of, at any depth."""
    if isinstance(fact, Mapping):
        if fact.get("code") == "run.failure":
            yield fact["values"]["type"]
        for value in fact.values():
            yield from _failures(value)


def quiet(clean: Clean, outcomes: Mapping[str, Told]) -> bool:
    """Whether both commands leave a clean variant in peace, or `diff` names the very thing that was asked for."""
    diff = outcomes["diff"]
    if outcomes["verify"].code or diff.state not in clean.states:
        return False
    return diff.state != "different" or not set(diff.calls).isdisjoint(clean.names)
