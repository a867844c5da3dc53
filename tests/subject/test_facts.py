"""Facts that are read off a model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from harness.subject import facts


def test_dropouts_are_counted_by_their_probability() -> None:
    kinds = [torch.nn.Dropout(0.1), torch.nn.Linear(2, 2), torch.nn.Dropout(0.0), torch.nn.Dropout2d(0.1)]
    assert facts.dropouts(torch.nn.Sequential(*kinds)) == {"0": 1, "0.1": 2}
    assert facts.dropouts(torch.nn.Linear(2, 2)) == {}


def devices_of(monkeypatch: pytest.MonkeyPatch, *capabilities: tuple[int, int]) -> None:
    found = [SimpleNamespace(name=f"GPU {a}.{b}", total_memory=2**34, major=a, minor=b) for a, b in capabilities]
    monkeypatch.setattr(torch.cuda, "device_count", lambda: len(found))
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda index: found[index])
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_80"])


@pytest.mark.parametrize(
    ("capabilities", "bf16"), [([], False), ([(8, 0)], True), ([(8, 0), (7, 5)], False), ([(7, 5), (9, 0)], False)]
)
def test_bf16_is_of_every_device(monkeypatch: pytest.MonkeyPatch, capabilities: Any, bf16: bool) -> None:
    """On an A100 beside a T4 a cell may be lent either; torch's own answer is of the first."""
    devices_of(monkeypatch, *capabilities)
    found = facts._torch_facts()
    assert (found["cuda_bf16"], found["cuda_available"]) == (bf16, bool(capabilities))
    assert [device["capability"] for device in found["devices"]] == [list(one) for one in capabilities]
    assert found["cuda_architectures"] == (["sm_80"] if capabilities else [])


def test_why_cuda_does_not_start_is_kept_in_its_own_words(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("Unexpected error from cudaGetDeviceCount(): 802: system not yet initialized\nmore")

    devices_of(monkeypatch)
    assert facts._torch_facts()["cuda_error"] is None  # a build without CUDA
    monkeypatch.setattr(torch.version, "cuda", "13.0")
    monkeypatch.setattr(torch.cuda, "init", refuse)
    found = facts._torch_facts()
    assert (found["cuda_available"], found["devices"]) == (False, [])
    assert found["cuda_error"] == "Unexpected error from cudaGetDeviceCount(): 802: system not yet initialized"


@pytest.mark.parametrize(
    ("module", "asked", "word"),
    [(torch.cuda, "hip", "ROCm"), (torch.backends.mps, "", "MPS"), (torch.xpu, "", "XPU")],
)
def test_another_accelerator_is_seen_unless_the_cpu_is_wanted(
    monkeypatch: pytest.MonkeyPatch, module: Any, asked: str, word: str
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    monkeypatch.setattr(module, "is_available", lambda: True)
    if asked:
        monkeypatch.setattr(torch.version, asked, "6.4")
    assert word in str(facts._other_accelerator())
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    assert facts._other_accelerator() is None
