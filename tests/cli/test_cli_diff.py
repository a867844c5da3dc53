"""`harness diff` on real runs of a tiny BERT, each with one thing changed: its answer, and what it calls the cause."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness.checks.verdict import Verdict
from harness.checks.verify.diff.paired import judge, pairs, summary
from harness.pipelines.find import find_runs
from harness.report.phrases.say import say
from harness.report.verdicts.diff import ROOM, WIDTH, diff_text
from harness.subject.data.corpus import generate

pytestmark = pytest.mark.slow

REPOSITORY = Path(__file__).resolve().parents[2]
VARIANTS: Mapping[str, Mapping[str, Any]] = {
    "base": {},
    "repeat": {},
    "logging": {"logging_steps": 1},
    "seed": {"seed": 1},
    "rate": {"learning_rate": 2e-3},
    "decay": {"weight_decay": 0.5},
    "precision": {"precision": "bf16"},
    "batch": {"per_device_train_batch_size": 16},
    "data seed": {"data_seed": 7},
    "accumulation": {"gradient_accumulation_steps": 2},
    "4 x 2": {"per_device_train_batch_size": 4, "gradient_accumulation_steps": 2},
    # Others that an upgrade or a colleague may bring.
    "warm-up": {"warmup_steps": 3},
    "betas": {"adam_beta2": 0.9},
    "dropout": {"dropout": "model"},
    "optimizer": {"optim": "adafactor"},
    "smoothing": {"label_smoothing_factor": 0.1},
    "evaluation": {"per_device_eval_batch_size": 32},
    "watching": {"eval_strategy": "no"},
    "order 1": {"train_sampling_strategy": "group_by_length", "data_seed": 1},
    "order 2": {"train_sampling_strategy": "group_by_length", "data_seed": 2},
}
FEW = tuple(VARIANTS)[:11]
"""Those of the second checkpoint, which has other weights, a layer less and more steps."""
GRID = """
name = "pairs"
task = "embedded/paraphrase"
[recipe]
max_steps = 4
learning_rate = 1e-3
[checkpoint.one]
from = "embedded/tiny-bert"
[checkpoint.other]
from = "embedded/tiny-bert"
config = { num_hidden_layers = 1, initializer_range = 0.1 }
recipe = { max_steps = 6 }
[matrix]
checkpoint = ["one"]
seed = [42]
dropout = [false]
repeat = [1000]
include = [
ROWS
]
"""
PLAIN = """
name = "NAME"
task = "TASK"
[recipe]
max_steps = STEPS
learning_rate = 1e-3
[matrix]
checkpoint = ["embedded/tiny-bert"]
seed = [42, 1]
dropout = [false]
[execution]
threads = THREADS
"""
PARTS = """
name = "parts"
task = "texts"
[recipe]
max_steps = 4
learning_rate = 1e-3
[matrix]
checkpoint = ["./whole", "./names", "./halves"]
seed = [42]
precision = ["bf16"]
"""
PARTLY = ("names", "halves")
"""The same checkpoint as "whole": with a tokenizer that gives no token types; saved in bfloat16."""
SCALE = "huggingface/transformers#47688"


@dataclass(frozen=True)
class Made:
    """The folder of all runs, and the variables that the command needs."""

    folder: Path
    variables: Mapping[str, str]

    def harness(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "harness", *arguments]
        return subprocess.run(command, cwd=self.folder, env=self.variables, capture_output=True, text=True, check=False)

    def verdict(self, a: str, b: str) -> Verdict:
        """What one pair comes to, and that it fits on a screen."""
        sides = [find_runs(name, self.folder / "results") for name in (a, b)]
        (pair,) = pairs(sides[0][0], sides[1][0], sides[0][1] | sides[1][1])
        verdict = judge(pair)
        lines = diff_text(summary([verdict]), [verdict], ("a", "b")).split("\n")
        assert len(lines) <= ROOM
        assert max(map(len, lines)) <= WIDTH
        state = verdict.reason.code.removeprefix("diff.")
        assert lines[0].startswith(f"{state.upper():<11}")
        return verdict


def _variant(checkpoint: str, name: str) -> str:
    number = list(VARIANTS).index(name) + (1 if checkpoint == "one" else 101)
    return f"pairs:repeat={number}"


def _edited(folder: Path, edited: bool) -> None:
    folder.mkdir()
    for split, file in (("train", "train.tsv"), ("validation", "dev.tsv")):
        made = {name: list(column) for name, column in generate(split, 64).items()}
        if edited and split == "train":
            made["sentence1"][3] += " today"
        rows = zip(made["label"], made["sentence1"], made["sentence2"], strict=True)
        lines = ["Quality\t#1 ID\t#2 ID\t#1 String\t#2 String", *(f"{label}\t1\t2\t{x}\t{y}" for label, x, y in rows)]
        (folder / file).write_text("\n".join(lines) + "\n", encoding="utf-8")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """Every variant run once, the second checkpoint's too; a second number of threads; edited data."""
    folder = tmp_path_factory.mktemp("diff")
    rows = []
    for checkpoint, names, first in (("one", VARIANTS, 1), ("other", FEW, 101)):
        for name in names:
            number = list(VARIANTS).index(name) + first
            rows.append({"checkpoint": checkpoint, "seed": 42, "dropout": False, **VARIANTS[name], "repeat": number})
    include = ",\n".join("  " + json.dumps(row).replace('": ', '" = ') for row in rows)
    (folder / "pairs.toml").write_text(GRID.replace("ROWS", include), encoding="utf-8")
    for name, task, steps, threads in (
        ("threads-1", "embedded/paraphrase", 12, 1), ("threads-2", "embedded/paraphrase", 12, 2),
        ("plain", "texts", 8, 1), ("edited", "edited-texts", 8, 1),
    ):  # fmt: skip
        text = PLAIN.replace("NAME", name).replace("TASK", task)
        text = text.replace("STEPS", str(steps)).replace("THREADS", str(threads))
        (folder / f"{name}.toml").write_text(text, encoding="utf-8")
    _edited(folder / "texts", edited=False)
    _edited(folder / "edited-texts", edited=True)
    variables = {name: value for name, value in os.environ.items() if name != "HARNESS_REQUIRE"}
    variables |= {"HARNESS_CACHE": str(folder / "cache"), "HF_HUB_OFFLINE": "1", "CUDA_VISIBLE_DEVICES": ""}
    variables["PYTHONPATH"] = str(REPOSITORY)
    found = Made(folder, variables)
    for name in ("pairs", "threads-1", "threads-2", "plain", "edited"):
        done = found.harness("run", f"{name}.toml")
        assert done.returncode == 0, done.stdout + done.stderr
    _checkpoints(folder)
    done = found.harness("run", "parts.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    return found


def _checkpoints(folder: Path) -> None:
    import torch
    from safetensors.torch import load_file, save_file

    embedded = next((folder / "cache").glob("tiny-bert-*/config.json")).parent
    for name in ("whole", "names", "halves"):
        shutil.copytree(embedded, folder / name)
    (folder / "parts.toml").write_text(PARTS, encoding="utf-8")
    path = folder / "names" / "tokenizer_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) | {"model_input_names": ["input_ids", "attention_mask"]}
    path.write_text(json.dumps(settings), encoding="utf-8")
    path = folder / "halves" / "model.safetensors"
    weights = {name: weight.to(torch.bfloat16) for name, weight in load_file(path).items()}
    save_file(weights, path, metadata={"format": "pt"})
    path = folder / "halves" / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text(encoding="utf-8")) | {"dtype": "bfloat16"}), encoding="utf-8")


AUDIT: list[tuple[str, str, str | None, str | None, int | None]] = [
    # name, state, the cause's code, its field, the first step
    ("repeat", "identical", None, None, None),
    ("logging", "identical", None, None, None),
    ("seed", "different", "cause.asked", "seed", 0),
    ("rate", "different", "cause.asked", "recipe.learning_rate", 0),
    ("decay", "different", "cause.asked", "recipe.weight_decay", 1),
    ("precision", "equal", "cause.asked", "precision", 0),
    ("batch", "different", "cause.asked", "recipe.per_device_train_batch_size", 0),
    ("data seed", "different", "cause.asked", "recipe.data_seed", 0),
    ("accumulation", "different", "cause.asked", "recipe.gradient_accumulation_steps", 0),
    ("4 x 2", "different", "cause.scaling", None, 0),
]
OTHERS: list[tuple[str, str, str | None, str | None, int | None]] = [
    ("warm-up", "different", "cause.asked", "recipe.warmup_steps", 0),
    ("betas", "different", "cause.asked", "recipe.adam_beta2", 2),
    ("dropout", "different", "cause.asked", "dropout", 0),
    ("optimizer", "different", "cause.asked", "recipe.optim", 1),
    ("smoothing", "different", "cause.asked", "recipe.label_smoothing_factor", 0),
    ("evaluation", "equal", "cause.asked", "recipe.per_device_eval_batch_size", None),
    ("watching", "identical", None, None, None),
    ("order 1", "different", "cause.asked", "recipe.train_sampling_strategy", 0),
]


@pytest.mark.parametrize("exchanged", [False, True])
@pytest.mark.parametrize(
    ("checkpoint", "name", "state", "code", "field", "step"),
    [("one", *row) for row in (*AUDIT, *OTHERS)] + [("other", *row) for row in AUDIT],
)
def test_a_change_is_found_where_it_shows_and_called_by_its_name(
    made: Made,
    checkpoint: str,
    name: str,
    state: str,
    code: str | None,
    field: str | None,
    step: int | None,
    exchanged: bool,
) -> None:
    names = _variant(checkpoint, "base"), _variant(checkpoint, name)
    verdict = made.verdict(*(reversed(names) if exchanged else names))
    values = verdict.reason.values
    assert verdict.reason.code == f"diff.{state}"
    found = values.get("causes") or [None]
    assert (found[0] and found[0].code, found[0] and found[0].values.get("field")) == (code, field)
    assert values.get("first_step") == step
    if state == "identical":
        assert [fact.values["field"] for fact in values["idle"]] == [
            f"recipe.{key}" for key in VARIANTS[name] if key != "repeat"
        ]


def test_a_batch_that_is_accumulated_has_the_known_defect_and_one_of_other_examples_says_it_too(made: Made) -> None:
    verdict = made.verdict(_variant("one", "base"), _variant("one", "4 x 2"))
    known = verdict.reason.values["causes"][0].values
    assert (verdict.reason.values["upstream"], known["side"], known["excess"]) == (SCALE, "B", [1, 2])
    assert verdict.findings[0].ratio == pytest.approx(2, rel=1e-3)
    verdict = made.verdict(_variant("one", "base"), _variant("one", "accumulation"))
    first, second = verdict.reason.values["causes"]
    assert [fact.values for fact in first.values["through"]] == [{"a": 8, "b": 16}]
    assert (second.code, second.values["issue"], second.values["logged"]) == (
        "cause.scaling", SCALE, pytest.approx([1.0, 2.0], rel=1e-5),
    )  # fmt: skip


@pytest.mark.parametrize("exchanged", [False, True])
def test_another_number_of_threads_is_equal_within_rounding_and_the_cause(made: Made, exchanged: bool) -> None:
    names = ["threads-1:seed=42", "threads-2:seed=42"]
    verdict = made.verdict(*(names[::-1] if exchanged else names))
    values = verdict.reason.values
    assert verdict.reason.code == "diff.equal"
    assert values["causes"][0].values["field"] == "threads"
    assert 0 < values["largest"]["relative"] < 1e-5


@pytest.mark.parametrize("exchanged", [False, True])
def test_an_edited_example_is_named(made: Made, exchanged: bool) -> None:
    names = ["plain:seed=42", "edited:seed=42"]
    verdict = made.verdict(*(names[::-1] if exchanged else names))
    (found,) = verdict.reason.values["causes"]
    values = found.values
    assert (verdict.reason.code, found.code, values["item"]) == ("diff.different", "cause.data", "training data")
    assert (values["changed"], values["known"], values["ids"]) == (1, 64, [3])


def test_another_tokenizer_and_weights_of_another_dtype_are_called_so(made: Made) -> None:
    verdicts = {name: made.verdict("parts:checkpoint=./whole", f"parts:checkpoint=./{name}") for name in PARTLY}
    said = {name: say(one.reason.values["causes"][0]) for name, one in verdicts.items()}
    source = "checkpoint source ./whole -> ./"
    assert said["names"] == f"{source}names (another tokenizer: no token_type_ids in B)"
    assert said["halves"] == f"{source}halves (weights kept in float32 -> bfloat16 (saved so in B))"


def test_an_order_that_only_the_evaluation_has_is_no_difference_in_training(made: Made) -> None:
    verdict = made.verdict(_variant("one", "order 1"), _variant("one", "order 2"))
    assert (verdict.reason.code, verdict.reason.values["first_step"]) == ("diff.equal", None)
    assert verdict.reason.values["causes"][0].values["field"] == "recipe.data_seed"
    assert "evaluation order" in [one.item for one in verdict.findings]


def test_the_command_pairs_all_cells_of_two_grids_and_answers_in_its_first_line(made: Made) -> None:
    done = made.harness("diff", "threads-1", "threads-2")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("EQUAL      2 of 2 runs: the first is embedded/tiny-bert · dropout=false")
    done = made.harness("diff", "threads-1", "threads-2.toml", "--exact", "--json")
    found = json.loads(done.stdout)
    (answer,) = found["head"]["facts"]
    assert (done.returncode, found["kind"], answer["code"]) == (1, "harness-diff", "diff.pairs")
    assert answer["values"]["states"] == {"different": 2}


def test_ids_that_are_listed_are_ids_that_are_compared(made: Made) -> None:
    listed = json.loads(made.harness("runs", "pairs", "--json").stdout)
    assert len(listed) == len(VARIANTS) + len(FEW) + 1
    ids = [one["id"] for one in listed if "repeat=1 " in one["run"] or "repeat=2 " in one["run"]]
    done = made.harness("diff", *ids)
    assert (done.returncode, done.stdout[:10]) == (0, "IDENTICAL ")
    assert made.harness("diff", ids[0], ids[0]).stdout.startswith("IDENTICAL  the same run on both sides")
