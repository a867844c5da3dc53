"""On a test's PYTHONPATH: fp16 on a CPU in every process of the harness, which has no hook for it."""

import sys

import fp16_on_cpu

from benchmarks.slow_step.planter import Planter

sys.meta_path[:0] = [
    Planter("torch.amp.grad_scaler", fp16_on_cpu.scaler),
    Planter("accelerate.accelerator", fp16_on_cpu.accelerator),
    Planter("harness.execution.require", fp16_on_cpu.require),
]
