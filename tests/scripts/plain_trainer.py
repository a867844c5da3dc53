"""The course's recipe as a person would write it down, with nothing of the harness in the training path.

Only the embedded corpus is taken from the package (its sentences have to come from somewhere). Saves what
`Trainer` itself logs each step, and the logits of `predict`.
"""

import argparse
import csv
import os

parser = argparse.ArgumentParser()
parser.add_argument("--checkpoint", required=True)
parser.add_argument("--mrpc", help="folder of GLUE TSV files; the embedded corpus without it")
parser.add_argument("--seed", type=int, default=42)
parser.add_argument("--max-steps", type=int, default=-1)
parser.add_argument("--bf16", action="store_true")
parser.add_argument("--batch", type=int, default=8, help="examples a device")
parser.add_argument("--out", required=True)
options = parser.parse_args()
os.environ["OMP_NUM_THREADS"] = "1"

import numpy as np  # noqa: E402
import torch  # noqa: E402
from datasets import Dataset, DatasetDict  # noqa: E402
from transformers import (  # noqa: E402
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)

torch.set_num_threads(1)


def read_split(split, file):
    if options.mrpc:
        with open(f"{options.mrpc}/{file}", encoding="utf-8") as lines:
            rows = list(csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE))
        columns = {"sentence1": "#1 String", "sentence2": "#2 String"}
        data = {name: [row[column] for row in rows] for name, column in columns.items()}
        return Dataset.from_dict({**data, "label": [int(row["Quality"]) for row in rows]})
    from harness.protocol import CORPUS_SIZES
    from harness.subject.data import corpus

    return Dataset.from_dict(corpus.generate(split, CORPUS_SIZES[split])).remove_columns("idx")


raw_datasets = DatasetDict(train=read_split("train", "train.tsv"), validation=read_split("validation", "dev.tsv"))
tokenizer = AutoTokenizer.from_pretrained(options.checkpoint)


def tokenize_function(example):
    return tokenizer(example["sentence1"], example["sentence2"], truncation=True)


tokenized_datasets = raw_datasets.map(tokenize_function, batched=True)
set_seed(options.seed)
model = AutoModelForSequenceClassification.from_pretrained(options.checkpoint, num_labels=2)
training_args = TrainingArguments(
    f"{options.out}.trainer",
    eval_strategy="epoch",
    save_strategy="no",
    report_to="none",
    seed=options.seed,
    max_steps=options.max_steps,
    per_device_train_batch_size=options.batch,
    bf16=options.bf16,
    use_cpu=True,
    logging_steps=1,
)


def compute_metrics(eval_preds):
    logits, labels = eval_preds
    return {"accuracy": float((np.argmax(logits, axis=-1) == labels).mean())}


trainer = Trainer(
    model,
    training_args,
    train_dataset=tokenized_datasets["train"],
    eval_dataset=tokenized_datasets["validation"],
    data_collator=DataCollatorWithPadding(tokenizer=tokenizer),
    compute_metrics=compute_metrics,
)
trainer.train()
predictions = trainer.predict(tokenized_datasets["validation"])
steps = [log for log in trainer.state.log_history if "grad_norm" in log]
if trainer.is_world_process_zero():
    np.savez(
        options.out,
        loss=np.array([log["loss"] for log in steps]),
        grad_norm=np.array([log["grad_norm"] for log in steps]),
        learning_rate=np.array([log["learning_rate"] for log in steps]),
        logits=predictions.predictions,
        accuracy=predictions.metrics["test_accuracy"],
    )
