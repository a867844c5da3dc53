"""A small checkpoint that is not trained: what a reader has as a folder."""

import csv
from pathlib import Path

from transformers import BertConfig, BertForSequenceClassification, BertTokenizerFast

with Path("data/train.csv").open(newline="", encoding="utf-8") as file:
    rows = [*csv.DictReader(file)]
words = sorted({word for row in rows for word in row["text"].split()})
vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]
Path("vocab.txt").write_text("\n".join(vocabulary), encoding="utf-8")
BertTokenizerFast("vocab.txt").save_pretrained("model")
config = BertConfig(
    vocab_size=len(vocabulary),
    hidden_size=64,
    num_hidden_layers=2,
    num_attention_heads=4,
    intermediate_size=128,
    num_labels=len({row["label"] for row in rows}),
)
BertForSequenceClassification(config).save_pretrained("model")
