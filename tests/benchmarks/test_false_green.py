"""The study of false greens: every accident of the list can be made, and a green without a reason is seen as one."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from benchmarks.false_green.accidents import COMMANDS, read_list
from benchmarks.false_green.base import grid_text
from benchmarks.false_green.command import Harness
from benchmarks.false_green.judge import Outcome, judge, junit_counts, says
from benchmarks.false_green.page import Side, page
from benchmarks.false_green.trial import MAKERS
from harness.grid.grid import load_grid
from harness.pipelines.selftest.pairs import SIZES, write_pairs

HERE = Path("here")


def test_each_accident_of_the_list_has_its_maker() -> None:
    listed = read_list()
    assert [one.name for one in listed if one.name not in MAKERS] == []
    assert len(MAKERS) == len(listed) == 61
    assert sum(one.real for one in listed) >= 15
    assert all(set(one.red) | set(one.told) <= set(COMMANDS) and one.commands for one in listed)


@pytest.mark.parametrize(
    ("code", "text", "codes", "judged"),
    [
        (0, "5 PASS", [4], "GREEN"),
        (0, "seed 3 is missing", [4], "0"),
        (4, "seed 3 is missing", [4, 5], "right"),
        (2, "seed 3 is missing", [4, 5], "other code"),
        (4, "error", [4], "no reason"),
        (0, "seed 3 is missing", None, "right"),
        (0, "5 PASS", None, "GREEN"),
        (3, "seed 3 is missing", None, "right"),
        (3, "undecided", None, "no reason"),
    ],
)
def test_a_result_is_judged_by_its_code_and_its_words(code: int, text: str, codes: Any, judged: str) -> None:
    assert judge(Outcome(code, text=text), "missing|gone", codes) == judged


def test_red_with_a_green_file_is_a_miss() -> None:
    counts = {"tests": 3, "failures": 0, "errors": 0, "skipped": 0}
    assert judge(Outcome(1, text="FAIL", junit=counts), "FAIL", [1]) == "green file"
    assert judge(Outcome(1, text="FAIL", junit=counts | {"failures": 1}), "FAIL", [1]) == "right"


def test_words_are_found_where_a_line_was_wrapped() -> None:
    assert says("nothing\n was judged here", "nothing was judged") == "nothing was judged"
    assert says("nothing was found", "nothing was judged") is None
    assert judge(Outcome(0, text="anything"), "", [1]) == "GREEN"


def test_junit_is_counted_from_outside(tmp_path: Path) -> None:
    path = tmp_path / "out.xml"
    assert junit_counts(path) is None
    path.write_text(
        '<testsuites><testsuite><testcase name="a"><failure/></testcase><testcase name="b"/>'
        '<testcase name="c"><skipped/></testcase></testsuite></testsuites>'
    )
    assert junit_counts(path) == {"tests": 3, "failures": 1, "errors": 0, "skipped": 1}
    path.write_text("<testsuites>")
    assert junit_counts(path) is None


def test_what_an_older_harness_does_not_know_is_not_typed_there(tmp_path: Path) -> None:
    old = Harness(tmp_path, tmp_path, old=True)
    options = ["--max-age", "20h", "--select", "seed=1", "--fresh"]
    assert old.arguments("run", options) == [["run", "night.toml", "--select", "seed=1"]]
    check, kept = old.arguments("check", options)
    assert check[-2:] == ["--select", "seed=1"]
    assert kept == ["baseline", "compare", "reports/baselines/night.json"]
    assert old.arguments("accept") == [["baseline", "save", "night.toml", "--force"]]


def test_the_bases_grid_and_task(tmp_path: Path) -> None:
    (tmp_path / "night.toml").write_text(grid_text(more="\n[require]\ndevices = 1\n"))
    write_pairs(tmp_path / "pairs")
    grid = load_grid(tmp_path / "night.toml")
    assert (len(grid.cells()), grid.require.devices) == (10, 1)
    for name, rows in SIZES.items():
        assert len((tmp_path / "pairs" / name).read_text().splitlines()) == rows + 1
    train = (tmp_path / "pairs" / "train.tsv").read_bytes()
    assert hashlib.sha256(train).hexdigest()[:16] == "a9b8ceb98646e78b"


def test_the_page_names_what_was_missed() -> None:
    chosen = [one for one in read_list() if one.name in ("old-store", "killed")]
    outcome = {"code": 0, "last": "5 PASS", "judged": "GREEN", "allowed": [4], "said": None}
    right = {"code": 4, "last": "4 missing", "judged": "right", "allowed": [4], "said": "missing"}
    now = Side("abc", {
        "old-store": {"name": "old-store", "commands": {"check": outcome}},
        "killed": {"name": "killed", "commands": {"check": right, "accept": right}},
    }, [{"run": {"code": 0}, "check": {"code": 0}}])  # fmt: skip
    before = Side("def", {name: {"name": name, "commands": {"check": outcome}} for name in now.found}, [])
    text = page(chosen, now, before, "python -m benchmarks.false_green")
    assert "2 of 2 accidents were made" in text
    assert "1 of 3 results were green without a reason, 0 more" in text
    assert "1 of 1 honest nights were green." in text
    assert "- old-store, `check`: exit 0, and nothing said it; exit 0, wanted exit 4." in text
    assert "**0!** → **0!**" in text
    assert "**0!** → 4" in text
