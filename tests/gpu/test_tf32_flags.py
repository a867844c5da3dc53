"""The flags of TF32, which a CPU has too: what was asked for holds, and no question about them ends a run."""

from __future__ import annotations

import pytest

torch = pytest.importorskip("torch")

from harness.subject import facts  # noqa: E402
from tests.subject.engines.cells import Cells  # noqa: E402

pytestmark = pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="torch before 2.9: one API only")


def enable_tf32(wanted: bool) -> None:
    """transformers' `enable_tf32`, which remembers that it was called and then does nothing."""
    torch.backends.fp32_precision = "tf32" if wanted else "ieee"


@pytest.mark.parametrize("wanted", [True, False])
def test_what_float32_products_may_be_is_told_after_the_new_setting(wanted: bool) -> None:
    enable_tf32(wanted)
    assert facts.determinism()["matmul_precision"] == ("tf32" if wanted else "ieee")
    torch.backends.cuda.matmul.allow_tf32 = not wanted
    assert facts.determinism()["matmul_precision"] == ("ieee" if wanted else "tf32")


def test_a_tf32_cell_ends_well(cells: Cells, compiler: None) -> None:
    """Compiled, since only of such a cell a CPU cannot say that it was none in tf32."""
    enable_tf32(True)
    recipe = {"torch_compile": True, "torch_compile_backend": "eager"}
    result, _, _ = cells.run("trainer", precision="tf32", max_steps=2, **recipe)
    assert result["status"] == "ok"
    assert result["observed"]["determinism"]["matmul_precision"] == "tf32"
