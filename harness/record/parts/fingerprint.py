"""What a run did, step by step."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field

from harness.record.parts.part import Number, Part


class EpochSeen(Part):
    """One epoch's training examples. `seen` counts rows, `distinct` examples; `repeated` names ids seen again.

    An epoch that `max_steps` cut short is not `complete`.
    """

    seen: int
    distinct: int
    repeated: list[int] = []
    repeated_count: int = 0
    complete: bool


class Seen(Part):
    """Which examples were trained on. `padding` is what the last global batch of an epoch must repeat on k ranks.

    A complete epoch sees `expected` + `padding` rows. At most 64 repeated ids are named in all; the rest is counted.
    """

    expected: int
    padding: int
    epochs: list[EpochSeen] = []


class ObservedPrecision(Part):
    """The dtype that carried the weight products of the first training step, forward and backward.

    `name` is "fp32", "tf32", "fp16" or "bf16"; None where no dtype carries at least 90 % of the FLOPs, or no product
    was seen (a compiled model's, on CUDA: its flag and probe do not contradict what was asked for). `flops` and
    `attention` count by dtype, weight products and attention products apart. `tf32` says what the backend's flag
    allows, `tf32_probe` what a product on the device did; both are None on a CPU.
    """

    name: str | None
    share: Number
    flops: dict[str, int]
    attention: dict[str, int] = {}
    tf32: bool | None = None
    tf32_probe: bool | None = None


class LossScale(Part):
    """fp16's dynamic loss scale: values at the end of steps; steps skipped, and with a non-finite norm or loss."""

    initial: Number
    minimum: Number
    final: Number
    skipped_steps: int
    nonfinite_steps: int


class Altered(Part):
    """How much of a column the model received otherwise than it was tokenized: `rows` of all rows trained on.

    `example` and `step` (from where the series begin) are the first one's; None where nothing differs.
    """

    rows: int
    of: int
    example: int | None = None
    step: int | None = None


class Widths(Part):
    """Tokens of an example in the micro-batches of training, padding included; `divisor` is their greatest common."""

    least: int
    most: int
    divisor: int


class Fingerprint(Part):
    """What a run did. Hashes are sha256.

    `data_order_sha256` is over the example ids of each step, ranks in order within a micro-batch; `loss_sha256` over
    the first 20 steps' losses (little-endian float32); `trajectory_sha256` over loss, gradient norm and learning rate
    of every step. `clipping` is the norm that the clip call was given (infinite: it only measured).
    `accepts_loss_kwargs` says whether the Trainer left the scaling of the loss to the model. `optimizer_steps`
    counts the optimizer's own steps; `attention` is what the first micro-batch called, "sdpa" or "eager", and
    `attention_kernels` how often its forward pass called each of torch's fused ones (none: plain products).

    `inputs` is a hash by column of what the model received in training, padding apart, `evaluation_inputs` of the last
    evaluation; `altered` says by column where training received something else than the tokenizer had made.
    `segments`: 0 where the model was told of none, 1 where every token was of the first, 2 where some were not.
    `evaluation_draws` is the most 64-bit numbers that an evaluation drew from torch's global stream. `updated` names
    the tensors in the series `update_before`, `update_gradient`, `update_after`, with their elements there.
    `saved_sha256` is of the weights that a resumed run had saved before.
    """

    engine: str
    world_size: int
    parallel_mode: str
    backend: str | None = None
    init_sha256: str
    final_sha256: str | None = None
    data_order_sha256: str | None = None
    batch_shapes_sha256: str | None = None
    seen: Seen | None = None
    optimizer_steps: int
    optimizer: str
    loss_sha256: str
    trajectory_sha256: str
    precision: ObservedPrecision | None = None
    loss_scale: LossScale | None = None
    dropout: bool | None = None
    clipping: Number | None = None
    eval_examples: int | None = None
    accepts_loss_kwargs: bool | None = None
    attention: str | None = None
    attention_kernels: dict[str, int] | None = None
    inputs: dict[str, str] | None = None
    evaluation_inputs: dict[str, str] | None = None
    altered: dict[str, Altered] | None = None
    segments: int | None = None
    evaluation_draws: int | None = None
    updated: dict[str, int] | None = None
    saved_sha256: str | None = None
    non_default_arguments: dict[str, Any] = {}
    widths: Annotated[Widths | None, Field(exclude_if=lambda value: value is None)] = None
