"""What people call a metric."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.task import METRICS

_WORDS: Final[Mapping[str, str]] = {
    "f1": "F1",
    "macro_f1": "macro F1",
    "matthews_correlation": "Matthews correlation",
    "pearson": "Pearson correlation",
    "spearmanr": "Spearman correlation",
}


def metric_word(name: str) -> str:
    """`accuracy`, `F1`, as it stands within a sentence; of a further split `accuracy (mismatched)`."""
    of = next((metric for metric in METRICS if name.startswith(f"{metric}_")), None)
    if of is None or name in _WORDS:
        return _WORDS.get(name, name)
    return f"{_WORDS.get(of, of)} ({name[len(of) + 1 :]})"


def metric_head(name: str) -> str:
    """The same at the head of a column."""
    word = metric_word(name)
    return f"{word[:1].upper()}{word[1:]}"
