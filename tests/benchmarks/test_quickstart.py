"""The shipped grid `quickstart`: its tables are what the generator makes, its sample and margins what was measured."""

from __future__ import annotations

import csv
import tomllib
from collections import Counter
from itertools import chain
from pathlib import Path

import pytest

from benchmarks.quickstart_data import SHIPPED, SIZES, TOPICS, table
from benchmarks.quickstart_sample import LEAST, again, render
from harness.grid.grid import load_grid
from harness.subject.data.corpus import LEXICON

PAGE = Path(__file__).resolve().parents[2] / "reports" / "quickstart-sample.md"


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


def test_the_sample_is_of_the_very_grid_but_its_seeds() -> None:
    own, sample = (tomllib.loads((SHIPPED / f"{name}.toml").read_text("utf-8")) for name in ("quickstart", PAGE.stem))
    seeds = [one["matrix"].pop("seed") for one in (own, sample)]
    assert not {*seeds[0]} & {*seeds[1]}
    assert [len(one) for one in seeds] == [5, 25]
    for name in ("task", "recipe", "matrix", "checkpoint"):
        assert own[name] == sample[name]


def test_what_the_reference_holds_is_what_the_page_measured() -> None:
    found = again(PAGE.with_suffix(".json"))
    (reference,) = load_grid(Path("quickstart")).reference
    measured = next(iter(found.scores.values()))
    assert [100 * value for value in reference.values or ()] == pytest.approx([*measured.values()], abs=1e-4)
    assert list(measured) == list(dict.fromkeys(str(cell.seed) for cell in load_grid(Path(PAGE.stem)).cells()))
    assert found.least >= LEAST
    assert PAGE.read_text(encoding="utf-8") == render(found)
