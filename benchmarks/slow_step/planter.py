"""Changes a module of the software under test as soon as it has been imported; nothing is imported earlier for it."""

import sys
from importlib.abc import MetaPathFinder
from importlib.machinery import PathFinder
from typing import Any


class Planter(MetaPathFinder):
    """Waits for one module to be imported, and calls `plant` with it; to be put first on `sys.meta_path`."""

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
