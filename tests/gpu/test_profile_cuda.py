"""The breakdown of a step on CUDA, from made-up events: what a device did is counted once, and where it was."""

from __future__ import annotations

from collections.abc import Iterable
from types import SimpleNamespace
from typing import Any

import pytest

torch = pytest.importorskip("torch")

from torch.autograd import DeviceType  # noqa: E402
from torch.autograd.profiler_util import FunctionEvent  # noqa: E402

from harness.subject.watch import profile  # noqa: E402
from harness.subject.watch.profile import PROFILED_STEPS, WAITING, Profile  # noqa: E402


def event(name: str, start_ms: int, end_ms: int, on: Any = DeviceType.CPU, **more: Any) -> FunctionEvent:
    return FunctionEvent(
        len(name) + start_ms, name, 0, 1000 * start_ms, 1000 * end_ms, use_device="cuda", device_type=on, **more
    )


def operator(name: str, start_ms: int, kernel_ms: int) -> FunctionEvent:
    """A call on the host, of 1 ms, and the kernel that it started, which the profiler counts among its own too."""
    found = event(name, start_ms, start_ms + 1)
    found.append_kernel(f"kernel of {name}", 0, 1000 * kernel_ms)
    return found


def one_second() -> list[FunctionEvent]:
    """Waiting 0.1 s; kernels 0.5 s, 0.3 of them Triton's; communication 0.1 s; 0.3 s nothing of these."""
    cuda = DeviceType.CUDA
    return [
        event(WAITING, 0, 100),
        event(WAITING, 5, 103, cuda, is_user_annotation=True),  # a named range comes again as the device's
        operator("aten::addmm", 100, 150),
        event("sm90_xmma_gemm_f32f32_tn", 105, 255, cuda),
        operator("aten::copy_", 110, 50),
        event("Memcpy HtoD (Pinned -> Device)", 255, 305, cuda),
        operator("triton_per_fused_native_layer_norm_0", 120, 300),
        event("triton_per_fused_native_layer_norm_0", 305, 605, cuda),
        operator("nccl:all_reduce", 130, 100),
        event("ncclDevKernel_AllReduce_Sum_f32_RING_LL", 605, 705, cuda),
        event("nccl:all_reduce", 604, 706, cuda, is_user_annotation=True),
        event("Optimizer.step#AdamW.step", 90, 700, cuda, is_user_annotation=True),
    ]


def profiled(monkeypatch: pytest.MonkeyPatch, device: str, events: Iterable[Any]) -> dict[str, Any]:
    """The shares of five steps that took a second together, of which the profiler tells these events."""

    class Profiler:
        def __init__(self, activities: Any) -> None:
            self.activities = activities

        def __enter__(self) -> None:
            pass

        def __exit__(self, *_: Any) -> None:
            pass

        def events(self) -> Iterable[Any]:
            return events

    clock = iter([10.0, 11.0])
    monkeypatch.setattr(profile, "profile", Profiler)
    monkeypatch.setattr(profile, "time", SimpleNamespace(perf_counter=lambda: next(clock)))
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    found = Profile(torch.device(device))
    ends = [found.step_ends() for _ in range(PROFILED_STEPS)]
    assert ends == [False] * (PROFILED_STEPS - 1) + [True]
    assert found.shares is not None
    return found.shares


def test_a_device_s_time_is_counted_once(monkeypatch: pytest.MonkeyPatch) -> None:
    shares = profiled(monkeypatch, "cuda:0", one_second())
    assert shares == {
        "steps": PROFILED_STEPS,
        "data": pytest.approx(0.1),
        "kernels": pytest.approx(0.5),
        "communication": pytest.approx(0.1),
        "framework": pytest.approx(0.3),
    }


def test_on_a_processor_it_is_the_operators_own_time(monkeypatch: pytest.MonkeyPatch) -> None:
    outer, inner = event("aten::linear", 100, 400), event("aten::addmm", 150, 350)
    outer.append_cpu_child(inner)
    inside = event("aten::stack", 20, 60)  # while it waits for data: the loader's
    shares = profiled(monkeypatch, "cpu", [event(WAITING, 0, 100), inside, outer, inner, event("gloo:x", 400, 500)])
    assert [shares[name] for name in ("data", "kernels", "communication", "framework")] == pytest.approx(
        [0.1, 0.3, 0.1, 0.5]
    )
