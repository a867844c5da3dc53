"""A planted slow-down: after each optimizer step the process sleeps for a tenth of the time that the step has taken."""

import sys
import time

from planter import Planter  # type: ignore[import-not-found]  # it lies beside this file, first on the path

SLOWER = 0.1
LATE_S = 0.001
"""A sleeper wakes late, by a tenth of a short step: the last millisecond is waited out."""


def plant(module):
    """Hook torch's optimizers."""
    last = [time.perf_counter()]

    def sleep(*_):
        now = time.perf_counter()
        until = now + SLOWER * min(1.0, now - last[0])
        time.sleep(max(0.0, until - now - LATE_S))
        while time.perf_counter() < until:
            pass
        last[0] = until

    module.register_optimizer_step_post_hook(sleep)


sys.meta_path.insert(0, Planter("torch.optim.optimizer", plant))
