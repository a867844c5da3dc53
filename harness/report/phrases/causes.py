"""Findings in words: what was found, what such a difference usually means, what known issues are about."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from harness.checks.verdict import Finding
from harness.checks.verify.upstream import BACKWARD_SCALE, EPOCH_STEPS, LOSS_SCALE
from harness.report.phrases.say import say

CAUSES: Final[Mapping[str, str]] = {
    "asked": "the two runs were not asked for the same",
    "packages": "another version of the software under test",
    "machine": "other hardware: kernels may round differently",
    "threads": "another number of threads: sums are taken in another order",
    "determinism": "other switches for repeatable kernels",
    "training code": "the training code was edited, or is of another version",
    "metric code": "the code of a metric of one's own was edited, or is of another version",
    "data": "not the same texts or labels",
    "checkpoint": "not the same files of the checkpoint: weights, configuration or tokenizer",
    "checkpoint weights": "not the same weights on disk",
    "tokenizer": "not the same tokenizer on disk",
    "model configuration": "not the same configuration of the model on disk",
    "initial weights": "initialisation: another seed, another head, or random numbers drawn in another order",
    "data order": "data order: the sampler, its seed, or how batches are dealt out to ranks",
    "order within steps": "the same examples in another order: only rounding, unless dropout is on",
    "batch shapes": "batching: padding, truncation or the split into micro-batches",
    "examples seen": "sampling: examples skipped, repeated or padded",
    "optimizer steps": "accumulation, skipped steps or the end of training",
    "overflow": "losses or activations too large for float16, or a loss scale that is never found: try bf16",
    "optimizer": "optimizer: another class, another kernel or other settings",
    "attention": "attention kernel: another implementation of the same formula, which rounds differently",
    "dropout": "dropout on in one run only, or of another probability somewhere: the model's training noise differs",
    "trainable weights": "weights that the optimizer does not have stay as they are: frozen, or left out of it",
    "adapter": "other weights are trained: LoRA with other settings, or none",
    "clipping": "clipping of the gradient",
    "precision": "precision of the weight products",
    "parallelism": "number of ranks, or how they work together",
    "arguments": "a training argument that was set, or whose default changed",
    "arguments.changed": "the training library changed or dropped an argument",
    "model": "another model class, dtype or device",
    "collator": "how examples are put into a batch",
    "engine": "another training loop",
    "loss scaling": "who divides the loss by the number of micro-batches: the training loop or the model",
    "newly initialised weights": "a checkpoint read in another way",
    "weights.changed": "the model was changed after it was loaded",
    "steps": "one run ended earlier",
    "python": "another Python",
    "micro_loss": "the model's own loss: weights, batch, dropout, attention kernel or precision",
    "loss": "scaling of the loss by the training loop: accumulation, ranks or the count of items in the batch",
    "first losses": "the model's own loss (weights, batch, dropout, attention kernel or precision), or its scaling by "
    "the training loop (accumulation, ranks or the count of items in the batch)",
    "trajectory": "the gradient (scaling of the loss, its sum over micro-batches or ranks), the schedule, or losses "
    "after the first 20 steps",
    "logged_loss": "the training loop scales the loss wrongly, and with it the gradient",
    "evaluation_loss": "evaluation averages or scales the loss wrongly",
    "grad_norm": "the gradient: scaling of the loss before the backward pass, its sum over micro-batches or ranks",
    "learning_rate": "schedule: warm-up, total number of steps, or a schedule that moved too often",
    "final weights": "the optimizer's updates added up to other weights",
    "logits": "the trained models answer differently",
    "eval_batch": "evaluation depends on its batch size: padding that is not masked, or a last batch that is dropped",
    "selection": "the best model was not loaded again: no checkpoint of it was saved, or the Trainer kept another",
    "scores": "the trained models score differently",
    "labels": "the answers are held against other labels",
    "evaluation order": "the order of the validation examples alone: a sampler that sorts or draws",
    "evaluation inputs": "what the model is given in evaluation: the tokenizer, the collator, or other examples",
    "update": "the optimizer's update: learning rate, clipping, weight decay or the optimizer itself",
    "watching": "watching changes training: evaluation, logging, saving or loader workers drew random numbers",
    "jump": "equal bits that end in a jump are no rounding: something was done at that step in one run only, such as a "
    "resumption, an evaluation or a saving that drew random numbers (dropout)",
    "jump.epoch_end": "the end of an epoch: its last accumulation or batch is short, and is divided or counted "
    "otherwise, or left out",
    "jump.epoch_begin": "what was done between two epochs: an evaluation or a saving that drew random numbers "
    "(dropout), or another order of the new epoch",
    "jump.resumed": "resumption: order, weights, optimizer or random state were not those that were left",
    "evaluation": "another metric, other validation examples, another way to predict; or an edited file",
    "inputs": "what the model is given: the tokenizer, its names for the model's inputs, or the collator",
    "first update": "the optimizer does not do what its settings say",
    "dtype": "weights that are not kept in float32: updates smaller than the dtype's last bit are lost",
    "evaluation mode": "dropout or another draw is on in evaluation: the model is not in evaluation mode",
    "random state": "another state of the random stream that dropout draws from",
    "evaluation draws": "the evaluation's loader draws a seed from torch's global stream, from which dropout draws "
    "next; a checkpoint of before the evaluation lacks that draw; `evaluation_draws = false` sets the stream back",
    "padding": "accelerate fills the last batch up, so that each rank has its share",
    LOSS_SCALE: "the model's forward takes any keyword, so the Trainer believes that it divides its loss by the number "
    "of items in the batch, and divides nothing itself; `accepts_loss_kwargs = false` makes the Trainer scale it "
    "rightly",
    BACKWARD_SCALE: "the Trainer divides the loss that it logs by the number of micro-batches, but only after the "
    "backward pass: their gradients add up undivided",
    EPOCH_STEPS: "where accumulation leaves micro-batches over, the Trainer counts an epoch's steps rounded down and "
    "takes them rounded up: the last epoch is cut short, and the rate falls faster",
}
"""By code; a known issue's, OWNER/REPOSITORY#NUMBER, says the way around it too."""


def cause_text(code: str) -> str:
    """The cause in words; the code itself where it has none (a newer harness wrote the file)."""
    return CAUSES.get(code, code)


def finding_text(finding: Finding) -> str:
    """The finding's fact, its item before it unless the fact names it (`phrases_verify`)."""
    text = say(finding.fact)
    return text if "item" in finding.fact.values else f"{finding.item}: {text}"
