from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.grid.grid import Grid, grid_from_text
from harness.task import REGRESSION

OWN = 'train = "a.csv"\nvalidation = "b.csv"\ntext = ["p", "h"]\nlabel = "y"\n'


def grid(task: str = "", matrix: str = "", more: str = "", top: str = "") -> Grid:
    text = f'name = "g"\n{top}\n{task}\n[matrix]\ncheckpoint = ["embedded/tiny-bert"]\n{matrix}\n{more}\n'
    return grid_from_text(text.encode(), Path("g.toml"))


def problem(**parts: str) -> str:
    with pytest.raises(SpecError) as raised:
        grid(**parts)
    return str(raised.value)


def test_a_table_is_part_of_what_is_asked_for() -> None:
    (cell,) = grid(f"[task]\n{OWN}").cells()
    assert cell.task == "a.csv"
    assert cell.asked()["task_table"] == {
        "train": "a.csv", "validation": "b.csv", "text": ["p", "h"], "label": "y"
    }  # fmt: skip
    assert (cell.about.texts, cell.about.metrics, cell.about.own) == (("sentence1", "sentence2"), ("accuracy",), True)
    (other,) = grid(f'[task]\n{OWN}metrics = ["pearson", "mine.mod:score"]').cells()
    assert other.cell_id != cell.cell_id
    assert (other.about.kind, other.about.scored) == (REGRESSION, ("pearson", "score"))
    (hub,) = grid('[task]\nhub = "org/name"\nrevision = "v1"\ntext = "t"\nlabel = "y"').cells()
    assert (hub.task, hub.about.hub, hub.about.splits["validation"]) == ("org/name", "org/name", "validation")


def test_a_name_alone_leaves_identities_as_they_were() -> None:
    (cell,) = grid(top='task = "embedded/paraphrase"').cells()
    assert "task_table" not in cell.asked()
    (same,) = grid(matrix='task = ["embedded/paraphrase"]').cells()
    assert same.cell_id == cell.cell_id


def test_tasks_are_an_axis() -> None:
    found = grid(f"[task.mine]\n{OWN}", 'task = ["mine", "glue/cola"]\nseed = [1, 2]')
    assert [(cell.task, cell.seed) for cell in found.cells()] == [
        ("mine", 1), ("glue/cola", 1), ("mine", 2), ("glue/cola", 2)
    ]  # fmt: skip
    assert [cell.about.scored[0] for cell in found.cells()][:2] == ["accuracy", "matthews_correlation"]
    assert found.cells()[1].label == "embedded/tiny-bert · glue/cola · seed 1"


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({}, "g.toml: task: missing"),
        ({"task": f'[task]\n{OWN}metrics = ["acc"]'}, 'task.metrics[0]: got "acc"; allowed accuracy, f1, '),
        ({"task": f'[task]\n{OWN}metrics = ["f1", "pearson"]'}, 'task.metrics: got "f1", of classes, with '),
        ({"task": f'[task]\n{OWN}metrics = ["os.system"]'}, 'task.metrics[0]: got "os.system"; allowed'),
        ({"task": '[task]\ntrain = "a.csv"\ntext = "t"\nlabel = "y"'}, "task.validation: missing; required, or hub"),
        ({"task": f'[task]\n{OWN}config = "c"'}, 'task.config: got "c"; allowed with hub'),
        ({"task": f"[task]\n{OWN.replace('a.csv', 'a.xlsx')}"}, 'task.train: got "a.xlsx"; allowed a file'),
        ({"task": "[task]\n" + OWN.replace('label = "y"', 'label = "p"')}, "allowed columns of their own"),
        ({"task": f"[task]\n{OWN}colour = 1"}, "task.colour: got 1; not a key here"),
        ({"task": "[task]\nlabel = 3"}, "task.label: got 3; allowed"),
        ({"task": f"[task.mine]\n{OWN}"}, "task: got tables by name without an axis of it"),
        ({"task": f"[task.mine]\n{OWN}", "matrix": 'task = ["glue/rte"]'}, "task.mine: is defined and not used"),
        ({"task": f"[task]\n{OWN}", "matrix": 'task = ["glue/rte"]'}, "task: is an axis of the matrix too"),
        ({"matrix": 'task = ["glue/rtf"]'}, 'matrix.task: got "glue/rtf"; allowed embedded/paraphrase'),
        ({"top": 'task = "glue/cola"', "more": '[quality]\ngate = ["f1"]'}, "quality.gate[0]: got"),
        ({"matrix": 'task = ["glue/rte", "glue/cola"]', "more": '[[compare]]\naxis = "task"'}, "never compared"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_named(parts: dict[str, str], said: str) -> None:
    assert said in problem(**parts)


def test_a_reference_says_of_which_of_several_tasks_it_is() -> None:
    reference = (
        '[[reference]]\nid = "r"\nvalue = 0.8\nstatistic = "single"\nsplit = "validation"\nsource = "here"\n'
        'metric = "accuracy"\n'
    )
    both = 'task = ["glue/rte", "glue/sst2"]'
    assert "reference[0].task: missing; the grid has several" in problem(matrix=both, more=reference)
    assert 'got "glue/cola"; allowed glue/rte' in problem(matrix=both, more=f'{reference}task = "glue/cola"')
    assert grid(matrix=both, more=f'{reference}task = "glue/rte"').reference[0].task == "glue/rte"
