"""A fact: something that was found, as a code and its values; `report.phrases` has its sentence."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Fact:
    """Something that was found: a code ("steps.wrong") and its values. Its sentence is `report.phrases`'.

    Values are what JSON holds (text, numbers, booleans, None, sequences and tables of them) and further facts. A text
    among them is a name or an identifier, or quotes another program's error; it is never a sentence of ours.
    """

    code: str
    values: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, code: str, **values: Any) -> Fact:
        """`Fact.of("steps.wrong", counted=3, due=4)`."""
        return cls(code, values)
