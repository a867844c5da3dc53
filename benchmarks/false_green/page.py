"""The report: what each accident came to, before and now; what was missed; and that honest nights stay green."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from benchmarks.false_green.accidents import COMMANDS, Accident
from benchmarks.false_green.honest import all_green
from benchmarks.false_green.trial import Found
from harness.report.format.table import table

KIND: Final = "false-green"
"""Of the JSON beside the page."""

MEANING: Final = {
    "GREEN": "exit 0, and nothing said it",
    "0": "exit 0 where it must not be, though the reason was told",
    "other code": "another exit code than the list has",
    "no reason": "red without the words that say why",
    "green file": "red, but its JUnit has neither failure, error nor skipped",
}


@dataclass(frozen=True)
class Side:
    """All that one checkout of the harness came to, and which one it was."""

    commit: str
    found: dict[str, Found]
    nights: list[dict[str, Any]]

    def results(self, accidents: Sequence[Accident]) -> Iterator[tuple[Accident, str, dict[str, Any]]]:
        """Each (accident, command, outcome)."""
        for accident in accidents:
            for command, outcome in self.found[accident.name]["commands"].items():
                yield accident, command, outcome

    def misses(self, accidents: Sequence[Accident]) -> list[tuple[Accident, str, dict[str, Any]]]:
        """Those that are not as the list has them."""
        return [one for one in self.results(accidents) if one[2]["judged"] != "right"]


def again(data: Mapping[str, Any], accidents: Sequence[Accident]) -> str:
    """The page whose JSON this is."""
    before = Side(**data["before"]) if data["before"] else None
    return page(accidents, Side(**data["now"]), before, data["command"])


def page(accidents: Sequence[Accident], now: Side, before: Side | None, command: str) -> str:
    """The Markdown."""
    misses, results = now.misses(accidents), list(now.results(accidents))
    green = [one for one in misses if one[2]["judged"] == "GREEN"]
    others = len(misses) - len(green)
    unmade = [one for one in accidents if "not_made" in now.found[one.name]]
    sides = [side for side in (now, before) if side is not None]
    real = sum(accident.real and accident not in unmade for accident in accidents)
    lines = [
        "# Never green by accident",
        "",
        f"{len(accidents) - len(unmade)} of {len(accidents)} accidents were made on a store that a real run left, "
        f"{real} of them by running cells: {len(green)} of {len(results)} results were green without a reason, "
        f"{others} more {'is' if others == 1 else 'are'} not as the list has {'it' if others == 1 else 'them'}. "
        + " ".join(_nights(side, side is before) for side in sides if side.nights),
        "",
        "```sh",
        command,
        "```",
        "",
        f"Now: {now.commit}." + (f" Before: {before.commit}." if before else ""),
        "",
        "The [list](../benchmarks/false_green/accidents.toml) was committed before the first accident was tried: which "
        "commands must be red, with which codes and words, and which may be green and must say it. The base is a grid "
        "of 5 seeds of the tiny BERT in fp32 and bf16 on 320 made-up pairs, run on two nights, the first accepted. "
        "Each accident is made on a copy of its own, and judged by the real command in a process of its own: exit "
        "code, output, JUnit and step summary are read from outside.",
        "",
        "## Exit codes" + (", before → now" if before else ""),
        "",
        "**Bold** is not as the list has it; ! is green without a reason. Empty: the command is not concerned.",
        "",
        table(["accident", *COMMANDS], [_row(one, now, before) for one in accidents], "l" * (1 + len(COMMANDS))),
        "",
        "## Missed now",
        "",
        *([_miss(*one) for one in misses] or ["Nothing."]),
    ]
    if before is not None:
        lines += _before(before, accidents)
    if unmade:
        lines += ["", "## Not made", "", *[f"- {one.name}: {now.found[one.name]['not_made']}" for one in unmade]]
    rows = [[one.name, one.what] for one in accidents]
    lines += ["", "## The accidents", "", table(["accident", "what"], rows, "ll")]
    return "\n".join(lines) + "\n"


def _before(before: Side, accidents: Sequence[Accident]) -> list[str]:
    counts = Counter(outcome["judged"] for _, _, outcome in before.misses(accidents))
    told = "; ".join(f"{number} {MEANING[judged]}" for judged, number in counts.most_common())
    return [
        "",
        "## Missed before",
        "",
        f"{sum(counts.values())} of {len(list(before.results(accidents)))}: {told}. There is no `--fresh`, `--max-age` "
        "and `--skipped` there: the same is typed without them. `accept` is `baseline save`, and `check` is followed "
        "by `baseline compare` where there is an accepted file.",
    ]


def _nights(side: Side, old: bool) -> str:
    red = [night for night in side.nights if not all_green([night])]
    return f"{'Before, ' if old else ''}{len(side.nights) - len(red)} of {len(side.nights)} honest nights were green."


def _row(accident: Accident, now: Side, before: Side | None) -> list[str]:
    cells = []
    for command in COMMANDS:
        shown = [
            _shown(side.found[accident.name]["commands"].get(command)) for side in (before, now) if side is not None
        ]
        cells.append(" → ".join(shown) if any(shown) else "")
    return [accident.name, *cells]


def _shown(outcome: dict[str, Any] | None) -> str:
    if outcome is None:
        return ""
    if outcome["judged"] == "right":
        return str(outcome["code"])
    return f"**{outcome['code']}{'!' if outcome['judged'] == 'GREEN' else ''}**"


def _miss(accident: Accident, command: str, outcome: dict[str, Any]) -> str:
    allowed = outcome["allowed"]
    wanted = "its words" if allowed is None else f"exit {' or '.join(map(str, allowed))}"
    return (
        f"- {accident.name}, `{command}`: {MEANING[outcome['judged']]}; exit {outcome['code']}, wanted {wanted}. "
        f"Last line: `{outcome['last'].replace('`', '´')[:160]}`"
    )
