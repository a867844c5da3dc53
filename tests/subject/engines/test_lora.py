"""LoRA on a tiny BERT: what is trained, what is not, and that every engine and a resumed run do the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import transformers

from harness.errors import MaterialError
from harness.subject.data import adapters
from tests.subject.engines.cells import Cells

pytest.importorskip("peft", reason="needs the package peft: pip install peft")

STEPS, HIDDEN, LAYERS, CLASSES = 6, 32, 2, 2
HEAD = CLASSES * HIDDEN + CLASSES
LORA = {"method": "lora", "r": 4, "alpha": 16.0, "targets": ["query", "value"]}


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    return Cells(tmp_path_factory.mktemp("lora"))


@pytest.fixture(scope="module")
def once(cells: Cells) -> Any:
    return cells.run("trainer", max_steps=STEPS, peft=LORA)


def test_adapters_and_head_are_trained_and_nothing_else(cells: Cells, once: Any) -> None:
    found, model = once[0]["observed"]["adapter"], once[0]["observed"]["model"]
    # Of each of query and value in each layer A (r x hidden) and B (hidden x r).
    assert (found["layers"], found["features"]) == (2 * LAYERS, 2 * LAYERS * (HIDDEN + HIDDEN))
    assert found["trainable"] == 4 * found["features"] + HEAD == 1090
    assert (found["head"], model["trainable"]) == (HEAD, 2 * 2 * LAYERS + 2)
    assert model["class"] == "BertForSequenceClassification"
    assert found["frozen_sha256"] == found["frozen_before_sha256"]
    assert found["new_frozen"] == []
    weights = once[0]["observed"]["weights"]
    assert weights["init_sha256"] != weights["final_sha256"]
    assert weights["newly_initialised"] == ["classifier.bias", "classifier.weight"]
    wider = cells.run("trainer", max_steps=1, peft={**LORA, "r": 8, "targets": "all-linear"})[0]["observed"]["adapter"]
    assert (wider["targets"], wider["trainable"]) == (["dense", "key", "query", "value"], 8 * wider["features"] + HEAD)


def test_it_repeats_to_the_last_bit_and_depends_on_the_seed(cells: Cells, once: Any) -> None:
    again, other = (cells.run("trainer", max_steps=STEPS, peft=LORA, seed=seed) for seed in (42, 1))
    first, second, third = (one[0]["observed"] for one in (once, again, other))
    for part, name in (("adapter", "sha256"), ("weights", "init_sha256"), ("fingerprint", "trajectory_sha256")):
        assert first[part][name] == second[part][name] != third[part][name]
    assert once[1]["logits"].tobytes() == again[1]["logits"].tobytes()


@pytest.mark.parametrize(
    ("engine", "changes"),
    [("loop", {}), ("accelerate", {}), ("trainer", {"resume_at": 3}), ("trainer", {"activation_checkpointing": True})],
)
def test_other_ways_come_to_the_same_adapters(cells: Cells, once: Any, engine: str, changes: dict[str, Any]) -> None:
    result, series, _ = cells.run(engine, max_steps=STEPS, peft=LORA, **changes)
    assert result["observed"]["adapter"] == once[0]["observed"]["adapter"]
    steps = len(series["loss"])
    np.testing.assert_array_equal(series["loss"], once[1]["loss"][-steps:])
    np.testing.assert_array_equal(series["logits"], once[1]["logits"])
    assert result["observed"]["fingerprint"]["altered"].keys() == {
        "labels", "input_ids", "token_type_ids", "attention_mask",
    }  # fmt: skip


def test_the_known_defect_of_accumulation_and_its_work_around_are_the_same_under_peft(cells: Cells, once: Any) -> None:
    """huggingface/transformers#47688."""
    halves = {"gradient_accumulation_steps": 2, "per_device_train_batch_size": 4, "max_steps": STEPS, "peft": LORA}
    doubled, right = (cells.run("trainer", **halves, accepts_loss_kwargs=asked)[1] for asked in ("model", False))
    np.testing.assert_allclose(doubled["loss"][0], 2 * once[1]["loss"][0], rtol=1e-5)
    np.testing.assert_allclose(right["loss"], once[1]["loss"], rtol=1e-5)


def test_without_dropout_adapters_have_none_either(cells: Cells) -> None:
    asked = {**LORA, "dropout": 0.25}
    off, on = (cells.run("trainer", max_steps=1, peft=asked, dropout=dropout)[0] for dropout in (False, True))
    assert (off["observed"]["adapter"]["dropout"], on["observed"]["adapter"]["dropout"]) == (0.0, 0.25)
    assert off["observed"]["fingerprint"]["dropout"] is False
    assert on["observed"]["model"]["dropouts"]["0.25"] == 2 * LAYERS


def small(config: type[Any], **changes: Any) -> Any:
    return transformers.AutoModelForSequenceClassification.from_config(config(vocab_size=99, **changes))


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"targets": ["query", "querry"]}, "targets: got 'querry'; allowed linear layers of the model: dense, key, "),
        ({"targets": ["classifier"]}, "targets: got 'classifier'; allowed linear layers of the model: dense, key, "),
        ({"targets": ["word_embeddings"]}, "targets: got 'word_embeddings'; allowed linear layers of the model: "),
        ({"modules_to_save": ["poler"]}, "modules_to_save: got 'poler'; allowed modules of the model, as bert, "),
    ],
)
def test_what_the_model_does_not_have_is_named_with_what_it_has(asked: dict[str, Any], message: str) -> None:
    model = small(transformers.BertConfig, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
    with pytest.raises(MaterialError) as error:
        adapters.put_on(model, {"method": "lora", **asked})
    assert f"recipe.peft.{message}" in str(error.value)


def test_a_new_layer_that_stays_frozen_is_named_until_it_is_trained() -> None:
    """peft trains the classifier; the pooler before it is as new where a checkpoint has none."""
    new = ["bert.pooler.dense.bias", "bert.pooler.dense.weight", "classifier.bias", "classifier.weight"]
    for more, frozen in (({}, new[:2]), ({"modules_to_save": ["pooler"]}, [])):
        model = small(transformers.BertConfig, hidden_size=8, num_hidden_layers=1, num_attention_heads=2)
        model = adapters.put_on(model, {"method": "lora", "r": 2, "targets": ["query"], **more})
        found = adapters.describe(model, new)
        assert found["new_frozen"] == frozen
        assert found["trainable"] == 2 * found["features"] + found["head"]
