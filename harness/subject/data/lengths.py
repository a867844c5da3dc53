"""How long examples are, in tokens: what truncation cut off, and what a model has no positions for."""

from __future__ import annotations

from typing import Any, Callable

import numpy as np

from harness.errors import MaterialError

NO_LENGTH = 10**20
"""Where a tokenizer knows no length its `model_max_length` is above this (transformers' `LARGE_INTEGER`)."""
POSITIONS = ("position_embeddings", "position_embedding", "embed_positions", "wpe")
"""Tables of absolute positions, by the names that the families of models give them."""


def of(split: Any) -> np.ndarray:
    """Tokens of each example of a tokenized split, shape (examples,)."""
    column = split.with_format("arrow")["input_ids"]
    column = column.combine_chunks() if hasattr(column, "combine_chunks") else column
    return np.asarray(column.value_lengths().to_numpy(zero_copy_only=False), dtype=np.int64)


def truncated(raw: Any, tokenized: Any, whole: Callable[[Any], Any], tokenizer: Any, cut: dict[str, Any]) -> Any:
    """By split how many `rows` lost tokens, and `to` how many they were cut (None: no length is known, none was cut).

    `whole` tokenizes texts without truncation, `cut` is how it was done with it. All that were cut have the length that
    they were cut to, and none is longer: only those are tokenized anew.

    Raises
    ------
    MaterialError
        Where nothing was cut to a length that has no room for special tokens: tokenizers then do without a word.
    """
    rows = {}
    length = cut.get("max_length") or tokenizer.model_max_length
    to = int(length) if cut["truncation"] and length < NO_LENGTH else None
    for split in tokenized:
        found = of(tokenized[split])
        if to is not None and found.max(initial=0) > to:
            got = f"recipe.max_length: got {to}; this tokenizer leaves examples of {found.max()} tokens"
            raise MaterialError(f"{got}; allowed a length with room for its special tokens")
        full = np.flatnonzero(found == found.max(initial=0)) if cut["truncation"] else ()
        anew = whole(raw[split].select(full)[:])["input_ids"] if len(full) else ()
        rows[split] = int(sum(len(ids) > found.max() for ids in anew))
    return {"to": to, "rows": rows}


def collation(tokenizer: Any, batches: dict[str, Any]) -> dict[str, Any]:
    """The collator's arguments for what a recipe says of batches (`padding`, `max_length`, `pad_to_multiple_of`).

    Raises
    ------
    MaterialError
        Where examples are to be padded to a length, and none is known.
    """
    padding, multiple = batches.get("padding", "longest"), batches.get("pad_to_multiple_of")
    if padding != "max_length":
        return {"padding": padding, "pad_to_multiple_of": multiple}
    length = batches.get("max_length") or tokenizer.model_max_length
    if length >= NO_LENGTH:
        # transformers pads nothing then, without a word.
        raise MaterialError('recipe.padding: got "max_length"; this tokenizer knows no length; allowed with max_length')
    return {"padding": padding, "max_length": int(length), "pad_to_multiple_of": multiple}


def check(splits: Any, model: Any, collation: dict[str, Any]) -> None:
    """See that batches have room for every example, and the model a position for each of their tokens, padding too.

    Raises
    ------
    MaterialError
        Naming the split, the first row that is too long, its tokens and the limit; or the width of batches.
    """
    there, padded = positions(model), collation.get("max_length")
    limit = min((one for one in (there, padded) if one is not None), default=None)
    if limit is None:
        return
    longest = 0
    for split in splits:
        found = of(splits[split])
        longest = max(longest, int(found.max(initial=0)))
        if longest > limit:
            row = int(np.argmax(found > limit))
            has = f"the model {there} positions" if limit == there else f"batches are padded to {padded}"
            got = f"row {row} of the {split} split has {found[row]} tokens, {has}"
            raise MaterialError(f"{got}; allowed with truncation and max_length = {limit} or less in [recipe]")
    multiple = collation["pad_to_multiple_of"] or 1
    width = -(-max(longest, padded or 0) // multiple) * multiple
    if there is not None and width > there:
        got = f"batches are padded to {width} tokens, the model has {there} positions"
        raise MaterialError(f"{got}; allowed with a smaller max_length or pad_to_multiple_of in [recipe]")


def positions(model: Any) -> int | None:
    """How many absolute positions a model has; None where it counts none, or not in a table."""
    import torch  # here: who only looks at data does not wait for it

    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Embedding) and name.rpartition(".")[2] in POSITIONS:
            # RoBERTa's family keeps the first places for padding, BART's two more than its configuration says.
            spare = 0 if module.padding_idx is None else module.padding_idx + 1
            said = getattr(model.config, "max_position_embeddings", None)
            there = module.num_embeddings - spare
            return min(there, said) if isinstance(said, int) else there
    return None
