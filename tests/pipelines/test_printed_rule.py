"""The rule that a report prints gives, from the report's own tables, the verdicts that it prints."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
from hypothesis import event, given, settings
from hypothesis import strategies as st

from harness.checks.scores.baseline.build import build_baseline
from harness.checks.scores.baseline.file import Baseline, GridName, write_baseline
from harness.grid.cell import Cell
from harness.grid.grid import Grid, grid_from_text
from harness.pipelines.check import Judging, check_grid
from harness.record.attempts import Entry
from harness.record.model import Provenance, Record
from harness.record.results import Results
from harness.report.verdicts.sections import sections_markdown
from tests.checks.made_up_scores import make_entry, make_record

POSITIVES, EXAMPLES = 279, 408


class Kept:
    """A store of made-up results, in memory."""

    def __init__(self, folder: Path, results: Sequence[tuple[Cell, Entry, Record]], answers: Mapping[str, Any]) -> None:
        self.folder = folder / "results"
        self._entries = [entry for _, entry, _ in results]
        self._records = {entry.path: record for _, entry, record in results}
        self._answers = answers

    def entries(self) -> list[Entry]:
        return self._entries

    def is_running(self) -> bool:
        return False

    def record(self, entry: Entry) -> Record:
        return self._records[entry.path]

    def series(self, entry: Entry, names: Collection[str] | None = None) -> Mapping[str, Any]:
        return self._answers.get(entry.path, {})


# Made-up results: one or two precisions, references of each statistic, collapses, gaps, an accepted file.

REFERENCES = {
    "single": 'statistic = "single"\nvalue = {:.4f}',
    "mean": 'statistic = "mean"\nvalue = {:.4f}\nn = 8\nsd = 0.008',
    "bare": 'statistic = "mean"\nvalue = {:.4f}\nn = 5',
    "median": 'statistic = "median"\nvalue = {:.4f}\nn = 5',
    "best": 'statistic = "best"\nvalue = {:.4f}\nn = 5',
}
shares = st.integers(330, 370).map(lambda count: count / EXAMPLES)


@st.composite
def grids(draw: st.DrawFn) -> tuple[str, int]:
    """A grid's text, and its number of seeds."""
    number = draw(st.sampled_from([1, 3, 4, 5, 5, 6, 8]))
    precision = draw(st.sampled_from(['["fp32"]', '["fp32", "bf16"]', '["fp32", "bf16"]', '["fp32", "tf32", "bf16"]']))
    seeds = f"seed = {list(range(1, number + 1))}"
    if number > 4 and draw(st.booleans()):
        seeds = f"seeds = {{ looks = [3, {number}], list = {list(range(1, number + 1))} }}"
    text = f"""
name = "g"
task = "glue/mrpc"
[matrix]
checkpoint = ["google-bert/bert-base-uncased"]
precision = {precision}
{seeds}
[quality]
margin = {draw(st.sampled_from(['"auto"', "0.6", "1.5", "4.0"]))}
parity_margin = {draw(st.sampled_from(["0.4", "1.5", "3.0"]))}
direction = "{draw(st.sampled_from(["both", "lower"]))}"
collapse_rate = {draw(st.sampled_from(["0.001", "0.02", "0.3"]))}
gate = {draw(st.sampled_from(['["accuracy"]', '["accuracy", "f1"]', '["f1"]']))}
harmless = {draw(st.sampled_from(["[]", '["precision"]']))}
"""
    for kind in draw(st.sets(st.sampled_from(sorted(REFERENCES)), max_size=2)):
        metric = draw(st.sampled_from(["accuracy", "f1"]))
        stated = draw(st.sampled_from(["", 'precision = "fp32"\n', "recipe = { num_train_epochs = 2 }\n"]))
        value = REFERENCES[kind].format(draw(shares))
        text += f'[[reference]]\nid = "{kind}"\nmetric = "{metric}"\nsplit = "validation"\nsource = "x"\n'
        text += f"{value}\n{stated}"
    if draw(st.booleans()):
        which = draw(st.sampled_from(["quality", "parity", "stability", "baseline"]))
        text += f'[[waiver]]\nconfiguration = "google-bert/bert-base-uncased · fp32"\ncheck = "{which}"\n'
        bound = draw(st.sampled_from(["0.01", "0.9"] if which == "stability" else ["0.5", "50.0"]))
        text += f'issue = "a/b#1"\nbound = {bound}\nreason = "r"\nauthor = "a"\nexpires = "2999-01-01"\n'
    return text, number


@dataclass(frozen=True)
class Arm:
    """What the runs of one precision come to: a count of right answers for each seed, None for no run, 0 for NaN."""

    counts: tuple[int | None, ...]


@st.composite
def arms(draw: st.DrawFn, number: int) -> Arm:
    level = draw(st.integers(335, 365))
    spread = draw(st.sampled_from([0, 1, 2, 6]))
    usual = st.integers(level - spread, level + spread)
    odd = draw(st.sampled_from(["none", "none", "collapsed", "diverged", "missing"]))
    other = {"none": usual, "collapsed": st.just(POSITIVES), "diverged": st.just(0), "missing": st.none()}[odd]
    rare = st.one_of(usual, usual, other)
    return Arm(tuple(draw(rare if odd != "none" else usual) for _ in range(number)))


def results(cells: Sequence[Cell], by_precision: Mapping[str, Arm], **changes: Any) -> list[tuple[Cell, Entry, Record]]:
    made = []
    for cell in cells:
        count = by_precision[cell.precision].counts[cell.seed - 1]
        if count is None:
            continue
        status = "nonfinite" if count == 0 else "ok"
        entry = make_entry(cell, None if count == 0 else 100 * count / EXAMPLES, status=status, **changes)
        made.append((cell, entry, make_record(cell, entry)))
    return made


def answers(made: Sequence[tuple[Cell, Entry, Record]]) -> dict[str, Any]:
    """Logits by the path of an entry, which answer as many examples rightly as its score says: equal scores, equal."""
    found = {}
    for _, entry, _ in made:
        right = round(entry.metrics.get("accuracy", 0.0) * EXAMPLES)
        said = np.arange(EXAMPLES) < right
        found[entry.path] = {"logits": np.stack([~said, said], axis=1).astype(np.float32)}
    return found


def accepted_file(grid: Grid, store: Any) -> Baseline:
    name, made = GridName(name=grid.name, file="g.toml", task=grid.task), Provenance(harness="0.1.0")
    found = Results.of(grid, store, grid.cells())
    return build_baseline(name, found, date="2026-11-20T10:00:00.000Z", provenance=made)


# The reader: what a report says, and what its rule makes of it.


def tables(markdown: str) -> list[list[dict[str, str]]]:
    """Every table of a Markdown text: a list of rows, each by its heads."""
    found: list[list[dict[str, str]]] = []
    heads: list[str] = []
    for line in markdown.splitlines():
        if not line.startswith("|"):
            heads = []
            continue
        cells = [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
        if not heads:
            heads = cells
            found.append([])
        elif not set("".join(cells)) <= set("-: "):
            found[-1].append(dict(zip(heads, cells, strict=True)))
    return found


def scores(markdown: str) -> list[dict[str, str]]:
    """The rows on scores, with the numbers that stand further down under the same number."""
    every = tables(markdown)
    shown = [row for table in every for row in table if "More seeds" in row]
    numbers = [row for table in every for row in table if "Kept by" in row]
    assert [row[""] for row in shown] == [row[""] for row in numbers]
    assert all(
        one["Margin"] == re.sub(r" \\\[\d+\]$", "", two["Margin"]) for one, two in zip(shown, numbers, strict=True)
    )
    return [{**two, **one} for one, two in zip(shown, numbers, strict=True)]


def number(text: str) -> float:
    """A printed number; `< 0.0001` is below it, and a dash is none."""
    return float("nan") if text == "—" else 0.0 if text.startswith("<") else float(text.replace("not a number", "nan"))


def by_rule(row: Mapping[str, str]) -> str:
    """A row's verdict by the printed rule, sentence by sentence."""
    kept = row["Kept by"].split(", ") if row["Kept by"] else []
    if "missing runs" in kept:
        return "ERROR"
    if "more collapses" in kept:
        return "FAIL"
    if "equal bit for bit" in kept:
        return "PASS"
    if kept:
        return "INCONCLUSIVE"
    alpha = number(row["alpha"])
    if number(row["p_tost"]) < alpha:
        return "PASS"
    after = row["p, Holm"]
    corrected = number(after) < alpha if after != "—" else True
    beyond = abs(number(row["Difference"])) > number(row["Margin"])
    return "FAIL" if number(row["p_diff"]) < alpha and corrected and beyond else "INCONCLUSIVE"


STABLE = re.compile(
    r"- (?P<verdict>[A-Z]+)(?: \(\w+\))?, stability: .*?(?P<k>\d+) of (?P<n>\d+) runs collapsed"
    r".*?declared (?P<p0>[\d.]+) %(?:: p (?:= )?(?P<p>(?:< )?\d+\.\d+))?(?: at alpha (?P<alpha>\d+\.\d+))?"
)


def stability_by_rule(found: re.Match[str], line: str) -> str:
    """The verdict on collapses by the printed rule."""
    k, n, declared, alpha = (
        int(found["k"]),
        int(found["n"]),
        number(found["p0"]) / 100,
        number(found["alpha"] or "0.05"),
    )
    after = re.search(r" p ((?:< )?[\d.]+) after Holm\.", line)
    if "before the first planned look" in line:
        return "INCONCLUSIVE"
    below = number(found["p"] or "1.0") < alpha
    if below and after is not None and number(after[1]) < alpha:
        return "FAIL"
    too_many = k > max(1, int(declared * n + 1e-9))
    return "INCONCLUSIVE" if below or too_many or n < 3 else "PASS"


def judged(markdown: str) -> list[tuple[str, str, str]]:
    """(what, verdict as printed, verdict by the rule) of every row and line that the rule is about."""
    found = []
    for row in scores(markdown):
        printed = row["Verdict"].strip("*").split(" (")[0]
        found.append((f"{row['Check'].split(',')[0]} ({row['Kept by'] or 'its numbers'})", printed, by_rule(row)))
    for line in markdown.replace("\\", "").replace("&lt;", "<").splitlines():
        if stable := STABLE.match(line):
            found.append(("stability", stable["verdict"], stability_by_rule(stable, line)))
        elif line.startswith("- INCONCLUSIVE, stability: "):
            assert "chosen seeds" in line
    return found


@settings(max_examples=100, deadline=None)
@given(data=st.data())
def test_the_printed_rule_gives_the_printed_verdicts(data: st.DataObject) -> None:
    text, count = data.draw(grids())
    grid: Grid = grid_from_text(text.encode(), Path("g.toml"))
    cells = grid.cells()
    precisions = list(dict.fromkeys(cell.precision for cell in cells))
    first = data.draw(arms(count))
    same = data.draw(st.booleans())
    by_precision = {
        name: first if same or not index else data.draw(arms(count)) for index, name in enumerate(precisions)
    }
    made = results(cells, by_precision)
    if not made:
        return
    selection = data.draw(st.sampled_from([(), (), (), ("seed=1",)]))
    with TemporaryDirectory() as place:
        folder = Path(place)
        accepted = None
        if data.draw(st.booleans()):
            older = {name: data.draw(st.one_of(st.just(arm), arms(count))) for name, arm in by_precision.items()}
            content = data.draw(st.sampled_from(["c0ffee00c0ffee00c0ff", "c0ffee00c0ffee00c0ff", "another"]))
            before = results(cells, older, started="2026-11-20T10:00:00.000Z", content_id=content)
            if before:
                accepted = folder / "accepted.json"
                write_baseline(accepted, accepted_file(grid, Kept(folder, before, {})))
        store: Any = Kept(folder, made, answers(made) if data.draw(st.booleans()) else {})
        asked = Judging(selection, accepted=accepted)
        section = check_grid(grid, store, asked).section(asked, "harness check g.toml")
    markdown = sections_markdown([section])[""]
    for check, printed, ruled in judged(markdown):
        event(f"{check}: {printed}")
        assert printed == ruled, markdown
