"""The optimizer's first updates of a few weights: before, gradient, after. What they should be is the harness's to say.

Slices are copied on their device, in the first steps only; nothing waits for them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

ELEMENTS = 64
"""Of each tensor, the first ones."""

MOST_STEPS = 3
"""Steps that are kept at most: a warm-up's first has rate 0, and changes nothing."""


class UpdateWatch:
    """Watches the last tensor of each of an optimizer's groups and the first of the last until one step has a rate."""

    def __init__(self) -> None:
        self.tensors: dict[str, int] = {}
        self._chosen: list[torch.Tensor] = []
        self._kept: list[list[torch.Tensor]] = []
        self._rates: list[float] = []
        self._hooks: list[Any] = []

    def attach(self, model: Any, optimizer: torch.optim.Optimizer) -> None:
        """Watch the optimizer's next steps; it must not have taken any."""
        names = {id(weight): name for name, weight in model.named_parameters()}
        groups = [group["params"] for group in optimizer.param_groups if group["params"]]
        if optimizer.state or not groups:
            return
        chosen = {id(w): w for w in (*(params[-1] for params in groups), groups[-1][0]) if id(w) in names}
        self.tensors = {names[key]: min(ELEMENTS, weight.numel()) for key, weight in chosen.items()}
        self._chosen = list(chosen.values())
        self._hooks = [
            optimizer.register_step_pre_hook(self._before),
            optimizer.register_step_post_hook(self._after),
        ]

    def series(self) -> dict[str, np.ndarray]:
        """`update_before`, `update_gradient`, `update_after`, shape (steps, elements), the tensors one after the other.

        Steps from the first one; the last of them is the first whose rate is not 0. Empty where none was.
        """
        kept = [step for step in self._kept if len(step) == 3]
        if not kept or self._rates[len(kept) - 1] == 0:
            return {}
        found = np.stack([torch.stack(step).cpu().numpy() for step in kept])
        return {f"update_{name}": found[:, place] for place, name in enumerate(("before", "gradient", "after"))}

    def _before(self, optimizer: Any, *args: Any) -> None:
        gradients = [weight.grad for weight in self._chosen]
        if any(gradient is None or gradient.is_sparse for gradient in gradients):
            self._detach()
            return
        self._rates.append(float(optimizer.param_groups[0]["lr"]))
        self._kept.append([self._slices(self._chosen), self._slices(gradients)])

    def _after(self, optimizer: Any, *args: Any) -> None:
        self._kept[-1].append(self._slices(self._chosen))
        if self._rates[-1] or len(self._kept) == MOST_STEPS:
            self._detach()

    def _slices(self, tensors: list[Any]) -> torch.Tensor:
        return torch.cat([t.detach().reshape(-1)[:ELEMENTS].to(torch.float32, copy=True) for t in tensors])

    def _detach(self) -> None:
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
