"""`check` on one screen: at most 25 lines of 80 columns for a FAIL in 24 configurations, 15 where all is green."""

from __future__ import annotations

import re

import pytest

from harness.pipelines.accept import accept
from harness.pipelines.check import Judging, check_grid
from harness.report.screen.night import night_text
from harness.report.screen.verdicts import screen_text
from harness.report.verdicts.sections import Section
from tests.pipelines.made_up import GOOD, GRID, Night

RATES = ", ".join(f"{rate}e-5" for rate in range(1, 13))
WIDE = GRID.replace("seed = [", f"learning_rate = [{RATES}]\nseed = [")


def measure(night: Night, day: int, number: int, down: int = 0, versions: str = "5.23.0", every: bool = False) -> None:
    """24 configurations; `down` fewer right answers of one of them, or of all."""
    for at, cell in enumerate(night.grid.cells()):
        is_down = every or (cell.precision == "bf16" and cell.recipe.get("learning_rate") == 3e-5)
        # Luck of its own for each configuration, so that a pair is no copy and no five runs are equal.
        own = RATES.index(f"{cell.recipe['learning_rate'] * 1e5:.0f}e-5")
        luck = (cell.seed * (3 if cell.precision == "bf16" else 1) + own) % 4 - 1
        night.put(
            cell, GOOD[cell.seed] - is_down * down + luck, measurement=number, packages={"transformers": versions},
            started=f"2026-11-{day:02d}T02:{at // 60:02d}:{at % 60:02d}.000Z",
        )  # fmt: skip


def section(night: Night) -> Section:
    asked = Judging()
    return check_grid(night.grid, night.store, asked).section(asked, "harness check night.toml")


def lines(text: str, most: int) -> list[str]:
    found = text.split("\n")
    assert len(found) <= most, text
    assert max(map(len, found)) <= 80, text
    return found


@pytest.fixture(autouse=True)
def here(night: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path has no place to break: typed where the grid lies, commands are short."""
    monkeypatch.chdir(night.folder)


@pytest.fixture
def wide(night: Night) -> Night:
    night.write(WIDE)
    measure(night, 20, 1)
    night.means(run="2026-11-21T02:00:00.000Z")
    return night


def test_all_green_is_15_lines(wide: Night) -> None:
    found = section(wide)
    assert len(found.verdicts) == 24 + 24 + 12
    assert found.code == 0
    text = screen_text(found)
    shown = lines(text, 15)
    assert shown[0] == "PASS  night: 60 of 60 verdicts pass"
    assert "nearest to its margin of 12: " in text
    assert shown[-1] == f"60 passed{'exit 0':>71}"


def test_one_fail_in_24_is_25_lines_that_say_all(wide: Night) -> None:
    measure(wide, 21, 2, down=22, versions="5.24.0")
    found = section(wide)
    red = [one for one in found.verdicts if one.is_red()]
    assert {one.subject.label for one in red} == {"embedded/tiny-bert · bf16 · learning_rate=3e-05"}
    text = screen_text(found)
    shown = lines(text, 25)
    # Configuration and size, in the first lines.
    assert shown[0].startswith("FAIL  night: bf16 · learning_rate=")
    assert re.search(r"accuracy 7\d\.\d+, published 86\.00, margin 3\.5: -\d+\.\d+ \[", text)
    # Since when, and the cause.
    assert "since tonight; last good 2026-11-20 02:" in text
    assert "transformers 5.23.0 -> 5.24.0" in text
    assert "recipe, data, weights, machine: same" in " ".join(text.split())
    # What passed, the exit code, and what to do next.
    assert re.search(r"PASS  5\d: quality 23, ", text)
    assert not re.search(r"^FAIL  \d+: ", text, re.MULTILINE), "what is red is told once"
    (identity,) = re.findall(r"look    harness why ([0-9a-f]{4,})", text)
    assert any(one.id.startswith(identity) for one in red)
    again = "again harness run night.toml --fresh -s precision=bf16 -s learning_rate=3e-05"
    assert again in " ".join(text.replace("\\\n", " ").split())
    assert shown[[line.endswith("exit 1") for line in shown].index(True)].startswith(f"{len(red)} failed, ")


def test_24_fails_are_25_lines_and_what_is_left_out_is_counted(wide: Night) -> None:
    measure(wide, 21, 2, down=22, every=True)
    found = section(wide)
    assert sum(one.is_red() for one in found.verdicts) == 24
    text = screen_text(found)
    lines(text, 25)
    assert re.search(r"and 2\d more: quality 2\d \(all: -v\)", text)


def test_a_run_under_way_is_told_however_much_is_red(wide: Night, monkeypatch: pytest.MonkeyPatch) -> None:
    measure(wide, 21, 2, down=22, every=True)
    monkeypatch.setattr(type(wide.store), "is_running", lambda _: True)
    found = section(wide)
    text = screen_text(found)
    lines(text, 25)
    assert found.code == 1
    assert "running" in " ".join(text.split("\n")[1:6])


def test_what_is_missing_is_told_with_the_command_that_measures_it(night: Night) -> None:
    night.fill()
    night.put(night.grid.cells()[0], None, "failed", measurement=2)
    night.means()
    found = section(night)
    text = screen_text(found)
    lines(text, 25)
    assert text.startswith("ERROR  night: fp32: 5 of 5 cells have no score: ")
    assert re.search(r"again   harness run \S*", text)
    assert "--fresh" not in text
    assert "last good 2026-11-22 10:01" in text


def test_what_was_edited_is_looked_at_first_and_not_run_again(night: Night) -> None:
    night.fill()
    night.means()
    accept(night.grid, night.store, (), None, "a note", None)
    text = night.grid.path.read_text(encoding="utf-8")
    night.write(text.replace("[matrix]", "learning_rate = 3e-4\n[matrix]"))
    night.fill(dict.fromkeys(GOOD, 70), measurement=2)
    night.means()
    found = section(night)
    shown = screen_text(found)
    lines(shown, 25)
    edited = next(one for one in found.verdicts if one.reason.code == "baseline.missing_other")
    assert re.search(rf"look    harness why {edited.id[:4]}", shown)
    assert re.search(r"accept  harness accept \S*night\.toml", shown)
    assert "or      put back in the grid what was accepted" in shown
    assert "again " not in shown


def test_other_data_may_be_put_back(night: Night) -> None:
    night.fill()
    night.means()
    accept(night.grid, night.store, (), None, "a note", None)
    night.fill(content_id="c1", measurement=2)
    night.content = "c1"
    shown = screen_text(section(night))
    lines(shown, 25)
    assert "or      put back the content that was accepted" in shown


def test_why_nothing_was_judged_is_said_once_and_whole(night: Night) -> None:
    night.write(GRID.partition("[[reference]]")[0].replace(', "bf16"', ""))
    night.fill()
    night.means()
    shown = " ".join(screen_text(section(night)).split())
    assert shown.count('says so: [quality] references = "none")') == 1
    assert "who means to …" not in shown


def test_a_night_shows_the_same_screen(wide: Night) -> None:
    found = section(wide)
    assert night_text([found], 0, "41 min").split("\n")[-1] == f"60 passed in 41 min{'exit 0':>61}"
    both = night_text([found, found], 0, "41 min")
    assert both.count("PASS  night: 60 of 60 verdicts pass") == 2
    assert both.split("\n")[-1] == "120 judgements: 120 PASS, in 41 min: exit 0"
