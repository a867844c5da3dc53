"""Which examples a batch is made of, for any data set and any collator: each example's place rides with it.

The loader's own data set and collator are wrapped once the loader has been made, so that sampler, batches, workers and
random streams are what they would be. The places leave the batch before anything but the loader has seen them.
"""

from __future__ import annotations

from collections.abc import Iterator, MutableMapping
from typing import Any, Callable

import torch
from torch.utils.data import DataLoader, IterableDataset

from harness.subject.watch.fingerprint import TRAVELLING


class Placed:
    """An example with its place in its data set."""

    __slots__ = ("example", "place")

    def __init__(self, place: Any, example: Any) -> None:
        self.place, self.example = place, example


class PlacedExamples:
    """A data set whose examples come with their places; all else is the data set's own."""

    def __init__(self, dataset: Any) -> None:
        self._dataset = dataset

    def __len__(self) -> int:
        return len(self._dataset)

    def __getitem__(self, place: Any) -> Placed:
        return Placed(place, self._dataset[place])

    def __getitems__(self, places: Any) -> list[Placed]:
        """As torch asks: all of a batch at once where the data set can do that."""
        many = getattr(self._dataset, "__getitems__", None)
        examples = many(places) if many else [self._dataset[place] for place in places]
        return [Placed(place, example) for place, example in zip(places, examples)]

    def __getattr__(self, name: str) -> Any:
        if name == "_dataset":  # a copy in a loader's worker, which has none yet
            raise AttributeError(name)
        return getattr(self._dataset, name)


class CarryPlaces:
    """A collator that takes the place from each example, collates them as ever, and lets the places ride along."""

    def __init__(self, collator: Callable[..., Any]) -> None:
        self._collator = collator

    def __call__(self, examples: Any) -> Any:
        """Collate them, places apart; a batch that is no mapping goes without."""
        if isinstance(examples, Placed):
            return self._collator(examples.example)
        batch = self._collator([one.example for one in examples])
        places = [one.place for one in examples]
        if isinstance(batch, MutableMapping) and all(isinstance(place, int) for place in places):
            batch[TRAVELLING] = torch.tensor(places)
        return batch


class Order:
    """The places of each batch that a loader has given, until the batch is trained on."""

    def __init__(self) -> None:
        self._given: list[tuple[Any, torch.Tensor]] = []

    def carry(self, loader: Any) -> Any:
        """The very loader, which gives its batches with their places where its data set has places."""
        inner = getattr(loader, "base_dataloader", loader)  # accelerate's holds torch's
        if not isinstance(inner, DataLoader) or isinstance(inner.dataset, IterableDataset):
            return loader
        if not isinstance(inner.dataset, PlacedExamples):
            object.__setattr__(inner, "dataset", PlacedExamples(inner.dataset))  # torch refuses it of whoever is made
            inner.collate_fn = CarryPlaces(inner.collate_fn)
        return loader

    def taken(self, batches: Iterator[Any]) -> Iterator[Any]:
        """The batches without their places, which are kept."""
        self._given.clear()  # what was fetched for a step and not trained on
        for batch in batches:
            places = batch.pop(TRAVELLING, None) if isinstance(batch, MutableMapping) else None
            if places is not None:
                self._given.append((batch, places))
            yield batch

    def of(self, batch: Any) -> Any:
        """The places of a batch that was given; None where they cannot be told."""
        if isinstance(batch, MutableMapping) and TRAVELLING in batch:  # nobody took them out
            return batch.pop(TRAVELLING)
        for at, (given, places) in enumerate(self._given):
            if given is batch:
                del self._given[at]
                return places
        return None
