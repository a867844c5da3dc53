"""The parts of a record: what a run really was, step by step too, what came out of it, and how fast it was.

None is "not available", never a pass.
"""

from __future__ import annotations

import math
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, PlainSerializer, WithJsonSchema, model_validator

Number = Annotated[
    float,
    PlainSerializer(lambda x: x if math.isfinite(x) else str(x), when_used="json"),
    WithJsonSchema({"anyOf": [{"type": "number"}, {"enum": ["nan", "inf", "-inf"]}]}),
]
"""A float that may be NaN or infinite; JSON carries those as the strings "nan", "inf", "-inf"."""

RATE_TOLERANCE: Final = 1e-9
"""samples = rate x time holds to rounding, relative."""
STAGES_TOLERANCE: Final = 1e-6


class Part(BaseModel):
    """A part of a record: nothing unknown in it, never changed."""

    # What `Any` holds (an argument, say) may be infinite too: null would say that it was not there.
    model_config = ConfigDict(extra="forbid", frozen=True, ser_json_inf_nan="strings")


class Split(Part):
    """One split as it was used: number of examples, of positives, and a hash of its texts and labels."""

    examples: int
    positives: int
    sha256: str


class Twice(Part):
    """Examples of a split that repeat an earlier one, and those of them with another label than the first."""

    duplicates: int
    other_label: int


class DataAudit(Part):
    """Validation examples whose texts are in training, those of them with another label there, and repetitions."""

    in_training: int
    other_label: int
    train: Twice
    validation: Twice


class Data(Part):
    """The data set as loaded; `revision` where it came from a hub. Older records have no `audit`."""

    source: str
    revision: str | None = None
    train: Split
    validation: Split
    audit: Annotated[DataAudit | None, Field(exclude_if=lambda value: value is None)] = None


class Weights(Part):
    """The checkpoint as loaded and the weights before and after training (sha256 over name, dtype, shape, bytes).

    `not_as_saved` names tensors that are neither newly initialised nor what the checkpoint's file has; None where
    some tensor's place in the file cannot be told. `saved_dtypes` are those of the file's floating-point tensors.
    `weights_sha256`, `config_sha256` and `tokenizer_sha256` are over the files of each; `checkpoint_sha256` over all.
    """

    checkpoint_sha256: str
    weights_sha256: str | None = None
    config_sha256: str | None = None
    tokenizer_sha256: str | None = None
    revision: str | None = None
    parameters: int
    newly_initialised: list[str]
    unused: list[str]
    not_as_saved: list[str] | None = None
    saved_dtypes: list[str] | None = None
    init_sha256: str
    final_sha256: str | None = None


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

    `name` is "fp32", "tf32", "fp16" or "bf16"; None where no dtype carries at least 90 % of the FLOPs. `flops` and
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


class Fingerprint(Part):
    """What a run did. Hashes are sha256.

    `data_order_sha256` is over the example ids of each step, ranks in order within a micro-batch; `loss_sha256` over
    the first 20 steps' losses (little-endian float32); `trajectory_sha256` over loss, gradient norm and learning rate
    of every step. `clipping` is the norm that the clip call was given (infinite: it only measured).
    `accepts_loss_kwargs` says whether the Trainer left the scaling of the loss to the model. `optimizer_steps`
    counts the optimizer's own steps; `attention` is what the first micro-batch called, "sdpa" or "eager".

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
    inputs: dict[str, str] | None = None
    evaluation_inputs: dict[str, str] | None = None
    altered: dict[str, Altered] | None = None
    segments: int | None = None
    evaluation_draws: int | None = None
    updated: dict[str, int] | None = None
    saved_sha256: str | None = None
    non_default_arguments: dict[str, Any] = {}


class Observed(Part):
    """What the run really was: software, machine, model; arguments as requested (translated) and as resolved."""

    python: str
    packages: dict[str, str]
    machine: dict[str, Any]
    threads: int
    determinism: dict[str, Any]
    host: Literal["fork", "spawn"]
    data: Data | None = None
    weights: Weights | None = None
    model: dict[str, Any] = {}
    optimizer: dict[str, Any] = {}
    collator: str | None = None
    requested: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    optimizer_steps: int | None = None
    fingerprint: Fingerprint | None = None
    device_busy: list[str] = []
    device_health: list[str] = []


class Confusion(Part):
    """Counts on the validation split, label 1 positive."""

    tp: int
    fp: int
    fn: int
    tn: int


class EpochScore(Part):
    """Evaluation at the end of one epoch; accuracy and F1 as fractions."""

    epoch: Number
    step: int
    accuracy: Number | None = None
    f1: Number | None = None
    loss: Number | None = None


class Stages(Part):
    """Seconds of the measured window by what the loop did, rank 0's; they add up to its `seconds`.

    `data` waits for the next batch; `forward` is the model's own call; `backward` ends where gradients are whole (on
    several ranks it holds their exchange); `optimizer` clips, steps, schedules and clears; `other` is what lies
    between: moving inputs, the loop's own work, a new epoch's beginning.
    """

    data: Number
    forward: Number
    backward: Number
    optimizer: Number
    other: Number


class Limit(Part):
    """The device's own speed in the same process and dtype: the best of many products of square matrices.

    `flops_per_second` is the sum over ranks, measured on all of them at once. `drift` is the rate after the measured
    window over that before it, minus 1.
    """

    dtype: str
    size: int
    flops_per_second: Number
    drift: Number


class Breakdown(Part):
    """Where a step's time goes, as fractions of `steps` further steps under torch's profiler, rank 0's.

    `kernels` is time inside torch's operators (on CUDA the device's), `communication` inside the collectives, `data`
    waiting for batches, `framework` the rest: Python, the Trainer, dispatch, the profiler itself.
    """

    steps: int
    data: Number
    kernels: Number
    communication: Number
    framework: Number


class Noise(Part):
    """What else the machine did in the window. `reasons` says why it was not quiet; none: it was.

    `others_cores` is the number of cores that other processes kept busy, `steal` the fraction of all CPU time that the
    hypervisor gave to others, `load` the 1-minute load average at the window's beginning. None: the system does not
    say.
    """

    others_cores: Number | None = None
    steal: Number | None = None
    load: Number | None = None
    reasons: list[str] = []


class Timing(Part):
    """One timing process. Times in seconds, rates a second, `step_ms` in milliseconds (p5, p50, p95).

    `session` is the id of the harness run that it was part of and `place` its place in that run's order: processes of
    one session were interleaved. `samples`, `tokens` and `flops` are sums over ranks in the window, `real_tokens` those
    that are no padding. `median_samples_per_second` is the median over steps, what the gate compares (statistics.md,
    section 4); `samples_per_second` is `samples` / `seconds`. `flops` are the model's, forward and backward, by torch's
    own counter; `mfu` = `flops` / `seconds` / the limit.
    """

    session: str
    place: int
    clock: Literal["host", "device"]
    warmup_steps: int
    steps: int
    seconds: Number
    samples: int
    samples_per_second: Number
    median_samples_per_second: Number
    tokens: int | None = None
    tokens_per_second: Number | None = None
    real_tokens: int | None = None
    step_ms: dict[str, Number]
    stages: Stages
    flops: Number | None = None
    limit: Limit | None = None
    mfu: Number | None = None
    breakdown: Breakdown | None = None
    noise: Noise
    energy_joules: Number | None = None

    @property
    def quiet(self) -> bool:
        """Whether nothing else disturbed the window; only then may it decide anything."""
        return not self.noise.reasons

    @property
    def padding_efficiency(self) -> float | None:
        """Real tokens over all tokens that the model saw."""
        return None if not self.tokens or self.real_tokens is None else self.real_tokens / self.tokens

    @model_validator(mode="after")
    def _adds_up(self) -> Timing:
        """Samples = rate x time, and stages = window: a record that fails this is not one."""
        rates = [("samples", self.samples, self.samples_per_second)]
        if self.tokens is not None and self.tokens_per_second is not None:
            rates.append(("tokens", self.tokens, self.tokens_per_second))
        for name, count, rate in rates:
            if not math.isclose(rate * self.seconds, count, rel_tol=RATE_TOLERANCE):  # a NaN is close to nothing
                raise ValueError(f"{name} = {count} is not {name}_per_second {rate} x seconds {self.seconds}")
        parts = self.stages
        total = parts.data + parts.forward + parts.backward + parts.optimizer + parts.other
        if not math.isclose(total, self.seconds, rel_tol=STAGES_TOLERANCE):
            raise ValueError(f"stages add up to {total}, seconds is {self.seconds}")
        return self


class Measured(Part):
    """What came out: scores as fractions, times in seconds, rates per second, memory in MiB.

    `seconds` has the phases load, tokenize, setup (optimizer and loaders, within `Trainer.train`), train (evaluation
    and setup excluded), evaluate, predict, data_wait (part
    of train) and total. `train_samples_per_second` = `train_samples` / `seconds["train"]`.
    """

    metrics: dict[str, Number] = {}
    confusion: Confusion | None = None
    epochs: list[EpochScore] = []
    train_loss: Number | None = None
    seconds: dict[str, Annotated[float, Field(allow_inf_nan=False)]] = {}
    train_samples: int | None = None
    train_samples_per_second: Number | None = None
    peak_memory_mib: dict[str, Number] = {}
    throttle_reasons: list[str] = []
    timing: Timing | None = None
