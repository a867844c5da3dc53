"""Problems: what failed checks come to, each cause once, which harm it does, and what became of it from A to B.

Of several environments each is held against the one before it in the grid's order: this is the one place.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from harness.checks.verdict import Fact, Finding, Outcome, Verdict, exit_code, worst_first
from harness.checks.verify.series import NAMES
from harness.grid.cell import Cell

Harm = Literal["training", "log"]
"""What is wrong: the training itself, or only what is logged or evaluated of it."""

State = Literal["new", "repaired", "both", "open"]
"""From A to B. `open`: it fails in one of them, and the other was not judged."""

TOLD: Final = frozenset({
    NAMES["loss"], "evaluation loss", "confusion", "accuracy", "f1", "samples", "logits", "predictions", "labels",
    "evaluation repeated", "evaluation order", "evaluation inputs", "selection",
})  # fmt: skip
"""Items that are no part of training: what was logged, and what an evaluation answered."""

DRAWN: Final = frozenset({"random state", "evaluation draws"})
"""Causes by which runs part that train alike but for what they draw."""

STEPS: Final = "optimizer steps"
GRADIENT: Final = NAMES["grad_norm"]
SAME_RATIO: Final = 0.01
"""How far two ratios of one defect may be apart, relative."""

Key = tuple[str, ...]
"""What a failure is found again by in another environment."""


@dataclass(frozen=True)
class Problem:
    """One cause, doing one harm, and what became of it.

    Attributes
    ----------
    state
        None where there is one environment, and nothing to hold it against.
    cause, upstream
        The cause's code (`report.phrases.causes`), and the known issue, OWNER/REPOSITORY#NUMBER.
    check, item
        Where it shows most: the check or kind of pair ("fidelity", "accumulation"), and what of it ("gradient norm").
    subject, cell_ids
        The run or pair in which it does (of a pair the second), and its cells; `fact`, `step` and `ratio` are what was
        found there.
    checks
        How many checks it fails.
    a, b
        The labels of the environments; `ratio_a` is what A has in that check, and B where it is repaired: 1 where it
        passes, None without a number.
    waived
        Whether a waiver covers each of these checks.
    ways
        Of a run by itself how it was run, by the kinds of pairs that are run so.
    """

    state: State | None
    harm: Harm
    cause: str
    upstream: str | None
    check: str
    item: str
    subject: str
    fact: Fact
    step: int | None
    ratio: float | None
    checks: int
    a: str = ""
    b: str = ""
    ratio_a: float | None = None
    cell_ids: tuple[str, ...] = ()
    waived: bool = False
    ways: tuple[str, ...] = ()


@dataclass(frozen=True)
class Standing:
    """The worst that a check comes to in one environment; `harm` and `ratio` of what fails, where it does."""

    outcome: Outcome
    harm: Harm | None = None
    ratio: float | None = None


@dataclass(frozen=True)
class _Failure:
    """One thing that is wrong in one verdict; what is logged of wrong training `follows` from it."""

    key: Key
    verdict: Verdict
    finding: Finding
    harm: Harm
    follows: bool = False

    @property
    def cause(self) -> str:
        return self.finding.upstream or self.finding.cause or self.finding.item

    @property
    def size(self) -> float:
        """How far it is from right; 0 where there is no number."""
        return _size(self.finding.ratio)


class Environments:
    """The verdicts of a checklist, by the environment that their runs were made in, in the grid's order."""

    def __init__(self, cells: Sequence[Cell], verdicts: Sequence[Verdict]) -> None:
        self._cells = {cell.cell_id: cell for cell in cells}
        self.labels = list(dict.fromkeys(cell.environment for cell in cells))
        self._of: dict[str, dict[Key, Verdict]] = {label: {} for label in self.labels}
        for one in verdicts:
            found = [self._cells[name] for name in _cell_ids(one) if name in self._cells]
            if found:
                same = (replace(cell, environment="", axes={}).cell_id for cell in found)
                self._of[found[-1].environment][(one.check, one.item, *same)] = one
        self._failures = {label: _failures(of) for label, of in self._of.items()}

    def problems(self) -> list[Problem]:
        """Every problem, the worst first: of one environment its own, of several what each step changes."""
        if len(self.labels) < 2:
            return [self._told(one) for of in self._failures.values() for one, _ in _problems(of.values())]
        steps = itertools.pairwise(self.labels)
        return [one for a, b in steps for one in self._between(a, b)]

    def passed(self, *labels: str) -> int:
        """How many checks pass in every one of these environments."""
        every = [{key for key, one in self._of[label].items() if one.outcome == "PASS"} for label in labels]
        return len(set.intersection(*every))

    def standing(self, label: str, check: str, item: str) -> Standing | None:
        """What a check comes to in an environment; None where there is none."""
        found = [one for key, one in self._of[label].items() if key[:2] == (check, item)]
        failures = [one for key, one in self._failures[label].items() if key[:2] == (check, item)]
        if failures:
            worst = min(failures, key=lambda one: (one.harm != "training", one.follows, -one.size))
            return Standing("FAIL", worst.harm, worst.finding.ratio)
        return Standing(worst_first(found)[0].outcome) if found else None

    def judged(self) -> dict[int, Verdict]:
        """The failures that are not new and so not red, by the `id` of the verdict that each replaces."""
        if len(self.labels) < 2:
            return {}
        found = {}
        for a, b in zip([None, *self.labels], self.labels, strict=False):
            red = {
                id(one.verdict) for one in self._failures[b].values() if a and self._state(one, a) in ("new", "open")
            }
            for one in self._of[b].values():
                if one.outcome == "FAIL" and id(one) not in red:
                    found[id(one)] = replace(one, gates=False)
        return found

    def _state(self, one: _Failure, before: str) -> State:
        """What a failure is to the environment before: `new` too where it has become larger."""
        old = self._failures[before].get(one.key)
        if old is None:
            return "new" if self._was_judged(one, before) else "open"
        grown = None not in (one.finding.ratio, old.finding.ratio) and one.size > old.size + SAME_RATIO
        # Another random stream was all that was wrong before, and now it is not; what was too large is too small.
        more = old.cause in DRAWN and one.cause not in DRAWN
        return "new" if grown or more or is_turned(old.finding.ratio, one.finding.ratio) else "both"

    def _was_judged(self, one: _Failure, label: str) -> bool:
        verdict = self._of[label].get(one.key[:-2])
        return verdict is not None and verdict.outcome in ("PASS", "FAIL")

    def _between(self, a: str, b: str) -> Iterator[Problem]:
        old, new = self._failures[a], self._failures[b]
        states: dict[State, list[_Failure]] = {"new": [], "open": [], "both": [], "repaired": []}
        for key, one in new.items():
            # What was only the log in A stays that, though its training is wrong too in B.
            alone = key in old and not old[key].follows
            states[self._state(one, a)].append(replace(one, follows=one.follows and not alone))
        for key, one in old.items():
            if key not in new:
                states["repaired" if self._was_judged(one, b) else "open"].append(one)
        for state, failures in states.items():
            for each, shown in _problems(failures):
                ratio = self._ratio(shown, b if state == "repaired" else a)
                yield self._told(replace(each, state=state, a=a, b=b, ratio_a=ratio))

    def _told(self, one: Problem) -> Problem:
        """The problem, of a run by itself with how it was run."""
        cell = self._cells.get(one.cell_ids[-1]) if one.check == "fidelity" and one.cell_ids else None
        if cell is None:
            return one
        ways = {
            "accumulation": cell.recipe.get("gradient_accumulation_steps", 1) > 1, "devices": cell.devices > 1,
            "resume": cell.resume_at > 0, "epochs": cell.recipe.get("max_steps") == -1,
        }  # fmt: skip
        return replace(one, ways=tuple(way for way, is_so in ways.items() if is_so))

    def _ratio(self, one: _Failure, label: str) -> float | None:
        """What an environment has where another has this failure."""
        here = self._failures[label].get(one.key)
        if here is not None:
            return here.finding.ratio
        verdict = self._of[label].get(one.key[:-2])
        equal = verdict is not None and _passes(verdict, one.finding.item)
        return 1.0 if equal and one.finding.ratio is not None else None


def environments_code(verdicts: Sequence[Verdict]) -> int:
    """The exit code of several environments: 1 a new problem, 4 a run is missing, 5 nothing judged, 3 INCONCLUSIVE."""
    code = exit_code(verdicts)
    # What failed in both was judged too.
    return 0 if code == 5 and any(one.judged and not one.gates for one in verdicts) else code


def _failures(verdicts: Mapping[Key, Verdict]) -> dict[Key, _Failure]:
    """What is wrong, by the key that it is found again by."""
    failed = [(key, one) for key, one in verdicts.items() if one.outcome == "FAIL"]
    pairs = [each for key, one in failed if one.against is not None for each in _of_pair(key, one)]
    alone = [each for key, one in failed if one.against is None for each in _of_run(key, one, pairs)]
    return {one.key: one for one in (*pairs, *alone)}


def _of_pair(key: Key, verdict: Verdict) -> Iterator[_Failure]:
    """What parted first, in training and in the log; what is logged of other weights is no defect of its own."""
    told, trained = (
        min((one for one in verdict.failures if _is_told(one) is told), key=_step, default=None)
        for told in (True, False)
    )
    if trained is not None:
        yield _Failure((*key, "", "training"), verdict, trained, "training")
    if told is not None and (trained is None or _step(told) <= _step(trained)):
        # It is only the log where the gradient was seen to be right.
        seen = trained is not None or told.item != NAMES["loss"] or _passes(verdict, GRADIENT)
        harm: Harm = "log" if seen else "training"
        follows = trained is not None and _step(trained) == _step(told)
        if trained is not None and follows and told.upstream is None:
            told = replace(told, cause=trained.cause or trained.item, upstream=trained.upstream)
        yield _Failure((*key, "", harm), verdict, told, harm, follows)


def _of_run(key: Key, verdict: Verdict, pairs: Sequence[_Failure]) -> Iterator[_Failure]:
    """Every item that is wrong in a run by itself; whether a wrong log is only that is seen in pairs alone."""
    for finding in verdict.failures:
        harm: Harm = "log" if _is_told(finding) else "training"
        if finding.item != NAMES["loss"]:
            yield _Failure((*key, finding.item, harm), verdict, finding, harm)
            continue
        alike = [one for one in pairs if not one.follows and _same_defect(one, verdict, finding)]
        wrong = next((one for one in alike if one.harm == "training"), None)
        if wrong is not None and finding.upstream is None:
            finding = replace(finding, upstream=wrong.finding.upstream, cause=wrong.finding.cause)
        harm = "log" if alike else "training"
        yield _Failure((*key, finding.item, harm), verdict, finding, harm, wrong is not None)


def _passes(verdict: Verdict, item: str) -> bool:
    return any(one.item == item and one.outcome == "PASS" for one in verdict.findings)


def _same_defect(pair: _Failure, verdict: Verdict, finding: Finding) -> bool:
    """Whether a pair shows as large an effect as a run's log, of the same known issue or of that very run."""
    a, b = pair.finding.ratio, finding.ratio
    near = a is not None and b is not None and abs(a - b) <= SAME_RATIO * abs(b)
    own = set(verdict.subject.cell_ids) <= set(pair.verdict.subject.cell_ids)
    return near and (own or (finding.upstream is not None and pair.finding.upstream == finding.upstream))


def _is_told(finding: Finding) -> bool:
    return finding.item in TOLD or finding.item.startswith("scores.")


def _step(finding: Finding) -> float:
    """When a finding begins; how many steps a run is to have is settled before its first."""
    return -1 if finding.item == STEPS else math.inf if finding.step is None else finding.step


def _problems(failures: Iterable[_Failure]) -> list[tuple[Problem, _Failure]]:
    """Failures of one cause and harm as one, with the clearest: what changes training first, then what fails most."""
    groups: dict[tuple[str, Harm], list[_Failure]] = {}
    for one in sorted(failures, key=lambda one: one.follows):
        # What follows counts with the training that it is the log of, where that is a problem here.
        follows = one.follows and (one.cause, "training") in groups
        groups.setdefault((one.cause, "training" if follows else one.harm), []).append(one)
    found = []
    for (cause, harm), group in groups.items():
        shown, verdicts = _clearest(group), {id(one.verdict): one.verdict for one in group}
        finding, verdict = shown.finding, shown.verdict
        waived = all(one.waived for one in verdicts.values())
        problem = Problem(
            None, harm, cause, finding.upstream, verdict.item or verdict.check, finding.item, verdict.subject.name,
            finding.fact, finding.step, finding.ratio, len(verdicts), cell_ids=_cell_ids(verdict), waived=waived,
        )  # fmt: skip
        found.append((problem, shown))
    found.sort(key=lambda each: (each[0].harm != "training", each[0].waived, -each[0].checks))
    return found


def _clearest(failures: Iterable[_Failure]) -> _Failure:
    """What nothing explains before what follows, pairs before single runs, the largest ratio, the earliest step."""
    key = lambda one: (one.follows, one.verdict.against is None, -one.size, _step(one.finding))  # noqa: E731 - used once
    return min(failures, key=key)


def is_turned(old: float | None, new: float | None) -> bool:
    """Whether what was too large is too small now, or the other way round."""
    if not old or not new or old < 0 or new < 0:
        return False
    return math.log(old) * math.log(new) < 0 and min(_size(old), _size(new)) > SAME_RATIO


def _size(ratio: float | None) -> float:
    return abs(math.log(abs(ratio))) if ratio and math.isfinite(ratio) else 0.0


def _cell_ids(verdict: Verdict) -> tuple[str, ...]:
    """Of the first of the pair, then of the second."""
    return (*(verdict.against.cell_ids if verdict.against else ()), *verdict.subject.cell_ids)
