"""finetune-harness: benchmark and reproducibility harness for fine-tuning with Hugging Face `Trainer`.

Importing this package is light on purpose: no torch, no third-party module at all. What it offers to Python is imported
where it is first asked for: `load`, `select`, `frame`, `diff`, `check`, `verify`, `plot` (docs/python.md).
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from harness.pipelines.notebook.difference import diff as diff
    from harness.pipelines.notebook.plot import plot as plot
    from harness.pipelines.notebook.runs import load as load
    from harness.pipelines.notebook.runs import select as select
    from harness.pipelines.notebook.verdicts import check as check
    from harness.pipelines.notebook.verification import verify as verify
    from harness.pipelines.publish.frame import frame as frame

__version__ = "0.1.0"

_OFFERED = {
    "load": "harness.pipelines.notebook.runs",
    "select": "harness.pipelines.notebook.runs",
    "frame": "harness.pipelines.publish.frame",
    "diff": "harness.pipelines.notebook.difference",
    "check": "harness.pipelines.notebook.verdicts",
    "verify": "harness.pipelines.notebook.verification",
    "plot": "harness.pipelines.notebook.plot",
}
"""What is offered, and its module."""


def __getattr__(name: str) -> Any:
    if name not in _OFFERED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_OFFERED[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *_OFFERED])
