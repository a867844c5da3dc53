"""The data of the shipped grid `quickstart`: sentences of the generated corpus, and which topic each is about.

    python -m benchmarks.quickstart_data

writes `harness/shipped/quickstart-train.csv` and `-validation.csv`; a test compares. Splits share no sentence and no
name of a person, a firm or a place. So few sentences to train on leave something to get wrong: with three times as many
nearly every answer is right, and whatever is compared is equal.
"""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Final

from harness.subject.data.corpus import sentences

SHIPPED: Final = Path(__file__).resolve().parents[1] / "harness" / "shipped"
SIZES: Final = {"train": 96, "validation": 1440}
TOPICS: Final = {
    "business": ("takeover", "shares", "results", "jobs", "price", "loan", "plant", "contract", "succession", "strike"),
    "politics": ("bill", "election", "criticism", "visit", "resignation", "tariff", "aid", "border", "poll", "rates"),
    "science": ("study", "trial", "satellite", "age", "warmth", "temperature"),
    "sport": ("match", "tennis", "transfer", "coach", "race", "absence"),
}


def table(split: str) -> str:
    """A split as CSV."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["text", "topic"])
    rows.writerows(sentences(split, SIZES[split], TOPICS))
    return text.getvalue()


if __name__ == "__main__":
    for name in SIZES:
        (SHIPPED / f"quickstart-{name}.csv").write_text(table(name), encoding="utf-8", newline="\n")
