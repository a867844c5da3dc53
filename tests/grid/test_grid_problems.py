"""What a grid cannot mean: each problem is one line that says what is allowed."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import validation
from harness.errors import SpecError
from harness.grid import arguments, matrix
from harness.grid.grid import grid_from_text, load_grid
from harness.validation import MAX_KEYS
from tests.grid.made_up import FILE, HEAD, problems, read


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
        "recipe_defaults, accepts_loss_kwargs, evaluation_draws, recipe, subject, matrix, require, reference, quality, "
        "compare, "
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
        'g.toml: matrix.environment: got "old"; allowed current, as defined in the grid, or a requirement, as '
        "transformers==4.57.6"
    ]


def test_a_checkpoint_may_be_named_like_pydantics_marks() -> None:
    found = problems(f'{HEAD}[checkpoint.function-calling]\n[matrix]\ncheckpoint = "function-calling"')
    assert found == ["g.toml: checkpoint.function-calling.from: missing; it is required"]


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


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[matrix]\ncheckpoint = 'a'\nrepeat = [1, 2]\n[throughput]\n", "matrix.repeat: is an axis"),
        ("[matrix]\ncheckpoint = 'a'\nresume_at = [0, 5]\n[throughput]\n", "matrix.resume_at: is an axis"),
        ("[matrix]\ncheckpoint = 'a'\n[throughput]\nonly = true\n[quality]\n", "quality: needs scores"),
        ("[matrix]\ncheckpoint = 'a'\nseeds = { looks = [2, 4] }\n[throughput]\nonly = true\n", "matrix.seeds: needs"),
        ("[matrix]\ncheckpoint = 'a'\n[throughput]\nwarmup_steps = 0\n", "throughput.warmup_steps: got 0"),
        (
            "[matrix]\ncheckpoint = 'a'\nprecision = ['fp32']\n[throughput]\nwhere = { precison = 'fp32' }\n",
            "throughput.where.precison: not an axis of this matrix; allowed checkpoint, precision; did you mean",
        ),
        (
            "[matrix]\ncheckpoint = 'a'\nprecision = ['fp32']\n[throughput]\nwhere = { precision = 'bf16' }\n",
            'throughput.where.precision: got "bf16"; allowed "fp32"',
        ),
        (
            "[matrix]\ncheckpoint = 'a'\ndevices = [2]\n[throughput]\nagainst = 'loop'\n",
            'throughput.against: got "loop", which none of these can be run by',
        ),
        (
            "[matrix]\ncheckpoint = 'a'\nengine = ['loop']\n[throughput]\nagainst = 'loop'\n",
            'throughput.against: got "loop"; allowed where engine is not an axis',
        ),
        ("[matrix]\ncheckpoint = 'a'\n[throughput]\nagainst = 'trainer'\n", 'throughput.against: got "trainer"'),
    ],
)
def test_what_cannot_be_timed(text: str, said: str) -> None:
    assert said in "\n".join(problems(HEAD + text))


@pytest.mark.parametrize("value", ["HARNESS_MRPC", "$HARNESS_", "$HOME", "$HARNESS_mrpc", "../mrpc", "$HARNESS_MRPC/x"])
def test_a_task_folder_is_a_variable_of_the_harness(value: str) -> None:
    (problem,) = problems(f'{HEAD}task_folder = "{value}"\n[matrix]\ncheckpoint = "a"\n')
    allowed = "allowed an environment variable $HARNESS_..., like $HARNESS_MRPC"
    assert problem == f'g.toml: task_folder: got "{value}"; {allowed}'


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
        (
            'axis = "task"',
            'compare[0].axis: got "task"; scores of different tasks are never compared; allowed learning_rate',
        ),
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
