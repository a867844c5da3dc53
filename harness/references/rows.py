"""What is printed of the registry, as text: rows for a list, the fields of one reference, the audit of all."""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from harness.references.audit import Verdict, audit, comparable
from harness.references.contradictions import contradictions
from harness.references.model import SCORES, Metric, Published, Reference
from harness.references.registry import Registry, registry


@dataclass(frozen=True)
class ListRow:
    """One reference in a list; `comparable` is empty where it may be compared with, else why not.

    `n` is the number of runs behind it, None where several are not counted; `year` is empty where it is not known.
    """

    id: str
    kind: str
    checkpoint: str
    split: str
    statistic: str
    accuracy: str
    f1: str
    precision: str
    source: str
    comparable: str
    n: int | None
    year: str


@dataclass(frozen=True)
class AuditRow:
    """The audit line of one reference; `comparable` as in a list."""

    id: str
    published: str
    split: str
    verdict: Verdict
    text: str
    comparable: str


def list_rows(references: Iterable[Reference] | None = None) -> list[ListRow]:
    """Return a row for each reference, those of the package's registry by default."""
    return [
        ListRow(
            id=reference.id,
            kind=reference.kind,
            checkpoint=reference.checkpoint,
            split=reference.split,
            statistic=_statistic(reference),
            accuracy=_metric(reference, "accuracy"),
            f1=_metric(reference, "f1"),
            precision=(reference.precision or "") + ("" if reference.precision_stated else " (not stated)"),
            source=reference.source,
            comparable=comparable(reference) or "",
            n=reference.n,
            year=(reference.date or "")[:4],
        )
        for reference in (registry().references if references is None else references)
    ]


def audit_registry(known: Registry | None = None) -> list[AuditRow]:
    """Return the audit line of every reference of a registry, the package's by default."""
    rows = []
    for reference in (known or registry()).references:
        found = audit(reference)
        rows.append(
            AuditRow(
                id=reference.id,
                published=_scores(reference),
                split=reference.split,
                verdict=found.verdict,
                text=found.text,
                comparable=comparable(reference) or "",
            )
        )
    return rows


def details(reference: Reference, known: Registry | None = None) -> list[tuple[str, str]]:
    """Return all that is known of a reference as (field, text), in reading order; unknown fields are left out."""
    source = known or registry()
    found = audit(reference)
    fields: list[tuple[str, str]] = [
        ("id", reference.id),
        ("kind", reference.kind),
        ("task", reference.task),
        ("checkpoint", reference.checkpoint),
        ("printed as", reference.printed_checkpoint or ""),
        ("split", reference.split),
        ("statistic", _statistic(reference)),
    ]
    fields += [(name, _value(published)) for name, published in reference.metrics.items()]
    fields += [(run.id, _scores(run)) for run in reference.runs]
    sample = source.sample_with(reference)
    samples = [source.sample_of(reference, name) for name in SCORES]
    spread = next((each for each in samples if each is not None), None)
    fields += [
        ("recipe", _table(reference.recipe)),
        ("beside the recipe", _table(reference.setup)),
        ("selection", reference.selection or ""),
        ("seed", "" if reference.seed is None else str(reference.seed)),
        ("precision", (reference.precision or "") + ("" if reference.precision_stated else " (not stated)")),
        ("devices", "" if reference.devices is None else str(reference.devices)),
        ("hardware", reference.hardware or ""),
        ("versions", _table(reference.versions)),
        ("source", reference.source),
        ("date", reference.date or ""),
        ("notes", reference.notes or ""),
        ("a run of", sample.id if sample is not None else ""),
        ("sample of its recipe", spread.id if spread is not None else ""),
        ("best of the runs of", reference.of or ""),
        ("audit", f"{found.verdict}: {found.text}"),
        ("not to be compared", comparable(reference) or ""),
    ]
    fields += [
        ("contradiction", each.text) for each in contradictions(source) if reference.id in (each.first, each.second)
    ]
    return [(name, text) for name, text in fields if text]


def _statistic(reference: Reference) -> str:
    if reference.statistic == "single":
        return "single"
    return f"{reference.statistic} of {reference.n if reference.n is not None else 'several'}"


def _metric(reference: Reference, name: Metric) -> str:
    published = reference.metrics.get(name)
    if published is None:
        return ""
    if published.values is None:
        return _value(published)
    values = published.values
    spread = f"{statistics.fmean(values):.4f} ± {statistics.stdev(values):.4f}"
    return f"{spread} ({min(values):.4f} to {max(values):.4f})"


def _scores(reference: Reference) -> str:
    return ", ".join(f"{name} {_metric(reference, name)}" for name in SCORES if name in reference.metrics)


def _value(published: Published) -> str:
    """Return the digits of the registry: nothing is rounded here."""
    text = ", ".join(_digits(value, published) for value in published.every)
    text += f" ± {_digits(published.sd, published)}" if published.sd is not None else ""
    return f"{text} (derived)" if published.derived else text


def _digits(value: float, published: Published) -> str:
    printed = repr(value)
    padded = f"{value:.{published.decimals}f}" if published.decimals is not None else printed
    # Trailing zeros that were printed; digits beyond the decimals that count are kept.
    return padded if len(padded) >= len(printed) else printed


def _table(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {text if isinstance(text, str) else json.dumps(text)}" for name, text in values.items())
