"""The engine of comparison: the plain PyTorch loop of the Hugging Face course, chapter 3, on one device.

The course's loop has loss.backward(), optimizer.step(), lr_scheduler.step() and zero_grad(); here it also clips,
accumulates and autocasts, by what these words mean in torch's own documentation. A step's loss and gradient are the
mean of its micro-batches' means, whatever the Trainer makes of them.
"""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch

from harness.subject.engines import plain, supported
from harness.subject.engines.journal import Journal
from harness.subject.engines.setup import Clock, Emit, Mark, Setup, Trained, hold_precision
from harness.task import VALIDATION


def train(setup: Setup, emit: Emit, mark: Mark, clock: Clock) -> Trained:
    """Train, evaluate and predict with a plain loop.

    Raises
    ------
    SpecError
        Where the recipe, or the cell, asks for what the loop does not do.
    """
    supported.check("loop", setup.cell, setup.requested)
    arguments, model = setup.arguments, setup.model
    device = arguments.device
    plain.begin(arguments)
    hold_precision(setup.cell["precision"])
    model.to(device)
    clock.lap("load")

    train_loader, order = plain.train_loader(setup)
    loaders = {split: plain.eval_loader(setup, split) for split in (VALIDATION, *setup.task.more)}
    plan = plain.Plan.of(arguments, len(train_loader))
    optimizer = plain.make_optimizer(model, arguments)
    schedule = plain.make_schedule(optimizer, arguments, plan.steps)
    scaler = torch.amp.GradScaler(device.type, enabled=arguments.fp16)
    taken = plain.StepCounter(optimizer)
    limit = plain.clip_norm(arguments)

    def forward(batch: Any) -> tuple[Any, Any]:
        batch = batch.to(device)
        with _autocast(arguments):
            return model(**batch), batch["labels"]

    def forward_backward(batch: Any, together: int) -> Any:
        outputs, _ = forward(batch)
        loss = outputs.loss / together
        scaler.scale(loss).backward()
        return loss.detach()

    def evaluate(split: str = VALIDATION) -> plain.Evaluation:
        return plain.evaluate(model, forward, loaders[split], gather=tuple)

    journal = Journal(setup, plan, emit, mark)
    journal.train_begins(optimizer, schedule, scaler if arguments.fp16 else None)
    for epoch in range(plan.epochs):
        order.set_epoch(epoch)
        model.train()
        for number, batch in enumerate(journal.batches(train_loader)):
            journal.micro_batch(batch, forward_backward, plan.together(number))
            if not plan.ends_step(number):
                continue
            scaler.unscale_(optimizer)
            norm = torch.nn.utils.clip_grad_norm_(model.parameters(), limit)
            journal.optimizer_begins(norm, limit)
            before = taken.count
            scaler.step(optimizer)
            scaler.update()
            if taken.count > before:  # a step that the scaler left out moves no schedule
                schedule.step()
            optimizer.zero_grad()
            journal.step_ends(epoch, number)
            if journal.finished:
                break
        journal.epoch_ends(evaluate)
        if journal.finished:
            break
    return journal.finish(evaluate, clock)


def _autocast(arguments: Any) -> Any:
    if not (arguments.fp16 or arguments.bf16):
        return nullcontext()
    return torch.autocast(arguments.device.type, dtype=torch.float16 if arguments.fp16 else torch.bfloat16)
