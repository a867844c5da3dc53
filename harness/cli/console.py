"""How a run looks: a live table on a terminal, one plain line an event elsewhere (CI logs, files)."""

from __future__ import annotations

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Literal, TextIO

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from harness.cli.left import Left
from harness.execution.plan import Plan, PlannedCell
from harness.execution.progress import Reporter
from harness.fact import Fact
from harness.grid.cell import Cell, label_of
from harness.protocol import EVALUATED, PREDICTING, STEP, TRAINING
from harness.record.attempts import OUTCOMES, Entry
from harness.report.format.metrics import metric_word
from harness.report.phrases.recipe import many
from harness.report.phrases.say import say
from harness.text import lines, one_line

PLAIN_INTERVAL_S = 30.0
PHASES = {TRAINING: "training", STEP: "training", EVALUATED: "training", PREDICTING: "predicting"}
"""What a cell does after each of its events; others, such as the start of its process, change nothing."""
MOST_SCORES = 2
"""Scores that are told of a cell."""
STYLES = {"ok": "green", "collapsed": "yellow", "skipped": "dim", "killed": "yellow", "interrupted": "yellow"}

Name = Callable[[Cell], str]


def duration(seconds: float | None) -> str:
    """Seconds as people say them: 42 s, 3 min 5 s, 2 h 10 min."""
    if seconds is None:
        return "unknown"
    whole = round(seconds)
    if whole < 100:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def kinds_text(cells: Iterable[PlannedCell]) -> str:
    """` (15 scored, 10 timings)`, behind how many cells there are; nothing where all are of one kind."""
    kinds = Counter(planned.cell.kind for planned in cells)
    return f" ({kinds['scored']} scored, {many(kinds['timing'], 'timing')})" if len(kinds) > 1 else ""


def outcome_text(entry: Entry, scored: bool = True) -> str:
    """One finished cell in a few words; without its scores where it trained a few steps to be compared."""
    if entry.error:
        return one_line(f"{entry.status} ({entry.message})")
    if not scored:
        status = "done" if entry.status in ("ok", "collapsed") else entry.status
        return f"{status}, {duration(entry.seconds.get('total'))}"
    known = [name for name in entry.metrics if name != "loss"]
    scores = [f"{metric_word(name)} {entry.metrics[name]:.4f}" for name in known[:MOST_SCORES]]
    rate = f"{entry.samples_per_second:.1f} samples/s" if entry.samples_per_second else ""
    return ", ".join(filter(None, [entry.status, *scores, rate, duration(entry.seconds.get("total"))]))


class PlainReporter(Reporter):
    """One line an event, and now and then a line of progress: for logs, where nothing can be redrawn."""

    def __init__(self, to: TextIO | None = None, scored: bool = True, name: Name = label_of) -> None:
        self._to, self._scored, self._name = to, scored, name
        self._total = 0
        self._started: Counter[str] = Counter()  # in this run: the attempts of earlier nights are nobody's here
        self._finished: set[str] = set()  # cells, not attempts: a retried cell counts once
        self._last = 0.0
        self._left: Left | None = None

    def run_started(self, plan: Plan) -> None:
        todo = plan.of("to do")
        self._total, self._left = len(todo), Left(plan)
        self._say(
            f"{many(len(todo), 'cell')} to do{kinds_text(todo)}, {len(plan.of('done'))} done, "
            f"{len(plan.of('skip'))} skipped, "
            f"{plan.slots} at a time, expected time {duration(plan.expected_s)}"
        )

    def note(self, text: str) -> None:
        self._say(text)

    def found(self, fact: Fact) -> None:
        self.note(f"warning: {one_line(say(fact))}")

    def preparing(self, what: str) -> None:
        self._say(f"preparing {what}")

    def cell_started(self, cell: Cell) -> None:
        self._started[cell.cell_id] += 1
        again = self._started[cell.cell_id]
        if self._left is not None:
            self._left.started(cell, time.monotonic())
        if self._scored:
            self._say(f"start  {self._name(cell)}" + (f" (attempt {again})" if again > 1 else ""))

    def cell_event(self, cell: Cell, event: Mapping[str, Any]) -> None:
        if self._left is not None:
            self._left.heard(cell, event, time.monotonic())
        if event["event"] == EVALUATED and event.get("scores") and self._scored:
            at = f"step {event['step']}/{event['steps']}"
            metric, value = next(iter(event["scores"].items()))
            self._say(f"eval   {self._name(cell)}: {at}, {metric_word(metric)} {value:.4f}")
        elif event["event"] == STEP and time.monotonic() - self._last > PLAIN_INTERVAL_S:
            self._say(f"step   {self._name(cell)}: {event['step']}/{event['steps']}")

    def cell_finished(self, cell: Cell, entry: Entry) -> None:
        self._finished.add(cell.cell_id)
        number, told = f"{len(self._finished)}/{self._total}", outcome_text(entry, self._scored)
        left = None
        if self._left is not None:
            self._left.finished(cell, time.monotonic(), entry.status in OUTCOMES)
            left = self._left.of_run(time.monotonic()) if len(self._finished) < self._total else None
        ahead = "" if left is None else f"; about {duration(left)} left"
        self._say(f"done   [{number}] {self._name(cell)}: {told}{ahead}")

    def _say(self, text: str) -> None:
        self._last = time.monotonic()
        print(lines(text), file=self._to, flush=True)


class LiveReporter(Reporter):
    """A table of the running cells, redrawn in place, above it the finished ones as they come."""

    def __init__(self, console: Console, scored: bool = True, name: Name = label_of) -> None:
        self._console, self._scored, self._name = console, scored, name
        self._running: dict[str, dict[str, Any]] = {}
        self._total = 0
        self._finished: set[str] = set()  # cells, not attempts: a retried cell counts once
        self._left: Left | None = None
        self._start = time.monotonic()
        self._preparing = ""
        # Last: it renders at once, and from a thread of its own while the run goes on.
        self._live = Live(console=console, refresh_per_second=4, transient=True, get_renderable=self._render)

    def run_started(self, plan: Plan) -> None:
        self._left, self._total = Left(plan), len(plan.of("to do"))
        self._start = time.monotonic()
        self._live.start()

    def note(self, text: str) -> None:
        self._console.print(Text(lines(text), style="yellow"))

    def found(self, fact: Fact) -> None:
        self.note(f"warning: {one_line(say(fact))}")

    def preparing(self, what: str) -> None:
        self._preparing = what

    def cell_started(self, cell: Cell) -> None:
        self._preparing = ""
        self._running[cell.cell_id] = {"label": self._name(cell), "cell": cell, "phase": "loading"}
        if self._left is not None:
            self._left.started(cell, time.monotonic())

    def cell_event(self, cell: Cell, event: Mapping[str, Any]) -> None:
        row = self._running.get(cell.cell_id)
        if row is None:
            return
        row["phase"] = PHASES.get(event["event"], row["phase"])
        row.update({key: event[key] for key in ("step", "steps", "scores") if key in event})
        if self._left is not None:
            self._left.heard(cell, event, time.monotonic())

    def cell_finished(self, cell: Cell, entry: Entry) -> None:
        self._running.pop(cell.cell_id, None)
        self._finished.add(cell.cell_id)
        if self._left is not None:
            self._left.finished(cell, time.monotonic(), entry.status in OUTCOMES)
        if not self._scored and not entry.error:
            return  # what it shows is told of pairs
        line = Text(f"{self._name(cell)}: ")
        line.append(outcome_text(entry, self._scored), style=STYLES.get(entry.status, "red"))
        self._console.print(line)

    def close(self) -> None:
        """Give the terminal back, cursor and all; needed after an error too."""
        self._live.stop()

    def _render(self) -> Group:
        table = Table(box=None, pad_edge=False)
        every = dict.fromkeys(name for row in list(self._running.values()) for name in row.get("scores", ()))
        scores = list(every)[:MOST_SCORES] if self._scored else []
        for heading in ("cell", "phase", "step", *map(metric_word, scores), "left"):
            side: Literal["left", "right"] = "left" if heading in ("cell", "phase") else "right"
            table.add_column(heading, justify=side, no_wrap=heading != "cell", overflow="fold")
        now = time.monotonic()
        for row in list(self._running.values()):
            table.add_row(
                Text(row["label"]),
                row["phase"],
                f"{row.get('step', 0)}/{row.get('steps', '?')}",
                *(f"{row['scores'][name]:.4f}" if name in row.get("scores", ()) else "" for name in scores),
                _unbroken(self._left.of_cell(row["cell"], now) if self._left else None),
            )
        left = self._left.of_run(now) if self._left else None
        head = f"{len(self._finished)} of {many(self._total, 'cell')}, {duration(now - self._start)} so far"
        head += f", about {duration(left)} left" if left is not None else ""
        head += f"; preparing {self._preparing}" if self._preparing else ""
        return Group(table, Text(head, style="bold"))


def _unbroken(seconds: float | None) -> str:
    return "" if seconds is None else duration(seconds)


def reporter(to: TextIO | None = None, scored: bool = True, name: Name = label_of) -> Reporter:
    """The reporter that fits where the output goes: standard output, or plain lines to another stream.

    Not `scored` are runs of a few steps, made to be compared: nobody is told their scores. `name` is what a cell is
    called.
    """
    if to is not None and to is not sys.stdout:
        return PlainReporter(to, scored, name)
    console = Console()
    redrawn = console.is_terminal and not console.is_dumb_terminal and os.environ.get("CI", "false") in ("", "false")
    live = redrawn and sys.stdout.isatty()
    return LiveReporter(console, scored, name) if live else PlainReporter(scored=scored, name=name)
