"""A throw-away process that says where a module's top package lies, and which distribution brought it.

Reads the module's name as JSON from standard input and prints `{"path", "package", "version"}` or `{"error"}`. Nothing
of the package is imported.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from importlib import metadata
from typing import Any


def locate(module: str) -> dict[str, Any]:
    """The top package's folder, or file, with its distribution's name and version where one brought it."""
    top = module.partition(".")[0]
    spec = importlib.util.find_spec(top)
    if spec is None:
        return {"error": f"no module {top} beside the grid, nor in {sys.executable}"}
    places = list(spec.submodule_search_locations or [])
    path = places[0] if places else spec.origin
    if not path or (not places and not str(path).endswith(".py")):
        return {"error": f"module {top} has no Python file that could be hashed ({spec.origin})"}
    known: Any = getattr(metadata, "packages_distributions", dict)()  # since Python 3.10
    package = next(iter(known.get(top, [])), None)
    return {"path": str(path), "package": package, "version": metadata.version(package) if package else None}


def main() -> None:
    """Answer; an error is an answer."""
    print(json.dumps(locate(json.load(sys.stdin))))


if __name__ == "__main__":
    main()
