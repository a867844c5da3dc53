"""Waivers: what they cover, until when, and that a wrong one names its field."""

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from harness.checks.verdict import Check
from harness.grid.waivers import CHECKS, Waiver, waiver_problems
from harness.validation import explain

Make = Callable[..., Any]
LAST = datetime.date(2026, 12, 31)
NEXT = datetime.date(2027, 1, 1)
SOUND = {
    "configuration": "minilm · bf16",
    "check": "quality",
    "issue": "huggingface/transformers#47688",
    "bound": 3.0,
    "reason": "upstream defect, see #47688",
    "author": "Ada",
    "expires": "2026-12-31",
}


def waiver(**changes: Any) -> Waiver:
    return Waiver.model_validate({**SOUND, **changes})


def problem(**changes: Any) -> str:
    try:
        waiver(**changes)
    except ValidationError as error:
        (line,) = explain(error, Waiver, "g.toml")
        return line
    return ""


def test_every_check_of_a_grid_can_be_waived() -> None:
    assert set(CHECKS) == set(get_args(Check)) - {"diff", "selftest", "bisect"}


def test_it_holds_on_its_last_day_and_not_after() -> None:
    one = waiver()
    assert one.expires == LAST
    assert (one.void(LAST), one.void(NEXT)) == (False, True)


def test_an_issue_on_github_has_one_name() -> None:
    for issue in ("a/b#7", "https://github.com/a/b/issues/7", "https://github.com/a/b/pull/7#discussion_r1"):
        assert waiver(issue=issue).issue_id == "a/b#7"
    assert waiver(issue="https://tracker.example/T-7").issue_id == "https://tracker.example/T-7"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"expires": "31.12.2026"}, 'expires: got "31.12.2026"; allowed a day as text, such as "2026-12-31"'),
        ({"expires": "20261231"}, 'expires: got "20261231"; allowed a day'),
        ({"expires": "2026-W53-4"}, "expires: got"),
        ({"expires": "2026-02-30"}, 'expires: got "2026-02-30"; allowed a day'),
        ({"expires": "2026-12-31T00:00"}, "expires: got"),
        ({"expires": "٢٠٢٦-12-31"}, "expires: got"),
        ({"expires": 20261231}, "expires: got 20261231; allowed a day"),
        (
            {"check": "qualty"},
            'check: got "qualty"; allowed quality, parity, comparison, stability, baseline, speed, fidelity, '
            "reproducibility, invariants; did you mean quality?",
        ),
        ({"reason": ""}, 'reason: got ""; allowed 1 to 300'),
        ({"author": "  "}, "author: got"),
        ({"configuration": 3}, "configuration: got 3; allowed text in quotes"),
        ({"until": "x"}, 'until: got "x"; not a key here; allowed check, configuration, item, issue, bound, '),
        ({"issue": "47688"}, 'issue: got "47688"; allowed a URL or OWNER/REPOSITORY#NUMBER'),
        ({"issue": "#7"}, 'issue: got "#7"; allowed'),
        ({"issue": "http://x"}, 'issue: got "http://x"; allowed'),
        ({"bound": 0}, "bound: got 0; allowed a value > 0"),
        ({"bound": "3"}, 'bound: got "3"; allowed a number'),
        ({"bound": None}, 'bound: missing; it is required with check "quality", points'),
        ({"configuration": None}, 'configuration: missing; it is required with check "quality"'),
        ({"check": "stability", "bound": 20}, "bound: got 20.0; allowed a fraction of the runs, at most 1"),
        ({"check": "invariants", "bound": 0.25}, "bound: got 0.25; allowed a ratio of 1 or more, either way"),
    ],
)
def test_a_wrong_waiver_names_its_field(changes: dict[str, Any], said: str) -> None:
    assert problem(**changes).startswith(f"g.toml: {said}")


def test_a_date_is_taken_as_it_is_but_no_time() -> None:
    assert waiver(expires=LAST).expires == LAST
    assert "expires" in problem(expires=datetime.datetime(2026, 12, 31, tzinfo=datetime.UTC))


def test_what_is_always_required() -> None:
    for name in ("check", "issue", "reason", "author", "expires"):
        with pytest.raises(ValidationError) as caught:
            Waiver.model_validate({key: value for key, value in SOUND.items() if key != name})
        assert explain(caught.value, Waiver, "g.toml") == [f"g.toml: {name}: missing; it is required"]


def test_of_verify_neither_a_bound_nor_a_configuration_is_required() -> None:
    of_runs = waiver(check="reproducibility", configuration=None, bound=None, item="final weights")
    assert (of_runs.bound, of_runs.configuration) == (None, None)


def test_two_waivers_of_one_check_are_refused_also_by_label_and_id(cell_of: Make) -> None:
    cell = cell_of(axes={"precision": "fp32"})
    twice = [waiver(configuration=cell.configuration_label), waiver(configuration=cell.configuration_id)]
    (line,) = waiver_problems(twice, [cell], "g.toml: waiver")
    said = f'got "{cell.configuration_id}" again for check "quality"; allowed once a check and item'
    assert line == f"g.toml: waiver[1].configuration: {said}"
    other = [twice[0], waiver(configuration=cell.configuration_id, check="stability", bound=0.4)]
    assert list(waiver_problems(other, [cell], "g.toml: waiver")) == []
    f1 = [twice[0], waiver(configuration=cell.configuration_id, item="f1")]
    assert list(waiver_problems(f1, [cell], "g.toml: waiver")) == []


def test_two_of_one_check_of_verify_differ_by_item_or_issue() -> None:
    whole = waiver(check="invariants", configuration=None)
    other = waiver(check="invariants", configuration=None, issue="a/b#1")
    item = waiver(check="invariants", configuration=None, item="devices")
    assert list(waiver_problems([whole, other, item], [], "g.toml: waiver")) == []
    (line,) = waiver_problems([whole, whole], [], "g.toml: waiver")
    assert line == 'g.toml: waiver[1].check: got "invariants" again for the same; allowed once a check and item'
