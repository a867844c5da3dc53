"""The parts of a plain loop: its plan, the order of its examples, what decays."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

torch = pytest.importorskip("torch")
pytest.importorskip("transformers")
pytest.importorskip("datasets")

from harness.subject.engines import plain  # noqa: E402


@given(
    batches=st.integers(1, 60),
    accumulation=st.integers(1, 70),
    epochs=st.floats(0.01, 5),
    max_steps=st.integers(-1, 90),
)
def test_a_plan_takes_each_micro_batch_once(batches: int, accumulation: int, epochs: float, max_steps: int) -> None:
    arguments = SimpleNamespace(
        gradient_accumulation_steps=accumulation, num_train_epochs=epochs, max_steps=max_steps or -1
    )
    plan = plain.Plan.of(arguments, batches)
    ends = [number for number in range(batches) if plan.ends_step(number)]
    an_epoch = -(-batches // accumulation)
    assert len(ends) == an_epoch
    assert ends[-1] == batches - 1
    # The shares of a step's micro-batches add up to one, the last and short step's too.
    assert sum(1 / plan.together(number) for number in range(batches)) == pytest.approx(an_epoch)
    assert [plan.together(number) for number in ends] == np.diff([-1, *ends]).tolist()
    assert (plan.epochs - 1) * an_epoch < plan.steps <= plan.epochs * an_epoch
    assert plan.steps == max_steps if max_steps > 0 else plan.epochs == math.ceil(epochs)


def test_the_order_is_accelerates_own() -> None:
    sampler = pytest.importorskip("accelerate.data_loader").SeedableRandomSampler
    torch.manual_seed(11)
    theirs, ours = sampler(range(50), num_samples=50), plain.EpochOrder(50, seed=11)
    for epoch in range(3):
        theirs.set_epoch(epoch)
        ours.set_epoch(epoch)
        state = torch.random.get_rng_state()
        assert list(ours) == list(theirs)
        assert torch.equal(torch.random.get_rng_state(), state)
    assert len(ours) == 50


def test_biases_and_normalisations_do_not_decay() -> None:
    class Norm(torch.nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.weight = torch.nn.Parameter(torch.ones(3))

    model = torch.nn.ModuleDict(
        {
            "dense": torch.nn.Linear(3, 3), "LayerNorm": torch.nn.LayerNorm(3), "anything": torch.nn.LayerNorm(3),
            "final_norm": Norm(), "normal": torch.nn.Linear(3, 3), "frozen": torch.nn.Linear(3, 3),
        }
    ).requires_grad_(True)  # fmt: skip
    model["frozen"].requires_grad_(False)
    decayed, spared = plain._parameter_groups(model, 0.1)
    names = {id(weight): name for name, weight in model.named_parameters()}
    assert [names[id(weight)] for weight in decayed["params"]] == ["dense.weight", "normal.weight"]
    assert len(spared["params"]) == 7
    assert (decayed["weight_decay"], spared["weight_decay"]) == (0.1, 0.0)
