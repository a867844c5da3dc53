"""Where the stages work: a folder with its results and cache, and the harness as a command in it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from harness.record.model import Record
from harness.record.store import Store

HERE: Final = Path(__file__).resolve().parent
ROOT: Final = HERE.parents[1]
REHEARSED: Final[Sequence[tuple[str, str]]] = (
    (r"hidden_size = \d+, num_hidden_layers = \d+, num_attention_heads = \d+, intermediate_size = \d+",
     "hidden_size = 32, num_hidden_layers = 1, num_attention_heads = 2, intermediate_size = 64"),
    (r"max_steps = \d+", "max_steps = 4"),
    (r"num_train_epochs = \d+", "max_steps = 4"),
    (r"warmup_steps = \d+\nmeasured_steps = \d+", "warmup_steps = 2\nmeasured_steps = 5"),
    (r'\[require\]\naccelerator = "cuda"\n', ""),
    (r'precision = \["fp32", "tf32", "fp16", "bf16"\]', 'precision = ["fp32", "tf32"]'),
    (r"torch_compile = \[false, true\]", "torch_compile = [false]"),
)  # fmt: skip
"""What a rehearsal on a CPU makes small: it shows that every command still works, and claims nothing of a GPU."""


@dataclass(frozen=True)
class Done:
    """A command that ended."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        """Both streams."""
        return self.out + self.err


@dataclass(frozen=True)
class Place:
    """A work folder; `rehearsal` where there is no GPU to be looked at. `tell` is told each command as it begins."""

    folder: Path
    rehearsal: bool
    tell: Callable[[str], None]

    def prepare(self) -> None:
        """Write the grids into the folder."""
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in HERE.glob("*.toml"):
            text = path.read_text(encoding="utf-8")
            for pattern, small in REHEARSED if self.rehearsal else ():
                text = re.sub(pattern, small, text)
            (self.folder / path.name).write_text(text, encoding="utf-8")

    def environment(self, variables: Mapping[str, str] | None = None) -> dict[str, str]:
        """The variables of every command."""
        own = {"PYTHONPATH": str(ROOT), "HARNESS_CACHE": str(self.folder / "cache"), "HF_HUB_OFFLINE": "1"}
        hidden = {"CUDA_VISIBLE_DEVICES": ""} if self.rehearsal else {}
        return {**os.environ, **own, **hidden, **(variables or {})}

    def start(self, *command: str, log: Path) -> subprocess.Popen[bytes]:
        """Begin a Python command (`-m harness run ...`) and return at once."""
        self.tell(shlex.join(["python", *command]))
        with log.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, *command], cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def python(self, *command: str, variables: Mapping[str, str] | None = None) -> Done:
        """Run a Python command to its end."""
        before = [f"{name}={value}" for name, value in (variables or {}).items()]
        self.tell(" ".join([*before, shlex.join(["python", *command])]))
        done = subprocess.run(
            [sys.executable, *command], cwd=self.folder, env=self.environment(variables), stdin=subprocess.DEVNULL,
            capture_output=True, text=True, check=False,
        )  # fmt: skip
        return Done(done.returncode, done.stdout, done.stderr)

    def harness(self, *arguments: str, variables: Mapping[str, str] | None = None) -> Done:
        """Run a command of the harness to its end."""
        return self.python("-m", "harness", *arguments, variables=variables)

    def records(self, grid: str, results: str = "results") -> list[Record]:
        """Every record of a grid, the oldest first."""
        store = Store(self.folder / results, grid)
        return [store.record(entry) for entry in sorted(store.entries(), key=lambda one: one.started)]
