"""Metrics that are functions of the user's own: their code is part of what a measurement stands for."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import pytest

from harness.errors import MaterialError
from harness.subject.data import corpus

GRID = """
name = "g"
[task]
train = "train.csv"
validation = "dev.csv"
text = ["sentence1", "sentence2"]
label = "label"
metrics = ["accuracy", "mine.scores:hits"]
[recipe]
max_steps = 2
[matrix]
checkpoint = ["embedded/tiny-bert"]
"""
HITS = """
def hits(predictions, references):
    return {"hits": float((predictions == references).sum()) / WORTH}
WORTH = 100
"""


@pytest.mark.slow
def test_an_edited_metric_is_another_measurement_and_diff_names_it(house: Any) -> None:
    for split, file, count in (("train", "train.csv", 24), ("validation", "dev.csv", 12)):
        columns = corpus.generate(split, count)
        with (house.folder / file).open("w", encoding="utf-8", newline="") as opened:
            csv.writer(opened).writerows([list(columns), *zip(*columns.values(), strict=True)])
    package = house.folder / "mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "scores.py").write_text(HITS)
    (house.folder / "g.toml").write_text(GRID)
    code, output = house.run()
    assert code == 0, output
    _, output = house.run()
    assert len(house.records()) == 1, output
    (package / "scores.py").write_text(HITS.replace("100", "50"))
    code, output = house.run()
    assert code == 0, output
    first, second = sorted(house.records(), key=lambda record: record.started)
    assert first.cell_id == second.cell_id
    assert first.content_id != second.content_id
    assert second.measured.metrics["hits"] == 2 * first.measured.metrics["hits"]
    assert first.measured.metrics["accuracy"] == second.measured.metrics["accuracy"]
    ((one,), (two,)) = first.observed.metrics, second.observed.metrics
    assert (one.name, one.package) == ("mine.scores:hits", None)
    assert one.sha256 != two.sha256
    folders = [
        f"results/g/cells/{r.cell_id[:2]}/{r.cell_id}/{r.environment_id}/{r.attempt:03d}" for r in (first, second)
    ]
    code, output = house.run(*folders, command="diff")
    assert code == 1, output
    assert "metric code.mine.scores:hits" in output, output


def test_the_code_of_a_metric_is_found_or_named(find: Any, cell_of: Any, tmp_path: Path) -> None:
    table = {"train": "a.csv", "validation": "b.csv", "text": ["t"], "label": "y"}
    for name in ("a.csv", "b.csv"):
        (tmp_path / name).write_text("t,y\nx,0\n")
    plain = cell_of(task="own", task_table=table)
    installed = cell_of(task="own", task_table=table | {"metrics": ["sklearn.metrics:accuracy_score"]})
    lost = cell_of(task="own", task_table=table | {"metrics": ["no_such_module:score"]})
    found = find(plain, installed, lost)
    (code,) = found.codes.metrics(installed)
    assert (code.package, bool(code.version), found.codes.metrics(plain)) == ("scikit-learn", True, [])
    assert found.content_id(plain) == found.prepared_id(plain) != found.content_id(installed)
    assert found.prepared_id(plain) == found.prepared_id(installed)
    with pytest.raises(MaterialError, match=r"^task\.metrics: no module no_such_module beside the grid"):
        found.content_id(lost)
