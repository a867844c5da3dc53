"""Faults of libraries: each a change of one module of transformers, accelerate or torch, made once it is imported.

Written as their authors might have: what they replace keeps its signature, and nothing of the harness is touched.
"""

import functools
from collections.abc import Callable
from typing import Any

KEPT_EVERY = 4
SHIFTED_EVERY = 4
DECAY = 0.9
WIDER = 5.0

FAULTS: dict[str, tuple[str, Callable[..., Any]]] = {}
TRAINER = "transformers.trainer"
BERT = "transformers.models.bert.modeling_bert"


def fault(name: str, module: str) -> Callable[..., Any]:
    """Register the function that changes this module."""

    def register(plant):
        FAULTS[name] = (module, plant)
        return plant

    return register


def around(owner: Any, name: str) -> Callable[..., Any]:
    """Replace a callable: the decorated function gets the original first, then what it was called with."""

    def decorate(replacement):
        original = getattr(owner, name)

        @functools.wraps(original)
        def called(*args, **kwargs):
            return replacement(original, *args, **kwargs)

        setattr(owner, name, called)
        return replacement

    return decorate


def bare(wrapped: Any, name: str) -> Any:
    """What accelerate has wrapped, or the thing itself."""
    return getattr(wrapped, name, wrapped)


@fault("nothing", TRAINER)
def nothing(module):
    pass


# Data.


@fault("labels-shifted", "transformers.data.data_collator")
def labels_shifted(module):
    @around(module.DataCollatorWithPadding, "__call__")
    def call(original, self, features):
        batch = original(self, features)
        self.batches = getattr(self, "batches", 0) + 1
        if self.batches % SHIFTED_EVERY == 0 and "labels" in batch:
            batch["labels"] = batch["labels"].roll(1)
        return batch


@fault("one-order", "accelerate.data_loader")
def one_order(module):
    @around(module.SeedableRandomSampler, "set_epoch")
    def set_epoch(original, self, epoch):
        pass


@fault("with-replacement", TRAINER)
def with_replacement(module):
    @around(module.Trainer, "_get_train_sampler")
    def sampler(original, self, *args, **kwargs):
        found = original(self, *args, **kwargs)
        return module.RandomSampler(found.data_source, replacement=True, num_samples=len(found.data_source))


@fault("last-batch-dropped", TRAINER)
def last_batch_dropped(module):
    @around(module.Trainer, "get_train_dataloader")
    def loader(original, self):
        asked, self.args.dataloader_drop_last = self.args.dataloader_drop_last, True
        try:
            return original(self)
        finally:
            self.args.dataloader_drop_last = asked


# Model.


@fault("embeddings-frozen", TRAINER)
def embeddings_frozen(module):
    @around(module.Trainer, "__init__")
    def init(original, self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.model.base_model.embeddings.requires_grad_(False)


@fault("one-dropout-off", TRAINER)
def one_dropout_off(module):
    @around(module.Trainer, "__init__")
    def init(original, self, *args, **kwargs):
        original(self, *args, **kwargs)
        self.model.base_model.encoder.layer[0].output.dropout.p = 0.0


@fault("mask-ignored", BERT)
def mask_ignored(module):
    @around(module.BertSelfAttention, "forward")
    def forward(original, self, hidden_states, attention_mask=None, *args, **kwargs):
        return original(self, hidden_states, None, *args, **kwargs)


@fault("wide-head", BERT)
def wide_head(module):
    @around(module.BertPreTrainedModel, "_init_weights")
    def init_weights(original, self, layer):
        original(self, layer)
        if getattr(layer, "out_features", None) == self.config.num_labels:
            layer.weight.data.mul_(WIDER)


# Optimizer.


@fault("decay-everywhere", TRAINER)
def decay_everywhere(module):
    @around(module.Trainer, "get_decay_parameter_names")
    def names(original, self, model):
        return [name for name, _ in model.named_parameters()]


def with_optimizer(module: Any, change: Callable[..., Any]) -> None:
    """Have `change` called with each Trainer and its new optimizer."""

    @around(module.Trainer, "create_optimizer")
    def create(original, self, *args, **kwargs):
        new = self.optimizer is None
        optimizer = original(self, *args, **kwargs)
        if new:
            change(self, optimizer)
        return optimizer


def take_out(optimizer: Any, weights: Any) -> Any:
    """Take weights out of an optimizer's groups; the settings of the first group that had one."""
    ids, settings = {id(weight) for weight in weights}, None
    for group in optimizer.param_groups:
        kept = [weight for weight in group["params"] if id(weight) not in ids]
        if settings is None and len(kept) < len(group["params"]):
            settings = {name: value for name, value in group.items() if name != "params"}
        group["params"] = kept
    return settings


@fault("head-rate-doubled", TRAINER)
def head_rate_doubled(module):
    def change(trainer, optimizer):
        head = list(trainer.model.classifier.parameters())
        settings = take_out(optimizer, head)
        optimizer.add_param_group({**settings, "params": head, "lr": 2 * trainer.args.learning_rate})

    with_optimizer(module, change)


@fault("layer-left-out", TRAINER)
def layer_left_out(module):
    with_optimizer(
        module,
        lambda trainer, optimizer: take_out(optimizer, trainer.model.base_model.encoder.layer[1].parameters()),
    )


@fault("gradients-kept", "transformers.modeling_utils")
def gradients_kept(module):
    @around(module.PreTrainedModel, "zero_grad")
    def zero_grad(original, self, *args, **kwargs):
        # The first call is before the first step.
        self.cleared = getattr(self, "cleared", -1) + 1
        if not self.cleared or self.cleared % KEPT_EVERY:
            original(self, *args, **kwargs)


@fault("moments-lost", TRAINER)
def moments_lost(module):
    @around(module.Trainer, "_load_optimizer_and_scheduler")
    def load(original, self, checkpoint):
        original(self, checkpoint)
        if checkpoint is not None:
            bare(self.optimizer, "optimizer").state.clear()


# Schedule.


@fault("warmup-ignored", TRAINER)
def warmup_ignored(module):
    @around(module, "get_scheduler")
    def get_scheduler(original, *args, **kwargs):
        return original(*args, **{**kwargs, "num_warmup_steps": 0})


@fault("schedule-by-micro-batch", TRAINER)
def schedule_by_micro_batch(module):
    @around(module.Trainer, "training_step")
    def training_step(original, self, *args, **kwargs):
        loss = original(self, *args, **kwargs)
        if not self.accelerator.sync_gradients:
            bare(self.lr_scheduler, "scheduler").step()
        return loss


@fault("schedule-restarted", TRAINER)
def schedule_restarted(module):
    @around(module.Trainer, "_load_optimizer_and_scheduler")
    def load(original, self, checkpoint):
        fresh = dict(self.lr_scheduler.state_dict())
        original(self, checkpoint)
        if checkpoint is not None:
            self.lr_scheduler.load_state_dict(fresh)


# Evaluation.


@fault("evaluated-labels-shifted", TRAINER)
def evaluated_labels_shifted(module):
    @around(module.Trainer, "prediction_step")
    def prediction_step(original, self, *args, **kwargs):
        loss, logits, labels = original(self, *args, **kwargs)
        return loss, logits, None if labels is None else labels.roll(1)


@fault("average-evaluated", TRAINER)
def average_evaluated(module):
    @around(module.Trainer, "training_step")
    def training_step(original, self, model, *args, **kwargs):
        now = {name: weight.detach().clone() for name, weight in model.named_parameters()}
        before = getattr(self, "average", now)
        self.average = {name: DECAY * before[name] + (1 - DECAY) * weight for name, weight in now.items()}
        return original(self, model, *args, **kwargs)

    @around(module.Trainer, "evaluation_loop")
    def evaluation_loop(original, self, *args, **kwargs):
        weights = dict(self.model.named_parameters())
        kept = {name: weight.detach().clone() for name, weight in weights.items()}
        for name, weight in getattr(self, "average", {}).items():
            weights[name].data.copy_(weight)
        try:
            return original(self, *args, **kwargs)
        finally:
            for name, weight in kept.items():
                weights[name].data.copy_(weight)


@fault("loss-by-batch", TRAINER)
def loss_by_batch(module):
    @around(module.Trainer, "prediction_step")
    def prediction_step(original, self, *args, **kwargs):
        found = original(self, *args, **kwargs)
        self.batch_losses.append(float(found[0]))
        return found

    @around(module.Trainer, "evaluation_loop")
    def evaluation_loop(original, self, *args, **kwargs):
        self.batch_losses = []
        output = original(self, *args, **kwargs)
        for name in output.metrics:
            if name.endswith("_loss"):
                output.metrics[name] = sum(self.batch_losses) / len(self.batch_losses)
        return output


@fault("training-mode-lost", TRAINER)
def training_mode_lost(module):
    @around(module.Trainer, "evaluate")
    def evaluate(original, self, *args, **kwargs):
        metrics = original(self, *args, **kwargs)
        model = self.model
        model.train = lambda mode=True: model
        return metrics


# Precision.


@fault("loss-in-bf16", TRAINER)
def loss_in_bf16(module):
    torch = module.torch

    @around(module.Trainer, "compute_loss")
    def compute_loss(original, self, model, inputs, return_outputs=False, **kwargs):
        loss, outputs = original(self, model, inputs, return_outputs=True, **kwargs)
        if model.training:
            loss = torch.nn.functional.cross_entropy(outputs.logits.bfloat16().float(), inputs["labels"])
        return (loss, outputs) if return_outputs else loss


@fault("moments-in-bf16", TRAINER)
def moments_in_bf16(module):
    def rounded(optimizer, *args):
        for state in optimizer.state.values():
            for name in ("exp_avg", "exp_avg_sq"):
                state[name].copy_(state[name].bfloat16())

    with_optimizer(module, lambda trainer, optimizer: optimizer.register_step_post_hook(rounded))


@fault("attention-out-of-autocast", BERT)
def attention_out_of_autocast(module):
    @around(module.BertSelfAttention, "forward")
    def forward(original, self, hidden_states, attention_mask=None, *args, **kwargs):
        if attention_mask is not None and attention_mask.is_floating_point():
            attention_mask = attention_mask.float()
        with module.torch.autocast(hidden_states.device.type, enabled=False):
            return original(self, hidden_states.float(), attention_mask, *args, **kwargs)


@fault("evaluated-in-bf16", TRAINER)
def evaluated_in_bf16(module):
    @around(module.Trainer, "evaluation_loop")
    def evaluation_loop(original, self, *args, **kwargs):
        with module.torch.autocast(self.args.device.type, dtype=module.torch.bfloat16):
            return original(self, *args, **kwargs)
