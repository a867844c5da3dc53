"""Sentences of three classes: what a reader has as tables."""

import csv
import random
from pathlib import Path

WORDS = {
    "praise": ["good", "great", "fine", "lovely", "superb"],
    "blame": ["bad", "poor", "awful", "weak", "broken"],
    "question": ["why", "when", "how", "where", "who"],
}
REST = [
    "the",
    "phone",
    "a",
    "screen",
    "battery",
    "this",
    "case",
    "my",
    "order",
    "it",
    "arrived",
    "today",
    "and",
    "was",
    "with",
    "in",
    "box",
]
EXAMPLES = {"train": 600, "dev": 200}

draw = random.Random(1)


def row() -> tuple[str, str]:
    """A sentence and its class, which two of its words tell."""
    label = draw.choice(list(WORDS))
    words = draw.choices(REST, k=draw.randint(4, 9))
    for _ in range(2):
        words.insert(draw.randrange(len(words)), draw.choice(WORDS[label]))
    return " ".join(words), label


Path("data").mkdir()
for name, count in EXAMPLES.items():
    with Path(f"data/{name}.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        table.writerows(row() for _ in range(count))
