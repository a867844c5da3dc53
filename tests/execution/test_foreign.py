"""Training code that is not the harness's own: functions that make a Trainer, scripts that train one. Watched, not led.

What a script saw of its own training must be the same to the last bit, watched and alone; what it is asked for and
cannot do is one line.
"""

from __future__ import annotations

import csv
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import AutoModelForSequenceClassification

from harness.record.store import Store
from harness.subject.data import checkpoints, corpus

SCRIPTS = Path(__file__).resolve().parents[1] / "subject" / "scripts"
GRID = """
name = "g"
{task}
[subject]
{subject}
[recipe]
max_steps = {steps}
{recipe}
[matrix]
checkpoint = ["embedded/tiny-bert"]
seed = [42]
{more}
"""


class Foreign:
    """A house with somebody's training code in it: the scripts of `tests/subject/scripts` and sentence pairs."""

    def __init__(self, house: Any) -> None:
        self.house, self.folder = house, house.folder
        for script in SCRIPTS.glob("*.py"):
            shutil.copy(script, self.folder)
        for split, file, count in (("train", "train.csv", 60), ("validation", "dev.csv", 24)):
            columns = corpus.generate(split, count)
            with (self.folder / file).open("w", encoding="utf-8", newline="") as opened:
                names = ("label", "sentence1", "sentence2")
                csv.writer(opened).writerows([names, *zip(*(columns[name] for name in names), strict=True)])

    def run(self, subject: str, *, steps: int = 6, recipe: str = "", more: str = "", task: str = "") -> Any:
        """Run a grid of one cell; its newest record."""
        text = GRID.format(subject=subject, steps=steps, recipe=recipe, more=more, task=task)
        (self.folder / "g.toml").write_text(text, encoding="utf-8")
        before = {record.cell_id for record in self.house.records()}
        _, output = self.house.run()
        found = [record for record in self.house.records() if record.cell_id not in before]
        assert len(found) == 1, output
        return found[0]

    def attempt(self, record: Any) -> str:
        """A record's folder, as a command takes it."""
        place = self.house.results / "g" / "cells" / record.cell_id[:2] / record.cell_id / record.environment_id
        return str(place / f"{record.attempt:03d}")

    def alone(self, script: str, *flags: str) -> None:
        """Run a script by itself, in an interpreter of its own with one thread."""
        (checkpoint,) = self.house.cache.glob("tiny-bert-*")
        variables = {**os.environ, "OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false", "HF_HUB_OFFLINE": "1"}
        subprocess.run(
            [sys.executable, script, "--model_name_or_path", str(checkpoint), "--use_cpu", "True", *flags],
            cwd=self.folder, env=variables, check=True, capture_output=True,
        )  # fmt: skip

    def json(self, name: str) -> Any:
        return json.loads((self.folder / name).read_text(encoding="utf-8"))


@pytest.fixture
def foreign(house: Any) -> Foreign:
    return Foreign(house)


PAIRS = 'script = "run_pairs.py"\narguments = { do_train = true, do_eval = true, account = "seen.json" }\n'


@pytest.mark.slow
@pytest.mark.parametrize("workers", [0, 2])
def test_a_script_that_is_watched_trains_as_it_does_alone(foreign: Foreign, workers: int) -> None:
    """Its own account of losses, norms and final weights is equal to the last bit, dropout and all."""
    recipe = f"logging_steps = 1\ngradient_accumulation_steps = 2\ndataloader_num_workers = {workers}"
    record = foreign.run(PAIRS + 'metrics = ["accuracy"]', recipe=recipe)
    assert record.status in ("ok", "collapsed"), record.failure
    foreign.alone(
        "run_pairs.py", "--do_train", "--do_eval", "--account", "alone.json", "--max_steps", "6", "--logging_steps",
        "1", "--gradient_accumulation_steps", "2", "--dataloader_num_workers", str(workers), "--eval_strategy",
        "epoch", "--save_strategy", "no", "--report_to", "none", "--disable_tqdm", "True", "--seed", "42",
        "--output_dir", "out",
    )  # fmt: skip
    seen = foreign.json("seen.json")
    assert seen == foreign.json("alone.json")
    series = foreign.house.series(record)
    logged = [one for one in seen["history"] if "grad_norm" in one]
    assert [one["grad_norm"] for one in logged] == series["grad_norm"].tolist()
    assert [one["learning_rate"] for one in logged] == series["learning_rate"].tolist()
    evaluated = [one for one in seen["history"] if "eval_accuracy" in one][-1]
    assert record.measured.metrics == {
        "accuracy": evaluated["eval_accuracy"], "loss": evaluated["eval_loss"], "positive": evaluated["eval_positive"],
    }  # fmt: skip
    print_ = record.observed.fingerprint
    assert print_.precision.name == "fp32"
    assert (print_.dropout, print_.optimizer_steps, print_.accepts_loss_kwargs) == (True, 6, True)
    # Epochs of 60 examples are 8 micro-batches, 4 steps: the second one is cut short.
    assert [(epoch.distinct, epoch.complete) for epoch in print_.seen.epochs] == [(60, True), (32, False)]
    assert sorted(series["example_ids"][:60].tolist()) == list(range(60))
    assert record.observed.subject.kind == "script"
    assert record.observed.subject.own == []


@pytest.mark.slow
def test_a_function_with_the_recipe_of_the_harness_trains_as_the_harness(foreign: Foreign) -> None:
    """Its model, data and loss are built here and by the function: one trajectory, one order of examples."""
    record = foreign.run('trainer = "own_trainers:pairs"', task='task = "embedded/paraphrase"')
    assert record.status in ("ok", "collapsed"), record.failure
    foreign.house.grid([42], max_steps=6)
    _, output = foreign.house.run()
    own = next(one for one in foreign.house.records() if one.asked.subject is None)
    for name in ("init_sha256", "data_order_sha256", "trajectory_sha256", "final_sha256"):
        assert getattr(record.observed.fingerprint, name) == getattr(own.observed.fingerprint, name), output
    assert record.measured.metrics["accuracy"] == own.measured.metrics["accuracy"]
    assert record.cell_id != own.cell_id
    assert record.content_id != own.content_id


@pytest.mark.slow
@pytest.mark.parametrize(
    ("function", "own", "score"),
    [("tokens", ["loss"], "token_accuracy"), ("language_model", [], "loss"), ("sequences", [], "loss")],
)
def test_any_trainer_with_its_own_data_is_watched_and_reported(
    foreign: Foreign, function: str, own: list[str], score: str
) -> None:
    """Tokens with a loss of their own, a language model, a sequence to another: grid, report, repetition, diff."""
    record = foreign.run(f'trainer = "own_trainers:{function}"', recipe='eval_strategy = "no"')
    assert record.status in ("ok", "collapsed"), record.failure
    assert record.observed.subject.own == own
    assert score in record.measured.metrics
    assert record.observed.fingerprint.seen.epochs[0].distinct == 48
    code, output = foreign.house.run(command="report")
    assert code == 0, output
    report = (foreign.house.results / "g" / "report.md").read_text(encoding="utf-8")
    assert f"own_trainers:{function}" in report
    assert ("Accuracy" in report, "Token_accuracy" in report) == (False, score == "token_accuracy")
    _, output = foreign.house.run("--only", "repeat", "--only", "accumulation", command="verify")
    assert "reproducibility (1)" in output, output
    assert "fidelity (" in output
    code, output = foreign.house.run("--fresh")
    assert code == 0, output
    again = foreign.house.records()[-1]
    assert (again.cell_id, again.attempt) == (record.cell_id, 2)
    code, output = foreign.house.run(foreign.attempt(record), foreign.attempt(again), command="diff")
    assert (code, output.startswith("IDENTICAL")) == (0, True), output
    faster = foreign.run(f'trainer = "own_trainers:{function}"', recipe='eval_strategy = "no"\nlearning_rate = 1e-3')
    code, output = foreign.house.run(foreign.attempt(record), foreign.attempt(faster), command="diff")
    assert code == 1, output
    assert output.startswith(
        "DIFFERENT  from step 0 on: the learning rate of B is 20.000 x A's. Why: learning_rate 5e-05 -> 0.001\n"
    ), output


@pytest.mark.slow
@pytest.mark.parametrize(
    "subject", ['trainer = "own_trainers:tokens"', 'script = "run_pairs.py"\narguments = { do_train = true }']
)
def test_foreign_code_is_timed_as_the_harness_s_own(foreign: Foreign, subject: str) -> None:
    """A process of its own, warm-up left out, so many steps measured and no more; nothing of it is scored."""
    record = foreign.run(
        subject, more="[throughput]\nwarmup_steps = 3\nmeasured_steps = 10\nprocesses = 1\nonly = true"
    )
    assert (record.status, record.asked.timing["measured_steps"]) == ("ok", 10), record.failure
    assert (record.measured.metrics, record.observed.subject.kind) == ({}, subject.partition(" ")[0])
    timing = record.measured.timing
    assert (timing.warmup_steps, timing.steps, timing.samples, timing.noise.compiled_frames) == (3, 10, 80, 0)
    assert min(timing.stages.data, timing.stages.forward, timing.stages.backward, timing.stages.optimizer) > 0


ENDS = {
    "never": ("print('hello')", "it came to its end and never called Trainer.train: there is nothing to watch"),
    "twice": ("trainer.train(); trainer.train()", "Trainer.train is called a second time"),
    "leaves": ("import sys; sys.exit('no data')", "it left with 'no data' before it had called Trainer.train"),
    "refuses": (
        "import argparse; argparse.ArgumentParser().parse_args()",
        "it refuses its flags: unrecognized arguments: --model_name_or_path",
    ),
}
TWICE = """
import torch
from transformers import BertConfig, BertForSequenceClassification, HfArgumentParser, Trainer, TrainingArguments
import dataclasses
@dataclasses.dataclass
class Own:
    model_name_or_path: str = ""
_, arguments = HfArgumentParser((Own, TrainingArguments)).parse_args_into_dataclasses()
rows = [{"input_ids": torch.arange(5), "labels": torch.tensor(n % 2)} for n in range(16)]
config = BertConfig(
    vocab_size=9, hidden_size=8, num_hidden_layers=1, num_attention_heads=1, intermediate_size=8
)
trainer = Trainer(BertForSequenceClassification(config), arguments, train_dataset=rows)
"""


@pytest.mark.slow
def test_a_script_that_is_no_run_of_one_trainer_is_one_clear_line(foreign: Foreign) -> None:
    for name, (text, said) in ENDS.items():
        whole = TWICE + text if name == "twice" else text
        (foreign.folder / f"{name}.py").write_text(whole, encoding="utf-8")
        record = foreign.run(f'script = "{name}.py"', recipe='eval_strategy = "no"')
        assert record.status == "failed"
        assert record.failure.type == "ForeignCode"
        assert said in record.failure.message
        assert name == "twice" or record.failure.message.startswith(f"{name}.py: ")


@pytest.mark.slow
def test_verify_finds_the_known_defect_in_a_script(foreign: Foreign) -> None:
    """transformers 5.23.0: batch 8 against 4 x 2 has a gradient four times too large (#47688)."""
    text = GRID.format(
        subject='script = "run_pairs.py"\narguments = { do_train = true }', steps=8, recipe="", more="", task=""
    )
    (foreign.folder / "g.toml").write_text(text, encoding="utf-8")
    code, output = foreign.house.run("--only", "accumulation", command="verify")
    assert code == 1, output
    assert "gradient norm is 4.000 x the single batch's" in output
    assert "#47688" in output


@pytest.mark.slow
def test_ranks_of_a_script_see_the_examples_of_one(foreign: Foreign) -> None:
    record = foreign.run(
        'script = "run_pairs.py"\narguments = { do_train = true }', recipe='eval_strategy = "no"', more="devices = [2]"
    )
    assert record.status in ("ok", "collapsed"), record.failure
    print_, series = record.observed.fingerprint, foreign.house.series(record)
    assert (print_.world_size, print_.backend) == (2, "gloo")
    np.testing.assert_allclose(series["micro_loss"], series["loss"] / 2, rtol=1e-6)  # the known defect: doubled
    assert print_.seen.epochs[0].distinct == 48


ACCURACY = """
import datasets
import evaluate
import numpy as np

class Accuracy(evaluate.Metric):
    def _info(self):
        features = datasets.Features({"predictions": datasets.Value("int64"), "references": datasets.Value("int64")})
        return evaluate.MetricInfo(description="", citation="", features=features)

    def _compute(self, predictions, references):
        return {"accuracy": float(np.mean(np.asarray(predictions) == np.asarray(references)))}
"""
OFFICIAL = os.environ.get("HARNESS_EXAMPLES", "")


@pytest.mark.slow
@pytest.mark.skipif(not OFFICIAL, reason="HARNESS_EXAMPLES names no folder with transformers' own examples")
@pytest.mark.parametrize("script", ["run_glue.py", "run_classification.py"])
def test_the_examples_of_transformers_train_as_they_do_alone(foreign: Foreign, script: str) -> None:
    """The examples are read from where the user has them, and nothing of them is kept."""
    metric = foreign.folder / "accuracy" / "accuracy.py"  # theirs is the hub's
    metric.parent.mkdir()
    metric.write_text(ACCURACY, encoding="utf-8")
    shutil.copy(Path(OFFICIAL) / script, foreign.folder)
    files = {"train_file": "train.csv", "validation_file": "dev.csv"}
    if script == "run_classification.py":
        files |= {"text_column_names": "sentence1,sentence2", "label_column_name": "label"}
    flags = ", ".join(f'{name} = "{value}"' for name, value in files.items())
    record = foreign.run(
        f'script = "{script}"\narguments = {{ do_train = true, do_eval = true, {flags} }}', recipe="logging_steps = 1"
    )
    assert record.status in ("ok", "collapsed"), record.failure
    foreign.alone(
        script, "--do_train", "--do_eval", *(word for name, value in files.items() for word in (f"--{name}", value)),
        "--max_steps", "6", "--logging_steps", "1", "--eval_strategy", "epoch", "--save_strategy", "no", "--report_to",
        "none", "--disable_tqdm", "True", "--seed", "42", "--output_dir", "out",
    )  # fmt: skip
    history = foreign.json("out/trainer_state.json")["log_history"]
    series = foreign.house.series(record)
    logged = [one for one in history if "grad_norm" in one]
    assert [one["grad_norm"] for one in logged] == series["grad_norm"].tolist()
    assert [one["loss"] for one in logged] == series["loss"].tolist()
    evaluated = [one for one in history if "eval_loss" in one][-1]
    assert record.measured.metrics["loss"] == evaluated["eval_loss"]
    # What its `save_model` left of the run alone, to the last bit.
    saved = AutoModelForSequenceClassification.from_pretrained(foreign.folder / "out")
    assert record.observed.weights.final_sha256 == checkpoints.weights_sha256(saved)


@pytest.mark.slow
def test_watch_keeps_a_run_without_a_grid_and_changes_nothing_of_it(foreign: Foreign) -> None:
    foreign.run(PAIRS, steps=1)  # leaves the checkpoint in the cache
    (checkpoint,) = foreign.house.cache.glob("tiny-bert-*")
    flags = ["--do_train", "--do_eval", "--max_steps", "4", "--seed", "7", "--output_dir", "out", "--report_to", "none"]
    foreign.alone("run_pairs.py", *flags, "--account", "seen.json")
    alone = foreign.json("seen.json")
    foreign.house.variables = {"OMP_NUM_THREADS": "1", "TOKENIZERS_PARALLELISM": "false"}
    words = ["--", "python", "run_pairs.py", "--model_name_or_path", str(checkpoint), "--use_cpu", "True", *flags]
    code, output = foreign.house.run(*words, "--account", "seen.json", command="watch")
    assert code == 0, output
    assert foreign.json("seen.json") == alone
    code, output = foreign.house.run(*words, "--account", "other.json", "--learning_rate", "1e-4", command="watch")
    assert code == 0, output
    runs = Store(foreign.house.results, "watch").entries()
    assert [(one.seed, one.checkpoint) for one in runs] == [(7, "run_pairs.py")] * 2
    assert {one.status for one in runs} <= {"ok", "collapsed"}
    code, output = foreign.house.run(*(one.cell_id for one in runs), command="diff")
    assert code == 1, output
    assert "learning_rate" in output
    assert "'--do_train'" not in output, "the flags that differ, and not all of them"
    first = runs[0].cell_id
    left = foreign.house.results / "watch" / "cells" / first[:2] / first / runs[0].environment_id / "002"
    (left / "trainer").mkdir(parents=True)  # as a harness leaves it that is killed
    code, output = foreign.house.run(*words, "--account", "seen.json", command="watch")
    assert code == 0, output
    runs = [one for one in Store(foreign.house.results, "watch").entries() if one.cell_id == runs[0].cell_id]
    assert sorted((one.attempt, one.status == "killed") for one in runs) == [(1, False), (2, True), (3, False)]
    assert [path.name for path in left.iterdir()] == ["record.json"]
    code, output = foreign.house.run("--", "python", "g.toml", command="watch")
    assert code == 4
    assert "SyntaxError" in output
