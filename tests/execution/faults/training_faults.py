"""Faults of training itself, planted in the libraries of one forked child: the run goes on, and means something else.

Only the engine under test has them: the loops beside it stay what they are.
"""

import functools
from unittest import mock


def _patched(owner, name, replacement):
    """The attribute replaced for good: the child that has the fault runs one cell and ends."""
    mock.patch.object(owner, name, replacement).start()


def wrong_order():
    """Each epoch's examples come in another order."""
    from torch.utils.data import RandomSampler

    ordered = RandomSampler.__iter__
    _patched(RandomSampler, "__iter__", lambda self: iter(list(ordered(self))[::-1]))


def unseeded_head():
    """The classifier is drawn from a generator that nobody seeded."""
    import torch

    from harness.subject.engines import setup

    _patched(setup, "set_seed", lambda seed: torch.seed())


def doubled_gradient():
    """Every gradient is twice what it should be; the loss that is logged is right."""
    from accelerate import Accelerator

    backward = Accelerator.backward
    _patched(Accelerator, "backward", lambda self, loss, **kwargs: backward(self, loss * 2, **kwargs))


def extra_step():
    """The optimizer makes one step more than the Trainer counts."""
    from accelerate.optimizer import AcceleratedOptimizer

    step, calls = AcceleratedOptimizer.step, []

    def stepping(self, closure=None):
        calls.append(None)
        step(self, closure)
        if len(calls) == 3:
            step(self, closure)

    _patched(AcceleratedOptimizer, "step", stepping)


def shifted_rate():
    """Each step has the learning rate of the next."""
    from transformers import Trainer

    create = Trainer.create_scheduler

    def ahead(self, *args, **kwargs):
        scheduler = create(self, *args, **kwargs)
        scheduler.optimizer._step_count = 1  # or torch warns that the schedule runs ahead
        scheduler.step()
        return scheduler

    _patched(Trainer, "create_scheduler", ahead)


def eager_attention():
    """The model computes attention by its own products."""
    _loading(lambda load: functools.partial(load, attn_implementation="eager"), lambda model: None)


def unfused_optimizer():
    """AdamW without its fused kernel."""
    from transformers import Trainer

    choose = Trainer.get_optimizer_cls_and_kwargs

    def plain(*args, **kwargs):
        kind, settings = choose(*args, **kwargs)
        return kind, {**settings, "fused": False}

    _patched(Trainer, "get_optimizer_cls_and_kwargs", staticmethod(plain))


def dropped_example():
    """Evaluation and prediction leave the last example out."""
    from transformers import Trainer

    for name in ("get_eval_dataloader", "get_test_dataloader"):
        make = getattr(Trainer, name)

        def shorter(self, dataset=None, make=make):
            dataset = self.eval_dataset if dataset is None else dataset
            return make(self, dataset.select(range(len(dataset) - 1)))

        _patched(Trainer, name, shorter)


def lost_tensor():
    """One weight tensor of the checkpoint does not arrive, and nothing says so."""

    def lose(model):
        model.bert.encoder.layer[1].attention.self.query.weight.data.normal_(0.0, 0.02)

    _loading(lambda load: load, lose)


def no_clipping():
    """Gradients are not clipped, whatever the arguments say."""
    from transformers import Trainer

    if hasattr(Trainer, "_clip_grad_norm"):
        _patched(Trainer, "_clip_grad_norm", lambda self, model: None)
        return
    raise NotImplementedError("this version of transformers clips elsewhere")


def no_dropout():
    """The model trains without the dropout that its configuration has."""

    def still(model):
        for module in model.modules():
            if hasattr(module, "p"):
                module.p = 0.0
            if hasattr(module, "dropout_prob"):
                module.dropout_prob = 0.0

    _loading(lambda load: load, still)


def no_bias_correction():
    """AdamW's moments are taken as they are."""
    from accelerate.optimizer import AcceleratedOptimizer

    step, calls = AcceleratedOptimizer.step, []

    def uncorrected(self, closure=None):
        calls.append(None)
        rates = [group["lr"] for group in self.optimizer.param_groups]
        for group in self.optimizer.param_groups:
            first, second = (1 - beta ** len(calls) for beta in group["betas"])
            group["lr"] *= first / second**0.5
        step(self, closure)
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            group["lr"] = rate

    _patched(AcceleratedOptimizer, "step", uncorrected)


def training_evaluation():
    """Evaluation leaves dropout on."""
    from transformers import Trainer

    predict = Trainer.prediction_step

    def noisy(self, model, *args, **kwargs):
        model.train()
        return predict(self, model, *args, **kwargs)

    _patched(Trainer, "prediction_step", noisy)


def forgotten_state():
    """What activation checkpointing computes again draws other random numbers."""
    from transformers import modeling_utils

    checkpoint = modeling_utils.checkpoint
    _patched(modeling_utils, "checkpoint", functools.partial(checkpoint, preserve_rng_state=False))


def last_model():
    """The best model is not loaded at the end: the last one is scored."""
    from transformers import Trainer

    _patched(Trainer, "_load_best_model", lambda self: None)


def _loading(changed, after):
    from transformers.modeling_utils import PreTrainedModel

    load = PreTrainedModel.from_pretrained.__func__

    def loading(cls, *args, **kwargs):
        found = changed(functools.partial(load, cls))(*args, **kwargs)
        after(found[0] if isinstance(found, tuple) else found)
        return found

    _patched(PreTrainedModel, "from_pretrained", classmethod(loading))


FAULTS = {
    "wrong-order": wrong_order,
    "unseeded-head": unseeded_head,
    "doubled-gradient": doubled_gradient,
    "extra-step": extra_step,
    "shifted-rate": shifted_rate,
    "eager-attention": eager_attention,
    "unfused-optimizer": unfused_optimizer,
    "dropped-example": dropped_example,
    "lost-tensor": lost_tensor,
    "no-clipping": no_clipping,
    "no-dropout": no_dropout,
    "no-bias-correction": no_bias_correction,
    "training-evaluation": training_evaluation,
    "forgotten-state": forgotten_state,
    "last-model": last_model,
}
