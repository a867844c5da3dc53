"""What a stage found: claims that must hold on a GPU, each with what was seen; and figures that claim nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Claim:
    """`asked` must be true, `found` is what was seen; `held` is None where it could not be looked at."""

    name: str
    asked: str
    found: str
    held: bool | None


@dataclass(frozen=True)
class Figure:
    """A number that was measured and that nothing is asked of; `value` has its unit."""

    name: str
    value: str


@dataclass
class Found:
    """All that one stage found, and the commands that it typed."""

    claims: list[Claim] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    commands: list[str] = field(default_factory=list)

    def claim(self, name: str, asked: str, found: object, held: bool | None) -> None:
        """Add a claim."""
        self.claims.append(Claim(name, asked, str(found), held))

    def each(self, name: str, asked: str, wrong: Sequence[str], of: int) -> None:
        """Add a claim about `of` things; `wrong` are those of which it does not hold. Of none it is not looked at."""
        shown = "; ".join(wrong[:4]) + (f"; {len(wrong) - 4} more" if len(wrong) > 4 else "")
        self.claim(name, asked, shown or f"{of} of {of}", None if not of else not wrong)

    def figure(self, name: str, value: str) -> None:
        """Add a figure."""
        self.figures.append(Figure(name, value))

    @property
    def broken(self) -> list[Claim]:
        """The claims that do not hold."""
        return [one for one in self.claims if one.held is False]

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)

    @classmethod
    def of(cls, document: dict[str, Any]) -> Found:
        """The same from JSON."""
        return cls(
            [Claim(**one) for one in document["claims"]],
            [Figure(**one) for one in document["figures"]],
            list(document["commands"]),
        )


def spread(values: Iterable[float], unit: str, digits: int = 1) -> str:
    """The smallest and the largest of some values: `3.1 to 4.0 s`."""
    found = sorted(values)
    if not found:
        return "none"
    ends = [f"{found[0]:.{digits}f}", f"{found[-1]:.{digits}f}"]
    return f"{ends[0]} {unit}" if ends[0] == ends[1] else f"{' to '.join(ends)} {unit}"
