"""What a run was given: the splits, and what is odd in them."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from harness.record.parts.part import Part


class Split(Part):
    """One split as it was used: number of examples, of positives, and a hash of its texts and labels."""

    examples: int
    positives: int
    sha256: str


class Twice(Part):
    """Examples of a split that repeat an earlier one, and those of them with another label than the first."""

    duplicates: int
    other_label: int


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
    """The data set as loaded; `revision` where it came from a hub. Older records have none of the last three.

    `unknown_tokens` is the fraction of the training examples' tokens that the checkpoint's vocabulary does not have.
    """

    source: str
    revision: str | None = None
    train: Split
    validation: Split
    audit: Annotated[DataAudit | None, Field(exclude_if=lambda value: value is None)] = None
    unknown_tokens: Annotated[float | None, Field(ge=0, le=1, exclude_if=lambda value: value is None)] = None
    truncated: Annotated[Truncated | None, Field(exclude_if=lambda value: value is None)] = None
