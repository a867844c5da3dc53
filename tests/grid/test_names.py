"""Names that need neither a file nor the network: a wrong one is an error when the grid is read."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import SpecError
from harness.grid.grid import grid_from_text
from harness.text import suggestion

GRID = """
name = "g"
task = "embedded/paraphrase"
[recipe]
num_train_epochs = 1
[matrix]
checkpoint = ["mini"]
seed = [1, 2, 3, 4, 5]
[checkpoint.mini]
from = "embedded/tiny-bert"
[[reference]]
id = "mine"
metric = "accuracy"
statistic = "single"
value = 0.86
split = "validation"
source = "made up"
checkpoint = "mini"
recipe = { learning_rate = 5e-5, global_batch_size = 8, warmup_steps = 0.06 }
[quality]
harmless = ["config"]
[require]
accelerator = "cpu"
"""


def problem(old: str, new: str) -> str:
    assert old in GRID
    with pytest.raises(SpecError) as error:
        grid_from_text(GRID.replace(old, new).encode(), Path("g.toml"))
    (line,) = str(error.value).splitlines()
    return line


def test_the_grid_can_be_meant() -> None:
    assert grid_from_text(GRID.encode(), Path("g.toml")).name == "g"


@pytest.mark.parametrize(
    ("old", "new", "begins", "ends"),
    [
        ('"embedded/paraphrase"', '"glue/mprc"', 'task: got "glue/mprc"; allowed ', "; did you mean glue/mrpc?"),
        ('"embedded/paraphrase"', '"glue/foo"', 'task: got "glue/foo"; allowed embedded/paraphrase, glue/cola, ', ""),
        (
            '"embedded/paraphrase"', '"embedded/paraphrases"', 'task: got "embedded/paraphrases"; allowed ',
            "; did you mean embedded/paraphrase?",
        ),
        ('from = "embedded/tiny-bert"', 'from = "embedded/tiny"', 'checkpoint.mini.from: got "embedded/tiny"; ', ""),
        ('"accuracy"', '"acc"', 'reference[0].metric: got "acc"; allowed accuracy, f1', "; did you mean accuracy?"),
        ('"accuracy"', '"loss"', 'reference[0].metric: got "loss"; allowed accuracy, f1', ""),
        ('["config"]', '["task", "confg"]', 'quality.harmless[1]: got "confg"; ', "; did you mean config?"),
        (
            "{ learning_rate = 5e-5", "{ lerning_rate = 5e-5", "reference[0].recipe.lerning_rate: got 5e-05; not a ",
            "; did you mean learning_rate?",
        ),
        ("{ learning_rate = 5e-5", '{ learning_rate = "x"', 'reference[0].recipe.learning_rate: got "x"; allowed ', ""),
        ("size = 8", "size = 0", "reference[0].recipe.global_batch_size: got 0; allowed an integer >= 1", ""),
        ('"cpu"', '"gpu"', 'require.accelerator: got "gpu"; allowed cpu, cuda', "; did you mean cuda?"),
    ],
)  # fmt: skip
def test_a_misspelt_name_is_an_error(old: str, new: str, begins: str, ends: str) -> None:
    line = problem(old, new)
    assert line.startswith(f"g.toml: {begins}")
    assert line.endswith(ends)


def test_a_folder_may_be_called_anything_else() -> None:
    for name in ("./glue/mprc", "data/mrpc", "embeded/paraphrase"):
        text = GRID.replace('"embedded/paraphrase"', f'"{name}"')
        assert grid_from_text(text.encode(), Path("g.toml")).task == name


@pytest.mark.parametrize(
    ("got", "known", "meant"),
    [
        ("gpu", ("cpu", "cuda"), "; did you mean cuda?"),
        ("GPU", ("cpu", "cuda"), "; did you mean cuda?"),
        ("acc", ("f1", "accuracy"), "; did you mean accuracy?"),
        ("bfloat16", ("fp32", "bf16"), "; did you mean bf16?"),
        ("acc", ("act",), "; did you mean act?"),
        ("loss", ("accuracy", "f1"), ""),
    ],
)
def test_another_word_for_a_name_is_known(got: str, known: tuple[str, ...], meant: str) -> None:
    assert suggestion(got, known) == meant


def test_a_references_checkpoint_is_misspelt_only_where_it_can_be_no_other(tmp_path: Path) -> None:
    mine = 'checkpoint = "mini"\nrecipe'
    assert problem(mine, 'checkpoint = "minni"\nrecipe') == (
        'g.toml: reference[0].checkpoint: got "minni"; allowed mini, or another checkpoint\'s name; did you mean mini?'
    )
    local = GRID.replace('["mini"]', '["./model"]').replace('[checkpoint.mini]\nfrom = "embedded/tiny-bert"\n', "")
    with pytest.raises(SpecError, match=r'got "\./modle"; allowed \./model, .*did you mean \./model\?'):
        grid_from_text(local.replace(mine, 'checkpoint = "./modle"\nrecipe').encode(), tmp_path / "g.toml")
    (tmp_path / "modle").mkdir()
    for other in ("./modle", "org/mini", "bert-base-uncased", "./model", "embedded/tiny-bert"):
        grid_from_text(local.replace(mine, f'checkpoint = "{other}"\nrecipe').encode(), tmp_path / "g.toml")
