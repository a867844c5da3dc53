"""A planted slow-down: after each optimizer step the process sleeps for a tenth of the time that the step has taken."""

import sys
import time
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder

SLOWER = 0.1
LATE_S = 0.001
"""A sleeper wakes late, by a tenth of a short step: the last millisecond is waited out."""


class Planter(MetaPathFinder):
    """Waits for torch's optimizers to be imported, and hooks them then: nothing else is imported earlier for it."""

    def find_spec(self, name, path=None, target=None):  # noqa: D102
        if name != "torch.optim.optimizer":
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        assert spec is not None
        assert spec.loader is not None
        load = spec.loader.exec_module

        def load_and_plant(module):
            load(module)
            last = [time.perf_counter()]

            def sleep(*_):
                now = time.perf_counter()
                until = now + SLOWER * min(1.0, now - last[0])
                time.sleep(max(0.0, until - now - LATE_S))
                while time.perf_counter() < until:
                    pass
                last[0] = until

            module.register_optimizer_step_post_hook(sleep)

        spec.loader.exec_module = load_and_plant  # type: ignore[method-assign]
        return spec


sys.meta_path.insert(0, Planter())
