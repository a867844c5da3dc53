"""A history of releases as a page: the answer, each change, what each field was over time, each release."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Any, Final

from harness.checks.verdict import Verdict
from harness.fact import Fact
from harness.report.format.escape import clean, fenced, inline
from harness.report.format.table import table
from harness.report.phrases.diff import ratio_text, shown
from harness.report.phrases.probes.bisect import field_text
from harness.report.phrases.recipe import many
from harness.report.phrases.say import say
from harness.report.releases.plot import CAPTION, MOST_FIELDS, fields_of, releases_svg
from harness.report.verdicts.json import verdicts_from_json
from harness.report.verdicts.sections import Section
from harness.report.verdicts.words import LIMIT

HOW: Final = (
    "Each release was probed in an environment of its own, resolved as of a week after its day: `verify`'s quick "
    "checks, and the fields of one fixed short run (fp32, one rank): losses and norms within 1e-5 at the first step, "
    "and no jump by a factor later. The last patch of every minor first, then every release between neighbours that "
    "differ. Between releases that were probed and are equal nobody looked: no change was seen there, which is not "
    "that there was none. What could not be probed is neither equal nor different."
)
STATES: Final = {"told": "probed", "left": "not probed", "error": "could not be probed"}


def releases_markdown(section: Section, stem: str = "") -> dict[str, str]:
    """File name -> text: the page, and its picture where `stem` names the page's file; a blank name for no file."""
    verdicts, head = section.verdicts, section.head
    picture = releases_svg(verdicts) if stem else None
    title, done = clean(say(head.facts[0]), LIMIT), head.facts[0].values
    short = f"{done['package']} {done['since']} to {done['until']}: {many(len(done['changes']), 'change')}"
    parts = [f"# {inline(short)}", inline(title), fenced(head.command, "sh"), HOW]
    parts += ["## What changed", _changes(verdicts)]
    if picture is not None:
        more = len(fields_of(verdicts)) - MOST_FIELDS
        left_out = f" {more} further fields are in the table below." if more > 0 else ""
        parts += [f"![Releases by field]({stem}.svg)", f"{CAPTION}{left_out}"]
    parts += ["## Fields", _fields(verdicts), "## Releases", _releases(verdicts)]
    files = {stem: "\n\n".join(parts) + "\n"}
    if picture is not None:
        files[f"{stem}.svg"] = picture
    return files


def releases_again(text: str, stem: str) -> dict[str, str]:
    """The same files from a bisection's JSON; raises SpecError where it is none."""
    head, verdicts = verdicts_from_json(text)
    return releases_markdown(Section(head, verdicts), stem)


def _changes(verdicts: Sequence[Verdict]) -> str:
    of, rows = {one.subject.label: one for one in verdicts}, []
    for one in verdicts:
        step = f"{one.against.label.rpartition(' ')[2]} -> {one.item}" if one.against else ""
        for at, finding in enumerate(one.findings):
            values = finding.fact.values
            ratio = ratio_text(finding.ratio) if finding.ratio is not None else ""
            rows.append(
                [
                    inline(step) if at == 0 else "",
                    inline(field_text(finding.item)),
                    inline(_value(values["a"])),
                    inline(_value(values["b"])),
                    f"{ratio}{'' if finding.step is None else f', step {finding.step}'}".removeprefix(", "),
                ]
            )
        if one.findings and one.against and (others := with_it(of[one.against.label], one)):
            rows.append(["", "with it", inline("; ".join(others)), "", ""])
    if not rows:
        return "No change seen between probed releases."
    return table(("step", "field", "before", "after", "ratio, first step"), rows, "lllll")


def with_it(before: Verdict, after: Verdict) -> list[str]:
    """Other packages under test that came with a release: whose doing a change is they leave open."""
    a, b = (one.reason.values["packages"] for one in (before, after))
    own = after.subject.label.partition(" ")[0]
    return [f"{name} {a[name]} -> {b[name]}" for name in b if name != own and name in a and a[name] != b[name]]


def _fields(verdicts: Sequence[Verdict]) -> str:
    """A row a field: its values, and in which releases it had each."""
    told = [one for one in verdicts if one.reason.values["state"] == "told"]
    rows = []
    for name in fields_of(verdicts):
        known = [one for one in told if name in one.reason.values["fields"]]
        for at, span in enumerate(_spans(known, name)):
            called = inline(field_text(name)) if at == 0 else ""
            rows.append([called, inline(_span(span)), _kind(span[0], name), inline(_of(span[0], name))])
    return table(("field", "releases", "no.", "value"), rows, "llrl")


def _spans(verdicts: Sequence[Verdict], name: str) -> list[list[Verdict]]:
    return [list(group) for _, group in groupby(verdicts, lambda one: one.reason.values["fields"][name]["kind"])]


def _span(verdicts: Sequence[Verdict]) -> str:
    ends = dict.fromkeys([verdicts[0].item, verdicts[-1].item])
    return " to ".join(ends)


def _kind(one: Verdict, name: str) -> str:
    kind = one.reason.values["fields"][name]["kind"]
    return "" if kind is None else str(kind)


def _of(one: Verdict, name: str) -> str:
    found = one.reason.values["fields"][name]
    value = found["value"]
    if found["kind"] is None and not isinstance(value, Fact):
        return "not available"
    return _value(value)


def _value(value: Any) -> str:
    return clean(say(value) if isinstance(value, Fact) else shown(value), LIMIT)


def _releases(verdicts: Sequence[Verdict]) -> str:
    rows = [[inline(text) for text in _row(one)] for one in verdicts]
    return table(("release", "day", "state", "with it", "changes"), rows, "llllr")


def _row(one: Verdict) -> Iterator[str]:
    values = one.reason.values
    yanked = values["yanked"]
    why = f": {yanked}" if yanked else ""
    yield one.item if yanked is None else f"{one.item} (yanked{why})"
    yield values["uploaded"] or ""
    error = f": {clean(say(values['error']), LIMIT)}" if values["error"] is not None else ""
    yield f"{STATES[values['state']]}{error}"
    own = one.subject.label.partition(" ")[0]
    yield ", ".join(
        f"{name} {version}" for name, version in values["packages"].items() if name not in (own, "evaluate")
    )
    yield str(len(one.findings)) if values["state"] == "told" else ""
