"""The harness from outside: each command a process of its own, in a folder of its own."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from benchmarks.false_green.judge import Outcome, junit_counts

LIMIT_S: Final = 600
ANSI: Final = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
GRID: Final = "night.toml"
NAME: Final = "night"


@dataclass(frozen=True)
class Harness:
    """A checkout of the harness and its cache; `old` where it is the one before, with other names and options."""

    checkout: Path
    cache: Path
    old: bool = False

    @property
    def accepts(self) -> bool:
        """Whether `check` and `bench` hold an accepted file against the results, and `accept` writes it."""
        return (self.checkout / "harness" / "cli" / "judge" / "accept.py").is_file()

    def arguments(self, command: str, extra: Sequence[str] = ()) -> list[list[str]]:
        """What is typed for a command of the list, in order; the first that is not 0 stands for it."""
        options = [*extra] if not self.old else _known(extra)
        files = ["--junit", "out.xml"]
        if command == "compare":
            return [["compare", *(extra or [f"results/{NAME}", f"results/{NAME}"]), *files]]
        if command == "verify":
            return [["verify", GRID, "--only", "repeat", "--steps", "2", *(() if self.old else files)]]
        if command == "report":
            return [["report", GRID, "-o", "out.md", *options]]
        if command == "accept":
            return (
                [["accept", GRID, "--note", "a night", *options]]
                if self.accepts
                else [["baseline", "save", GRID, "--force", *options]]
            )
        if command == "check":
            check = ["check", GRID, *files, "-o", "out.md", *options]
            kept = ["baseline", "compare", f"reports/baselines/{NAME}.json", *_place(options)]
            return [check] if self.accepts else [check, kept]
        if command == "bench" and self.accepts:
            return [["bench", GRID, *files, "-o", "out.md", *options]]
        return [[command, GRID, *options]]


@dataclass
class Place:
    """A folder in which a command is typed: the grid, its results, what was accepted; and what is set there."""

    folder: Path
    harness: Harness
    variables: dict[str, str] = field(default_factory=dict)
    paths: list[Path] = field(default_factory=list)
    """Put before everything else that Python imports."""

    @property
    def grid(self) -> Path:
        """The grid's file."""
        return self.folder / GRID

    @property
    def results(self) -> Path:
        """The results of the grid."""
        return self.folder / "results" / NAME

    @property
    def accepted(self) -> Path:
        """The accepted file."""
        return self.folder / "reports" / "baselines" / f"{NAME}.json"

    def environment(self) -> dict[str, str]:
        """The variables of a process here, none of ours but what was set."""
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("HARNESS_", "GITHUB_", "CI"))}
        return {
            **kept,
            "PYTHONPATH": os.pathsep.join(map(str, [*self.paths, self.harness.checkout])),
            "HARNESS_CACHE": str(self.harness.cache),
            "HF_HUB_OFFLINE": "1",
            "GITHUB_ACTIONS": "true",
            "GITHUB_STEP_SUMMARY": str(self.folder / "summary.md"),
            "COLUMNS": "200",
            **self.variables,
        }

    def start(self, arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
        """Begin a command here and return at once, in a group of its own."""
        with log.open("wb") as output:
            return subprocess.Popen(
                [sys.executable, "-m", "harness", *arguments],
                cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL,
                stdout=output, stderr=subprocess.STDOUT, start_new_session=True,
            )  # fmt: skip

    def type(self, arguments: Sequence[str], around: str = "{}") -> tuple[int, str]:
        """Run a command here to its end: exit code, both streams. `around` is a line of bash with its place."""
        line = around.format(shlex.join([sys.executable, "-m", "harness", *arguments]))
        try:
            done = subprocess.run(
                ["bash", "-c", line], cwd=self.folder, env=self.environment(), stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_S, check=False,
            )  # fmt: skip
        except subprocess.TimeoutExpired as error:
            return 124, (error.stdout or b"").decode(errors="replace")
        return done.returncode, ANSI.sub("", done.stdout.decode(errors="replace"))

    def outcome(self, command: str, extra: Sequence[str] = (), around: str = "{}") -> Outcome:
        """What one command of the list comes to here."""
        start = time.monotonic()
        code, texts = 0, []
        for arguments in self.harness.arguments(command, extra):
            if arguments[0] == "baseline" and arguments[1] == "compare" and not self.accepted.is_file():
                continue
            one, text = self.type(arguments, around)
            code = code or one
            texts.append(text)
        printed = "".join(texts)
        summary = _read(self.folder / "summary.md")
        files = [_read(self.folder / name) or "" for name in ("out.md", "out.xml")]
        lines = [line for line in printed.splitlines() if line.strip() and not line.startswith("::")]
        return Outcome(
            code,
            lines[-1].strip() if lines else "",
            "\n".join([printed, *files, summary or ""]),
            junit_counts(self.folder / "out.xml"),
            None if summary is None else next((line for line in summary.splitlines() if line.strip()), ""),
            round(time.monotonic() - start, 1),
            tuple(line[:200] for line in lines[-6:]),
        )


def _read(path: Path) -> str | None:
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None


NEW_OPTIONS: Final[Mapping[str, int]] = {"--fresh": 0, "--max-age": 1, "--skipped": 1, "--environment": 1}
"""Options that the harness before does not know, with how many values each takes: there one types the rest."""


def _known(options: Sequence[str]) -> list[str]:
    left, kept = 0, []
    for word in options:
        if left:
            left -= 1
        elif word in NEW_OPTIONS:
            left = NEW_OPTIONS[word]
        else:
            kept.append(word)
    return kept


def _place(options: Sequence[str]) -> list[str]:
    """Of the options only where results are: `baseline compare` has no others of these."""
    at = options.index("--results") if "--results" in options else len(options)
    return [*options[at : at + 2]]
