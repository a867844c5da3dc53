"""Facts that are read off a model."""

from __future__ import annotations

import torch

from harness.subject import facts


def test_dropouts_are_counted_by_their_probability() -> None:
    kinds = [torch.nn.Dropout(0.1), torch.nn.Linear(2, 2), torch.nn.Dropout(0.0), torch.nn.Dropout2d(0.1)]
    assert facts.dropouts(torch.nn.Sequential(*kinds)) == {"0": 1, "0.1": 2}
    assert facts.dropouts(torch.nn.Linear(2, 2)) == {}
