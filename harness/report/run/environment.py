"""Facts about the runs, out of one full record for each configuration: environments, checkpoints, data."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, Final

from harness.checks.verify.data import KNOWN, copy_of
from harness.protocol import SUBJECT
from harness.record.attempts import Entry
from harness.record.model import Record
from harness.record.parts.data import Data, Split
from harness.record.parts.observed import Observed
from harness.report.format.labels import listed, plain
from harness.report.run.model import CheckpointFacts, Environment
from harness.task import Task

FIRST: Final = (*SUBJECT, "tokenizers", "numpy")
"""Packages shown first; the rest only in the JSON."""


def environments(
    entries: Collection[Entry], records: Iterable[Record], names: Mapping[str, str]
) -> tuple[Environment, ...]:
    """One for each environment id among `entries`, in order of first use; `names` are what rows call them."""
    spans: dict[str, list[Any]] = {}
    for entry in entries:
        span = spans.setdefault(entry.environment_id, [0, entry.started, entry.started])
        span[0] += 1
        span[1], span[2] = min(span[1], entry.started), max(span[2], entry.started)
    observed: dict[str, tuple[Observed, Record]] = {}
    for record in records:
        if record.observed is not None:
            observed.setdefault(record.environment_id, (record.observed, record))
    ordered = sorted(spans, key=lambda key: (spans[key][1], key))
    return tuple(
        Environment(
            environment_id=key,
            name=names.get(key, f"environment {key[:8]}"),
            runs=spans[key][0],
            first=spans[key][1],
            last=spans[key][2],
            facts=_facts(*observed[key]) if key in observed else (),
            packages=_packages(observed[key][0].packages) if key in observed else (),
        )
        for key in ordered
    )


def checkpoints(records: Iterable[Record]) -> tuple[CheckpointFacts, ...]:
    """Each checkpoint as it was loaded, once."""
    found: dict[tuple[str, str | None, str], CheckpointFacts] = {}
    for record in records:
        asked = record.asked.checkpoint
        weights = record.observed.weights if record.observed else None
        facts = CheckpointFacts(
            name=asked.name,
            source=asked.source,
            revision=(weights.revision if weights else None) or asked.revision,
            config=asked.config,
            parameters=weights.parameters if weights else None,
            sha256=weights.checkpoint_sha256 if weights else None,
            newly_initialised=tuple(weights.newly_initialised or ()) if weights else (),
        )
        key = (facts.name, facts.sha256, plain([facts.source, facts.revision, dict(facts.config)]))
        found.setdefault(key, facts)
    return tuple(found[key] for key in sorted(found, key=lambda key: (key[0], key[1] or "", key[2])))


def data(records: Iterable[Record]) -> tuple[tuple[str, str], ...]:
    """The data sets as loaded, one line for each different one: (source, sizes and hash)."""
    found: dict[tuple[str, str], None] = {}
    for record in records:
        used = record.observed.data if record.observed else None
        if used is None:
            continue
        sizes = "; ".join(
            f"{name} {split.examples:,} {_kinds(record.task, split)}, sha256 {split.sha256[:12]}"
            for name, split in (("train", used.train), ("validation", used.validation))
        )
        if "logits" in record.series:
            sizes += f"; predicted logits ({', '.join(map(str, record.series['logits']))})"
        found[(_data_name(used), sizes)] = None
    return tuple(sorted(found))


def _kinds(task: Task, split: Split) -> str:
    """`pairs, 279 positive`; of other tasks `examples, 30, 31, 39 a class`."""
    pairs = "pairs" if len(task.texts) == 2 else "examples"
    if split.positives is not None:
        return f"{pairs}, {split.positives:,} positive"
    return pairs if split.labels is None else f"{pairs}, {', '.join(f'{n:,}' for n in split.labels[:12])} a class"


def _data_name(used: Data) -> str:
    """A hub's name with its commit, a local copy of a hub's task, or the source as the grid names it."""
    if used.revision:
        return f"{used.source} @ {used.revision}"
    task = copy_of(used) or used.source
    return f"a local copy of {task.replace('/', ' ').upper()}" if task.startswith("glue/") else used.source


def task_name(task: str, records: Iterable[Record]) -> str:
    """The grid's task, but for a folder with a known task's very examples: that task, and no path."""
    held = {copy_of(record.observed.data) for record in records if record.observed and record.observed.data}
    return task if task in KNOWN or len(held) != 1 else held.pop() or task


def scored_table(records: Iterable[Record]) -> str | None:
    """The validation file of a table of one's own; None where the task is none, or several are."""
    files = {(record.asked.task_table or {}).get("validation") for record in records}
    found = files.pop() if len(files) == 1 else None
    return found if isinstance(found, str) else None


def _facts(observed: Observed, record: Record) -> tuple[tuple[str, str], ...]:
    machine = _flat(observed.machine, "")
    source = record.provenance
    git = source.git_sha[:12] + (" with local changes" if source.git_dirty else "") if source.git_sha else ""
    code = observed.subject
    version = "" if code is None else f"{code.package} {code.version}" if code.package else (code.sha256 or "")[:12]
    rest = [
        *([("foreign training code", f"{code.kind} {code.name} ({version or 'no file'})")] if code else []),
        ("python", observed.python),
        ("threads a rank", str(observed.threads)),
        ("host", observed.host),
        *((f"determinism: {name}", value) for name, value in _flat(observed.determinism, "")),
        ("harness", source.harness),
        *([("the grid's repository", git)] if git else []),
    ]
    return (*machine, *rest)


def _flat(value: Mapping[str, Any], prefix: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    for name, item in value.items():
        if isinstance(item, Mapping):
            pairs += _flat(item, f"{prefix}{name}.")
        elif isinstance(item, list | tuple):
            if item:
                pairs.append((prefix + name, listed([plain(one) for one in item], 8)))
        elif item is not None and item != "":
            pairs.append((prefix + name, plain(item)))
    return pairs


def _packages(packages: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    first = [name for name in FIRST if name in packages]
    return tuple((name, packages[name]) for name in [*first, *sorted(packages.keys() - set(first))])
