"""The flags of TF32, which a CPU has too: what was asked for holds, and no question about them ends a run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from accelerate import state  # noqa: E402
from accelerate.utils import DynamoBackend  # noqa: E402

from harness.subject import facts  # noqa: E402
from harness.subject.watch import precision  # noqa: E402
from harness.subject.watch.precision import PrecisionMismatch, PrecisionWatch  # noqa: E402
from tests.gpu.conftest import RESUMES  # noqa: E402
from tests.subject.engines.cells import Cells  # noqa: E402

pytestmark = pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="torch before 2.9: one API only")


COMPILED = {"torch_compile": True, "torch_compile_backend": "eager"}
ROOT = Path(__file__).parents[2]


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
    result, _, _ = cells.run("trainer", precision="tf32", max_steps=2, **COMPILED)
    assert result["status"] == "ok"
    assert result["observed"]["determinism"]["matmul_precision"] == "tf32"


@pytest.mark.parametrize("engine", ["trainer", "loop", "accelerate"])
def test_fp32_stays_fp32_whatever_a_container_has_set(cells: Cells, engine: str) -> None:
    torch.backends.cuda.matmul.allow_tf32 = True  # what TORCH_ALLOW_TF32_CUBLAS_OVERRIDE does before anything else
    result, _, _ = cells.run(engine, max_steps=2)
    assert result["observed"]["determinism"]["matmul_precision"] == "ieee"


@pytest.mark.parametrize("resume_at", [0, pytest.param(2, marks=RESUMES)])
def test_fp32_stays_fp32_where_accelerate_switches_tf32_on_for_a_compiled_model(
    cells: Cells, compiler: None, monkeypatch: pytest.MonkeyPatch, resume_at: int
) -> None:
    original, switched = state.AcceleratorState.__init__, []

    def begin(self: Any, *args: Any, **kwargs: Any) -> None:
        again = bool(self._shared_state)
        original(self, *args, **kwargs)
        if not again and self.dynamo_plugin.backend != DynamoBackend.NO:
            torch.backends.cuda.matmul.allow_tf32 = True  # as it does on CUDA
            switched.append(True)

    monkeypatch.setattr(state.AcceleratorState, "__init__", begin)
    enable_tf32(False)
    result, _, _ = cells.run("trainer", max_steps=4, resume_at=resume_at, **COMPILED)
    assert result["observed"]["determinism"]["matmul_precision"] == "ieee"
    assert switched
    assert result["observed"]["fingerprint"]["precision"] is None


def test_a_containers_variable_is_overruled() -> None:
    program = (
        "from harness.subject import facts; from harness.subject.engines.setup import hold_precision; "
        "print(facts.matmul_precision()); hold_precision('fp32'); print(facts.matmul_precision())"
    )
    variables = {**os.environ, "TORCH_ALLOW_TF32_CUBLAS_OVERRIDE": "1"}
    found = subprocess.run(
        [sys.executable, "-c", program], env=variables, cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert found.stdout.split() == ["tf32", "ieee"]


def on_cuda(loss: float = 0.0) -> Any:
    """What a step returns whose products nobody saw."""
    return SimpleNamespace(device=torch.device("cuda:0"))


@pytest.mark.parametrize("asked", ["fp32", "tf32"])
def test_a_compiled_model_is_held_to_the_flag_and_to_the_probe(monkeypatch: pytest.MonkeyPatch, asked: str) -> None:
    other = "tf32" if asked == "fp32" else "fp32"
    monkeypatch.delenv("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE", raising=False)
    enable_tf32(asked != "tf32")
    with pytest.raises(PrecisionMismatch, match=f"asked for {asked}, observed {other} .*flag.*hidden"):
        PrecisionWatch(asked, compiled=True).first_step(on_cuda)
    enable_tf32(asked == "tf32")
    watch = PrecisionWatch(asked, compiled=True)
    watch.first_step(on_cuda)
    monkeypatch.setattr(precision, "_tf32_probe", lambda device: asked == "tf32")
    assert watch.settle() == {
        "name": None, "share": 0.0, "flops": {}, "attention": {},
        "tf32": asked == "tf32", "tf32_probe": asked == "tf32",
    }  # fmt: skip
    monkeypatch.setattr(precision, "_tf32_probe", lambda device: asked != "tf32")
    monkeypatch.setenv("NVIDIA_TF32_OVERRIDE", "1")
    with pytest.raises(PrecisionMismatch, match=f"observed {other} .*probe.*NVIDIA_TF32_OVERRIDE=1 is set"):
        watch.settle()


def test_of_half_precision_the_flag_says_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    enable_tf32(True)
    monkeypatch.setattr(precision, "_tf32_probe", lambda device: True)
    watch = PrecisionWatch("bf16", compiled=True)
    watch.first_step(on_cuda)
    found = watch.settle()
    assert found is not None
    assert found["name"] is None
