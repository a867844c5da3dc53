"""A device's own speed, and the work that a model asks of it: what a measured rate is held against.

The limit is the best rate of products of square matrices, in the run's own process, threads, dtype and switches. The
work is counted by torch's own counter on a model without memory (device "meta"), attention written out: only products
of matrices count, as is usual for model FLOPs utilisation (Chowdhery et al. 2022, PaLM, appendix B).
"""

from __future__ import annotations

import copy
import time
from typing import Any

import numpy as np
import torch

SIZES = {"cpu": 1024, "cuda": 8192}
SECONDS = 0.25
FEWEST = 5
DTYPES = {"fp32": torch.float32, "tf32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}
COUNTED = ((2, 8), (2, 16), (2, 32))  # (examples, tokens each)
CHECKED = (3, 24)


def probe(device: torch.device, precision: str) -> dict[str, Any]:
    """Multiply square matrices for a quarter of a second.

    Returns
    -------
    dict
        `dtype`, `size`, and floating-point operations a second: the `best` product's and the `median` one's.
    """
    size, dtype = SIZES.get(device.type, SIZES["cpu"]), DTYPES[precision]
    # Not from the global streams: what is timed next must see the same random numbers as without a probe.
    own = torch.Generator(device).manual_seed(0)
    left = torch.randn((size, size), generator=own, device=device).to(dtype)
    right = left.t().contiguous()
    out = torch.empty_like(left)
    seconds: list[float] = []
    torch.mm(left, right, out=out)  # the first one sets things up
    _wait(device)
    start = time.perf_counter()
    while time.perf_counter() - start < SECONDS or len(seconds) < FEWEST:
        begun = time.perf_counter()
        torch.mm(left, right, out=out)
        _wait(device)
        seconds.append(time.perf_counter() - begun)
    work = 2.0 * size**3
    median = float(np.median(seconds))
    name = "tf32" if precision == "tf32" else str(dtype).replace("torch.", "")
    return {"dtype": name, "size": size, "best": work / min(seconds), "median": work / median}


class Work:
    """Floating-point operations of a model's forward and backward pass, for any shape of a batch.

    A transformer's work is quadratic in the length: b (c + d L + e L^2). Counted at three lengths, checked at a fourth.

    Raises
    ------
    ValueError
        Where a model's work is not of this form, or cannot be counted.
    """

    def __init__(self, model: Any) -> None:
        twin = _without_memory(model)
        counts = [_count(twin, *shape) for shape in COUNTED]
        lengths = np.array([length for _, length in COUNTED], dtype=np.float64)
        each = np.array(counts) / np.array([examples for examples, _ in COUNTED])
        self._coefficients = np.linalg.solve(np.vander(lengths, 3), each)
        expected, got = float(self.of(*CHECKED)), _count(twin, *CHECKED)
        if not got or abs(expected - got) > 1e-6 * got:
            raise ValueError(f"work of {CHECKED}: {got} counted, {expected:.0f} expected of a quadratic in the length")

    def of(self, examples: Any, length: Any) -> Any:
        """Operations for so many examples of so many tokens each, padding included; scalars or arrays."""
        return examples * np.polyval(self._coefficients, length)


def _without_memory(model: Any) -> Any:
    from transformers import AutoModelForSequenceClassification

    config = copy.deepcopy(model.config)
    with torch.device("meta"):
        return AutoModelForSequenceClassification.from_config(config, attn_implementation="eager").train()


def _count(model: Any, examples: int, length: int) -> int:
    from torch.utils.flop_counter import FlopCounterMode  # slow to import, and one replicate counts for all

    ids = torch.zeros((examples, length), dtype=torch.long, device="meta")
    labels = torch.zeros(examples, dtype=torch.long, device="meta")
    # Without memory no value can be looked at: some versions of transformers look into the mask, others, where there
    # is none, into the ids.
    for mask in (None, torch.ones_like(ids)):
        counter = FlopCounterMode(display=False)
        try:
            with counter:
                model(input_ids=ids, attention_mask=mask, labels=labels).loss.backward()
        except RuntimeError:
            continue
        return int(counter.get_total_flops())
    raise ValueError(f"{type(model).__name__}: its work cannot be counted without its values")


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
