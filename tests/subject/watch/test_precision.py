"""The precision that was observed is the one that the products had, whatever the arguments say."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from harness.subject.watch.precision import PrecisionMismatch, PrecisionWatch  # noqa: E402


def test_precision_as_observed(train: Any) -> None:
    found = train(asked="bf16", bf16=True, max_steps=1).adapter.facts()["precision"]
    assert (found["name"], found["share"]) == ("bf16", 1.0)
    # Two layers forward, backward both for their weights and the second for its input: 2 x 4 x (3x8x2 + 8x2x3).
    assert found["flops"] == {"bfloat16": 2 * 4 * (3 * 8 * 2 + 8 * 2 * 3)}
    assert found["tf32"] is None


@pytest.mark.parametrize("asked", ["fp16", "bf16"])
def test_fp32_under_another_name_is_found(train: Any, asked: str) -> None:
    """On a CPU transformers 5 accepts fp16=True and trains in fp32: nothing need be planted."""
    recipe = {"fp16": True} if asked == "fp16" else {}
    with pytest.raises(PrecisionMismatch, match=f"asked for {asked}, observed fp32 .*float32 100%"):
        train(asked=asked, **recipe)


def test_a_mixture_is_no_precision() -> None:
    def step(narrow: int) -> Any:
        wide = torch.ones(8, 8)
        for _ in range(10 - narrow):
            wide = wide @ wide
        for _ in range(narrow):
            wide.bfloat16() @ wide.bfloat16()
        return wide.sum()

    watch = PrecisionWatch("fp32")
    watch.first_step(step, 1)
    assert watch.observed(probe=False)["share"] == 0.9  # type: ignore[index]
    with pytest.raises(PrecisionMismatch, match=r"observed a mixture .*float32 80%, bfloat16 20%"):
        PrecisionWatch("fp32").first_step(step, 2)


def test_attention_products_are_counted_apart() -> None:
    query = torch.ones(2, 3, 5, 4, requires_grad=True)

    def step() -> Any:
        loss = (
            torch.nn.functional.scaled_dot_product_attention(query, query, query).sum()
            + (torch.ones(6, 5) @ torch.ones(5, 7)).sum()
        )
        loss.backward()
        return loss

    watch = PrecisionWatch("fp32")
    watch.first_step(step)
    found = watch.observed(probe=False)
    assert found is not None
    assert found["flops"] == {"float32": 2 * 6 * 5 * 7}
    assert found["attention"]["float32"] >= 2 * 2 * (2 * 3 * 5 * 4) * 5
