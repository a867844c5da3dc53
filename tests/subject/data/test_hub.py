from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.protocol import TINY_BERT
from harness.record.model import Record
from harness.record.store import Store
from harness.subject.data import checkpoints, corpus, tasks
from tests.subject.data import made_up_hub
from tests.subject.data.made_up_hub import place

REPOSITORY = Path(__file__).resolve().parents[3]
TASK_SHA, MODEL_SHA = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c", "86b5e0934494bd15c9632b12f734a8a67f723594"


@pytest.fixture(scope="module")
def hub_home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """HF_HOME with `nyu-mll/glue` (a few sentences of ours in MRPC's form) and `tests/tiny-bert`."""
    home = tmp_path_factory.mktemp("hf")
    sources = {"train": ("train", 24), "validation": ("validation", 12), "test": ("validation", 4)}
    made = tasks._dataset_dict({split: corpus.generate(*source) for split, source in sources.items()})
    files = {}
    for split, dataset in made.items():
        path = home / f"{split}.parquet"
        dataset.to_parquet(path)
        files[f"mrpc/{split}-00000-of-00001.parquet"] = path
    place(home / "hub", "dataset", "nyu-mll/glue", TASK_SHA, files)
    tiny = checkpoints.locate(TINY_BERT, None, None, home / "tiny")
    place(home / "hub", "model", "tests/tiny-bert", MODEL_SHA, {path.name: path for path in tiny.iterdir()})
    return home


@pytest.fixture(scope="module")
def offline(hub_home: Path) -> dict[str, str]:
    return {**made_up_hub.offline(hub_home), "PYTHONPATH": str(REPOSITORY)}


def in_a_process(code: str, variables: dict[str, str], stdin: str = "") -> Any:
    done = subprocess.run(
        [sys.executable, "-c", code], env=variables, input=stdin, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_revisions_come_from_the_cache(offline: dict[str, str]) -> None:
    items = [
        {"kind": "dataset", "id": "nyu-mll/glue", "revision": None},
        {"kind": "model", "id": "tests/tiny-bert", "revision": "main"},
        {"kind": "model", "id": "tests/tiny-bert", "revision": MODEL_SHA},
        {"kind": "model", "id": "tests/tiny-bert", "revision": "v9"},
    ]
    answers = in_a_process("from harness.subject.data.resolve import main; main()", offline, json.dumps(items))
    assert answers[:3] == [{"sha": sha, "from": "cache"} for sha in (TASK_SHA, MODEL_SHA, MODEL_SHA)]
    assert answers[3]["error"].endswith("(models--tests--tiny-bert) has no revision 'v9'")


def test_the_hubs_task_loads_offline(offline: dict[str, str]) -> None:
    code = (
        "import json\n"
        "from harness.subject.data import tasks\n"
        f"loaded = tasks.load({{'name': 'glue/mrpc', 'revision': {TASK_SHA!r}}})\n"
        "print(json.dumps({split: tasks.split_facts(loaded[split]) for split in loaded}))\n"
    )
    facts = in_a_process(code, offline)
    assert {split: found["examples"] for split, found in facts.items()} == {"train": 24, "validation": 12}
    pairs = corpus.generate("train", 24)
    rows = zip(pairs["sentence1"], pairs["sentence2"], pairs["label"], strict=True)
    text = "".join("\x1f".join(map(str, row)) + "\x1e" for row in rows)
    assert facts["train"]["sha256"] == hashlib.sha256(text.encode()).hexdigest()


def test_a_revision_that_is_not_there_is_named(offline: dict[str, str]) -> None:
    code = (
        "import json\n"
        "from harness.subject.data import tasks\n"
        "from harness.errors import MaterialError\n"
        "try: tasks.load({'name': 'glue/mrpc', 'revision': '0' * 40})\n"
        "except MaterialError as error: print(json.dumps(str(error)))\n"
    )
    assert in_a_process(code, offline).startswith(f"task glue/mrpc (nyu-mll/glue, revision {'0' * 40}): ")


def test_a_run_from_the_hubs_cache_records_the_commits(offline: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "hub.toml").write_text(
        'name = "hub"\ntask = "glue/mrpc"\n[recipe]\nmax_steps = 2\n'
        '[matrix]\ncheckpoint = ["tests/tiny-bert"]\nseed = 42\n'
    )
    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", "hub.toml"],
        cwd=tmp_path,
        env={**offline, "HARNESS_CACHE": str(tmp_path / "cache"), "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    store = Store(tmp_path / "results", "hub")
    record: Record = store.record(store.entries()[0])
    assert record.status in ("ok", "collapsed")
    assert record.observed is not None
    assert record.observed.weights is not None
    assert record.observed.data is not None
    assert record.observed.weights.revision == MODEL_SHA
    assert record.observed.data.revision == TASK_SHA
    assert record.observed.data.source == "glue/mrpc"
    assert (record.observed.data.train.examples, record.observed.data.validation.examples) == (24, 12)
    assert record.series["logits"] == [12, 2]


# A table of one's own with a data set of the hub.


PAIR = {"text": ["premise", "hypothesis"], "label": "gold", "hub": "org/pairs"}
ROWS = {split: corpus.generate(split, count) for split, count in (("train", 20), ("validation", 8))}


def parquet(path: Path, split: str, names: list[str] | None = None) -> Path:
    """A split of three classes; `names` are those of a hub's own metadata."""
    import datasets

    rows, label = ROWS[split], datasets.ClassLabel(names=names) if names else datasets.Value("int64")
    columns = {"premise": rows["sentence1"], "hypothesis": rows["sentence2"]}
    columns["gold"] = [number % 3 for number in range(len(rows["label"]))]
    text = datasets.Value("string")
    features = datasets.Features({"premise": text, "hypothesis": text, "gold": label})
    datasets.Dataset.from_dict(columns, features=features).to_parquet(path)
    return path


def of_hub(home: Path, table: dict[str, Any]) -> Any:
    """Classes, and by split the first text and all labels; or what is wrong."""
    code = (
        "import json, sys\n"
        "from harness.errors import MaterialError\n"
        "from harness.subject.data import tasks\n"
        "from harness.task import task_of\n"
        "table = json.load(sys.stdin)\n"
        "try:\n"
        "    found = tasks.load({'name': 'pairs', 'task': task_of('pairs', table).to_json(), 'revision': None})\n"
        "    said = [found['train'].features['label'].names]\n"
        "    said += [{name: [found[name][0]['sentence1'], found[name]['label'][:]] for name in found}]\n"
        "except MaterialError as error: said = str(error)\n"
        "print(json.dumps(said))\n"
    )
    return in_a_process(code, {**made_up_hub.offline(home), "PYTHONPATH": str(REPOSITORY)}, json.dumps(table))


@pytest.mark.slow
def test_a_table_of_the_hub_finds_its_files_by_custom_and_by_the_card(tmp_path: Path) -> None:
    names = ["yes", "maybe", "no"]
    found = {split: parquet(tmp_path / f"{split}.parquet", split, names) for split in ROWS}
    due = [names, {split: [rows["sentence1"][0], [n % 3 for n in range(len(rows["label"]))]]
                   for split, rows in ROWS.items()}]  # fmt: skip
    shard = {split: f"{split}-00000-of-00001.parquet" for split in found}
    places = {"custom": "data/", "config": "pairs/"}
    for name, place_ in places.items():
        home = tmp_path / name
        place(home / "hub", "dataset", "org/pairs", "a" * 40, {f"{place_}{shard[one]}": found[one] for one in found})
        config = {"config": "pairs"} if name == "config" else {}
        assert of_hub(home, PAIR | config) == due
    assert of_hub(tmp_path / "config", PAIR | {"config": "other"}) == (
        "task pairs: org/pairs has no other/train[-.]*parquet for the split 'train'"
    )
    for split, rows in ROWS.items():
        lines = [json.dumps({"premise": a, "hypothesis": b, "gold": n % 3}) for n, (a, b) in
                 enumerate(zip(rows["sentence1"], rows["sentence2"], strict=True))]  # fmt: skip
        (tmp_path / f"{split}.jsonl").write_text("\n".join(lines))
    card = tmp_path / "README.md"
    card.write_text(
        "---\nconfigs:\n"
        "- config_name: lines\n  data_files:\n  - split: train\n    path: raw/t*.jsonl\n  - split: dev\n"
        "    path: [raw/v*.jsonl]\n"
        "- config_name: pairs\n  default: true\n  data_files:\n    train: deep/*/train-*\n    validation: deep/b/v*\n"
        "---\n"
    )
    files = {f"raw/{split}.jsonl": tmp_path / f"{split}.jsonl" for split in ROWS}
    files |= {f"deep/b/{shard[split]}": found[split] for split in found}
    place(tmp_path / "card" / "hub", "dataset", "org/pairs", "b" * 40, {**files, "README.md": card})
    assert of_hub(tmp_path / "card", PAIR) == due
    lines_due = [["0", "1", "2"], due[1]]
    assert of_hub(tmp_path / "card", PAIR | {"config": "lines", "validation": "dev"}) == lines_due
    assert of_hub(tmp_path / "card", PAIR | {"config": "lines"}) == (
        "task pairs: org/pairs has no split 'validation'; allowed train, dev"
    )
    assert of_hub(tmp_path / "card", PAIR | {"config": "x"}) == (
        "task pairs: got config 'x'; org/pairs has lines, pairs"
    )
    card.write_text("---\nconfigs:\n- data_files:\n    train: ../../secret.csv\n    validation: v.csv\n---\n")
    place(tmp_path / "bad" / "hub", "dataset", "org/pairs", "c" * 40, {"README.md": card})
    assert of_hub(tmp_path / "bad", PAIR) == "task pairs: org/pairs names '../../secret.csv'; allowed files of its own"


@pytest.mark.slow
def test_a_grid_s_table_of_the_hub_is_run_at_its_revision(tmp_path: Path) -> None:
    """Under all engines; the record has the commit that its tag stands for."""
    home, names = tmp_path / "hf", ["yes", "maybe", "no"]
    shards = {f"c/{split}-00000-of-00001.parquet": parquet(tmp_path / f"{split}.parquet", split, names)
              for split in ROWS}  # fmt: skip
    place(home / "hub", "dataset", "org/pairs", "d" * 40, shards)
    (home / "hub" / "datasets--org--pairs" / "refs" / "v1").write_text("d" * 40)
    (home / "hub" / "datasets--org--pairs" / "refs" / "main").write_text("e" * 40)  # moved on, and not here
    (tmp_path / "g.toml").write_text(
        'name = "g"\n[task]\nhub = "org/pairs"\nconfig = "c"\nrevision = "v1"\ntext = ["premise", "hypothesis"]\n'
        'label = "gold"\nmetrics = ["macro_f1", "accuracy"]\n[recipe]\nmax_steps = 4\n[matrix]\n'
        'checkpoint = ["embedded/tiny-bert"]\nengine = ["trainer", "loop", "accelerate"]\n'
    )
    variables = {**made_up_hub.offline(home), "PYTHONPATH": str(REPOSITORY), "CUDA_VISIBLE_DEVICES": "",
                 "HARNESS_CACHE": str(tmp_path / "cache")}  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "harness", "run", "g.toml"],
        cwd=tmp_path, env=variables, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    store = Store(tmp_path / "results", "g")
    records = [store.record(entry) for entry in store.entries()]
    assert len(records) == 3
    for record in records:
        assert record.observed is not None
        assert record.observed.data is not None
        assert record.measured is not None
        assert (record.observed.data.revision, record.observed.data.classes) == ("d" * 40, names)
        assert list(record.measured.metrics)[:2] == ["macro_f1", "accuracy"]
        assert record.series["logits"] == [8, 3]
