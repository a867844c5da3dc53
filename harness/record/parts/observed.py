"""What a run really was."""

from __future__ import annotations

from typing import Any, Literal

from harness.record.parts.data import Data
from harness.record.parts.fingerprint import Fingerprint
from harness.record.parts.part import Part


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
