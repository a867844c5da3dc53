"""A task that a tiny BERT learns in seconds, and not quite to the end: pairs of sentences, made here.

The two sides say the same where the first names one of four days. Of some only who agrees tells it, which is
learned late, and one label in ten is wrong: so seeds differ.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Final

SEED: Final = 20261128
SIZES: Final = {"train.tsv": 320, "dev.tsv": 200}
SAME: Final = ("Monday", "Tuesday", "Wednesday", "Thursday")
OTHER: Final = ("Norway", "Chile", "Japan", "Kenya")
NAMES: Final = ("Anna", "Peter", "Maria", "Thomas", "Laura", "David", "Helen", "Martin")
WRONG: Final = 0.1
HARD: Final = 0.08
HEADER: Final = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"


def write_pairs(folder: Path) -> None:
    """Write both splits as GLUE's files, the same bytes every time."""
    draw = random.Random(SEED)
    folder.mkdir(parents=True)
    for name, number in SIZES.items():
        rows = [HEADER]
        for row in range(number):
            same = draw.random() < 0.6
            label = int(same) ^ (draw.random() < WRONG)
            half = NAMES[:4] if same else NAMES[4:]
            hard = draw.random() < HARD
            first = f"{draw.choice(NAMES)} said {'yes' if hard else draw.choice(SAME if same else OTHER)}"
            second = f"{draw.choice(half if hard else NAMES)} agreed"
            rows.append(f"{label}\t{row}\t{row + number}\t{first}\t{second}")
        (folder / name).write_text("\n".join(rows) + "\n", encoding="utf-8")
