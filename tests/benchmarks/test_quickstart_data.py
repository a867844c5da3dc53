"""The tables of the shipped grid `quickstart`: made by the generator, and fit to be learned and judged."""

from __future__ import annotations

import csv
from collections import Counter
from itertools import chain

import pytest

from benchmarks.quickstart_data import SHIPPED, SIZES, TOPICS, table
from harness.subject.data.corpus import LEXICON


def rows(split: str) -> list[dict[str, str]]:
    return list(csv.DictReader((SHIPPED / f"quickstart-{split}.csv").read_text(encoding="utf-8").splitlines()))


@pytest.mark.parametrize("split", SIZES)
def test_what_ships_is_what_the_generator_makes(split: str) -> None:
    assert (SHIPPED / f"quickstart-{split}.csv").read_bytes() == table(split).encode()
    assert len(rows(split)) == SIZES[split]


def test_validation_measures_more_than_names_learned_by_heart() -> None:
    train, validation = ([row["text"] for row in rows(split)] for split in ("train", "validation"))
    assert len({*train, *validation}) == len(train) + len(validation)
    last = {name for name in LEXICON["last_names"] if any(name in text for text in validation)}
    assert last
    assert not any(name in text for name in last for text in train)


def test_no_topic_is_rare_and_each_scene_has_one() -> None:
    for split, size in SIZES.items():
        counts = Counter(row["topic"] for row in rows(split))
        assert set(counts) == set(TOPICS)
        assert min(counts.values()) > size / len(TOPICS) / 2
    scenes = list(chain.from_iterable(TOPICS.values()))
    assert len(scenes) == len(set(scenes))
    assert set(scenes) <= {scene["name"] for scene in LEXICON["scenes"]}
