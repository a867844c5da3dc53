"""From results to the accepted file's form: one place a configuration, the run that counts of each seed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

from harness.checks.scores.baseline.file import (
    DIGITS,
    MISSING,
    Baseline,
    Configuration,
    EnvironmentFacts,
    GridName,
    LeftOut,
    SeedRun,
)
from harness.grid.cell import LATER, configuration_label
from harness.grid.labels import Namer
from harness.record.attempts import LOST, SCORED, Entry, newest, places
from harness.record.configuration import GOOD
from harness.record.configuration import Configuration as Measured
from harness.record.model import Asked, Provenance, Record
from harness.record.parts.observed import Observed
from harness.record.results import Results, SeedScore

LONGEST: Final = 300
"""Characters of an error text that is kept."""

Absent = tuple[int | None, str, str]
"""(seed, status, why) of a run that is left out."""


def build_baseline(
    grid: GridName,
    results: Results,
    *,
    date: str,
    provenance: Provenance,
    note: str = "",
    chosen: Collection[str] | None = None,
) -> Baseline:
    """Gather the results of a plan, all or of the configurations chosen by id; the records of their runs are read.

    Where a configuration has runs in several environments, or on several contents, those of the newest are taken.
    With planned looks, seeds beyond the last look that has ended are not missing.
    """
    found = [
        one for one in results.configurations if one.current and (chosen is None or one.configuration_id in chosen)
    ]
    return _built(found, results.record, grid=grid, date=date, provenance=provenance, note=note)


def build_of_runs(grid: GridName, records: Sequence[Record], provenance: Provenance, namer: Namer) -> Baseline:
    """The same of runs whose plan is not known, one a cell: what was measured of each configuration is all of it.

    `namer` has the words of their grid. The date is the start of the newest run.
    """
    kinds: dict[str, list[Entry]] = {}
    for number, record in enumerate(records):  # each of them counts, whatever measurement it was of
        kinds.setdefault(record.configuration_id, []).append(replace(record.entry(str(number)), measurement=1))
    found = []
    for configuration_id, entries in kinds.items():
        place = newest(places(entries))
        assert place is not None
        mine = [entry for entry in entries if entry.cell_id in place.tries]
        first = records[int(mine[0].path)]
        found.append(
            Measured(
                label=configuration_label(first.asked),
                configuration_id=configuration_id,
                environment_id=place.environment_id,
                content_id=place.content_id,
                asked=first.asked,
                axes=first.asked.axes,
                planned=tuple(entry.seed for entry in mine),
                histories={entry.seed: place.cell(entry.cell_id) for entry in mine},
                data=first.observed.data if first.observed else None,
                namer=namer,
            )
        )
    date = max(record.started for record in records)
    return _built(found, lambda entry: records[int(entry.path)], grid=grid, date=date, provenance=provenance)


def _built(
    found: Sequence[Measured],
    record: Callable[[Entry], Record],
    *,
    grid: GridName,
    date: str,
    provenance: Provenance,
    note: str = "",
) -> Baseline:
    configurations: list[Configuration] = []
    environments: dict[str, EnvironmentFacts] = {}
    left_out: list[LeftOut] = []
    for one in found:
        problems = [*_problems(one)]
        whose = {"configuration": one.plain_label, "configuration_id": one.configuration_id}
        left_out += [LeftOut(**whose, seed=seed, status=status, why=why) for seed, status, why in problems]
        kept = sorted((score for score in one.scores if is_kept(score)), key=lambda score: score.seed)
        if kept:
            records = [record(one.entry_of[score.seed]) for score in kept]
            environments.setdefault(one.environment_id, _facts(records[0].observed))
            configurations.append(_configuration(one, kept, records))
    return Baseline(
        harness=provenance.harness,
        date=date,
        command=provenance.command or "",
        git_sha=provenance.git_sha,
        git_dirty=provenance.git_dirty,
        note=note,
        grid=grid,
        environments=environments,
        configurations=configurations,
        left_out=left_out,
    )


def renewed(old: Baseline, new: Baseline, planned: Sequence[str], whole: bool) -> Baseline:
    """The accepted file after another acceptance: what is not accepted anew stays as it was.

    `planned` are the ids of the grid's configurations, in its order. What the grid has no more goes where the whole of
    it was accepted.
    """
    before, after = ({one.configuration_id: one for one in side.configurations} for side in (old, new))
    kept = {
        key: one.model_copy(update={"accepted": one.accepted or old.date})
        for key, one in before.items()
        if key not in after and (key in planned or not whole)
    }
    order = {key: number for number, key in enumerate(planned)}
    configurations = sorted(
        [*after.values(), *kept.values()], key=lambda one: order.get(one.configuration_id, len(order))
    )
    used = {one.environment_id for one in configurations}
    environments = {key: facts for key, facts in {**old.environments, **new.environments}.items() if key in used}
    left_out = [one for one in old.left_out if one.configuration_id in kept]
    changes = {"environments": environments, "configurations": configurations, "left_out": [*new.left_out, *left_out]}
    return new.model_copy(update=changes)


def _configuration(one: Measured, kept: Sequence[SeedScore], records: Sequence[Record]) -> Configuration:
    runs = {str(score.seed): seed_run(record, score) for score, record in zip(kept, records, strict=True)}
    lost = {str(score.seed): score.status for score in one.every[len(one.scores) :]}
    return Configuration.model_validate(
        {
            "label": one.plain_label,
            "shown": None if one.whole_label == one.plain_label else one.whole_label,
            "configuration_id": one.configuration_id,
            "environment_id": one.environment_id,
            "content_id": one.content_id,
            "content": content_of(records[0]),
            "asked": asked_briefly(records[0].asked),
            "collapsed": sum(run.status in LOST for run in runs.values()) + len(lost),
            "seeds": runs,
            "lost": lost,
        }
    )


def content_of(record: Record) -> dict[str, str]:
    """A hash of each part of a run's content, by what `diff` calls it, as far as the run has recorded them."""
    observed = record.observed
    if observed is None:
        return {}
    data, weights, code = observed.data, observed.weights, observed.subject
    parts = {
        "training data": data and data.train.sha256,
        "validation data": data and data.validation.sha256,
        "checkpoint weights": weights and weights.weights_sha256,
        "model configuration": weights and weights.config_sha256,
        "tokenizer": weights and weights.tokenizer_sha256,
        "training code": code and code.sha256,
        **{f"{name} data": split.sha256 for name, split in (data.more if data is not None else {}).items()},
        **{f"metric {one.name}": one.sha256 for one in observed.metrics or ()},
    }
    return {name: digest[:DIGITS] for name, digest in parts.items() if digest and _DIGEST.fullmatch(digest)}


def asked_briefly(asked: Asked) -> dict[str, Any]:
    """What a configuration's runs were asked for, without seed, places in the matrix, and options left alone."""
    plain = asked.model_dump(mode="json", exclude={"seed", "axes", "repeat"} if asked.repeat == 1 else {"seed", "axes"})
    plain["checkpoint"] = {name: value for name, value in plain["checkpoint"].items() if value not in (None, {})}
    return {name: value for name, value in plain.items() if value is not None and LATER.get(name, _NEVER) != value}


_NEVER: Final = object()
_DIGEST: Final = re.compile(r"[0-9a-f]{16,64}")


def is_kept(score: SeedScore) -> bool:
    """Whether a run has what a baseline compares: a score, or the fact that it lost its loss."""
    scored = any(value is not None for value in score.scores.values())
    return score.status == "nonfinite" or score.status == "collapsed" or (score.status in GOOD and scored)


def _problems(one: Measured) -> Iterator[Absent]:
    """The seeds that are due, or ended, and have no run to keep; and why."""
    kept = {score.seed for score in one.scores if is_kept(score)}
    for seed in one.planned:
        if seed in kept or not (seed in one.due or seed in one.entry_of):
            continue
        entry = one.histories[seed].standing
        if entry is None:
            yield seed, MISSING, "no record"
        else:
            why = entry.error or (f"no {one.task.scored[0]}" if entry.status in SCORED else "no error text")
            yield seed, entry.status, _brief(why)


def seed_run(record: Record, score: SeedScore) -> SeedRun:
    """A run as the accepted file has it; one with a score, or one that lost its loss."""
    observed = record.observed
    prints = observed.fingerprint if observed else None
    weights = observed.weights if observed else None
    scored = score.status != "nonfinite"
    return SeedRun.model_validate(
        {
            "status": score.status if score.status in LOST else "ok",
            "scores": {name: value if scored else None for name, value in score.scores.items()},
            "init_sha256": _cut(prints.init_sha256 if prints else weights.init_sha256 if weights else None),
            "data_order_sha256": _cut(prints.data_order_sha256 if prints else None),
            "loss_sha256": _cut(prints.loss_sha256 if prints else None),
            "trajectory_sha256": _cut(prints.trajectory_sha256 if prints else None),
            "final_sha256": _cut(weights.final_sha256 if weights else None),
            "optimizer": prints.optimizer if prints else None,
            "attention": prints.attention if prints else None,
            "precision": prints.precision.name if prints and prints.precision else None,
            "cell_id": record.cell_id,
            "started": record.started,
        }
    )


def _facts(observed: Observed | None) -> EnvironmentFacts:
    if observed is None:
        return EnvironmentFacts(python="unknown", packages={}, machine={})
    return EnvironmentFacts(
        python=observed.python, packages=dict(observed.packages), machine=dict(_plain(observed.machine))
    )


def _plain(facts: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """JSON has no infinities; a machine's fact that is one says nothing."""
    for name, value in facts.items():
        yield name, None if isinstance(value, float) and not math.isfinite(value) else value


def _cut(digest: str | None) -> str | None:
    return digest[:DIGITS] if digest else None


def _brief(text: str) -> str:
    line = " ".join("".join(char if char.isprintable() else " " for char in text).split())
    return line if len(line) <= LONGEST else line[: LONGEST - 1] + "…"
