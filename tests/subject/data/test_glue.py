"""The nine tasks of GLUE in its own layouts, of sentences that are generated here: columns, labels, scores, values."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import datasets
import numpy as np
import pytest
import scipy.stats
from sklearn import metrics

from harness.errors import MaterialError
from harness.record.model import Record
from harness.record.store import Store
from harness.subject.data import corpus, tasks
from harness.task import GLUE, Task
from tests.subject.data import made_up_hub

REPOSITORY = Path(__file__).parents[3]
SIZES = {"train": 24, "validation": 15, "validation_mismatched": 9}
Rows = list[list[str]]


def labels_of(task: Task, count: int) -> list[str]:
    if task.regression:
        return [f"{number % 11 / 2:.3f}" for number in range(count)]
    words = task.words or [str(number) for number in range(len(task.classes or ()))]
    return [words[number % len(words)] for number in range(count)]


def texts_of(task: Task, split: str, count: int) -> list[tuple[str, ...]]:
    pairs = corpus.generate(split, count)
    columns = [pairs[name] for name in ("sentence1", "sentence2")][: len(task.texts)]
    return list(zip(*columns, strict=True))


# As the files of GLUE's own distribution are laid out; what a task does not read is filled with anything.
LAYOUTS: dict[str, tuple[Sequence[str] | None, Callable[[int, Sequence[str], str], list[str]]]] = {
    "glue/cola": (None, lambda n, text, label: ["gj04", label, "" if label == "1" else "*", *text]),
    "glue/sst2": (("sentence", "label"), lambda n, text, label: [*text, label]),
    "glue/mrpc": (
        ("Quality", "#1 ID", "#2 ID", "#1 String", "#2 String"),
        lambda n, text, label: [label, str(n), str(n), *text],
    ),
    "glue/qqp": (
        ("id", "qid1", "qid2", "question1", "question2", "is_duplicate"),
        lambda n, text, label: [str(n), "1", "2", *text, label],
    ),
    "glue/stsb": (
        ("index", "genre", "filename", "year", "old_index", "source1", "source2", "sentence1", "sentence2", "score"),
        lambda n, text, label: [str(n), "x", "y", "2012", "0", "none", "none", *text, label],
    ),
    "glue/mnli": (
        ("index", "promptID", "pairID", "genre", "sentence1_binary_parse", "sentence2_binary_parse",
         "sentence1_parse", "sentence2_parse", "sentence1", "sentence2", "label1", "gold_label"),
        lambda n, text, label: [str(n), "1", "2", "x", "(", "(", "(", "(", *text, "neutral", label],
    ),
    "glue/qnli": (("index", "question", "sentence", "label"), lambda n, text, label: [str(n), *text, label]),
    "glue/rte": (("index", "sentence1", "sentence2", "label"), lambda n, text, label: [str(n), *text, label]),
    "glue/wnli": (("index", "sentence1", "sentence2", "label"), lambda n, text, label: [str(n), *text, label]),
}  # fmt: skip


def rows_of(task: Task, split: str) -> Rows:
    header, row = LAYOUTS[task.name]
    count = SIZES[split]
    texts = texts_of(task, "train" if split == "train" else "validation", count)
    made = [row(n, text, label) for n, (text, label) in enumerate(zip(texts, labels_of(task, count), strict=True))]
    return [*([list(header)] if header else []), *made]


def write(folder: Path, task: Task) -> Path:
    """Write a task's folder as GLUE has it."""
    place = folder / str(task.folder)
    place.mkdir(parents=True, exist_ok=True)
    for split, file in task.files.items():
        lines = ("\t".join(row) for row in rows_of(task, split))
        (place / file).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return place


@pytest.mark.parametrize("name", GLUE)
def test_columns_and_labels_are_the_task_s(name: str, tmp_path: Path) -> None:
    task = GLUE[name]
    found = tasks.load({"name": name, "path": str(write(tmp_path, task))})
    assert list(found) == list(task.splits)
    for split, dataset in found.items():
        texts = texts_of(task, "train" if split == "train" else "validation", SIZES[split])
        assert dataset.column_names == [*task.texts, "label", "idx"]
        assert list(zip(*(dataset[column] for column in task.texts), strict=True)) == texts
        if task.regression:
            assert dataset["label"][:] == [float(label) for label in labels_of(task, SIZES[split])]
        else:
            assert dataset.features["label"].names == list(task.classes or ())
            assert dataset["label"][:] == [number % len(task.classes or ()) for number in range(SIZES[split])]
        facts = tasks.split_facts(dataset, task)
        assert sum(facts["labels"] or [SIZES[split]]) == facts["examples"] == SIZES[split]


def test_what_no_label_of_a_task_is_is_named(tmp_path: Path) -> None:
    for name, wrong, said in (("glue/mnli", "-", "entailment or neutral or contradiction"),
                              ("glue/stsb", "much", "a number"), ("glue/stsb", "nan", "a number")):  # fmt: skip
        place = write(tmp_path, GLUE[name])
        path = place / "train.tsv"
        lines = path.read_text(encoding="utf-8").splitlines()
        lines[2] = "\t".join([*lines[2].split("\t")[:-1], wrong])
        path.write_text("\n".join(lines), encoding="utf-8")
        with pytest.raises(MaterialError, match=rf"train\.tsv, line 3: .* label '{wrong}' \(expected \d+ and {said}\)"):
            tasks.load({"name": name, "path": str(place)})


def test_a_row_of_qqp_without_all_columns_is_left_out_as_the_hub_leaves_it(tmp_path: Path) -> None:
    place = write(tmp_path, GLUE["glue/qqp"])
    with (place / "train.tsv").open("a", encoding="utf-8") as file:
        file.write("99\t1\t2\tonly one\n")
    assert len(tasks.load({"name": "glue/qqp", "path": str(place)})["train"]) == SIZES["train"]


def due_scores(task: Task, logits: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """What scikit-learn and scipy make of saved logits."""
    if task.regression:
        x, y = logits.reshape(-1).astype(float), labels.astype(float)
        return {"pearson": scipy.stats.pearsonr(x, y).statistic, "spearmanr": scipy.stats.spearmanr(x, y).statistic}
    said = logits.argmax(axis=-1)
    every = {
        "accuracy": metrics.accuracy_score(labels, said),
        "f1": metrics.f1_score(labels == 1, said == 1, zero_division=0.0),
        "matthews_correlation": metrics.matthews_corrcoef(labels, said),
    }
    return {name: every[name] for name in task.metrics}


REVISION = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c"


def write_hub(home: Path, task: Task) -> None:
    """Put a task into a hub's cache in `home` as `nyu-mll/glue` has it, its card and its tests without labels too."""
    label = datasets.Value("float32") if task.regression else datasets.ClassLabel(names=list(task.classes or ()))
    features = {
        **{text: datasets.Value("string") for text in task.texts},
        "label": label,
        "idx": datasets.Value("int32"),
    }
    splits = {task.splits[split]: (split, SIZES[split]) for split in task.splits}
    tests = [name.replace("validation", "test") for name in splits if name != "train"]
    files = {}
    for split, (source, count) in {**splits, **dict.fromkeys(tests, ("test", 6))}.items():
        texts = texts_of(task, "train" if source == "train" else "validation", count)
        made = [
            float(one) if task.regression else n % len(task.classes or ())
            for n, one in enumerate(labels_of(task, count))
        ]
        columns = dict(zip(task.texts, map(list, zip(*texts, strict=True)), strict=True))
        columns |= {"label": made if source != "test" else [-1] * count, "idx": list(range(count))}
        path = home / f"{split}.parquet"
        datasets.Dataset.from_dict(columns, features=datasets.Features(features)).to_parquet(path)
        files[f"{task.config}/{split}-00000-of-00001.parquet"] = path
    card = home / "README.md"
    card.write_text(
        f"---\nconfigs:\n- config_name: {task.config}\n  data_files:\n"
        + "".join(f"  - split: {split}\n    path: {task.config}/{split}-*\n" for split in [*splits, *tests])
        + "---\n# GLUE\n"
    )
    made_up_hub.place(home / "hub", "dataset", "nyu-mll/glue", REVISION, {**files, "README.md": card})


@pytest.mark.slow
@pytest.mark.parametrize("where", ["files", "hub"])
@pytest.mark.parametrize("name", GLUE)
def test_a_task_from_its_files_to_its_scores(name: str, where: str, tmp_path: Path) -> None:
    """From a folder as GLUE was given out, and from a cache of the hub."""
    task, engines = GLUE[name], ["trainer", "loop", *(["accelerate"] if name == "glue/mnli" else [])]
    (tmp_path / "hf").mkdir()
    variables = {**made_up_hub.offline(tmp_path / "hf"), "HARNESS_CACHE": str(tmp_path / "cache"),
                 "PYTHONPATH": str(REPOSITORY), "CUDA_VISIBLE_DEVICES": ""}  # fmt: skip
    if where == "files":
        write(tmp_path / "glue", task)
        variables["HARNESS_GLUE"] = str(tmp_path / "glue")
    else:
        write_hub(tmp_path / "hf", task)
    (tmp_path / "g.toml").write_text(
        f'name = "g"\ntask = "{name}"\ntask_folder = "$HARNESS_GLUE"\n[recipe]\nmax_steps = 6\nlearning_rate = 5e-3\n'
        f'[matrix]\ncheckpoint = ["embedded/tiny-bert"]\nengine = {engines}\n'
    )

    def harness(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "harness", *words]
        return subprocess.run(command, cwd=tmp_path, env=variables, capture_output=True, text=True, check=False)

    done = harness("run", "g.toml")
    assert done.returncode == 0, done.stdout + done.stderr
    store = Store(tmp_path / "results", "g")
    records: list[Record] = []
    for entry in store.entries():
        record = store.record(entry)
        records.append(record)
        assert record.observed is not None
        assert record.observed.data is not None
        assert record.measured is not None
        data, measured = record.observed.data, record.measured
        series = store.series(entry)
        assert data.revision == (REVISION if where == "hub" else None)
        assert list(measured.metrics)[: len(task.metrics)] == list(task.metrics)
        due = due_scores(task, series["logits"], series["labels"])
        for split in task.more:
            end = f"_{split.rpartition('_')[2]}"
            more = due_scores(task, series[f"logits{end}"], series[f"labels{end}"])
            due |= {f"{metric}{end}": value for metric, value in more.items()}
            assert data.more[split].examples == SIZES[split]
        assert measured.metrics == pytest.approx({**due, "loss": measured.metrics["loss"]}, abs=1e-9)
        outputs = 1 if task.regression else len(task.classes or ())
        assert record.series["logits"] == [SIZES["validation"], outputs]
        assert data.classes == (None if task.regression else list(task.classes or ()))
        assert record.observed.model["trainable"] > 0
        assert measured.epochs[-1].metrics.keys() >= set(task.metrics)
        if task.regression:
            assert data.validation.labels is None
            assert measured.confusion is None
        else:
            assert measured.confusion is not None
            assert list(measured.confusion.labels) == data.validation.labels
    assert len(records) == len(engines)
    for command in ("check", "report"):
        done = harness(command, "g.toml")
        assert done.returncode in (0, 3, 5), done.stdout + done.stderr
    if where == "files" and name in ("glue/stsb", "glue/mnli"):  # numbers, and more than two classes
        done = harness("verify", "g.toml", "--quick")
        assert done.returncode in (0, 1), done.stdout + done.stderr
