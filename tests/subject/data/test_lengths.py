"""How long examples are: what is cut off is counted, and what a model has no positions for is no run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import pytest
import transformers

from harness.errors import MaterialError
from harness.subject.data import checkpoints, lengths, tasks

TASK = {"name": "embedded/paraphrase"}


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return checkpoints.locate("embedded/tiny-bert", None, None, tmp_path_factory.mktemp("cache"))


def test_truncated_examples_are_counted_by_split(checkpoint: Path, tmp_path: Path) -> None:
    whole = tasks.tokenize_to(tmp_path / "whole", TASK, checkpoint)
    assert whole["truncated"] == {"to": 128, "rows": {"train": 0, "validation": 0}}
    free = tasks.tokenize_to(tmp_path / "free", TASK, checkpoint, tokens={"truncation": False, "max_length": None})
    assert free["truncated"] == {"to": None, "rows": {"train": 0, "validation": 0}}
    found = {name: lengths.of(split) for name, split in datasets.load_from_disk(str(tmp_path / "whole")).items()}
    # One length that the longest example of training just has, one that many have not.
    for most in (int(found["train"].max()), 40):
        folder = tmp_path / str(most)
        cut = tasks.tokenize_to(folder, TASK, checkpoint, tokens={"truncation": True, "max_length": most})
        rows = {name: int((lengths > most).sum()) for name, lengths in found.items()}
        assert cut["truncated"] == {"to": most, "rows": rows}
        assert lengths.of(datasets.load_from_disk(str(folder))["train"]).max() == most
    assert rows["train"] > 0


def test_a_length_without_room_for_special_tokens_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    """The tokenizer would leave every example as it is, without a word."""
    with pytest.raises(MaterialError, match=r"recipe\.max_length: got 2; this tokenizer leaves examples of \d+ tokens"):
        tasks.tokenize_to(tmp_path / "two", TASK, checkpoint, tokens={"truncation": True, "max_length": 2})


@pytest.mark.parametrize(
    ("config", "positions"),
    [
        (transformers.BertConfig(max_position_embeddings=48), 48),
        (transformers.RobertaConfig(max_position_embeddings=50, pad_token_id=1), 48),
        (transformers.BartConfig(max_position_embeddings=48, encoder_layers=1, decoder_layers=1), 48),
        (transformers.DebertaV2Config(max_position_embeddings=48, position_biased_input=False), None),
    ],
)
def test_positions_are_those_that_tokens_can_have(config: Any, positions: int | None) -> None:
    small = {"hidden_size": 16, "d_model": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "vocab_size": 99}
    for name, value in small.items():
        if hasattr(config, name):
            setattr(config, name, value)
    assert lengths.positions(transformers.AutoModelForSequenceClassification.from_config(config)) == positions


def test_padding_to_a_length_that_nobody_knows_is_refused(checkpoint: Path) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(checkpoint)
    asked = {"padding": "max_length", "max_length": None, "pad_to_multiple_of": None}
    assert lengths.collation(tokenizer, asked)["max_length"] == 128
    tokenizer.model_max_length = 10**30
    with pytest.raises(MaterialError, match=r'recipe\.padding: got "max_length"; this tokenizer knows no length'):
        lengths.collation(tokenizer, asked)
