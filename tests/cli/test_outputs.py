"""What a command that judges hands out: printed, written, and shown by GitHub Actions; in every outcome."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import typer

from harness.cli.outputs import UNFINISHED, Outputs
from harness.errors import HarnessError, NothingMeasured, RequirementError, SpecError, StoreError
from harness.pipelines.notebook import verdicts as check_module
from harness.record.freshness import Freshness
from harness.report.verdicts.json import verdicts_from_json
from harness.report.verdicts.sections import COMMENT_LIMIT, Section, sections_junit
from tests.report.verdicts.made_up import HEAD, cases, decided, named, plain, said

Make = Callable[..., Any]


@pytest.fixture(autouse=True)
def _no_actions(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


def test_everything_that_was_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    heeded = cases()[2:4]
    junit, out, comment = tmp_path / "j.xml", tmp_path / "new" / "v.md", tmp_path / "c.md"
    with Outputs("check", junit=junit, out=out, comment=comment, as_json=True) as outputs:
        assert outputs.hand_out([Section(HEAD, cases(), heeded, code=3)]) == 3
    printed = capsys.readouterr()
    assert verdicts_from_json(printed.out) == (HEAD, tuple(cases()))
    assert json.loads(printed.out)["exit_code"] == 3
    assert len(ET.parse(junit).getroot()[0]) == len(heeded)
    assert {path.name for path in out.parent.iterdir()} == {"v.md", "v-forest.svg"}
    assert "(v-forest.svg)" in out.read_text(encoding="utf-8")
    assert (tmp_path / "summary.md").read_text(encoding="utf-8").startswith("# harness check\n")
    assert comment.read_text(encoding="utf-8").startswith("<!-- finetune-harness: harness check -->\n")
    assert printed.err.startswith("::error title=INCONCLUSIVE quality::")


def test_text_alone(capsys: pytest.CaptureFixture[str]) -> None:
    for code in (1, 0, 5):
        with Outputs("check") as outputs:
            assert outputs.hand_out([Section(HEAD, cases(), code=code)]) == code
    printed = capsys.readouterr()
    assert printed.out.count("judgements: ") == 3
    assert printed.err == ""


# What stops a command.


def case_of(junit: Path) -> tuple[ET.Element, ET.Element]:
    """(the only suite, its only case, which errored)."""
    (suite,) = ET.parse(junit).getroot()
    (case,) = suite
    assert (suite.get("tests"), suite.get("errors"), suite.get("failures")) == ("1", "1", "0")
    return suite, case


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (SpecError("--select: got it"), 2, "--select: got it"),
        (RequirementError("requires CUDA"), 4, "requires CUDA"),
        (StoreError("no space left"), 4, "no space left"),
        (NothingMeasured("no record yet"), 5, "no record yet"),
        (ZeroDivisionError("oops"), 70, "internal error: ZeroDivisionError: oops"),
        (KeyboardInterrupt(), 130, "interrupted"),
        (typer.Exit(130), 130, "interrupted"),
    ],
)
def test_every_outcome_replaces_what_yesterday_left(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    code: int,
    text: str,
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(tmp_path / "summary.md"))
    junit, out, comment = tmp_path / "j.xml", tmp_path / "v.md", tmp_path / "c.md"
    for path in (junit, out, comment):
        path.write_text("yesterday: all green", encoding="utf-8")
    with suppress(type(error)), Outputs("check", junit=junit, out=out, comment=comment) as outputs:
        outputs.about("mrpc")
        raise error
    suite, case = case_of(junit)
    assert (suite.get("name"), case.get("classname"), case.get("name")) == ("mrpc", "mrpc.check", "harness check")
    assert (case[1].tag, case[1].get("message")) == ("error", text)
    assert [one.get("value") for one in case.iter("property")] == [str(code)]
    for path in (out, comment, tmp_path / "summary.md"):
        written = path.read_text(encoding="utf-8")
        assert f"# harness check: exit {code}\n\n```text\n{text}\n```" in written
        assert "yesterday" not in written
    assert f"::error title=harness check::{text}" in capsys.readouterr().err


def test_a_command_that_is_killed_leaves_no_green_file(tmp_path: Path) -> None:
    """Before it has found anything its files say so: nobody can write them after a SIGKILL."""
    junit = tmp_path / "j.xml"
    junit.write_text("yesterday", encoding="utf-8")
    with Outputs("check", junit=junit) as outputs:
        _, case = case_of(junit)
        assert case[1].get("message") == UNFINISHED
        outputs.hand_out([Section(HEAD, [decided()])])
    assert len(ET.parse(junit).getroot()[0]) == 1


def test_what_was_found_stays_where_printing_it_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("harness.cli.outputs.verdicts_text", fail)
    junit = tmp_path / "j.xml"
    with suppress(ZeroDivisionError), Outputs("check", junit=junit) as outputs:
        outputs.hand_out([Section(HEAD, cases(), code=1)])
    assert len(ET.parse(junit).getroot()[0]) == len(cases())


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "tour.toml", "--fail-on", "spead"], 2),
        (["check", "tour.toml", "-s", "colour=red"], 2),
        (["check", "tour.toml", "--max-age", "soon"], 2),
        (["check", "tour.toml", "--skipped", "maybe"], 2),
        (["check", "gone.toml"], 2),
        (["check", "tour.toml", "--results", "nowhere"], 5),
        (["diff", "no-such", "run"], 2),
        (["verify", "gone.toml"], 2),
    ],
)
def test_the_command_itself_leaves_one_case(harness: Make, tmp_path: Path, arguments: list[str], code: int) -> None:
    junit = tmp_path / "j.xml"
    junit.write_text("yesterday", encoding="utf-8")
    found, _, err = harness(*arguments, "--junit", str(junit))
    assert found == code
    _, case = case_of(junit)
    assert str(case[1].get("message")).split()[0] in err


def test_a_verification_that_cannot_begin_leaves_no_report_of_yesterday(
    harness: Make, here: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HARNESS_REQUIRE", "cuda")
    out = tmp_path / "v.md"
    out.write_text("yesterday: all green", encoding="utf-8")
    code, _, err = harness("verify", "-o", str(out), "--results", str(tmp_path / "r"))
    assert (code, "cuda" in err.lower()) == (4, True)
    text = out.read_text(encoding="utf-8")
    assert "yesterday" not in text
    assert "cuda" in text.lower()


def test_a_report_without_a_name_is_exit_2(harness: Make, here: Path) -> None:
    code, _, err = harness("report", "tour.toml", "-o", "")
    assert (code, err) == (2, "error: --out: got '.'; allowed the name of a file\n")


def test_a_defect_of_ours_is_in_the_files_too(
    harness: Make, tour: Any, here: Path, tmp_path: Path, monkeypatch: Any
) -> None:
    def fail(*_: Any) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(check_module, "check_grid", fail)
    junit = tmp_path / "j.xml"
    assert harness("check", "tour.toml", "--junit", str(junit))[0] == 70
    suite, case = case_of(junit)
    assert (suite.get("name"), case[1].get("message")) == ("tour", "internal error: ZeroDivisionError: oops")


# Places that are no ordinary files.


def hand_out(**places: Any) -> None:
    with Outputs("check", **places) as outputs:
        outputs.hand_out([Section(HEAD, cases(), code=1)])


def test_a_device_and_a_link_are_written_into(tmp_path: Path) -> None:
    hand_out(junit=Path("/dev/null"))
    assert Path("/dev/null").is_char_device()
    (tmp_path / "real").mkdir()
    link = tmp_path / "j.xml"
    link.symlink_to(tmp_path / "real" / "j.xml")
    hand_out(junit=link)
    assert link.is_symlink()
    assert len(ET.parse(tmp_path / "real" / "j.xml").getroot()[0]) == len(cases())


def test_a_pipe_gets_the_whole_file_and_one_without_a_reader_is_an_error(tmp_path: Path) -> None:
    pipe = tmp_path / "j.xml"
    os.mkfifo(pipe)
    with pytest.raises(StoreError, match="cannot write the report: No such device or address"):
        hand_out(junit=pipe)
    reading = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        hand_out(junit=pipe)
        # First that the command has not ended, then what it found: a reader sees both, one after the other.
        every = os.read(reading, 1 << 20).decode().split("<?xml")
        assert len(ET.fromstring("<?xml" + every[-1])[0]) == len(cases())
    finally:
        os.close(reading)


def test_a_full_disk_is_exit_4_and_never_a_green_night(harness: Make, here: Path) -> None:
    code, out, err = harness("check", "tour.toml", "--junit", "/dev/full")
    assert (code, out) == (4, "")
    assert "cannot write the report: No space left on device" in err


def test_a_place_that_cannot_be_is_named_before_anything_is_judged(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file" / "j.xml", tmp_path / ("x" * 300), tmp_path / "a\0b"):
        with pytest.raises(HarnessError, match="cannot write the report"):
            hand_out(junit=place)


# Streams.

RED = """
import sys
import harness.cli.app as app
from harness.cli.outputs import Outputs
from harness.report.verdicts.sections import Section
from tests.report.verdicts.made_up import HEAD, cases
from pathlib import Path
import typer

def run(standalone_mode):
    try:
        with Outputs("check", junit=Path(sys.argv[1])) as outputs:
            raise typer.Exit(outputs.hand_out([Section(HEAD, cases() * 40, code=1)]))
    except typer.Exit as left:
        return left.exit_code

app.application = lambda _: run
app.main()
"""


@pytest.mark.parametrize(
    "redirect", ["| true", "| head -1", ">&-", "2>&-", ">&- 2>&- <&-", "> /dev/full", "&> /dev/full"]
)
def test_a_stream_that_is_gone_changes_no_exit_code_and_no_file(tour: Any, tmp_path: Path, redirect: str) -> None:
    (tmp_path / "red.py").write_text(RED, encoding="utf-8")
    junit = tmp_path / "j.xml"
    command = f"{sys.executable} {tmp_path / 'red.py'} {junit} {redirect}; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", command], env=dict(tour.variables), capture_output=True, text=True, timeout=120, check=False
    )
    assert (done.returncode, done.stderr) == (1, "")
    assert len(ET.parse(junit).getroot()[0]) == 40 * len(cases())


# Several grids, and names.


def test_each_grid_is_a_suite_and_what_stopped_one_is_a_case_of_it() -> None:
    first = replace(HEAD, grid="first")
    text = sections_junit(
        [Section(first, cases()), Section(replace(HEAD, grid="second"), code=4, error="requires CUDA")]
    )
    root = ET.fromstring(text)
    assert [(suite.get("name"), suite.get("tests"), suite.get("errors")) for suite in root] == [
        ("first", str(len(cases())), "1"), ("second", "1", "1"),
    ]  # fmt: skip
    assert (root.get("tests"), root.get("errors")) == (str(len(cases()) + 1), "2")
    assert {case.get("classname") for case in root[0]} == {"first.quality", "first.parity", "first.stability"}


def names(verdicts: Sequence[Any], grid: str = "g") -> list[tuple[str | None, str | None]]:
    root = ET.fromstring(sections_junit([Section(replace(HEAD, grid=grid), verdicts)]))
    return [(case.get("classname"), case.get("name")) for case in root.iter("testcase")]


def test_names_outlive_upgrades_and_thresholds() -> None:
    """CI systems follow a test by its name: no hash, no threshold, nothing of today."""
    one, label = decided(), "m · fp32"
    for declared in ("declared 2 %", "declared 5 %"):
        stable = replace(plain("PASS", said("0 of 5"), label, check="stability", item="collapses"), against=None)
        stable = replace(stable, against=replace(one.subject, label=declared))
        assert names([stable]) == [("g.stability", "m · fp32 (collapses)")]
    upgraded = replace(one, subject=replace(one.subject, environment_id="f" * 20, content_id="d" * 20))
    assert names([one]) == names([upgraded]) == names([replace(one, margin_from=said("margin 9"))])
    assert names([named(one, label, "published")]) == [("g.quality", "m · fp32 against published")]
    missing = plain("ERROR", said("2 of 5 missing"), label, check="stability", item="cells")
    assert names([replace(missing, against=replace(one.subject, label="the plan"))]) == [
        ("g.stability", "m · fp32 (cells)")
    ]


def test_a_comment_fits_and_says_what_it_replaces(tmp_path: Path) -> None:
    comment = tmp_path / "c.md"
    with Outputs("check", comment=comment) as outputs:
        outputs.hand_out([Section(replace(HEAD, grid="a--b"), cases() * 200)])
    text = comment.read_text(encoding="utf-8")
    assert text.startswith("<!-- finetune-harness: a- -b -->\n")
    assert len(text.encode()) <= COMMENT_LIMIT < 65_536


def test_the_head_tells_the_part_and_the_ages(capsys: pytest.CaptureFixture[str]) -> None:
    found = Freshness(2, 3, "2026-11-27T02:17:00.000Z", "2026-11-28T02:19:00.000Z", "2026-11-28T02:00:00.000Z")
    head = replace(HEAD, freshness=found, part=said("Part of the grid: 12 of 20 cells; left out: seeds 2, 5"))
    with Outputs("check") as outputs:
        outputs.hand_out([Section(head, [decided()])])
    lines = capsys.readouterr().out.splitlines()
    assert lines[:2] == [
        "Part of the grid: 12 of 20 cells; left out: seeds 2, 5",
        "2 of 5 cells measured now, 3 reused; oldest 2026-11-27 02:17, youngest 2026-11-28 02:19 (UTC)",
    ]


def test_a_report_that_was_stopped_leaves_no_old_json_beside_it(tmp_path: Path) -> None:
    (tmp_path / "v.json").write_text('{"kind": "harness-verify", "exit_code": 0}', encoding="utf-8")
    with pytest.raises(StoreError), Outputs("verify", out=tmp_path / "v.md", is_report=True):
        raise StoreError("no disk")
    found = json.loads((tmp_path / "v.json").read_text(encoding="utf-8"))
    assert (found["exit_code"], found["verdicts"]) == (StoreError.exit_code, [])
    assert "no disk" in (tmp_path / "v.md").read_text(encoding="utf-8")


@pytest.mark.parametrize("mine", ["{}", "[1]", "my notes", '{"kind": "mine"}'])
def test_a_file_of_the_users_own_beside_a_report_is_left_alone(tmp_path: Path, mine: str) -> None:
    (tmp_path / "keep.json").write_text(mine, encoding="utf-8")
    outputs = Outputs("verify", out=tmp_path / "keep.md", junit=tmp_path / "j.xml", is_report=True)
    with pytest.raises(SpecError, match=r"keep\.json beside it was not written by harness"), outputs:
        raise AssertionError("nothing runs")
    assert (tmp_path / "keep.json").read_text(encoding="utf-8") == mine
    assert not (tmp_path / "keep.md").exists()
    assert "keep.json" in (tmp_path / "j.xml").read_text(encoding="utf-8")
