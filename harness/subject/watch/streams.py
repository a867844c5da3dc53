"""The random stream that dropout draws from: what it was at each step, and how often it was drawn from in between.

States are read, never set; reading one waits for no device.
"""

from __future__ import annotations

import zlib
from typing import Any

import torch

MOST_DRAWS = 64
"""Draws that are counted one by one; an evaluation that makes more has drawn for each example."""


def state_number(device: torch.device) -> int:
    """A checksum of the state of the device's global stream, which dropout draws from; it is the host's to know."""
    state = torch.cuda.get_rng_state(device) if device.type == "cuda" else torch.get_rng_state()
    return zlib.crc32(state.numpy())


def draws_since(before: torch.Tensor) -> int:
    """How many 64-bit numbers were drawn from torch's global stream on the host since it was in this state.

    `MOST_DRAWS` + 1 stands for more, or for a stream that was set anew.
    """
    now, replay = torch.get_rng_state(), torch.Generator()
    replay.set_state(before)
    for count in range(MOST_DRAWS + 1):
        if torch.equal(replay.get_state(), now):
            return count
        torch.empty((), dtype=torch.int64).random_(generator=replay)
    return MOST_DRAWS + 1


class Draws:
    """The most draws that one evaluation made from torch's global stream on the host; None before the first."""

    def __init__(self) -> None:
        self.most: int | None = None
        self._before: Any = None

    def begin(self) -> None:
        """An evaluation begins."""
        self._before = torch.get_rng_state()

    def end(self) -> None:
        """It has ended."""
        if self._before is not None:
            self.most = max(self.most or 0, draws_since(self._before))
            self._before = None
