"""The unit of a number, in its key: `mean_points`, `accuracy_fraction`. A file of ours has no score without it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

_POINTS: Final[Mapping[str, Sequence[str]]] = {
    "Decision": ("difference", "ci90", "ci95", "ci_pass", "delta", "se_diff", "se_eq"),
    "Sd": ("value",),
    "Side": ("mean",),
    "Comparison": (
        "margin", "mean_a", "mean_b", "sd_a", "sd_b", "difference", "here", "anew", "se_here", "se_anew",
    ),
    "Row": ("ok", "all"),
}  # fmt: skip
_FRACTIONS: Final[Mapping[str, Sequence[str]]] = {
    "Speed": ("margin", "detectable"), "Rate": ("low", "high"),
}  # fmt: skip
_KEYS: Final[Mapping[tuple[str, str], str]] = {
    (kind, name): f"{name}_{unit}"
    for unit, fields in (("points", _POINTS), ("fraction", _FRACTIONS))
    for kind, names in fields.items()
    for name in names
}
_FIELDS: Final[Mapping[str, str]] = {key: name for (_, name), key in _KEYS.items()} | {
    f"detectable_{unit}": "detectable" for unit in ("points", "fraction")
}


def key_of(value: Any, name: str) -> str:
    """The key of a dataclass's field in JSON: with the unit of a score, a difference of scores or a rate."""
    kind = type(value).__name__
    if (kind, name) == ("Verdict", "detectable"):
        return "detectable_fraction" if value.check == "speed" else "detectable_points"
    return _KEYS.get((kind, name), name)


SCORES: Final[Mapping[str, str]] = {"SeedScore": "_fraction", "Score": "_points"}
"""The unit of the field `scores` of these, each of which has a key of its own in JSON: `accuracy_fraction`."""


def fields_of(data: Any) -> Any:
    """Plain data with the fields' own names again; facts, which have units of their own, are as they were."""
    if isinstance(data, list):
        return [fields_of(item) for item in data]
    if not isinstance(data, dict) or data.keys() == {"code", "values"}:
        return data
    if data.keys() >= {"seed", "status"} and "scores" not in data:
        names = {key: key.removesuffix(unit) for unit in SCORES.values() for key in data if key.endswith(unit)}
        names |= {name: name for name in ("accuracy", "f1") if name in data}  # of older forms
        rest = {key: fields_of(value) for key, value in data.items() if key not in names}
        return {**rest, "scores": {name: data[key] for key, name in names.items()}}
    return {_FIELDS.get(key, key): fields_of(item) for key, item in data.items()}


def place_of(data: Any, place: Sequence[str | int]) -> list[str | int]:
    """A field's place in a file, by the keys that stand there."""
    found: list[str | int] = []
    for part in place:
        keys = [key for key in data if key == part or _FIELDS.get(key) == part] if isinstance(data, dict) else []
        found.append(keys[0] if keys else part)
        try:
            data = data[found[-1]]
        except (LookupError, TypeError):
            data = None
    return found
