from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.checks.verify.schedule import batches_per_rank, expected_rates, rest_is_a_step, total_steps, warmup_steps

BASE = {
    "max_steps": -1,
    "num_train_epochs": 3.0,
    "per_device_train_batch_size": 8,
    "gradient_accumulation_steps": 1,
    "dataloader_drop_last": False,
}


@pytest.mark.parametrize(
    ("changes", "examples", "ranks", "rest", "expected"),
    [
        ({}, 3668, 1, True, 1377),
        ({"dataloader_drop_last": True}, 3668, 1, True, 1374),
        ({"per_device_train_batch_size": 4}, 3668, 2, True, 1377),
        ({"gradient_accumulation_steps": 4}, 3668, 1, True, 345),
        ({"gradient_accumulation_steps": 4}, 3668, 1, False, 342),
        ({"gradient_accumulation_steps": 4}, 3668, 1, None, None),
        ({"max_steps": 20}, 3668, 2, None, 20),
        ({"num_train_epochs": 0.5}, 3668, 1, True, 230),
        ({"gradient_accumulation_steps": 100}, 80, 1, False, 3),
        ({"accelerator_config": {"split_batches": True}}, 3668, 1, True, None),
    ],
)
def test_optimizer_steps_of_a_run(
    changes: dict[str, Any], examples: int, ranks: int, rest: bool | None, expected: int | None
) -> None:
    assert total_steps({**BASE, **changes}, examples, ranks, rest) == expected


@pytest.mark.parametrize(
    ("version", "expected"),
    [("4.45.2", False), ("4.51.3", False), ("4.52.0.dev0", True), ("5.23.0", True), (None, None)],
)
def test_the_rest_of_an_epoch_is_a_step_since_4_52(version: str | None, expected: bool | None) -> None:
    assert rest_is_a_step("trainer", version) is expected
    assert rest_is_a_step("loop", version) is True


@given(st.integers(1, 500), st.integers(1, 40), st.integers(1, 8), st.booleans())
def test_ranks_share_batches_as_accelerate_deals_them_out(examples: int, batch: int, ranks: int, drop: bool) -> None:
    found = batches_per_rank(examples, batch, ranks, drop)
    batches = examples // batch if drop else -(-examples // batch)
    assert found * ranks <= batches if drop else 0 <= found * ranks - batches < ranks


@pytest.mark.parametrize(("asked", "expected"), [(0, 0), (0.1, 10), (7, 7), (1, 1), (0.001, 1)])
def test_warm_up_is_a_count_or_below_1_a_ratio(asked: float, expected: int) -> None:
    assert warmup_steps({"warmup_steps": asked}, 100) == expected


def test_older_versions_have_a_ratio_of_their_own() -> None:
    assert warmup_steps({"warmup_steps": 0, "warmup_ratio": 0.06}, 1377) == 83
    assert warmup_steps({"warmup_steps": 5, "warmup_ratio": 0.06}, 1377) == 5


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("linear", None),
        ("constant", None),
        ("constant_with_warmup", None),
        ("cosine", None),
        ("cosine", {"num_cycles": 1.5}),
        ("cosine_with_restarts", {"num_cycles": 3}),
        ("polynomial", {"lr_end": 1e-6, "power": 2.0}),
        ("inverse_sqrt", None),
    ],
)
@pytest.mark.parametrize("warmup", [0, 7])
def test_rates_are_those_of_transformers_own_schedules(name: str, options: dict[str, Any] | None, warmup: int) -> None:
    torch = pytest.importorskip("torch")
    from transformers import get_scheduler

    optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=3e-4)
    schedule = get_scheduler(name, optimizer, warmup, 40, scheduler_specific_kwargs=options)
    theirs = []
    for _ in range(40):
        theirs.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
    arguments = {
        "learning_rate": 3e-4, "lr_scheduler_type": name, "lr_scheduler_kwargs": options, "warmup_steps": warmup
    }  # fmt: skip
    np.testing.assert_allclose(expected_rates(arguments, 40), theirs, rtol=1e-12, atol=1e-18)


def test_an_unknown_schedule_or_option_is_not_available() -> None:
    known = {"learning_rate": 1e-4, "lr_scheduler_type": "linear", "warmup_steps": 0}
    assert expected_rates(known, 5) is not None
    assert expected_rates({**known, "lr_scheduler_type": "reduce_lr_on_plateau"}, 5) is None
    assert expected_rates({**known, "lr_scheduler_kwargs": {"other": 1}}, 5) is None
    assert expected_rates({"lr_scheduler_type": "linear"}, 5) is None
