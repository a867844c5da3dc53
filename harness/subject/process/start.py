"""Start one of this package's programs in any interpreter: `PYTHON .../harness/subject/process/start.py NAME ARG ...`.

Run by its path, so the interpreter under test needs neither the harness installed nor its site-packages on
the search path: only the package `harness` itself is made importable, from the folder this file lies in.
"""

from __future__ import annotations

import importlib.util
import runpy
import sys
from pathlib import Path


def main() -> None:
    """Register `harness` by its location, then run `harness.subject.NAME` as the main program."""
    here = Path(__file__).resolve().parent
    # The script's own folder would make `child`, `host`, ... importable as top-level modules.
    sys.path[:] = [entry for entry in sys.path if Path(entry or ".").resolve() != here]
    package = here.parent.parent
    spec = importlib.util.spec_from_file_location(
        "harness", package / "__init__.py", submodule_search_locations=[str(package)]
    )
    if spec is None or spec.loader is None:
        raise SystemExit(f"{package} is not the harness package")
    module = importlib.util.module_from_spec(spec)
    sys.modules["harness"] = module
    spec.loader.exec_module(module)
    name = sys.argv[1]
    sys.argv = [name, *sys.argv[2:]]
    runpy.run_module(f"harness.subject.{name}", run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
