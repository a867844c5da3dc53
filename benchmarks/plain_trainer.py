"""The course's recipe as a person writes it, one script, one run: what the harness is compared with.

`python plain_trainer.py CHECKPOINT_FOLDER SEED MAX_STEPS`
"""

from __future__ import annotations

import sys
import tempfile

import evaluate
import numpy as np
import torch
from datasets import Dataset, DatasetDict
from transformers import (
    AutoModelForSequenceClassification,
    AutoTokenizer,
    DataCollatorWithPadding,
    Trainer,
    TrainingArguments,
    set_seed,
)

from harness.protocol import CORPUS_SIZES
from harness.subject import metrics
from harness.subject.data import corpus

checkpoint, seed, max_steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
torch.set_num_threads(1)  # as the harness's cells
set_seed(seed)


def split(name: str) -> Dataset:
    return Dataset.from_dict(corpus.generate(name, CORPUS_SIZES[name]))


raw_datasets = DatasetDict({name: split(name) for name in ("train", "validation")})
tokenizer = AutoTokenizer.from_pretrained(checkpoint)


def tokenize_function(example):
    return tokenizer(example["sentence1"], example["sentence2"], truncation=True)


tokenized_datasets = raw_datasets.map(tokenize_function, batched=True)
data_collator = DataCollatorWithPadding(tokenizer=tokenizer)
metric = evaluate.load(metrics.__file__)  # `evaluate.load("glue", "mrpc")` needs the hub


def compute_metrics(eval_preds):
    logits, labels = eval_preds
    return metric.compute(predictions=np.argmax(logits, axis=-1), references=labels)


model = AutoModelForSequenceClassification.from_pretrained(checkpoint, num_labels=2)
with tempfile.TemporaryDirectory() as folder:
    training_args = TrainingArguments(
        folder,
        eval_strategy="epoch",
        save_strategy="no",
        report_to="none",
        max_steps=max_steps,
        seed=seed,
        use_cpu=True,
        disable_tqdm=True,
    )
    trainer = Trainer(
        model,
        training_args,
        train_dataset=tokenized_datasets["train"],
        eval_dataset=tokenized_datasets["validation"],
        data_collator=data_collator,
        processing_class=tokenizer,
        compute_metrics=compute_metrics,
    )
    trainer.train()
    predictions = trainer.predict(tokenized_datasets["validation"])
print("predicted", predictions.predictions.shape, predictions.metrics)
