from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

from harness.errors import MaterialError
from harness.protocol import TINY_BERT, TINY_BERT_VERSION
from harness.subject.data import checkpoints

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.locate(TINY_BERT, None, None, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def copied(tiny: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(tiny, tmp_path / "copy"))


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def rewrite_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, **changes}))


# The embedded checkpoint.


def test_the_tiny_bert_is_the_same_wherever_it_is_made(tiny: Path, tmp_path: Path) -> None:
    torch.manual_seed(123)
    before = torch.random.get_rng_state()
    second = checkpoints.locate(TINY_BERT, None, None, tmp_path)
    assert second != tiny
    assert digests(second) == digests(tiny)
    names = {"config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt", "harness.sha256"}
    assert set(digests(tiny)) == names
    torch.random.set_rng_state(before)


def test_the_tiny_berts_weights_are_written_down(tiny: Path) -> None:
    """Its content id is its version: other weights under the same version would make old records lie."""
    from safetensors.torch import load_file

    state = load_file(str(tiny / "model.safetensors"))
    digest = hashlib.sha256()
    for name in sorted(state):
        digest.update(f"{name} {tuple(state[name].shape)}\n".encode() + state[name].numpy().tobytes())
    assert (TINY_BERT_VERSION, digest.hexdigest()[:16]) == (1, "dbc0ff22644a59fa")


def test_it_is_made_once(tiny: Path) -> None:
    before = (tiny / "model.safetensors").stat().st_mtime_ns
    assert checkpoints.locate(TINY_BERT, None, None, tiny.parent) == tiny
    assert (tiny / "model.safetensors").stat().st_mtime_ns == before


@pytest.mark.parametrize("damage", ["model.safetensors", "config.json", "vocab.txt", "harness.sha256"])
def test_one_that_is_not_as_it_was_made_is_made_again(tmp_path: Path, damage: str) -> None:
    folder = checkpoints.locate(TINY_BERT, None, None, tmp_path)
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    content = bytearray(before[damage])
    content[-3] ^= 1
    (folder / damage).write_bytes(content)
    assert checkpoints.locate(TINY_BERT, None, None, tmp_path) == folder
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    (folder / damage).unlink()
    checkpoints.locate(TINY_BERT, None, None, tmp_path)
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_others_may_read_it(tmp_path: Path) -> None:
    mask = os.umask(0o022)
    try:
        folder = checkpoints.locate(TINY_BERT, None, None, tmp_path)
    finally:
        os.umask(mask)
    assert {path.name: path.stat().st_mode & 0o777 for path in folder.iterdir()} == dict.fromkeys(
        ["config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt", "harness.sha256"], 0o644
    )


# Refused.


def test_pickled_weights_are_refused(copied: Path) -> None:
    (copied / "model.safetensors").unlink()
    torch.save({"a": torch.zeros(1)}, copied / "pytorch_model.bin")
    with pytest.raises(MaterialError, match=r"no \.safetensors file; pickled weights"):
        checkpoints.locate("x", str(copied), None, copied)


def test_pickled_weights_beside_safetensors_are_not_read(copied: Path) -> None:
    (copied / "pytorch_model.bin").write_bytes(b"no pickle at all")
    checkpoints.load_model(str(copied), {})


def test_a_folder_without_configuration_is_no_checkpoint(tmp_path: Path) -> None:
    with pytest.raises(MaterialError, match=r"checkpoint x: .* has no config\.json"):
        checkpoints.locate("x", str(tmp_path), None, tmp_path)


@pytest.mark.parametrize("model_type", ["bert", "something-new"])
def test_a_checkpoints_own_code_never_runs(copied: Path, tmp_path: Path, model_type: str) -> None:
    trace = tmp_path / "it-ran"
    (copied / "evil.py").write_text(f"open({str(trace)!r}, 'w').close()\nEvilConfig = EvilModel = object\n")
    auto_map = {"AutoConfig": "evil.EvilConfig", "AutoModelForSequenceClassification": "evil.EvilModel"}
    rewrite_config(copied, model_type=model_type, auto_map=auto_map)
    if model_type == "bert":
        model, _ = checkpoints.load_model(str(copied), {})
        assert type(model).__module__.startswith("transformers.")
    else:
        with pytest.raises(ValueError, match=r"trust_remote_code|custom code"):
            checkpoints.load_model(str(copied), {})
    assert not trace.exists()


# Loading.


def test_newly_initialised_and_unused_weights_are_named(copied: Path) -> None:
    model, names = checkpoints.load_model(str(copied), {})
    new = ["classifier.bias", "classifier.weight"]
    assert names == {
        "newly_initialised": new,
        "unused": [],
        "not_as_saved": [],
        "saved_dtypes": ["float32"],
    }
    assert model.config.num_labels == 2
    model, names = checkpoints.load_model(str(copied), {"num_hidden_layers": 1})
    assert len(model.bert.encoder.layer) == 1
    assert names["newly_initialised"] == ["classifier.bias", "classifier.weight"]
    assert len(names["unused"]) == 16
    assert all("layer.1." in name for name in names["unused"])
    _, names = checkpoints.load_model(str(copied), {"num_hidden_layers": 3})
    assert len(names["newly_initialised"]) == 2 + 16


def test_a_tensor_that_is_not_the_file_s_is_named(copied: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    load = transformers.modeling_utils.PreTrainedModel.from_pretrained.__func__

    def forgetful(*args: Any, **kwargs: Any) -> Any:
        model, info = load(*args, **kwargs)
        with torch.no_grad():
            model.bert.encoder.layer[1].output.dense.weight[3, 5] += 1e-6
        return model, info

    monkeypatch.setattr(transformers.modeling_utils.PreTrainedModel, "from_pretrained", classmethod(forgetful))
    _, names = checkpoints.load_model(str(copied), {})
    assert names["not_as_saved"] == ["bert.encoder.layer.1.output.dense.weight"]


def test_a_tensor_without_a_place_in_the_file_is_not_a_pass(copied: Path) -> None:
    from safetensors.torch import load_file, save_file

    weights = load_file(copied / "model.safetensors")
    weights["renamed"] = weights.pop("pooler.dense.bias")
    save_file(weights, copied / "model.safetensors", metadata={"format": "pt"})
    _, names = checkpoints.load_model(str(copied), {})
    assert "bert.pooler.dense.bias" in names["newly_initialised"]
    assert names["not_as_saved"] == []


def test_dropout_off_is_off_everywhere(copied: Path) -> None:
    model, _ = checkpoints.load_model(str(copied), {}, dropout=False)
    assert {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)} == {0.0}
    assert set(checkpoints.dropout_probabilities(model.config).values()) == {0.0}
    model, _ = checkpoints.load_model(str(copied), {})
    assert {m.p for m in model.modules() if isinstance(m, torch.nn.Dropout)} == {0.1}


def test_overrides_reach_the_model(copied: Path) -> None:
    model, _ = checkpoints.load_model(str(copied), {"hidden_dropout_prob": 0.0, "classifier_dropout": 0.25})
    assert model.bert.embeddings.dropout.p == 0.0
    assert model.dropout.p == 0.25


@pytest.mark.parametrize("field", ["num_hiden_layers", "device_map", "state_dict", "revision_x"])
def test_an_override_that_is_no_field_is_an_error(copied: Path, field: str) -> None:
    with pytest.raises(MaterialError, match=f"config.{field}: BertConfig has no such field"):
        checkpoints.load_model(str(copied), {field: 1})


@pytest.mark.parametrize("field", ["dtype", "torch_dtype"])
def test_precision_does_not_come_in_by_the_back_door(copied: Path, field: str) -> None:
    with pytest.raises(MaterialError):
        checkpoints.load_model(str(copied), {field: "float16"})


def test_loading_is_what_a_plain_script_does(copied: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    torch.manual_seed(3)
    ours, _ = checkpoints.load_model(str(copied), {})
    torch.manual_seed(3)
    plain = AutoModelForSequenceClassification.from_pretrained(str(copied), num_labels=2)
    assert checkpoints.weights_sha256(ours) == checkpoints.weights_sha256(plain)


# Hashing.


def test_one_bit_changes_the_hash(copied: Path) -> None:
    torch.manual_seed(3)
    model, _ = checkpoints.load_model(str(copied), {})
    before = checkpoints.weights_sha256(model)
    assert checkpoints.weights_sha256(model) == before
    weight = model.classifier.weight.detach().view(torch.int32)
    weight[0, 0] ^= 1
    assert checkpoints.weights_sha256(model) != before
    weight[0, 0] ^= 1
    assert checkpoints.weights_sha256(model) == before


def test_names_types_and_shapes_count() -> None:
    class Bag(torch.nn.Module):  # type: ignore[misc]
        def __init__(self, **tensors: Any) -> None:
            super().__init__()
            for name, tensor in tensors.items():
                self.register_buffer(name, tensor)

    zeros = torch.zeros(4)
    bags = [
        Bag(a=zeros), Bag(b=zeros), Bag(a=zeros.reshape(2, 2)), Bag(a=zeros.to(torch.int32)), Bag(a=zeros.bfloat16()),
        Bag(a=zeros.bool()), Bag(a=torch.zeros(())), Bag(a=torch.zeros(0)), Bag(a=torch.tensor([0.0, 0.0, 0.0, -0.0])),
    ]  # fmt: skip
    assert len({checkpoints.weights_sha256(bag) for bag in bags}) == len(bags)
    transposed = torch.arange(4.0).reshape(2, 2).t()
    assert checkpoints.weights_sha256(Bag(a=transposed)) == checkpoints.weights_sha256(Bag(a=transposed.contiguous()))


def test_a_model_of_random_weights(copied: Path) -> None:
    sizes = {"hidden_size": 48, "num_hidden_layers": 3, "attn_implementation": "eager"}
    transformers.set_seed(3)
    model, names = checkpoints.load_model(str(copied), sizes, random=True)
    assert model.config.hidden_size == 48
    assert len(model.bert.encoder.layer) == 3
    assert model.config._attn_implementation == "eager"
    assert set(names["newly_initialised"] or ()) == set(model.state_dict())
    assert (names["unused"], names["not_as_saved"]) == ([], [])
    transformers.set_seed(3)
    again, _ = checkpoints.load_model(str(copied), sizes, random=True)
    assert checkpoints.weights_sha256(again) == checkpoints.weights_sha256(model)


# The head that a checkpoint brings.


def test_a_bare_model_brings_no_head(copied: Path) -> None:
    rewrite_config(copied, id2label={"0": "a", "1": "b", "2": "c"})
    assert checkpoints.saved_head(copied) is None


@pytest.mark.parametrize("names", [["equivalent", "not_equivalent"], ["a", "b", "c"]])
def test_a_saved_head_has_its_classes_in_their_order(copied: Path, names: list[str]) -> None:
    from transformers import AutoModelForSequenceClassification

    labels = dict(enumerate(names))
    model = AutoModelForSequenceClassification.from_pretrained(copied, num_labels=len(names), id2label=labels)
    model.save_pretrained(copied)
    assert checkpoints.saved_head(copied) == {"classes": len(names), "names": names}
