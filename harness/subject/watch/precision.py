"""The precision that a run really had: which dtype carried its weight products. Watches one micro-batch only."""

from __future__ import annotations

import os
from collections import Counter
from typing import Any, Callable

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from harness.subject import facts

SHARE_NEEDED = 0.9
SINGLE = ("fp32", "tf32")
"""By whether products of float32 may be tf32."""
VARIABLES = ("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", "NVIDIA_TF32_OVERRIDE")
"""They say whether products are tf32, to torch and to the CUDA libraries."""
NAMES = {"float32": "fp32", "float16": "fp16", "bfloat16": "bf16"}
WEIGHT_PRODUCTS = {"aten::mm": 0, "aten::addmm": 1, "aten::_addmm_activation": 1}
"""Operator -> place of the left matrix among its arguments; linear layers come down to these."""
BATCHED_PRODUCTS = {"aten::bmm": 0, "aten::baddbmm": 1}
ATTENTION = "aten::_scaled_dot_product"
BACKWARD_PRODUCTS, FORWARD_PRODUCTS = 5, 2


class PrecisionMismatch(RuntimeError):
    """A run trained in another precision than the one it was asked for."""


class PrecisionWatch:
    """Counts the matrix products of a run's first micro-batch by dtype, and compares with what was asked for.

    A compiled model hides them; then a flag or a probe that contradicts what was asked for is a mismatch, no more.
    Where nothing was `asked`, nothing is.
    """

    def __init__(self, asked: str | None, compiled: bool = False) -> None:
        self._asked, self._compiled = asked, compiled
        self.weights: str | None = None  # their dtype, where it is known
        self._products = _Products()
        self._device: torch.device | None = None
        self._fused_attention = False

    def first_step(self, step: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Call `step` under watch and return its result.

        Raises
        ------
        PrecisionMismatch
            Where it trained in another precision, so that no hour is spent on it.
        """
        if self._compiled:
            loss = step(*args, **kwargs)
        else:
            with _AttentionCalls() as calls, self._products:
                loss = step(*args, **kwargs)
            self._fused_attention = calls.seen
        self._device = loss.device
        self._compare(self.observed(probe=False))
        return loss

    def settle(self) -> dict[str, Any] | None:
        """What was observed, with the numeric probe for tf32; call it after training.

        Raises
        ------
        PrecisionMismatch
            Where the probe contradicts what was asked for.
        """
        found = self.observed(probe=True)
        self._compare(found)
        return found

    def observed(self, probe: bool) -> dict[str, Any] | None:
        """The record's `ObservedPrecision`; None where nothing was seen: a compiled model's products on a CPU."""
        weights = self._products.weights
        dtype, most = weights.most_common(1)[0] if weights else ("", 0)
        share = most / max(1, sum(weights.values()))
        on_cuda = self._device is not None and self._device.type == "cuda"
        tf32 = facts.matmul_precision() == "tf32" if on_cuda else None
        probed = _tf32_probe(self._device) if on_cuda and probe else None
        if not weights and tf32 is None:
            return None
        name = NAMES.get(dtype, dtype) if share >= SHARE_NEEDED else None
        if name == "fp32" and (tf32 if probed is None else probed):
            name = "tf32"
        return {
            "name": name,
            "share": round(share, 6),
            "flops": dict(weights),
            "attention": dict(self._products.attention),
            "tf32": tf32,
            "tf32_probe": probed,
        }

    def attention(self) -> str | None:
        """How attention was computed: "sdpa", "eager" (products of its own), or None where neither was seen."""
        if not self._products.attention:
            return None
        return "sdpa" if self._fused_attention else "eager"

    def kernels(self) -> dict[str, int] | None:
        """How often the first micro-batch's forward pass called which fused attention; None where that was hidden.

        None of them where attention was left to plain products: torch's "math", or the model's own.
        """
        return None if self._compiled or self._device is None else dict(self._products.kernels)

    def _compare(self, found: dict[str, Any] | None) -> None:
        if found is None or self._asked is None:
            return
        flops, name, probed = found["flops"], found["name"], found["tf32_probe"]
        if flops:
            mix = ", ".join(f"{dtype} {count / sum(flops.values()):.0%}" for dtype, count in flops.items())
            seen = f"FLOPs of weight products, forward and backward: {mix}"
        elif self._asked in SINGLE:
            name = SINGLE[found["tf32"] if probed is None else probed]
            seen = f"the {'flag' if probed is None else 'probe'}; a compiled model's products are hidden"
        else:
            return
        if name != self._asked:
            raise PrecisionMismatch(
                f"precision: asked for {self._asked}, observed {name or 'a mixture'} ({seen}){self._cause()}"
            )

    def _cause(self) -> str:
        if self.weights not in (None, "float32"):
            return f"; the model's weights are {self.weights}: saved so, they are kept so since transformers 5.0"
        if self._asked not in SINGLE:
            return ""
        return "".join(f"; {name}={os.environ[name]} is set" for name in VARIABLES if name in os.environ)


class _Products(TorchDispatchMode):
    """Reads the shapes and dtypes of matrix products as they pass; changes nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.weights: Counter[str] = Counter()
        self.attention: Counter[str] = Counter()
        self.kernels: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = func._schema.name
        if name in WEIGHT_PRODUCTS:
            left, right = args[WEIGHT_PRODUCTS[name] :][:2]
            self.weights[_dtype(left)] += 2 * left.shape[0] * left.shape[1] * right.shape[1]
        elif name in BATCHED_PRODUCTS:
            left, right = args[BATCHED_PRODUCTS[name] :][:2]
            self.attention[_dtype(left)] += 2 * left.shape[0] * left.shape[1] * left.shape[2] * right.shape[2]
        elif name.startswith(ATTENTION):
            backward = name.endswith("backward")
            query, key = args[1:3] if backward else args[:2]
            if not backward:
                self.kernels[name.partition("::")[2]] += 1
            products = BACKWARD_PRODUCTS if backward else FORWARD_PRODUCTS
            self.attention[_dtype(query)] += 2 * products * query.numel() * key.shape[-2]
        return func(*args, **(kwargs or {}))


class _AttentionCalls(TorchFunctionMode):
    """Sees calls of torch's own attention function, before a backend takes it apart."""

    def __init__(self) -> None:
        super().__init__()
        self.seen = False

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.seen = self.seen or func is torch.nn.functional.scaled_dot_product_attention
        return func(*args, **(kwargs or {}))


def _dtype(tensor: Any) -> str:
    return str(tensor.dtype).replace("torch.", "")


def _tf32_probe(device: torch.device | None) -> bool:
    """Multiply by what tf32's 10 bits cannot hold; nothing random, and only after training."""
    size = 256
    fine = torch.full((size, size), 1.0 + 2.0**-12, device=device)
    found = fine @ torch.eye(size, device=device)
    return bool((found - fine).abs().max().item() > 2.0**-14)
