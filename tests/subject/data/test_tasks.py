from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.errors import MaterialError
from harness.protocol import CORPUS_SIZES, EMBEDDED_TASK, TINY_BERT
from harness.subject.data import checkpoints, tasks

REPOSITORY = Path(__file__).resolve().parents[3]
HEADER = "Quality\t#1 ID\t#2 ID\t#1 String\t#2 String"


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
