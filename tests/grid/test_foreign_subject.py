"""`[subject]`: what a grid may say of somebody else's training code, and what of it makes a cell another one."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.grid.grid import Grid, grid_from_text
from harness.protocol import OWN_DATA

HEAD = 'name = "g"\n'
MATRIX = '[matrix]\ncheckpoint = ["embedded/tiny-bert"]\n'


def grid(subject: str, head: str = "", more: str = "") -> Grid:
    return grid_from_text(f"{HEAD}{head}\n[subject]\n{subject}\n{MATRIX}{more}".encode(), Path("g.toml"))


def test_code_and_flags_are_asked_for_and_metrics_are_only_read() -> None:
    plain = grid('script = "run.py"').cells()[0]
    assert plain.task == OWN_DATA
    assert plain.asked()["subject"] == {"script": "run.py", "arguments": {}}
    listed = grid('script = "run.py"\nmetrics = ["bleu"]').cells()[0]
    assert listed.cell_id == plain.cell_id
    assert listed.subject is not None
    assert listed.subject["metrics"] == ["bleu"]
    others = [grid('script = "run.py"\narguments = { lr = 3 }'), grid('script = "other.py"'), grid('trainer = "a.b:c"')]
    assert len({plain.cell_id, *(one.cells()[0].cell_id for one in others)}) == 4
    with_task = grid('trainer = "a.b:c"', 'task = "embedded/paraphrase"').cells()[0]
    assert with_task.task == "embedded/paraphrase"


@pytest.mark.parametrize(
    ("subject", "head", "more", "said"),
    [
        ("", "", "", "subject: got neither; allowed trainer or script"),
        ('script = "a"\ntrainer = "a:b"', "", "", "subject: got both; allowed trainer or script"),
        ('trainer = "a.b"', "", "", 'subject.trainer: got "a.b"; allowed package.module:function'),
        ('trainer = "a:b"\narguments = { x = 1 }', "", "", "allowed with script"),
        ('script = "a"\narguments = { learning_rate = 1 }', "", "", "allowed in [recipe]"),
        ('script = "a"\narguments = { seed = 1 }', "", "", "the harness owns it"),
        ('script = "a"\narguments = { "--x" = 1 }', "", "", "allowed the name of a flag without its dashes"),
        ('script = "a"\nmetrics = ["loss"]', "", "", "allowed names of which more is better"),
        ('script = "a"', "", "[recipe]\nmax_length = 8\n", "how its own data become batches is its own"),
        ('script = "a"', 'task = "embedded/paraphrase"', "", "allowed without subject.script"),
        ('script = "a"', "", 'engine = ["loop"]\n', 'allowed "trainer" beside [subject]'),
        ('script = "a"', "", "resume_at = [2]\n", "allowed without subject.script"),
    ],
)
def test_what_cannot_be_meant_is_one_line(subject: str, head: str, more: str, said: str) -> None:
    with pytest.raises(SpecError) as error:
        grid(subject, head, more)
    assert said in str(error.value)


def test_own_data_is_no_task_that_a_grid_could_name() -> None:
    with pytest.raises(SpecError, match="allowed left out beside"):
        grid_from_text(f'{HEAD}task = "{OWN_DATA}"\n{MATRIX}'.encode(), Path("g.toml"))
