"""What stands above all verdicts, in words: whose runs they are, how old, and what is left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from harness.grid.cell import SEPARATOR
from harness.protocol import SUBJECT
from harness.record.freshness import Freshness
from harness.report.format.numbers import chance, duration, points, signed
from harness.report.phrases.recipe import in_all, many

OUTCOMES: Final[Mapping[int, str]] = {
    0: "PASS", 1: "FAIL", 3: "INCONCLUSIVE", 4: "ERROR", 5: "NOTHING JUDGED",
}  # fmt: skip
"""What a verification comes to, by its exit code."""

MOST: Final = 6
"""So many names stand in a sentence; of more their number."""


def freshness_text(found: Freshness) -> str:
    """`2 of 6 cells measured now, 3 reused, 1 missing; oldest 2026-11-27 02:17, youngest 2026-11-28 02:19 (UTC)`."""
    if not found.cells:
        return "no cell counts"
    share = f"{found.measured} of {many(found.cells + found.missing, 'cell')} measured now, {found.reused} reused"
    if found.run is None:
        share = f"{many(found.cells, 'cell')}; when they were last run is not known"
    return f"{share}{f', {found.missing} missing' if found.missing else ''}; {dates_text(found)}"


def dates_text(found: Freshness) -> str:
    """`oldest 2026-11-27 02:17, youngest 2026-11-28 02:19 (UTC)`."""
    oldest, youngest = minute(found.oldest), minute(found.youngest)
    ages = f"all of {oldest}" if oldest == youngest else f"oldest {oldest}, youngest {youngest}"
    return f"{ages} (UTC)"


def minute(instant: str) -> str:
    """A record's time to the minute, UTC; what is no time as it is."""
    try:
        return datetime.fromisoformat(instant).strftime("%Y-%m-%d %H:%M")
    except ValueError:
        return instant


def _part(cells: int, planned: int, seeds: Sequence[int], configurations: Sequence[str]) -> str:
    left = [f"seed{'' if len(seeds) == 1 else 's'} {_names(seeds)}"] if seeds else []
    left += [_names(configurations)] if configurations else []
    return f"Part of the grid: {cells} of {many(planned, 'cell')}; left out: {'; '.join(left)}"


def _names(values: Sequence[Any]) -> str:
    shown = ", ".join(str(value) for value in values[:MOST])
    return shown if len(values) <= MOST else f"{shown} and {len(values) - MOST} more"


def _changed(environment: str, changed: Sequence[Mapping[str, str | None]]) -> str:
    names = [f"{one['package']} {one['a'] or 'not installed'} -> {one['b'] or 'not installed'}" for one in changed]
    what = _names(names) or "its Python, accelerator or driver"
    return f"environment {environment} has changed since the last run: {what}; older runs do not count"


def _collapsed(
    configuration: str, runs: int, seeds: Sequence[Mapping[str, Any]], mean: float | None, others: float | None
) -> str:
    """`minilm: 1 of 6 runs learns nothing, no better than a constant answer (seed 1, 66.67); mean over all 83.82`."""
    shown = [
        f"seed {one['seed']}, {'diverged (NaN)' if one['status'] == 'nonfinite' else _score(one)}"
        for one in seeds[:MOST]
    ]
    more = f" and {len(seeds) - MOST} more" if len(seeds) > MOST else ""
    verb = "learns" if len(seeds) == 1 else "learn"
    means = f"; mean over all {points(mean)}, of the others {points(others)}"
    which = f"{len(seeds)} of {many(runs, 'run')} {verb} nothing, no better than a constant answer"
    return f"{configuration}: {which} ({'; '.join(shown)}{more}){means}"


def _score(run: Mapping[str, Any]) -> str:
    """In the task's metric, which is accuracy where the fact says so."""
    return _percent(run.get("accuracy", run.get("score")))


def _percent(fraction: float | None) -> str:
    return points(None if fraction is None else 100 * fraction)


def _repeated(equal: int, cells: int, date: str, other: Mapping[str, int]) -> str:
    lost = f"; not: {_names([f'{label} ({number})' for label, number in other.items()])}" if other else ""
    return f"{equal} of {many(cells, 'cell')} bit for bit as last measured, on {date}{lost}"


def _accepted(
    path: str, date: str, harness: str, git_sha: str | None = None, git_dirty: bool | None = None, note: str = ""
) -> str:
    commit = f", commit {git_sha[:8]}{' with changes' if git_dirty else ''}" if git_sha else ""
    return f"accepted file: {path}, {minute(date)} (UTC), harness {harness}{commit}{f' ({note})' if note else ''}"


def _acceptance(label: str, new: bool, before: float | None, after: float | None, runs: int, same: bool) -> str:
    if same:
        return f"{label}: the very runs that were accepted already"
    scores = ["no score that is no constant answer's" if mean is None else points(mean) for mean in (before, after)]
    now = f"{scores[1]} {'over' if after is not None else 'of'} {many(runs, 'run')}"
    if new:
        return f"{label}: new, {now}"
    if before is None or after is None:
        return f"{label}: {scores[0]} -> {now}"
    return f"{label}: {scores[0]} -> {now} ({signed(after - before)})"


def _applies(reference: str, checkpoints: Sequence[str], configurations: int, every: int) -> str:
    of = f"checkpoint{'' if len(checkpoints) == 1 else 's'} {_names(checkpoints)}"
    return f"{reference}: {configurations} of {many(every, 'configuration')} ({of})"


def _foreign(runs: int, newest: str, command: str | None) -> str:
    verb = "is" if runs == 1 else "are"
    by = f", by `{command}`" if command else ""
    why = f"it was edited, or another grid has its name; the newest of {minute(newest)} (UTC){by}"
    return f"{many(runs, 'run')} in its store {verb} of cells that this grid does not have: {why}"


def _undecided(check: str, against: str, why: str, number: int, every: int) -> str:
    which = f"{check} against {against}" if against else check
    return f"{which}: {why}{'' if number == every else f' ({number} of {every})'}"


def _both(values: Sequence[Any]) -> str:
    texts = [str(value) for value in values]
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"


def versions_text(environments: Sequence[Mapping[str, Any]], names: Sequence[str] = SUBJECT) -> str:
    """`transformers 5.4.0 -> 5.23.0, torch 2.13.0`: of what differs the first and the last, what is the same once.

    `names` come first; what else differs between the environments stands behind.
    """
    there = dict.fromkeys(name for one in environments for name in one["packages"])
    names = [*(name for name in names if name in there), *(name for name in there if name not in names)]
    texts, sign = [], " -> " if len(environments) == 2 else " to "
    for name in names:
        found = [one["packages"].get(name, "not installed") for one in environments]
        changes = len(set(found)) > 1
        if changes or name in ("transformers", "torch"):
            texts.append((not changes, f"{name} {f'{found[0]}{sign}{found[-1]}' if changes else found[0]}"))
    if texts and all(same for same, _ in texts) and len(environments) > 1:
        texts.append((False, f"environments {sign.join((environments[0]['label'], environments[-1]['label']))}"))
    return ", ".join(text for _, text in sorted(texts, key=lambda each: each[0]))


def _done(
    environments: Sequence[Mapping[str, Any]], models: Sequence[str], runs: int, steps: Sequence[int],
    precisions: Sequence[str], ranks: Sequence[int], dropout: Sequence[bool], seeds: Sequence[int],
) -> str:  # fmt: skip
    number = " to ".join(map(str, steps)) + f" step{'' if list(steps) == [1] else 's'}"
    noise = {(False,): "without dropout", (True,): "with dropout", (False, True): "with and without dropout"}
    parts = [number] if steps else []
    parts += [_both(precisions)] if precisions else []
    parts += [f"{_both(ranks)} rank{'' if list(ranks) == [1] else 's'}"] if ranks else []
    parts += [noise[tuple(dropout)]] if dropout else []
    parts += [f"seed{'' if len(seeds) == 1 else 's'} {_both(seeds)}"] if seeds else []
    what = f"{many(runs, 'short run')} of {_both(models)}" if models else many(runs, "short run")
    return SEPARATOR.join(filter(None, [versions_text(environments), f"{what}: {', '.join(parts)}" if parts else what]))


def _counted(number: int, harm: str, word: str) -> list[str]:
    if not number:
        return []
    that = "changes training" if number == 1 else "change training"
    ends = f"that {that}" if harm == "training" else "in the log only"
    return [f"{number} {word} problem{'' if number == 1 else 's'} {ends}"]


def _found(exit_code: int, training: int, log: int, waived: int, checks: int, failed: int) -> str:
    if not training + log + waived:
        return f"{OUTCOMES[exit_code]}: no problem in {many(checks, 'check')}"
    parts = [f"{training} change{'s' if training == 1 else ''} training"] if training else []
    parts += [f"{log} the log only"] if log else []
    parts += [f"{waived} waived"] if waived else []
    causes = many(training + log + waived, "cause")
    return f"{OUTCOMES[exit_code]}: {causes} in {failed} of {many(checks, 'check')}: {', '.join(parts)}"


def new_text(exit_code: int, new_training: int, new_log: int) -> str:
    """`FAIL: 1 new problem that changes training`: what several environments come to."""
    new = [*_counted(new_training, "training", "new"), *_counted(new_log, "log", "new")]
    return f"{OUTCOMES[exit_code]}: {', '.join(new) or 'no new problem'}"


def _between(
    exit_code: int, new_training: int, new_log: int, waived: int, repaired: int, both: int, open: int,
    last: Sequence[str], passed: int,
) -> str:  # fmt: skip
    parts = [new_text(exit_code, new_training, new_log)]
    parts += [f"{waived} new and waived"] if waived else []
    parts += [f"{repaired} repaired"] if repaired else []
    parts += [f"{both} in both {' and '.join(last)}"] if both else []
    parts += [f"{open} not judged in both"] if open else []
    return f"{', '.join(parts)}; {many(passed, 'check')} pass{'es' if passed == 1 else ''} in both"


def _night(cells: int, timings: int, verify: bool, known: int, seconds: float) -> str:
    parts = [many(cells, "scored cell")] if cells else []
    parts += [many(timings, "timing")] if timings else []
    parts += ["verify"] if verify else []
    every = "they" if known == cells + timings else f"{known} of them"
    took = f"; {every} took {duration(seconds)} when they last ran, one after the other" if known else ""
    return f"a whole night: {', '.join(parts)}{took}"


def _nothing(metrics: Sequence[str], compared: bool = False) -> str:
    if compared:
        return (
            f"{' and '.join(metrics)}: the comparisons inform and gate nothing, which will do for a report; check will "
            'end with 5, unless one says what it expects, [quality] references = "none", or results are accepted'
        )
    return (
        f"{' and '.join(metrics)}: compared with nothing: check will end with 5, unless [quality] references = "
        '"none", or results are accepted'
    )


HEAD: Final[Mapping[str, str | Callable[..., str]]] = {
    "collapsed.seeds": _collapsed,
    "collapses.warn": lambda own, pooled: (
        f"collapses that chance alone seldom makes: p {chance(own)} here, {chance(pooled)} over all configurations"
    ),
    "device.health": lambda seed, findings: f"seed {seed} ran on a device that is not well: {'; '.join(findings)}",
    "judged.nothing": (
        "nothing was judged: the scores were compared with nothing, for there is no reference, accepted file or twin "
        'that fits (who means to gate on less says so: [quality] references = "none")'
    ),
    "judged.informed": (
        "nothing was judged: the comparisons inform, and none that could be judged says what it expects "
        '(expect = "better", "not worse" or "equivalent" makes one a check)'
    ),
    "run.under_way": lambda since, cells, planned: (
        f"running{f' since {minute(since)} (UTC)' if since else ''}: {cells} of {many(planned, 'cell')} so far"
    ),
    "part": _part,
    "part.seeds": "no verdict over chosen seeds: who chooses them chooses the verdict",
    "whose.chosen": "runs of the environment that was asked for: {choice}",
    "subject.foreign": "trained by foreign code ({kind} {name}), not by a recipe of the harness",
    "whose.unknown": "which environment was meant is not recorded: the newest counts",
    "whose.elsewhere": "measured on another machine, {machine}: its packages were not compared with those here",
    "whose.changed": _changed,
    "whose.material": "environment {environment}: {problem}",
    "repeated": _repeated,
    "accepted.file": _accepted,
    "accept.seeds": "not all of its seeds are chosen: who chooses them chooses what is expected",
    "accept.unreadable": "{error}",
    "accept.left_out": lambda label, reasons, since: (
        f"left out: {label}: {'; '.join(reasons)}"
        + (f"; what was accepted {minute(since)} (UTC) stays" if since else "; never accepted")
    ),
    "accept.changed": _acceptance,
    "accept.no_spread": lambda label, runs: (
        f"{label}: all {runs} seeds score alike: where nothing spreads no test can tell, and what is not equal is "
        "INCONCLUSIVE; more validation examples, or longer training, tell more"
    ),
    "accept.other": lambda label, changes: f"{label} now asks for something else: {_names(changes)}",
    "accept.gone": "dropped: {label}: the grid has it no more",
    "require.unmet": lambda problems: "; ".join(problems),
    "measurement.old": lambda began, oldest, runs: (
        f"measured {minute(began)}, too old: older than {minute(oldest)} (UTC); {many(runs, 'run')}"
    ),
    "foreseen.applies": _applies,
    "foreseen.night": _night,
    "foreseen.hub": lambda names: f"not checked, needs the hub: {_names(names)}",
    "foreseen.missing": "not here: {problem}",
    "foreseen.no_package": "not here: {problem}",
    "foreseen.no_interpreter": lambda environments: (
        f"not here: no interpreter of {_names([*environments])}: {next(iter(environments.values()))}"
    ),
    "foreseen.nothing": _nothing,
    "foreseen.other_accepted": (
        "{path} accepts nothing that this grid asks for now: what was accepted is missing, and check will end with 4; "
        "put back what was edited, or accept the new results"
    ),
    "todo.never": "not measured yet",
    "todo.environment": "measured in another environment, not yet in {label} as it is now",
    "todo.ended": "the last run was {status}",
    "todo.fresh": "--fresh measures anew",
    "todo.old": "what there is is older than --max-age",
    "todo.unreadable": "its record cannot be read",
    "todo.content": "measured of another checkpoint or other data",
    "todo.edited": lambda changes, runs: f"{'; '.join(changes)} (of the old one {many(runs, 'run')} kept)",
    "foreseen.unseen": "what no night could decide is not looked for in a grid of this size: `harness validate {grid}`",
    "store.foreign": _foreign,
    "foreseen.not_accepted": "the accepted file cannot be read: check will end with 2: {error}",
    "verify.done": _done,
    "verify.found": _found,
    "verify.between": _between,
    "foreseen.undecided": _undecided,  # why: a fact
    "foreseen.few": lambda seeds, needed: f"{many(seeds, 'seed')}, {needed} needed: can only be INCONCLUSIVE",
    "foreseen.narrow": "not even equal scores lie within the margin of {margin:g} points for sure: can never PASS",
    "foreseen.recipe": lambda differs: f"recipes differ ({in_all(differs, 3, '; ')}): can only be INCONCLUSIVE",
    "foreseen.processes": (
        "[throughput] processes = {processes}: {needed} quiet ones are needed: speed side by side can only be "
        "INCONCLUSIVE"
    ),
}
