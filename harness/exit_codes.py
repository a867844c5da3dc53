"""What each exit code means, and when each command ends with it: THE table. `python -m harness.exit_codes > FILE`.

Of several the first in `ORDER` stands for all. Each command's help ends with its own; `docs/exit-codes.md` is written
from here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

MEANINGS: Final[Mapping[int, str]] = {
    130: "interrupted",
    70: "internal error: a defect of the harness",
    2: "usage, or a name or value that cannot be",
    1: "a check failed",
    4: "a cell errored or is missing, or a requirement, the store or the hub is unmet",
    5: "nothing was measured, or nothing was judged",
    3: "undecided: INCONCLUSIVE, chosen seeds, or out of time",
    0: "fine",
}
"""Code -> meaning; the first that applies is what a command ends with."""
ORDER: Final = tuple(MEANINGS)

EVERYWHERE: Final = (130, 70, 2)
"""What any command can end with, for the same reasons."""

_NO_STORE = "the results cannot be read or written"

SITUATIONS: Final[Mapping[str, Mapping[int, str]]] = {
    "validate": {
        0: "every grid can be meant, whatever is doubtful in it",
        4: "a folder that a grid names, of a task or checkpoint, is not here",
    },
    "plan": {
        0: "there is something to do, or all is done",
        4: "as `run` would: a demand of the grid or of HARNESS_REQUIRE is unmet, a cell is blocked or stays errored",
        5: "as `run` would: no cell can run here",
    },
    "pack": {
        0: "measured and kept: losses and weights are unchanged, or no further apart than a GPU's are anyway",
        1: "losses or weights change with the number of cells at once",
        3: "other work used the machine meanwhile, or not even alone are cells equal: nothing is kept",
        4: "a demand of the grid is unmet, or a cell errored",
        5: "no cell can run here",
    },
    "run": {
        0: "each cell has its outcome, a collapsed one too; also where nothing was left to do",
        3: "out of time (--max-hours)",
        4: "a cell errored, is blocked or was not run; a demand of the grid or of HARNESS_REQUIRE is unmet",
        5: "no cell has a score: all were skipped, or time was up before the first",
    },
    "check": {
        0: "each verdict is PASS or SKIP, or its FAIL is waived",
        1: "a FAIL that no waiver covers; with --skipped fail also what this machine cannot run",
        3: "INCONCLUSIVE, unless --inconclusive pass; chosen seeds",
        4: "a cell errored, is missing or older than --max-age; a demand is unmet by what the records tell of their "
        "machine; a run is under way",
        5: "no record, or nothing with two sides could be judged",
    },
    "why": {0: "told", 4: _NO_STORE},
    "compare": {
        0: "no configuration is slower by more than the margin",
        1: "one is",
        3: "undecided, as on a machine that was not quiet",
        4: "a configuration of A is missing in B, --confirm could not time it again, or a timing record cannot be read",
        5: "nothing can be compared",
    },
    "bench": {
        0: "measured and judged without a finding",
        1: "a FAIL that no waiver covers, of verify, scores or speed",
        3: "INCONCLUSIVE scores, or out of time (--max-hours)",
        4: "as `run` and `check`",
        5: "nothing was measured now, and neither --fresh nor --max-age says what is young; nothing was judged",
    },
    "verify": {
        0: "no FAIL, or each one is waived; of several environments no new one: repaired, in both, none",
        1: "a FAIL that no waiver covers; of several environments a new one in training or in the log only, or one "
        "that has grown, from one to the next in the grid's order",
        3: "a check is INCONCLUSIVE",
        4: "a cell errored or is missing, in any environment, or a demand of the grid is unmet",
        5: "no run left a record, or nothing could be judged",
    },
    "diff": {
        0: "the runs are identical to the last bit, or equal within rounding (an accepted file's scores: within 1.5 "
        "points); of several pairs, all",
        1: "they are different; of several pairs, one",
        3: "what both recorded does not say whether they are the same; of two trainer_state.json, what rounding may do",
        4: "a run has no counterpart or no result, or its record cannot be read",
        5: "no pair has a result: all were skipped",
    },
    "selftest": {
        0: "every planted fault is found and named, and nothing else is",
        1: "one is missed, or something is found where nothing was planted",
        4: "a run without a fault does not end well here: nothing can be shown",
    },
    "bisect": {
        0: "done: nothing is left to probe, whatever was found; with --dry-run told",
        3: "out of time (--max-hours): the same command goes on",
        4: "the index does not answer, or uv is missing; " + _NO_STORE,
    },
    "data": {0: "told", 4: "data cannot be had, or are not what the task says"},
    "status": {0: "told", 4: _NO_STORE},
    "runs": {0: "told", 4: _NO_STORE},
    "show": {0: "shown", 4: "there is no run in it, or the run cannot be read; a file cannot be written"},
    "report": {
        0: "written",
        4: "a file cannot be read or written, or is not what was recorded",
        5: "no record; no score for a table",
    },
    "export": {
        0: "written",
        4: f"{_NO_STORE}; a package that the form needs is not installed",
        5: "no timing or run in it; nothing may be published",
    },
    "history": {
        0: "told; appended, or there already",
        3: "suspicious: the newest session of a configuration is slower than those before it let expect",
        4: "the file, or the results, cannot be read or written",
        5: "no session, or nothing to append",
    },
    "doctor": {0: "this machine can run it", 4: "something stands in the way"},
    "schema": {0: "printed"},
    "init": {0: "written", 4: "a file cannot be read or written"},
    "watch": {
        0: "the script came to its end, and its run is kept",
        4: "it failed, or trained no Trainer or more than one; its interpreter lacks a package; " + _NO_STORE,
    },
    "store list": {0: "told", 4: "the results, or a file that names runs of them, cannot be read"},
    "store prune": {
        0: "taken, or there was nothing to take; with --dry-run told",
        4: "the results, or a file that names runs of them, cannot be read or written; a run holds a cell: it is left",
    },
    "store verify": {
        0: "every record and series is what was written",
        4: "one is damaged, missing, edited, of another cell or of the future; the results cannot be read",
    },
    "store reindex": {0: "the index is rebuilt", 4: _NO_STORE},
    "environments list": {0: "told"},
    "environments prune": {0: "removed, or there was nothing to remove; what a process uses is left, and named"},
    "environments build": {
        0: "built, or found",
        4: "it cannot be resolved, installed or imported; uv is missing; nothing lies at a path",
    },
    "references list": {0: "printed"},
    "references show": {0: "printed"},
    "references audit": {0: "printed, whatever it finds"},
    "ab": {
        0: "equal to the last bit or within rounding, and no new FAIL: repaired, in both, none",
        1: "a new FAIL of verify, training differs beyond rounding (not with --only-new), or with --speed B is slower",
        3: "INCONCLUSIVE, but for timings, which are only told",
        4: "an environment cannot be built, or a run is missing in one of them; runs that fail alike in both are only "
        "told where others could be compared",
        5: "nothing could be judged",
    },
    "accept": {
        0: "written",
        4: "a configuration with missing, errored or chosen seeds is left out, the others go on; a demand is unmet",
        5: "no run has a score: nothing is written",
    },
}
"""Command -> exit code -> when; beside what is true everywhere."""


CHANGES: Final[tuple[tuple[str, int, str], ...]] = (
    ("nothing, or packages and machine, and scores are equal within the margin", 0, "PASS"),
    ("scores, beyond the margin; runs collapse that did not", 1, "FAIL"),
    ("the recipe, or the name of an axis, its value or the checkpoint", 4, "ERROR: accepted, and now missing"),
    ("scores, beyond the margin, by as much at every seed (sd = 0)", 3, "INCONCLUSIVE, also with --inconclusive pass"),
    ("data, weights or code under the same names", 3, "INCONCLUSIVE: not comparable, also with --inconclusive pass"),
    (
        "a record is damaged, or missing",
        4,
        "ERROR: accepted, and now without a score; `bench` measures it again first, and ends as if it were whole",
    ),
    (
        "nothing was measured, or there is nothing to hold scores against",
        5,
        "nothing was judged",
    ),
)
"""What is another than when `harness accept` wrote its file -> how `check` and `bench` end, and what they say."""


def worst(codes: Iterable[int]) -> int:
    """The exit code that stands for several: the first in the order."""
    return min(codes, key=ORDER.index)


def summary() -> str:
    """All codes in a sentence, in their order."""
    return "Exit codes, the first that applies: " + ", ".join(f"{code} {MEANINGS[code]}" for code in ORDER) + "."


def epilog(command: str) -> str:
    """The end of a command's help: a line for each of its codes, smallest first."""
    found = {**{code: MEANINGS[code] for code in EVERYWHERE}, **SITUATIONS.get(command, {})}
    return "\n".join(["Exit codes:", *(f"{code:>3}  {found[code]}" for code in sorted(found))])


def page() -> str:
    """`docs/exit-codes.md`."""
    lines = [
        "# Exit codes",
        "",
        "Written by `python -m harness.exit_codes > docs/exit-codes.md`; a test compares. Of several codes a command "
        "ends with the first in this order:",
        "",
        *_table(("code", "meaning"), ((str(code), meaning) for code, meaning in MEANINGS.items())),
        "",
        "What is another than when `harness accept` wrote its file, and how `harness check` and `harness bench` end:",
        "",
        *_table(("what changed", "code", "verdict"), ((what, str(code), how) for what, code, how in CHANGES)),
        "",
        "After a change that is meant, measure anew and `harness accept` again.",
        "",
        f"Any command can end with {', '.join(map(str, EVERYWHERE))}. The others, by command:",
        "",
        *_table(
            ("command", "code", "when"),
            (
                (f"`harness {command}`" if at == 0 else "", str(code), situations[code])
                for command, situations in SITUATIONS.items()
                for at, code in enumerate(sorted(situations))
            ),
        ),
    ]
    return "\n".join(lines) + "\n"


def _table(headers: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (headers, ("---",) * len(headers), *rows)]


if __name__ == "__main__":
    print(page(), end="")
