"""Facts in words: the one place where a verdict's codes become sentences."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from harness.fact import Fact
from harness.report.format.as_json import plain
from harness.report.phrases.accepted import ACCEPTED
from harness.report.phrases.diff import DIFF
from harness.report.phrases.doubts import DOUBTS
from harness.report.phrases.head import HEAD
from harness.report.phrases.inputs import INPUTS
from harness.report.phrases.past import PAST
from harness.report.phrases.probes.ab import AB
from harness.report.phrases.probes.bisect import BISECT
from harness.report.phrases.probes.selftest import SELFTEST
from harness.report.phrases.scores import SCORES
from harness.report.phrases.speed import SPEED
from harness.report.phrases.verify import VERIFY
from harness.report.phrases.waivers import WAIVERS

Phrase = str | Callable[..., str]
"""A template for `str.format` over a fact's values, or a function of them by name."""

PHRASES: Final[Mapping[str, Phrase]] = {
    **VERIFY, **DIFF, **ACCEPTED, **INPUTS, **SCORES, **SPEED, **HEAD, **PAST, **WAIVERS, **DOUBTS,
    **SELFTEST, **BISECT, **AB,
}  # fmt: skip


def say(fact: Fact) -> str:
    """The fact as a sentence without a capital and without a full stop; facts among its values are said first.

    A code without a phrase (a newer harness wrote the file) is shown with its values, never lost.
    """
    values = {name: _said(value) for name, value in fact.values.items()}
    phrase = PHRASES.get(fact.code)
    if phrase is None:
        shown = ", ".join(f"{name} {value}" for name, value in values.items())
        return f"{fact.code} ({shown})" if shown else fact.code
    return phrase.format(**values) if isinstance(phrase, str) else phrase(**values)


def _said(value: Any) -> Any:
    if isinstance(value, Fact):
        return say(value)
    if isinstance(value, (list, tuple)):
        return tuple(_said(item) for item in value)
    return value


def told(fact: Fact) -> dict[str, Any]:
    """A fact as the JSON of a command has it: its code and values, and `text`, its sentence."""
    return {"text": say(fact), **plain(fact)}
