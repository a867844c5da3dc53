"""The engine of comparison for several ranks: the course's loop with 🤗 Accelerate, chapter 3.

accelerator.prepare, accumulate, backward, clip_grad_norm_ and gather_for_metrics, as accelerate's own documentation
uses them; nothing of the Trainer. A step's loss and gradient are the mean over its micro-batches and over the ranks.
"""

from __future__ import annotations

from typing import Any

from accelerate import Accelerator

from harness.subject.engines import plain, supported
from harness.subject.engines.journal import Journal
from harness.subject.engines.setup import Clock, Emit, Mark, Setup, Trained, hold_precision
from harness.task import VALIDATION


def train(setup: Setup, emit: Emit, mark: Mark, clock: Clock) -> Trained:
    """Train, evaluate and predict with Accelerate, as the only process or as one of the ranks.

    Raises
    ------
    SpecError
        Where the recipe, or the cell, asks for what the loop does not do.
    """
    supported.check("accelerate", setup.cell, setup.requested)
    arguments = setup.arguments
    plain.begin(arguments)
    accelerator = Accelerator(
        mixed_precision="fp16" if arguments.fp16 else "bf16" if arguments.bf16 else "no",
        gradient_accumulation_steps=arguments.gradient_accumulation_steps,
        # By default accelerate moves the schedule once a rank and step, for schedules planned on the undivided data.
        # This one is planned in steps, so it moves once a step, and the loop sees to it.
        step_scheduler_with_optimizer=False,
    )
    hold_precision(setup.cell["precision"])
    clock.lap("load")

    train_loader, order = plain.train_loader(setup)
    train_loader, eval_loader = accelerator.prepare(train_loader, plain.eval_loader(setup))
    loaders = {VALIDATION: eval_loader, **{split: plain.eval_loader(setup, split) for split in setup.task.more}}
    loaders.update({split: accelerator.prepare(loaders[split]) for split in setup.task.more})
    plan = plain.Plan.of(arguments, len(train_loader))  # after `prepare`: on k ranks each has a k-th of the batches
    optimizer = plain.make_optimizer(setup.model, arguments)
    schedule = plain.make_schedule(optimizer, arguments, plan.steps)
    model, optimizer, schedule = accelerator.prepare(setup.model, optimizer, schedule)
    limit = plain.clip_norm(arguments)

    def forward(batch: Any) -> tuple[Any, Any]:
        return model(**batch), batch["labels"]

    def forward_backward(batch: Any, together: int) -> Any:
        loss = forward(batch)[0].loss
        if together != plan.accumulation:
            # `backward` divides by the full number also in an epoch's last step, which has fewer micro-batches.
            loss = loss * (plan.accumulation / together)
        accelerator.backward(loss)
        return loss.detach() / plan.accumulation

    def evaluate(split: str = VALIDATION) -> plain.Evaluation:
        return plain.evaluate(model, forward, loaders[split], accelerator.gather_for_metrics)

    journal = Journal(setup, plan, emit, mark)
    journal.train_begins(optimizer, schedule, accelerator.scaler)
    for epoch in range(plan.epochs):
        order.set_epoch(epoch)
        model.train()
        for number, batch in enumerate(journal.batches(train_loader)):
            with accelerator.accumulate(model):
                journal.micro_batch(batch, forward_backward, plan.together(number))
                if accelerator.sync_gradients:
                    norm = accelerator.clip_grad_norm_(model.parameters(), limit)
                    journal.optimizer_begins(norm, limit)
                optimizer.step()
                if accelerator.sync_gradients and not accelerator.optimizer_step_was_skipped:
                    schedule.step()
                optimizer.zero_grad()
            if accelerator.sync_gradients:
                journal.step_ends(epoch, number)
            if journal.finished:
                break
        journal.epoch_ends(evaluate)
        if journal.finished:
            break
    return journal.finish(evaluate, clock)
