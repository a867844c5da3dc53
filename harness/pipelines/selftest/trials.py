"""Trials: each fault planted in a copy and judged by the code of the command that must find it."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from harness.checks.verdict import Side, Verdict, exit_code
from harness.checks.verify.diff.paired import judge, pairs, summary
from harness.errors import HarnessError, RequirementError
from harness.execution.session import Session
from harness.fact import Fact
from harness.pipelines.check import Judging, check_grid
from harness.pipelines.find import runs_of
from harness.pipelines.judged import judged
from harness.pipelines.selftest.faults import RUN_FAULTS, STORE_FAULTS, Command, RunFault
from harness.pipelines.selftest.ground import SIDES, Ground, make_ground
from harness.pipelines.selftest.replay import replayed
from harness.pipelines.verdicts.past import places
from harness.pipelines.verify import STORE_PREFIX
from harness.record.store import Store
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import Head
from harness.stats.decision import Decision

TITLE: Final = "harness selftest"


@dataclass(frozen=True)
class Told:
    """What a command came to on a copy: its exit code, the items that it calls wrong, the fact that it leads with."""

    code: int
    items: frozenset[str]
    said: Fact


def selftest(folder: Path, run: Callable[[Session], None], command: str, replay: bool = False) -> Section:
    """Run the ground in a folder, then every trial on copies of it; each is a verdict: PASS found (or left in peace).

    With `replay` releases whose defects are known too.

    Raises
    ------
    HarnessError
        Where the ground's own runs do not end well.
    """
    began = time.monotonic()
    ground = make_ground(folder, run)
    verdicts = [*trials(ground), *(replayed(folder / "replay", run) if replay else ())]
    found = judged(ground.grid, ground.store(SIDES[1])).results
    measured = [one for one in verdicts if one.outcome != "SKIP"]
    clean = [one for one in measured if one.reason.values["clean"]]
    planted = [one for one in measured if not one.reason.values["clean"]]
    fact = Fact.of(
        "selftest.done",
        planted=len(planted),
        found=sum(one.outcome == "PASS" for one in planted),
        clean=len(clean),
        alarms=sum(one.outcome != "PASS" for one in clean),
        unmeasured=len(verdicts) - len(measured),
        seconds=time.monotonic() - began,
    )
    where = tuple(places(found, found.configurations))
    head = Head("selftest", TITLE, command, facts=(fact,), where=where)
    return Section(head, verdicts, code=exit_code(verdicts))


def trials(ground: Ground) -> Iterator[Verdict]:
    """The verdict of each trial, what is no fault first."""
    yield _verdict("same", "diff", (0,), _diffed(ground, ground))
    yield _verdict("same", "verify", (0,), _verified(ground))
    for one in STORE_FAULTS:
        copy = ground.copy(one.name)
        one.plant(copy)
        yield _verdict(one.name, "check", one.codes or (0,), _checked(copy))
        if one.name == "slower":
            yield _verdict(one.name, "diff", (0,), _diffed(ground, copy))
    for fault in RUN_FAULTS:
        copy = ground.copy(fault.name)
        fault.plant(copy.store(SIDES[1]), copy.entries(SIDES[1])[0])
        _plant_twin(copy, fault)
        for command in fault.by:
            told = _diffed(ground, copy) if command == "diff" else _verified(copy)
            yield _verdict(fault.name, command, (1,), told, fault.names)


def _plant_twin(copy: Ground, fault: RunFault) -> None:
    """Spoil the repetition that `verify` holds against the first run."""
    store = Store(copy.folder / SIDES[1], STORE_PREFIX + copy.grid.name)
    for entry in store.entries():
        if store.record(entry).asked.repeat > 1:
            fault.plant(store, entry)


def _verdict(name: str, command: Command, codes: Sequence[int], told: Told, names: Collection[str] = ()) -> Verdict:
    """Whether a command ended as it must, and called the fault by one of its names."""
    right = told.code in codes and (not names or not told.items.isdisjoint(names))
    reason = Fact.of(
        "selftest.trial",
        fault=Fact.of("selftest.fault", name=name),
        command=command,
        clean=codes == (0,),
        ended=told.code,
        due=list(codes),
        named=sorted(told.items & set(names)),
        names=list(names),
        said=told.said,
    )
    return Verdict("selftest", "PASS" if right else "FAIL", Side(name), reason, item=command)


def _checked(ground: Ground) -> Told:
    def told() -> tuple[int, Sequence[Verdict], Fact | None]:
        found = check_grid(ground.grid, ground.store(SIDES[1]), Judging(accepted=ground.accepted))
        nothing = next((note for note in found.notes if note.code == "judged.nothing"), None)
        return found.exit_code, found.verdicts, nothing

    return _told(told, ground)


def _diffed(a: Ground, b: Ground) -> Told:
    def told() -> tuple[int, Sequence[Verdict], Fact | None]:
        first, second = runs_of(a.store(SIDES[0])), runs_of(b.store(SIDES[1]))
        verdicts = [judge(pair) for pair in pairs(first, second, frozenset())]
        return exit_code(verdicts), verdicts, summary(verdicts)

    return _told(told, b)


def _verified(ground: Ground) -> Told:
    def told() -> tuple[int, Sequence[Verdict], Fact | None]:
        verdicts = ground.verified(_must_not_run).verdicts
        # What two runs come to says more than what one of them does.
        return (
            exit_code(verdicts),
            sorted(verdicts, key=lambda one: (one.outcome != "FAIL", one.check != "reproducibility")),
            None,
        )

    return _told(told, ground)


def _must_not_run(session: Session) -> None:
    raise RequirementError(f"{session.store.folder}: a run is missing")


def _told(judge: Callable[[], tuple[int, Sequence[Verdict], Fact | None]], at: Ground) -> Told:
    """What a command comes to, without the folder of the copy; the reason of what is red first, else what it says."""
    try:
        code, verdicts, said = judge()
    except HarnessError as error:
        return Told(error.exit_code, frozenset(), _placeless(Fact.of("selftest.stopped", error=str(error)), at))
    red = [one for one in verdicts if one.is_red()]
    items = {finding.item for one in red for finding in one.findings if finding.outcome == "FAIL"}
    if red:
        first = red[0]
        numbers = first.numbers if isinstance(first.numbers, Decision) else None
        said = first.reason
        if numbers is not None:
            said = Fact.of("selftest.scores", item=first.item, difference=numbers.difference, margin=numbers.delta)
    return Told(code, frozenset(items), _placeless(said or Fact.of("selftest.quiet", verdicts=len(verdicts)), at))


def _placeless(value: Any, at: Ground) -> Any:
    """A fact whose texts do not say where the copy lay."""
    if isinstance(value, Fact):
        return replace(value, values={name: _placeless(one, at) for name, one in value.values.items()})
    if isinstance(value, (list, tuple)):
        return tuple(_placeless(one, at) for one in value)
    if isinstance(value, dict):
        return {name: _placeless(one, at) for name, one in value.items()}
    return value.replace(f"{at.folder}/", "") if isinstance(value, str) else value
