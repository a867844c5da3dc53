"""What a run really was."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field

from harness.record.parts.data import Data
from harness.record.parts.fingerprint import Fingerprint
from harness.record.parts.part import Number, Part


class Weights(Part):
    """The checkpoint as loaded and the weights before and after training (sha256 over name, dtype, shape, bytes).

    `not_as_saved` names tensors that are neither newly initialised nor what the checkpoint's file has; None where
    some tensor's place in the file cannot be told. `saved_dtypes` are those of the file's floating-point tensors. Of
    what somebody else's training code loads none of these is known.
    `weights_sha256`, `config_sha256` and `tokenizer_sha256` are over the files of each; `checkpoint_sha256` over all.
    """

    checkpoint_sha256: str | None = None
    weights_sha256: str | None = None
    config_sha256: str | None = None
    tokenizer_sha256: str | None = None
    revision: str | None = None
    parameters: int
    newly_initialised: list[str] | None = None
    unused: list[str] | None = None
    not_as_saved: list[str] | None = None
    saved_dtypes: list[str] | None = None
    init_sha256: str
    final_sha256: str | None = None


class Adapter(Part):
    """LoRA as peft put it on the model: with which settings, on how many `layers`, and what became of it.

    `targets` are the last names of those layers, `features` the sum of their inputs and outputs, `head` the parameters
    trained beside the adapters, `trainable` all that are trained: r x features + head. `new_frozen` names tensors that
    no checkpoint has and that are not trained. `sha256` is of adapters and head as peft would save them in the end,
    `frozen_sha256` then of the parameters that are not trained, `frozen_before_sha256` of the same as loaded.
    """

    method: str
    r: int
    alpha: Number
    dropout: Number
    targets: list[str]
    layers: int
    features: int
    head: int
    trainable: int
    new_frozen: list[str] = []
    sha256: str
    frozen_sha256: str
    frozen_before_sha256: str


class ForeignCode(Part):
    """Training code that is not the harness's own: a function that made a Trainer, or a script that trained one.

    `sha256` is of the script's file, or of every Python file of the function's top package; `trainer` the class, and
    `own` the parts of training that are not transformers' own: loss, step, loader, optimizer, schedule.
    """

    kind: Literal["trainer", "script", "watched"]
    name: str
    sha256: str | None = None
    package: str | None = None
    version: str | None = None
    trainer: str
    own: list[str] = []


class MetricCode(Part):
    """A metric that is a function of the user's own: `sha256` is of every Python file of its top package."""

    name: str
    sha256: str
    package: str | None = None
    version: str | None = None


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
    adapter: Annotated[Adapter | None, Field(exclude_if=lambda value: value is None)] = None
    model: dict[str, Any] = {}
    optimizer: dict[str, Any] = {}
    collator: str | None = None
    requested: dict[str, Any] = {}
    arguments: dict[str, Any] = {}
    optimizer_steps: int | None = None
    fingerprint: Fingerprint | None = None
    subject: Annotated[ForeignCode | None, Field(exclude_if=lambda value: value is None)] = None
    metrics: Annotated[list[MetricCode] | None, Field(exclude_if=lambda value: value is None)] = None
    device_busy: list[str] = []
    device_health: list[str] = []
