"""`harness why`, and what `check` shows and keeps for it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.cli.made_up_nights import BF16, FILE, GRID, Make, Night, kept


@pytest.fixture
def fallen(harness: Make, night: Night) -> Night:
    """Accepted on one day, and worse on the next."""
    night.write(GRID.replace(', "bf16"', "").replace('"fp32"', '"bf16"'))
    night.measure()
    harness("accept", "night.toml", "--note", "well")
    night.measure(more=24, measurement=2, day=27, bits="other")
    return night


def verdicts(harness: Make) -> list[dict[str, Any]]:
    found = json.loads(harness("check", "night.toml", "--json")[1])["verdicts"]
    assert isinstance(found, list)
    return found


def test_why_has_the_evidence_of_the_verdict_that_check_names(harness: Make, fallen: Night) -> None:
    code, screen, _ = harness("check", "night.toml")
    assert (code, "p_tost" in screen) == (1, False)
    fallen_so = next(one for one in verdicts(harness) if one["outcome"] == "FAIL")
    assert f"look    harness why {fallen_so['id'][:4]}" in screen
    code, out, _ = harness("why", fallen_so["id"][:4])
    assert code == 0
    for text in ("p_tost", "By seed, accuracy", "Since 2026-11-27 00:06; last good 2026-11-26 00:01", "log.txt"):
        assert text in out, text
    assert out.rstrip().endswith("1 judgement: 1 FAIL")
    assert harness("check", "night.toml", "-v")[1].count("p_tost") >= 1


@pytest.mark.parametrize(("name", "said"), [("ffffff", "begins so; allowed "), ("abc", "allowed 4 or more digits")])
def test_an_unknown_id_is_exit_2(harness: Make, fallen: Night, name: str, said: str) -> None:
    code, _, err = harness("why", name)
    assert (code, "nothing was checked yet" in err or said in err) == (2, True)
    harness("check", "night.toml")
    code, _, err = harness("why", name)
    assert (code, said in err) == (2, True)


def test_what_is_red_is_written_as_an_issue_and_nothing_on_a_good_night(harness: Make, fallen: Night) -> None:
    harness("check", "night.toml", "--issue", "i.md")
    assert (
        Path("i.md")
        .read_text(encoding="utf-8")
        .startswith(
            "## FAIL, baseline: embedded/tiny-bert against the accepted file"  # the one configuration: nothing varies
        )
    )
    fallen.measure(measurement=3, day=28)
    assert harness("check", "night.toml", "--issue", "i.md")[0] == 0
    assert Path("i.md").read_text(encoding="utf-8") == ""


def test_the_command_that_check_names_accepts_that_configuration_alone(harness: Make, night: Night) -> None:
    night.measure()
    assert harness("accept", "night.toml", "--note", "well")[0] == 0
    night.measure(night.cells("fp32"), measurement=2, day=27)
    night.measure(night.cells("bf16"), more=24, measurement=2, day=27, bits="other")
    before = kept()
    identity = next(one["id"] for one in verdicts(harness) if one["outcome"] == "FAIL" and one["check"] == "baseline")
    code, out, _ = harness("accept", "night.toml", "--only", identity[:6], "--note", "known")
    assert code == 0
    assert f"{BF16}: 82.92 -> 72.42 over 5 runs (-10.50)" in out
    assert kept()["configurations"][0]["seeds"] == before["configurations"][0]["seeds"]
    assert kept()["configurations"][1]["seeds"] != before["configurations"][1]["seeds"]
    code, _, err = harness("accept", "night.toml", "--only", "0000", "--note", "x")
    assert (code, '--only: got "0000"; allowed ' in err) == (2, True)


def test_an_acceptance_wants_a_note_and_says_what_it_changes(harness: Make, night: Night) -> None:
    night.measure()
    assert harness("accept", "night.toml")[0] == 2
    code, _, err = harness("accept", "night.toml", "--note", " ")
    assert (code, FILE.exists()) == (2, False)
    assert '--note: got " "; allowed a sentence that says why' in err
    assert f"{BF16}: new, 82.92 over 5 runs" in harness("accept", "night.toml", "--note", "first")[1]
    assert f"{BF16}: the very runs that were accepted already" in harness("accept", "night.toml", "--note", "again")[1]


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"[]", b'{"schema": 2, "kind": "harness-check", "verdicts": 3}'])
def test_a_file_that_check_did_not_write_is_named(harness: Make, fallen: Night, content: bytes) -> None:
    harness("check", "night.toml")
    path = Path("results/night/check.json")
    assert path.is_file()
    path.write_bytes(content)
    code, _, err = harness("why", "abcd")
    assert (code, err.startswith("error: results/night/check.json: ")) == (2, True)
