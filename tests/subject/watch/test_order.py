"""Example order for any data set and collator: places ride along, and batches are what they would have been."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from harness.subject.watch.fingerprint import TRAVELLING
from harness.subject.watch.order import Order


class Rows(Dataset):
    def __init__(self, count: int) -> None:
        self.count = count

    def __len__(self) -> int:
        return self.count

    def __getitem__(self, place: int) -> dict[str, torch.Tensor]:
        # The worker's own stream is drawn from: what is wrapped must not draw of it.
        return {"x": torch.tensor([place, place**2]), "noise": torch.rand(3)}


class Stream(IterableDataset):
    def __iter__(self) -> Any:
        return iter([{"x": torch.tensor(n)} for n in range(7)])


def loader(workers: int) -> Any:
    return DataLoader(Rows(11), batch_size=3, shuffle=True, num_workers=workers)


@pytest.mark.parametrize("workers", [0, 2])
def test_batches_are_what_they_were_and_their_places_are_known(workers: int) -> None:
    torch.manual_seed(1)
    plain = list(loader(workers))
    torch.manual_seed(1)
    order = Order()
    found, places = [], []
    for batch in order.taken(iter(order.carry(loader(workers)))):
        assert TRAVELLING not in batch
        places.append(order.of(batch).tolist())
        found.append(batch)
    assert [sorted(batch) for batch in found] == [sorted(batch) for batch in plain]
    assert all(torch.equal(a[name], b[name]) for a, b in zip(found, plain, strict=True) for name in a)
    assert places == [batch["x"][:, 0].tolist() for batch in plain]
    assert order.of(found[0]) is None  # told once


def test_what_has_no_places_has_none() -> None:
    order = Order()
    for batch in order.taken(iter(order.carry(DataLoader(Stream(), batch_size=3)))):
        assert order.of(batch) is None
    tuples = DataLoader([(1, 2), (3, 4)], batch_size=2)
    assert [order.of(batch) for batch in order.taken(iter(order.carry(tuples)))] == [None]
