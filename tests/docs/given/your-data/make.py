"""Sentences of three classes, and a small checkpoint that is not trained: what a reader has as tables and a folder."""

import csv
import random
from pathlib import Path

from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

WORDS = {
    "praise": ["good", "great", "fine", "lovely", "superb"],
    "blame": ["bad", "poor", "awful", "weak", "broken"],
    "question": ["why", "when", "how", "where", "who"],
}
REST = [
    "the",
    "phone",
    "a",
    "screen",
    "battery",
    "this",
    "case",
    "my",
    "order",
    "it",
    "arrived",
    "today",
    "and",
    "was",
    "with",
    "in",
    "box",
]
EXAMPLES = {"train": 600, "dev": 200}

draw = random.Random(1)


def row() -> tuple[str, str]:
    """A sentence and its class, which two of its words tell."""
    label = draw.choice(list(WORDS))
    words = draw.choices(REST, k=draw.randint(4, 9))
    for _ in range(2):
        words.insert(draw.randrange(len(words)), draw.choice(WORDS[label]))
    return " ".join(words), label


Path("data").mkdir()
for name, count in EXAMPLES.items():
    with Path(f"data/{name}.csv").open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["text", "label"])
        table.writerows(row() for _ in range(count))

special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
vocabulary = [*special, *sorted({*REST, *(word for words in WORDS.values() for word in words)})]
Path("vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
BertTokenizerFast("vocab.txt").save_pretrained("model")
config = BertConfig(
    vocab_size=len(vocabulary), hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128,
    num_labels=len(WORDS),
)  # fmt: skip
BertForSequenceClassification(config).save_pretrained("model")
