from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from harness.errors import MaterialError
from harness.protocol import CORPUS_SIZES, EMBEDDED_TASK, TINY_BERT
from harness.record.model import Record
from harness.record.store import Store
from harness.subject.data import checkpoints, corpus, tasks
from tests.subject.data import made_up_hub
from tests.subject.data.made_up_hub import place

REPOSITORY = Path(__file__).resolve().parents[3]
HEADER = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"
TASK_SHA, MODEL_SHA = "bcdcba79d07bc864c1c254ccfcedcce55bcc9a8c", "86b5e0934494bd15c9632b12f734a8a67f723594"


def write(folder: Path, lines: list[str], end: str = "\n", start: str = "", file: str = "train.tsv") -> Path:
    folder.mkdir(exist_ok=True)
    (folder / file).write_bytes((start + end.join(lines) + end).encode())
    return folder


def read(folder: Path) -> dict[str, Any]:
    return tasks._read_tsv(folder / "train.tsv")


# Folders of TSV files.


def test_quotes_are_characters_like_any_other(tmp_path: Path) -> None:
    lines = [
        HEADER,
        '1\t1\t2\t"He said\tIt\'s "fine" .',
        '0\t3\t4\t"""\t"',
        "1\t5\t6\ta \\ b\t''",
        "0\t7\t8\tline\u2028separator \x85 next\tnbsp\u00a0",
    ]
    assert read(write(tmp_path, lines)) == {
        "sentence1": ['"He said', '"""', "a \\ b", "line\u2028separator \x85 next"],
        "sentence2": ['It\'s "fine" .', '"', "''", "nbsp\u00a0"],
        "label": [1, 0, 1, 0],
        "idx": [0, 1, 2, 3],
    }


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("start", ["", "\ufeff"])
def test_line_ends_and_byte_order_marks_are_no_text(tmp_path: Path, end: str, start: str) -> None:
    columns = read(write(tmp_path, [HEADER, "1\t1\t2\ta\tb", "0\t3\t4\tc\td"], end, start))
    assert (columns["sentence2"], columns["label"]) == (["b", "d"], [1, 0])


def test_columns_are_found_by_name(tmp_path: Path) -> None:
    columns = read(write(tmp_path, ["#2 String\tQuality\t#1 String", "b\t1\ta"]))
    assert (columns["sentence1"], columns["sentence2"], columns["label"]) == (["a"], ["b"], [1])


def test_an_empty_line_at_the_end_is_no_example(tmp_path: Path) -> None:
    columns = read(write(tmp_path, [HEADER, "1\t1\t2\ta\tb", "", "0\t1\t2\tc\td", "", ""]))
    assert (columns["label"], columns["idx"]) == ([1, 0], [0, 1])


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([HEADER, "1\t1\t2\ta\tb", "2\t1\t2\ta\tb"], "train.tsv, line 3: 5 columns, label '2' (expected 5 and 0 or 1)"),
        ([HEADER, "\t1\t2\ta\tb"], "line 2: 5 columns, label ''"),
        ([HEADER, "1\t1\t2\ta"], "line 2: 4 columns, label '1'"),
        ([HEADER, "1\t1\t2\ta\tb\tc"], "line 2: 6 columns"),
        ([HEADER, "yes\t1\t2\ta\tb"], "label 'yes'"),
        ([HEADER], "no examples"),
        (["Quality\t#1 String\t#2 String\tQuality", "1\ta\tb\t0"], "column 'Quality' is there 2 times; allowed once"),
        (["label\ta\tb", "1\t2\t3"], "column 'Quality' is missing (it has ['label', 'a', 'b'])"),
        (["Quality\t#1 String\tx", "1\t2\t3"], "column '#2 String' is missing"),
        ([""], "column 'Quality' is missing"),
    ],
)
def test_what_is_wrong_is_named_with_file_and_line(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(MaterialError) as caught:
        read(write(tmp_path, lines))
    assert str(tmp_path / "train.tsv") in str(caught.value)
    assert message in str(caught.value)


def test_other_encodings_and_missing_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(MaterialError, match=r"train\.tsv"):
        read(tmp_path)
    (tmp_path / "train.tsv").write_bytes(f"{HEADER}\n1\t1\t2\tcaf\xe9\tb\n".encode("latin-1"))
    with pytest.raises(MaterialError, match=r"train\.tsv: 'utf-8' codec"):
        read(tmp_path)
    (tmp_path / "train.tsv").write_text(f"{HEADER}\n1\t1\t2\t{'a' * 200_000}\tb\n")
    with pytest.raises(MaterialError, match=r"train\.tsv: field larger"):
        read(tmp_path)


def test_a_folder_becomes_two_splits(tmp_path: Path) -> None:
    write(tmp_path, [HEADER, "1\t1\t2\ta\tb", "0\t1\t2\tc\td"])
    write(tmp_path, [HEADER, "1\t1\t2\te\tf"], file="dev.tsv")
    loaded = tasks.load({"name": "x", "path": str(tmp_path)})
    assert {split: len(loaded[split]) for split in loaded} == {"train": 2, "validation": 1}
    assert loaded["train"].features["label"].names == ["not_equivalent", "equivalent"]
    expected = hashlib.sha256(b"a\x1fb\x1f1\x1ec\x1fd\x1f0\x1e").hexdigest()
    assert tasks.split_facts(loaded["train"]) == {"examples": 2, "labels": [1, 1], "sha256": expected}


@pytest.mark.mrpc
def test_mrpc(mrpc_folder: Path) -> None:
    loaded = tasks.load({"name": "glue/mrpc", "path": str(mrpc_folder)})
    facts = {split: tasks.split_facts(loaded[split]) for split in loaded}
    assert (facts["train"]["examples"], facts["train"]["labels"]) == (3668, [1194, 2474])
    assert (facts["validation"]["examples"], facts["validation"]["labels"]) == (408, [129, 279])


# Embedded, and unknown.


def test_the_embedded_task() -> None:
    loaded = tasks.load({"name": EMBEDDED_TASK})
    assert {split: len(loaded[split]) for split in loaded} == CORPUS_SIZES
    assert loaded["train"]["idx"][:3] == [0, 1, 2]
    assert tasks.split_facts(loaded["train"]) == tasks.split_facts(tasks.load({"name": EMBEDDED_TASK})["train"])


def test_an_unknown_task_names_the_known_ones() -> None:
    with pytest.raises(MaterialError, match="'glue/ax' is unknown; allowed: embedded/paraphrase, glue/cola, "):
        tasks.load({"name": "glue/ax"})


# Tokenized once.


def test_a_task_is_tokenized_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    checkpoint = checkpoints.locate(TINY_BERT, None, None, tmp_path / "cache")
    write(tmp_path / "data", [HEADER, "1\t1\t2\tthe man\tthe woman"])
    write(tmp_path / "data", [HEADER, "0\t1\t2\tone\ttwo two two"], file="dev.tsv")
    task = {"name": "x", "path": str(tmp_path / "data")}
    folder = tmp_path / "cache" / "tokenized-k"
    facts = tasks.tokenize_to(folder, task, checkpoint)
    tokens = datasets.load_from_disk(str(folder))
    assert set(tokens["train"].column_names) >= {"input_ids", "token_type_ids", "attention_mask", "label"}
    assert tokens["train"][0]["token_type_ids"].count(1) >= 2
    assert facts["validation"]["examples"] == 1
    monkeypatch.setattr(tasks, "load", lambda task: pytest.fail("loaded again"))
    assert tasks.tokenize_to(folder, task, checkpoint) == facts
    assert [path.name for path in (tmp_path / "cache").glob("*.tmp")] == []


@pytest.mark.parametrize("damage", ["flip", "cut", "gone", "state", "split"])
def test_a_task_whose_files_are_not_as_they_were_is_tokenized_again(tmp_path: Path, damage: str) -> None:
    checkpoint = checkpoints.locate(TINY_BERT, None, None, tmp_path / "cache")
    write(tmp_path / "data", [HEADER, "1\t1\t2\tthe man\tthe woman", "0\t1\t2\tthe man\tthe man"])
    write(tmp_path / "data", [HEADER, "0\t1\t2\tone\ttwo two two"], file="dev.tsv")
    task = {"name": "x", "path": str(tmp_path / "data")}
    folder = tmp_path / "cache" / "tokenized-k"
    facts = tasks.tokenize_to(folder, task, checkpoint)
    before = (folder / "harness.sha256").read_bytes()
    (arrow,) = (folder / "train").glob("*.arrow")
    content = bytearray(arrow.read_bytes())
    if damage == "flip":
        content[len(content) // 2] ^= 1
        arrow.write_bytes(content)
    elif damage == "cut":
        arrow.write_bytes(content[:100])
    elif damage == "gone":
        arrow.unlink()
    elif damage == "state":
        (folder / "train" / "state.json").unlink()
    else:
        shutil.rmtree(folder / "train")
    assert tasks.tokenize_to(folder, task, checkpoint) == facts
    assert (folder / "harness.sha256").read_bytes() == before
    assert [path.name for path in (tmp_path / "cache").glob("*.tmp")] == []


def test_a_checkpoint_without_its_vocabulary_is_refused(tmp_path: Path) -> None:
    checkpoint = checkpoints.locate(TINY_BERT, None, None, tmp_path / "cache")
    write(tmp_path / "data", [HEADER, "1\t1\t2\tthe man\tthe woman"])
    write(tmp_path / "data", [HEADER, "0\t1\t2\tone\ttwo"], file="dev.tsv")
    (checkpoint / "vocab.txt").write_text("[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\n")
    task = {"name": "x", "path": str(tmp_path / "data")}
    with pytest.raises(MaterialError, match="does not know 100 % of the task's tokens; allowed at most 50 %"):
        tasks.tokenize_to(tmp_path / "cache" / "tokenized-k", task, checkpoint)
    assert [path.name for path in (tmp_path / "cache").iterdir()] == [checkpoint.name]


def test_a_checkpoint_without_a_tokenizer_is_refused(tmp_path: Path) -> None:
    checkpoint = checkpoints.locate(TINY_BERT, None, None, tmp_path / "cache")
    for path in checkpoint.iterdir():
        if path.name not in ("config.json", "model.safetensors"):
            path.unlink()
    with pytest.raises(MaterialError, match="no file of a tokenizer"):
        tasks.tokenize_to(tmp_path / "cache" / "tokenized-k", {"name": "embedded/paraphrase"}, checkpoint)


def test_the_share_of_unknown_tokens() -> None:
    class Tokenizer:
        all_special_ids = [0, 1, 2, 3]  # noqa: RUF012 - a stand-in
        unk_token_id: int | None = 1

    examples = [[2, 1, 7, 3, 9, 3, 0], [2, 8, 3, 1, 3]]
    assert tasks.unknown_share(Tokenizer(), examples) == 2 / 5
    Tokenizer.unk_token_id = None
    assert tasks.unknown_share(Tokenizer(), examples) == 0.0
    assert tasks.unknown_share(Tokenizer(), [[2, 3, 3]]) == 0.0


# The hub, offline, through a cache laid out as its client lays it out.


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
