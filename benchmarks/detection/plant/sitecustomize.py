"""Plants the fault that `DETECTION_FAULT` names in its library, as soon as that has been imported; nothing else.

On the PYTHONPATH of the environment under test: a broken library, as far as the harness can tell.
"""

import os
import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from typing import Any

from benchmarks.detection.plant import planted


class Planter(MetaPathFinder):
    """Waits for one module to be imported."""

    def __init__(self, name: str, plant: Any) -> None:
        self._name, self._plant = name, plant

    def find_spec(self, name, path=None, target=None):  # noqa: D102
        if name != self._name:
            return None
        sys.meta_path.remove(self)
        spec = PathFinder.find_spec(name, path, target)
        assert spec is not None
        assert spec.loader is not None
        load = spec.loader.exec_module

        def load_and_plant(module):
            load(module)
            self._plant(module)

        spec.loader.exec_module = load_and_plant  # type: ignore[method-assign]
        return spec


if os.environ.get("DETECTION_FAULT"):
    sys.meta_path.insert(0, Planter(*planted.FAULTS[os.environ["DETECTION_FAULT"]]))
