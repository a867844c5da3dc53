"""Sentence pairs from CSV files, in the style of transformers' own examples: flags in, one Trainer, its evaluation."""

import csv
import hashlib
import json
from dataclasses import dataclass, field

import numpy as np
from datasets import Dataset
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    AutoTokenizer,
    HfArgumentParser,
    Trainer,
    TrainingArguments,
    set_seed,
)


@dataclass
class ScriptArguments:
    model_name_or_path: str = field(metadata={"help": "a checkpoint"})
    train_file: str = field(default="train.csv")
    validation_file: str = field(default="dev.csv")
    account: str = field(default="", metadata={"help": "where it writes what it saw of its own training"})


def read(path):
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    columns = {"label": [int(row["label"]) for row in rows]}
    return Dataset.from_dict({**columns, **{name: [row[name] for row in rows] for name in ("sentence1", "sentence2")}})


def main():
    script, training = HfArgumentParser((ScriptArguments, TrainingArguments)).parse_args_into_dataclasses()
    set_seed(training.seed)
    config = AutoConfig.from_pretrained(script.model_name_or_path, num_labels=2)
    tokenizer = AutoTokenizer.from_pretrained(script.model_name_or_path)
    model = AutoModelForSequenceClassification.from_pretrained(script.model_name_or_path, config=config)

    def tokenize(examples):
        return tokenizer(examples["sentence1"], examples["sentence2"], truncation=True)

    train, dev = (
        read(path).map(tokenize, batched=True, load_from_cache_file=False, keep_in_memory=True)
        for path in (script.train_file, script.validation_file)
    )

    def metrics(prediction):
        said = np.argmax(prediction.predictions, axis=1)
        return {"accuracy": float((said == prediction.label_ids).mean()), "positive": float(said.mean())}

    trainer = Trainer(
        model, training, train_dataset=train, eval_dataset=dev, compute_metrics=metrics, processing_class=tokenizer
    )
    if training.do_train:
        trainer.train()
        trainer.save_state()
    if training.do_eval:
        trainer.log_metrics("eval", trainer.evaluate())
    if script.account and trainer.is_world_process_zero():
        digest = hashlib.sha256()
        for name, tensor in sorted(trainer.model.state_dict().items()):
            digest.update(name.encode() + tensor.detach().numpy().tobytes())
        told = trainer.state.log_history
        history = [{k: v for k, v in one.items() if "runtime" not in k and "second" not in k} for one in told]
        with open(script.account, "w", encoding="utf-8") as file:
            json.dump({"weights": digest.hexdigest(), "history": history}, file)


if __name__ == "__main__":
    main()
