"""What the model really receives: a hash of each example in each column, whatever it is padded to.

Tensors on the host are hashed where they pass; of those on a device a copy is sent to the host, and hashed when it
has arrived: nothing waits for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

LABELS = {"labels": "label"}
"""What the model receives, and the task's column that it is made of, where they have two names."""

_INTEGERS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}
"""By size in bytes: what a float's bits are read as."""

Rows = dict[str, np.ndarray]
"""By column: a uint64 for each example of a batch."""


class Hashing:
    """Hashes the rows of a column: sum over positions of (value - padding) x a random number of that position.

    Padding adds nothing, so that an example has one hash in every batch. `pads` are the tokenizer's padding values,
    0 where it has none; `left` where it pads on the left, from which side positions are then not counted.
    """

    def __init__(self, pads: Mapping[str, int] | None = None, left: bool = False) -> None:
        self.pads, self._left = dict(pads or {}), left
        self._factors = np.zeros(0, np.uint64)

    def factors(self, width: int) -> np.ndarray:
        """The numbers of `width` positions; always the same, and from a generator of their own."""
        if len(self._factors) < width:
            generator = np.random.Generator(np.random.Philox(1))
            self._factors = generator.integers(0, 2**64, size=max(512, 2 * width), dtype=np.uint64)
        return self._factors[:width]

    def rows(self, column: str, values: np.ndarray) -> np.ndarray:
        """Hash each row of an array of integers, shape (rows, ...)."""
        flat = values.reshape(len(values), -1).astype(np.int64)
        pad = self.pads.get(column, 0)
        if pad:
            flat -= pad
        factors = self.factors(flat.shape[1])
        return np.asarray(flat.view(np.uint64) @ (factors[::-1] if self._left else factors))

    def ragged(self, column: str, values: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Hash rows that lie one after the other, each of its own length, as `rows` hashes them once padded."""
        starts = np.cumsum(lengths) - lengths
        at = np.arange(len(values)) - np.repeat(starts, lengths)
        if self._left:
            at = np.repeat(lengths, lengths) - 1 - at
        factors = self.factors(int(lengths.max(initial=0)))
        products = (values.astype(np.int64) - self.pads.get(column, 0)).view(np.uint64) * factors[at]
        total = np.concatenate([np.zeros(1, np.uint64), np.cumsum(products, dtype=np.uint64)])
        return np.asarray(total[starts + lengths] - total[starts])


def hashing(tokenizer: Any) -> Hashing:
    """The hashing that a tokenizer's padding asks for."""
    pads = {"input_ids": getattr(tokenizer, "pad_token_id", 0), "token_type_ids": tokenizer.pad_token_type_id}
    return Hashing({name: int(pad or 0) for name, pad in pads.items()}, tokenizer.padding_side == "left")


class InputWatch:
    """The rows of every batch that the model was called with, in order."""

    def __init__(self, hashes: Hashing) -> None:
        self._hashes = hashes
        self._batches: list[Rows] = []
        self._sent: list[tuple[int, dict[str, torch.Tensor], Any]] = []

    def __len__(self) -> int:
        return len(self._batches)

    def clear(self) -> None:
        """Forget all of it: another evaluation begins."""
        self._batches, self._sent = [], []

    def see(self, inputs: Mapping[str, Any]) -> None:
        """Note the columns of a call: every tensor that has a row for each example."""
        columns = {name: value.detach() for name, value in inputs.items() if isinstance(value, torch.Tensor)}
        columns = {name: value for name, value in columns.items() if value.ndim}
        rows = max((len(value) for value in columns.values()), default=0)
        columns = {name: _bits(value) for name, value in columns.items() if len(value) == rows}
        self._batches.append({})
        if any(value.is_cuda for value in columns.values()):
            self._settle(wait=False)
            copies = {name: value.to("cpu", non_blocking=True) for name, value in columns.items()}
            arrived = torch.cuda.Event()
            arrived.record()
            self._sent.append((len(self._batches) - 1, copies, arrived))
        else:
            self._hash(len(self._batches) - 1, columns)

    def rows(self) -> tuple[np.ndarray, Rows]:
        """Rows of each call, shape (calls,), and by column the hash of each row, 0 where a call did not have it."""
        self._settle(wait=True)
        counts = np.array([len(next(iter(batch.values()), ())) for batch in self._batches], dtype=np.int32)
        names = sorted({name for batch in self._batches for name in batch})
        return counts, {
            name: np.concatenate([b.get(name, np.zeros(n, np.uint64)) for b, n in zip(self._batches, counts)])
            for name in names
        }

    def _settle(self, wait: bool) -> None:
        while self._sent and (wait or self._sent[0][2].query()):
            number, copies, arrived = self._sent.pop(0)
            arrived.synchronize()
            self._hash(number, copies)

    def _hash(self, number: int, columns: Mapping[str, torch.Tensor]) -> None:
        self._batches[number] = {name: self._hashes.rows(name, value.numpy()) for name, value in columns.items()}


def _bits(value: torch.Tensor) -> torch.Tensor:
    """A tensor of integers; of other numbers their bits."""
    if value.dtype == torch.bool or not (value.is_floating_point() or value.is_complex()):
        return value
    return value.contiguous().view(_INTEGERS[value.element_size()]) if value.is_floating_point() else value.real


def tokenized(split: Any, columns: Sequence[str], hashes: Hashing) -> Rows:
    """The hash of each example of a tokenized split, by the column that the model should receive."""
    found: Rows = {}
    for column in columns:
        name = column if column in split.column_names else LABELS.get(column, column)
        if name not in split.column_names:
            continue
        values = split.with_format("arrow")[name]
        values = values.combine_chunks() if hasattr(values, "combine_chunks") else values
        if hasattr(values, "value_lengths"):
            lengths = values.value_lengths().to_numpy(zero_copy_only=False).astype(np.int64)
            flat = values.flatten().to_numpy(zero_copy_only=False)
        else:
            flat = values.to_numpy(zero_copy_only=False)
            lengths = np.ones(len(flat), np.int64)
        if flat.dtype.kind == "f":
            flat = flat.view(f"i{flat.dtype.itemsize}")  # as the model's own are read
        if flat.dtype.kind in "iub":
            found[column] = hashes.ragged(column, flat, lengths)
    return found


def altered(trace: Mapping[str, np.ndarray], split: Any, ids: str, model: Any, hashes: Hashing) -> Any:
    """By column: in how many rows of training the model received something else than the tokenizer had made.

    Parameters
    ----------
    trace
        A rank's, see `RunTrace.trace`.
    ids
        The split's column of example ids.

    Returns
    -------
    dict
        `rows` that differ `of` all, and the first one's `example` and optimizer `step`. A column that the task has and
        the model takes, but did not receive, differs in every row. None where rows cannot be told.
    """
    counts, seen = trace["inputs.rows"], trace["ids"]
    if not len(counts) or (trace["id_counts"] != counts[: len(trace["id_counts"])]).any() or not len(seen):
        return None
    taken = inspect.signature(model.forward).parameters
    names = np.asarray(split[ids][:])  # whole: a column's values one by one take twenty times as long
    place = np.zeros(names.max() + 1, dtype=np.int64)
    place[names] = np.arange(len(names))
    found = {}
    columns = [name for name in dict.fromkeys([*LABELS, *split.column_names]) if name in taken]
    for column, due in tokenized(split, columns, hashes).items():
        received = trace.get(f"inputs.columns.{column}")
        if received is None and column in LABELS:
            continue  # a loss that the training loop computes itself
        wrong = np.ones(len(seen), bool) if received is None else received[: len(seen)] != due[place[seen]]
        first = int(np.argmax(wrong))
        batch = int(np.searchsorted(np.cumsum(counts), first, side="right"))
        some = bool(wrong.any())
        found[column] = {
            "rows": int(wrong.sum()),
            "of": len(seen),
            "example": int(seen[first]) if some else None,
            "step": int(np.searchsorted(trace["step_ends"], batch, side="right")) if some else None,
        }
    return found
