"""What a run was given: the splits, and what is odd in them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.record.parts.part import Part


class Split(Part):
    """One split as it was used: number of examples, of each class's by label (None: numbers), and a hash of its texts
    and labels.
    """

    examples: int
    labels: list[int] | None = None
    sha256: str

    @property
    def positives(self) -> int | None:
        """Examples of label 1, where there are two classes."""
        return self.labels[1] if self.labels is not None and len(self.labels) == 2 else None


class Twice(Part):
    """Examples of a split that repeat an earlier one, and those of them with another label than the first.

    `empty` are examples of which a text is; `words` is how many words half of the examples have at most ("p50"), 95 %,
    99 %, and the longest ("max"). Older records have neither.
    """

    duplicates: int
    other_label: int
    empty: Annotated[int | None, Field(exclude_if=lambda value: value is None)] = None
    words: Annotated[dict[str, int] | None, Field(exclude_if=lambda value: value is None)] = None


class DataAudit(Part):
    """Validation examples whose texts are in training, those of them with another label there, and repetitions."""

    in_training: int
    other_label: int
    train: Twice
    validation: Twice


class Truncated(Part):
    """By split how many examples lost tokens, cut `to` so many; None where no length was known, and none was cut."""

    to: int | None
    rows: dict[str, int]


class Data(Part):
    """The data set as loaded; `revision` where it came from a hub. Older records have none of what is after the splits.

    `more` are the splits that were predicted beside the validation split, `classes` the classes' names by label.
    `unknown_tokens` is the fraction of the training examples' tokens that the checkpoint's vocabulary does not have.
    """

    source: str
    revision: str | None = None
    train: Split
    validation: Split
    more: Annotated[dict[str, Split], Field(exclude_if=lambda value: not value)] = {}
    classes: Annotated[list[str] | None, Field(exclude_if=lambda value: value is None)] = None
    audit: Annotated[DataAudit | None, Field(exclude_if=lambda value: value is None)] = None
    unknown_tokens: Annotated[float | None, Field(ge=0, le=1, exclude_if=lambda value: value is None)] = None
    truncated: Annotated[Truncated | None, Field(exclude_if=lambda value: value is None)] = None
