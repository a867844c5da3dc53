"""The report: which command finds each fault and what it calls it, first and now; and that clean is quiet."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.detection.faults import COMMANDS, Clean, Fault
from benchmarks.detection.judge import Told, quiet
from harness.report.format.table import table

FOUND_DUE: Final = 23
NAMED_DUE: Final = 20
SHOWN: Final = 3
"""Names of one command in the table, at most; all are in the JSON."""

Outcomes = Mapping[str, Mapping[str, Told]]
"""By name of the list, then by command."""


@dataclass(frozen=True)
class Counts:
    """How many faults are found, and how many by a right name, by either command."""

    faults: int
    found: int
    named: int
    found_by: Mapping[str, int]
    named_by: Mapping[str, int]

    @classmethod
    def of(cls, faults: Sequence[Fault], outcomes: Outcomes) -> Counts:
        """Count over the faults."""
        found = {c: [f.name for f in faults if outcomes[f.name][c].found(c)] for c in COMMANDS}
        named = {c: [f.name for f in faults if outcomes[f.name][c].named(c, f.names[c])] for c in COMMANDS}
        return cls(
            len(faults),
            len(set().union(*found.values())),
            len(set().union(*named.values())),
            {command: len(names) for command, names in found.items()},
            {command: len(names) for command, names in named.items()},
        )

    def text(self) -> str:
        """The counts in words."""
        by = ", ".join(
            f"`{command}` {self.found_by[command]} and {self.named_by[command]} of them by a right name"
            for command in COMMANDS
        )
        return f"{self.found} of {self.faults} found, {self.named} named rightly ({by})"


def enough(faults: Sequence[Fault], clean: Sequence[Clean], outcomes: Outcomes) -> bool:
    """Whether as many are found and named as the project asks for, and nothing clean is called a fault."""
    counts = Counts.of(faults, outcomes)
    loud = [one for one in clean if not quiet(one, outcomes[one.name])]
    return counts.found >= FOUND_DUE and counts.named >= NAMED_DUE and not loud


def page(
    faults: Sequence[Fault], clean: Sequence[Clean], now: Outcomes, first: Outcomes, command: str, about: str
) -> str:
    """The Markdown. `first` has what the first try of each came to, `about` says with which software all was tried."""
    counts = Counts.of(faults, now)
    calm = sum(quiet(one, now[one.name]) for one in clean)
    again = [name for name in now if first[name] != now[name]]
    lines = [
        "# Planted faults",
        "",
        f"{counts.text()}; {calm} of {len(clean)} clean variants without an alarm.",
        f"First try: {Counts.of(faults, first).text()}; "
        f"{sum(quiet(one, first[one.name]) for one in clean)} of {len(clean)} clean variants without an alarm.",
        "",
        "```sh",
        command,
        "```",
        "",
        about,
        "",
        "The [list](../benchmarks/detection/faults.toml) was committed before the first fault was tried: which command "
        "should find it, and what it may rightly be called (`kinds` came later). Faults are "
        "changes of transformers, accelerate and torch "
        "([planted.py](../benchmarks/detection/plant/planted.py)), made when the environment under test imports them, "
        "or of a checkpoint's folder. `diff` compares a run with the fault (tiny BERT, embedded corpus, two epochs of "
        "25 steps) with the same run without it. `verify` has the fault in all that it runs, confined to pairs of "
        "runs that are enough to find it where the list names some. Both are processes of their own, judged by exit "
        "code and JSON.",
        "",
        '**Bold** is a right name; - is not found, "not due" where the list did not expect that it is.',
        "",
        table(["fault", "area", *COMMANDS], [_row(one, now[one.name]) for one in faults], "llll"),
        "",
        "## Missed",
        "",
        *(_missed(faults, now) or ["Nothing."]),
        "",
        "## Clean variants",
        "",
        table(["variant", "verify", "diff", "quiet"], [_clean_row(one, now[one.name]) for one in clean], "llll"),
    ]
    if again:
        told = "Only these; all others stand as first tried."
        lines += ["", "## Tried again after mending", "", told, "", *(_before(name, first[name]) for name in again)]
    every: list[Fault | Clean] = [*faults, *clean]
    rows = [[one.name, one.what] for one in every]
    lines += ["", "## What was planted", "", table(["name", "what"], rows, "ll")]
    return "\n".join(lines) + "\n"


def _row(fault: Fault, told: Mapping[str, Told]) -> list[str]:
    cells = []
    for command in COMMANDS:
        one = told[command]
        if one.found(command):
            cells.append(_calls(one.calls, fault.names[command]))
        else:
            cells.append("-" if command in fault.find else "- (not due)")
    return [fault.name, fault.area, *cells]


def _calls(calls: Sequence[str], right: Sequence[str]) -> str:
    """The right names first, in bold, then others up to a few."""
    ordered = [name for name in calls if name in right] + [name for name in calls if name not in right]
    shown = [f"**{name}**" if name in right else name for name in ordered[:SHOWN]]
    return ", ".join(shown) + (f" and {len(ordered) - SHOWN} more" if len(ordered) > SHOWN else "")


def _missed(faults: Sequence[Fault], now: Outcomes) -> list[str]:
    """What no command finds, or none by a right name; then what one command was to find and did not."""
    lines = []
    for one in faults:
        found = [command for command in COMMANDS if now[one.name][command].found(command)]
        named = [command for command in COMMANDS if now[one.name][command].named(command, one.names[command])]
        if not found:
            lines.append(f"- {one.name}: not found")
        elif not named:
            told = "; ".join(f"`{command}`: {', '.join(now[one.name][command].calls)}" for command in found)
            lines.append(f"- {one.name}: found, and no name is right: {told}")
        else:
            blind = [command for command in one.find if command not in found]
            lines += [f"- {one.name}: `{command}` was to find it too and does not" for command in blind]
    return lines


def _clean_row(clean: Clean, told: Mapping[str, Told]) -> list[str]:
    diff = ", ".join([told["diff"].state, *told["diff"].calls])
    return [clean.name, f"exit {told['verify'].code}", diff, "yes" if quiet(clean, told) else "**no**"]


def _before(name: str, told: Mapping[str, Told]) -> str:
    said = "; ".join(f"`{command}` {', '.join(told[command].calls) or '-'}" for command in COMMANDS)
    return f"- {name}, at first: {said}"


def document(now: Outcomes, first: Outcomes) -> dict[str, Any]:
    """All outcomes as JSON."""
    return {
        side: {
            name: {
                command: {"code": one.code, "calls": list(one.calls), "state": one.state}
                for command, one in told.items()
            }
            for name, told in outcomes.items()
        }
        for side, outcomes in (("now", now), ("first", first))
    }
