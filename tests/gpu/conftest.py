"""What only CUDA does, on a CPU: cells in the test's own process, with the switches that they set put back."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")
accelerate = pytest.importorskip("accelerate")

from tests.gpu.plant import fp16_on_cpu  # noqa: E402
from tests.subject.engines.cells import Cells  # noqa: E402

RESUMES = pytest.mark.skipif(
    tuple(map(int, transformers.__version__.split(".")[:2])) < (4, 46),
    reason="transformers 4.45 cannot read its own checkpoints with torch since 2.6",
)
FIRST_SCALE = 22
"""Of fp16 cells, its binary logarithm."""


@pytest.fixture(scope="session")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    return Cells(tmp_path_factory.mktemp("cells"))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """As a cell has by default: two threads on a busy machine wait for each other."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(autouse=True)
def variables() -> Iterator[None]:
    """What torch sets on the way (the folder of its compiler's cache) is no setting of the tests that follow."""
    before = dict(os.environ)
    yield
    for name in os.environ.keys() - before.keys():
        del os.environ[name]


@pytest.fixture(autouse=True)
def float32_products() -> Iterator[None]:
    """They are process-wide, what transformers wrote of them as much as what we did, here and in tests before."""
    nothing_said()
    yield
    nothing_said()


def nothing_said() -> None:
    torch.backends.cuda.matmul.allow_tf32 = False
    if hasattr(torch.backends, "fp32_precision"):
        torch.backends.cuda.matmul.fp32_precision = torch.backends.fp32_precision = "none"


@pytest.fixture
def compiler() -> Iterator[None]:
    """What torch has compiled belongs to the test; dynamo's own counters begin at 0."""
    torch._dynamo.reset()
    torch._dynamo.utils.counters.clear()
    yield
    torch._dynamo.reset()


@pytest.fixture
def fp16(monkeypatch: pytest.MonkeyPatch) -> None:
    """fp16 on a CPU, from a loss scale under which the first gradients overflow."""
    fp16_on_cpu.scaler(torch.amp.grad_scaler, monkeypatch.setattr, scale=2.0**FIRST_SCALE)
    fp16_on_cpu.accelerator(accelerate.accelerator, monkeypatch.setattr)
