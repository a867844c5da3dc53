"""Which of CUDA's attention kernels ran, on the meta device: its operators have shapes there and no arithmetic."""

from __future__ import annotations

from typing import Any

import pytest

torch = pytest.importorskip("torch")

from harness.subject.watch.precision import PrecisionWatch  # noqa: E402
from tests.subject.engines.cells import Cells  # noqa: E402

BATCH, HEADS, TOKENS, WIDTH, LAYERS = 2, 4, 16, 8, 3
KERNELS = {
    "_scaled_dot_product_flash_attention": (),
    "_scaled_dot_product_efficient_attention": (None, False),
    "_scaled_dot_product_cudnn_attention": (None, False),
}


@pytest.mark.parametrize("kernel", KERNELS)
def test_each_is_counted_with_its_products(kernel: str) -> None:
    query = torch.empty(BATCH, HEADS, TOKENS, WIDTH, device="meta", dtype=torch.float16)

    def step() -> Any:
        for _ in range(LAYERS):
            getattr(torch.ops.aten, kernel)(query, query, query, *KERNELS[kernel])
        return torch.empty(8, 4, device="meta", dtype=torch.float16) @ torch.empty(
            4, 2, device="meta", dtype=torch.float16
        )

    watch = PrecisionWatch("fp16")
    watch.first_step(step)
    assert watch.kernels() == {kernel: LAYERS}
    found = watch.observed(probe=False)
    assert found is not None
    assert found["attention"] == {"float16": LAYERS * 2 * 2 * BATCH * HEADS * TOKENS * TOKENS * WIDTH}
    assert found["flops"] == {"float16": 2 * 8 * 4 * 2}


def test_a_cell_records_its_kernels(cells: Cells, compiler: None) -> None:
    prints = cells.run("loop", max_steps=1)[0]["observed"]["fingerprint"]
    assert prints["attention_kernels"] == {"_scaled_dot_product_flash_attention_for_cpu": 2}
    compiled = {"torch_compile": True, "torch_compile_backend": "eager"}
    prints = cells.run("trainer", max_steps=1, **compiled)[0]["observed"]["fingerprint"]
    assert prints["attention_kernels"] is None
