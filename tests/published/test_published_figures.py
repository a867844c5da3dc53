"""Every figure of README, docs and reports has something behind it, and a digit that changes is found.

A page is rendered from the data beside it (equal to the last byte), or written by hand with a claim for each figure
(`claims.py`), or held against the JSON beside it. What a page cannot back fails here, by line.
"""

from __future__ import annotations

import contextlib
import functools
import io
import random
import re
from datetime import date
from pathlib import Path

import pytest

from benchmarks import (
    cluster_simulation,
    history_study,
    quickstart_sample,
    statistics_study,
    throughput_study,
    upgrades,
)
from benchmarks.false_green import page as false_green_page
from benchmarks.false_green.accidents import read_list
from harness.exit_codes import page as exit_codes_page
from harness.grid.form.page import page as grid_page
from harness.report.files import files_again
from harness.report.format.table import MOST_COLUMNS
from harness.report.releases.markdown import releases_again
from reports.index import render_index
from tests.published.backing import Backing, Claim, Claimed, Declared, Held, Rendered, read, tables_of
from tests.published.claims import CLAIMED
from tests.published.keep import beside
from tests.published.notebook import page as notebook_page
from tests.published.page import Page
from tests.published.sources import REPORTS, ROOT

PAGES = [
    one.relative_to(ROOT)
    for one in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted(REPORTS.glob("*.md")))
]
NO_FUNCTIONS = {"lower", "gate", "expect", "p_tost"}
"""Keys and quantities in code."""


NARROW = (Path("reports/false-green.md"),)
"""A column a command, a word a cell: seven of them fit a page."""


@functools.cache
def backing(page: Path) -> Backing:
    if page in CLAIMED:
        return CLAIMED[page]()
    if page == Path("docs/exit-codes.md"):
        return Rendered(exit_codes_page)
    if page == Path("docs/grid.md"):
        return Rendered(grid_page)
    if page == Path("docs/python.md"):
        pytest.importorskip("pandas", reason="the page has a DataFrame: pip install finetune-harness[frame]")
        return Rendered(notebook_page)
    if page == Path("reports/README.md"):
        return Rendered(
            lambda: render_index({one.name: one.read_text(encoding="utf-8") for one in REPORTS.glob("*.md")})
        )
    files = [file for file in beside(ROOT / page) if file.is_file()]
    kind = read(files[0]).get("kind") if files and isinstance(read(files[0]), dict) else None
    if kind in statistics_study.LEVELS:
        return Rendered(lambda: statistics_study.rendered(read(files[0])))
    if kind == history_study.KIND:
        return Rendered(lambda: history_study.render(history_study.again(read(files[0]))))
    if kind == cluster_simulation.KIND:
        return Rendered(lambda: cluster_simulation.render(cluster_simulation.again(read(files[0]))))
    if kind == quickstart_sample.KIND:
        return Rendered(lambda: quickstart_sample.render(quickstart_sample.again(files[0])))
    if kind == throughput_study.KIND:
        return Rendered(lambda: throughput_study.render(throughput_study.again(files[0])))
    if kind == false_green_page.KIND:
        return Rendered(lambda: false_green_page.again(read(files[0]), read_list()))
    if kind == upgrades.KIND:
        return Rendered(lambda: upgrades.again(files[0]))
    if kind == "harness-bisect":
        return Rendered(lambda: releases_again(files[0].read_text(encoding="utf-8"), page.stem)[page.stem])
    if kind == "harness-report":
        day = re.search(r"[Rr]endered (\d{4}-\d\d-\d\d)", _text(page))
        assert day is not None, f"{page}: no day on which it was rendered"
        return Rendered(lambda: files_again(files[0], page.stem, date.fromisoformat(day[1]))[page.name])
    return Held(files) if files else Claimed([])


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_every_figure_has_a_source(page: Path) -> None:
    assert backing(page).faults((ROOT / page).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize("page", [one for one in PAGES if one.parts[0] == "reports" and one not in NARROW], ids=str)
def test_no_table_is_cut(page: Path) -> None:
    wide = [table["head"] for table in tables_of(Page(_text(page))) if len(table["head"]) > MOST_COLUMNS]
    assert wide == []


def test_a_changed_digit_is_found() -> None:
    """30 figures drawn over all pages, one digit of each changed: at least 28 are found."""
    rng = random.Random(20261128)
    every = [(page, figure) for page in PAGES for figure in Page(_text(page)).figures]
    drawn = [one for one in rng.sample(every, 60) if any(map(str.isdigit, one[1].text))][:30]
    missed = [
        f"{page}: {figure.text}" for page, figure in drawn if not backing(page).faults(_changed(page, figure, rng))
    ]
    assert len(drawn) == 30
    assert len(missed) <= 2, missed


@pytest.mark.parametrize("page", [Path("README.md"), *(one for one in PAGES if one.parts[0] == "docs")], ids=str)
def test_a_changed_digit_of_prose_is_found(page: Path) -> None:
    rng = random.Random(7)
    digits = [one for one in Page(_text(page)).figures if any(map(str.isdigit, one.text))]
    drawn = rng.sample(digits, min(10, len(digits)))
    assert [one.text for one in drawn if not backing(page).faults(_changed(page, one, rng))] == []


@pytest.mark.parametrize("page", PAGES, ids=str)
def test_a_new_figure_is_found(page: Path) -> None:
    text = _text(page)
    assert backing(page).faults(f"{text}\nAs was measured, 8713.9 times.\n") != []


# What an audit found to claim more than was measured; each would be found now.
@pytest.mark.parametrize(("page", "now", "before"), [
    ("docs/speed.md", "measured to be 12.9 %", "measured to be 10 %"),
    ("README.md", "8 tiny cells ran 6.8 times", "8 tiny cells ran 8 times"),
    ("README.md", "(150 with accuracy or F1)", "(175 with accuracy or F1)"),
    ("README.md", "(94.4 %: -0.91 to +1.69)", "(94.4 %: -0.91 to +0.69)"),
    ("reports/throughput-aa.md", "(at most 0.04 %)", "(at most 0.00 %)"),
    ("reports/harness-cost.md", "(95 %: -3.48 to +0.08)", "(95 %: -3.48 to -0.08)"),
    ("reports/statistics-validation.md", "(95 %: 1.0 to 3.3)", "(95 %: 1.0 to 2.3)"),
    ("docs/footguns.md", "passes a loss of 3 points", "passes a loss of 4 points"),
])  # fmt: skip
def test_what_claimed_too_much_is_found(page: str, now: str, before: str) -> None:
    text = _text(Path(page))
    assert now in text
    assert backing(Path(page)).faults(text.replace(now, before)) != []


def test_no_page_compares_with_what_is_not_there() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)\)", _text(page)):
            if "://" not in target:
                assert ((ROOT / page).parent / target).exists(), f"{page}: {target}"
        named = re.findall(
            r"(?<![\w./-])((?:docs|harness|reports|benchmarks|tests)/[\w./-]+\.(?:py|md|toml|json|yml))", _text(page)
        )
        assert [one for one in named if not (ROOT / one).exists() and not _made(one)] == [], page
    assert "statistics.md" not in _text(Path("reports/statistics-validation.md")).replace("docs/statistics.md", "")


def test_each_rule_names_a_function_that_is_there() -> None:
    """In each chapter of docs/statistics.md the names in code are functions of a module that the chapter names."""
    names = 0
    for chapter in _text(Path("docs/statistics.md")).split("\n## ")[1:]:
        quoted = re.findall(r"`([^`]+)`", chapter)
        modules = [one for one in quoted if re.fullmatch(r"harness/[\w/]+\.py", one)]
        code = "\n".join(_text(Path(one)) for one in modules)
        for name in quoted:
            if re.fullmatch(r"[A-Za-z]\w+", name) and name not in NO_FUNCTIONS:
                names += 1
                assert re.search(rf"^\s*(?:def|class) {name}\b|^{name}\b", code, re.MULTILINE), (
                    f"{name}: not in {modules}"
                )
    assert names > 40


def test_the_scripts_of_the_course_page_are_of_today() -> None:
    """Script A prints the page's figures; every name that either script takes from the harness is there."""
    first, second = re.findall(r"```python\n(.*?)```", _text(Path("reports/course-claims.md")), re.DOTALL)
    with contextlib.redirect_stdout(io.StringIO()) as said:
        exec(compile(first, "script A", "exec"), {})
    assert "accuracy: 25 runs, mean 85.55, sd 1.05, 83.58 to 87.75" in said.getvalue()
    assert "cased - uncased: INCONCLUSIVE, -0.74, 95 % -3.86 to +2.37" in said.getvalue()
    taken = re.findall(r"^from (harness[\w.]*) import (.+)$", second, re.MULTILINE)
    assert taken
    for module, names in taken:
        for name in names.split(", "):
            assert (ROOT / module.replace(".", "/") / f"{name}.py").is_file(), f"{module}.{name}"


def test_a_claim_has_no_figure_of_its_own() -> None:
    with pytest.raises(AssertionError, match="without a source"):
        Claim("in 5 of {} cases", 6)
    page = Claimed([Claim("in {} of {} cases", 5, 6), Declared("a date", "on 2026-11-22")])
    assert page.faults("It was so in 5 of\n6 cases, on 2026-11-22.") == []
    assert page.faults("It was so in 5 of 7 cases, on 2026-11-22.") != []
    assert page.faults("It was so in 5 of 6 cases, on 2026-11-22, and in 3 others.") != []


def test_what_is_no_figure() -> None:
    text = (
        "1. fp32 and `seed 42` of [x](y/7.md) \\[2\\]\n\n```sh\nrun 9\n```\n\n"
        "[#12](https://g.org/issues/12) of #13, half of 3,668.\n"
    )
    assert [one.text for one in Page(text).figures] == ["13", "half", "3668"]


def _text(page: Path) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def _changed(page: Path, figure: object, rng: random.Random) -> str:
    text = _text(page)
    digits = [place for place in range(figure.start, figure.end) if text[place].isdigit()]  # type: ignore[attr-defined]
    place = rng.choice(digits)
    return text[:place] + rng.choice([digit for digit in "0123456789" if digit != text[place]]) + text[place + 1 :]


def _made(name: str) -> bool:
    """Whether a page names a file that one of its commands makes."""
    return name.startswith(("reports/baselines/", "reports/x."))


@pytest.mark.parametrize("path", sorted(ROOT.glob("reports/*.*")), ids=lambda path: path.name)
def test_no_published_file_names_a_folder_of_the_machine_that_made_it(path: Path) -> None:
    found = re.findall(
        r"(?<![\w.~>/-])/(?:home|root|tmp|work|mnt|opt|var|Users)/[^\s\"']*", path.read_text(encoding="utf-8")
    )
    assert found == []
