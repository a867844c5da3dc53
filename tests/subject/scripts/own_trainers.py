"""Functions that make a Trainer of their own data, model and loss: tokens, a language model, a sequence to another."""

import numpy as np
import torch
from datasets import Dataset
from transformers import (
    BertConfig,
    BertForTokenClassification,
    GPT2Config,
    GPT2LMHeadModel,
    T5Config,
    T5ForConditionalGeneration,
    Trainer,
)

VOCABULARY, LENGTH = 60, 12


def rows(count, seed, make):
    drawn = np.random.default_rng(seed).integers(3, VOCABULARY, size=(count, LENGTH))
    return Dataset.from_list([make(one.tolist()) for one in drawn])


class TokenTrainer(Trainer):
    """Its own loss: only tokens of even ids count."""

    def compute_loss(self, model, inputs, return_outputs=False, num_items_in_batch=None):
        outputs = model(input_ids=inputs["input_ids"])
        labels = inputs["labels"].masked_fill(inputs["input_ids"] % 2 == 1, -100)
        loss = torch.nn.functional.cross_entropy(outputs.logits.flatten(0, 1), labels.flatten())
        return (loss, {"logits": outputs.logits}) if return_outputs else loss


def tokens(context):
    def metrics(prediction):
        said = prediction.predictions.argmax(-1)
        return {"token_accuracy": float((said == prediction.label_ids).mean())}

    def make(ids):
        return {"input_ids": ids, "labels": [token % 3 for token in ids]}

    config = BertConfig(
        vocab_size=VOCABULARY, hidden_size=16, num_hidden_layers=1, num_attention_heads=2, intermediate_size=16,
        max_position_embeddings=LENGTH, num_labels=3,
    )  # fmt: skip
    return TokenTrainer(
        BertForTokenClassification(config), context.arguments, train_dataset=rows(80, 1, make),
        eval_dataset=rows(20, 2, make), compute_metrics=metrics,
    )  # fmt: skip


def language_model(context):
    def make(ids):
        return {"input_ids": ids, "labels": ids}

    config = GPT2Config(vocab_size=VOCABULARY, n_positions=LENGTH, n_embd=16, n_layer=2, n_head=2)
    return Trainer(
        GPT2LMHeadModel(config), context.arguments, train_dataset=rows(80, 1, make), eval_dataset=rows(20, 2, make)
    )


def sequences(context):
    def make(ids):
        return {"input_ids": ids, "labels": ids[::-1]}

    config = T5Config(
        vocab_size=VOCABULARY, d_model=16, d_kv=8, d_ff=16, num_layers=1, num_heads=2, decoder_start_token_id=0
    )
    return Trainer(
        T5ForConditionalGeneration(config), context.arguments, train_dataset=rows(80, 1, make),
        eval_dataset=rows(20, 2, make),
    )  # fmt: skip


def pairs(context):
    """The harness's own recipe, by the function's own hand."""
    return Trainer(
        context.build_model(), context.arguments, train_dataset=context.train, eval_dataset=context.validation,
        processing_class=context.tokenizer, compute_metrics=context.compute_metrics,
    )  # fmt: skip


def nothing(context):
    return None
